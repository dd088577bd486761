// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cli.h"

int cmd_reload(struct cli *cli, int argc, char **argv)
{
	json_t *s = NULL, *one;
	char safe[400];
	size_t i;
	int rc;

	if (cli_parse(cli, argc, argv, NULL, 0, 0, NULL) < 0)
		return CLI_USAGE;
	rc = cli_ask(cli, "reload", NULL, NULL, NULL, &s);
	if (rc)
		return rc;
	if (cli->json)
		cli_print_json(s, NULL);
	else
		puts("the new configuration is in force");
	json_array_foreach(json_object_get(s, "problems"), i, one)
		fprintf(stderr, "greygate: %s\n",
			format_safe(json_string_value(one), 0, safe, sizeof(safe)));
	json_decref(s);
	return CLI_DONE;
}
