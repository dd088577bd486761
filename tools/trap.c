// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cli.h"

static bool print_trap(const json_t *row, void *arg)
{
	char address[300];

	(void)arg;
	printf("%-50s %s\n", format_safe(row_str(row, "address"), 0, address, sizeof(address)),
	       *row_str(row, "origin") == 'c' ? "configuration" : "greygate trap add");
	return true;
}

int cmd_trap(struct cli *cli, int argc, char **argv)
{
	const char *words[2] = {NULL, NULL};
	int n = cli_parse(cli, argc, argv, NULL, 1, 2, words), rc;
	json_t *s = NULL;
	char command[16];

	if (n < 0)
		return CLI_USAGE;
	if (!strcmp(words[0], "list") && n == 1)
		return cli_ask(cli, "trap-list", NULL, cli->json ? cli_print_json : print_trap,
			       NULL, NULL);
	if ((strcmp(words[0], "add") != 0 && strcmp(words[0], "del") != 0) || n != 2) {
		cli_complain("trap: one of: trap add ADDRESS, trap del ADDRESS, trap list");
		return CLI_USAGE;
	}
	if (!cli_utf8(words[1]))
		return CLI_FAILED;
	snprintf(command, sizeof(command), "trap-%s", words[0]);
	rc = cli_ask(cli, command, json_pack("{s:s}", "address", words[1]), NULL, NULL, &s);
	if (rc)
		return rc;
	if (cli->json)
		cli_print_json(s, NULL);
	else
		printf("%s: %s\n", words[1],
		       words[0][0] == 'a' ? "is a trap now" : "no trap any more");
	json_decref(s);
	return CLI_DONE;
}
