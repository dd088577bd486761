// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * correspondent: whom our users write to. `add -` is for a tail of a log: it follows standard input
 * for as long as that lasts, names and lines of a Postfix log alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "correspondent.h"

static bool print_correspondent(const json_t *row, void *arg)
{
	char name[300], when[FORMAT_TEXT];
	const uint64_t *now = arg;

	printf("%-50s %-7s ends %s\n", format_safe(row_str(row, "name"), 0, name, sizeof(name)),
	       row_str(row, "kind"), format_when(row_num(row, "expires"), *now, when));
	return true;
}

static json_t *request(const char *name, const char *life)
{
	json_t *args = json_pack("{s:s}", "name", name);

	if (life)
		json_object_set_new(args, "for", json_string(life));
	return args;
}

static int change(struct cli *cli, bool add, const char *name, const char *life)
{
	json_t *s = NULL;
	int rc = cli_ask(cli, add ? "correspondent-add" : "correspondent-del", request(name, life),
			 NULL, NULL, &s);

	if (rc)
		return rc;
	if (cli->json)
		cli_print_json(s, NULL);
	else
		printf("%s: %s\n", row_str(s, "name"),
		       add ? "is a correspondent now" : "no correspondent any more");
	json_decref(s);
	return CLI_DONE;
}

/* What a line names, one after the other. */
static int feed(struct cli *cli, const char *life)
{
	char *line = NULL, *names[CORRESPONDENT_NAMES];
	unsigned long added = 0, failed = 0;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		int count = correspondent_names(line, names);

		for (int i = 0; i < count; i++) {
			int rc = cli_ask(cli, "correspondent-add", request(names[i], life), NULL,
					 NULL, NULL);

			*(rc ? &failed : &added) += 1;
		}
	}
	free(line);
	if (cli->json)
		printf("{\"added\":%lu,\"failed\":%lu}\n", added, failed);
	else
		printf("%lu added or renewed, %lu refused\n", added, failed);
	return failed && !added ? CLI_FAILED : CLI_DONE;
}

int cmd_correspondent(struct cli *cli, int argc, char **argv)
{
	const char *words[2] = {NULL, NULL}, *life = NULL;
	const struct cli_option options[] = {{"--for", &life, NULL}, {NULL, NULL, NULL}};
	int n = cli_parse(cli, argc, argv, options, 1, 2, words);
	uint64_t now = (uint64_t)time(NULL);
	bool add;

	if (n < 0)
		return CLI_USAGE;
	if (!strcmp(words[0], "list") && n == 1 && !life)
		return cli_ask(cli, "correspondent-list", NULL,
			       cli->json ? cli_print_json : print_correspondent, &now, NULL);
	add = !strcmp(words[0], "add");
	if (n != 2 || (!add && (strcmp(words[0], "del") != 0 || life))) {
		cli_complain("correspondent: one of: correspondent add NAME|- [--for D], "
			     "correspondent del NAME, correspondent list");
		return CLI_USAGE;
	}
	if (add && !strcmp(words[1], "-"))
		return feed(cli, life);
	return change(cli, add, words[1], life);
}
