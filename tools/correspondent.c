// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * correspondent: whom our users write to. `add -` is for a tail of a log: it follows standard input
 * for as long as that lasts, names and lines of a Postfix log alike.
 */
#include <errno.h>
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

static int request(struct cli *cli, bool add, const char *name, const char *life, json_t **ret)
{
	json_t *args;

	if (!cli_utf8(name) || (life && !cli_utf8(life)))
		return CLI_FAILED;
	args = json_pack("{s:s, s:s*}", "name", name, "for", life);
	return cli_ask(cli, add ? "correspondent-add" : "correspondent-del", args, NULL, NULL, ret);
}

static int change(struct cli *cli, bool add, const char *name, const char *life)
{
	json_t *s = NULL;
	int rc = request(cli, add, name, life, &s);

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

struct feed {
	unsigned long lines, added, refused, passed_over;
};

/* What a line names, one after the other. */
static void feed_line(struct cli *cli, char *line, size_t len, const char *life, struct feed *f)
{
	const char *text = line + strspn(line, " \t\r\n");
	char *names[CORRESPONDENT_NAMES];
	bool other = *text && *text != '#', whole = strlen(line) == len;
	int count = whole ? correspondent_names(line, names) : 0;

	if (!whole) {
		cli_complain("a NUL byte; what is read has to be text");
		f->refused++;
	} else {
		f->passed_over += other && !count;
	}
	for (int i = 0; i < count; i++) {
		int rc = request(cli, true, names[i], life, NULL);

		*(rc ? &f->refused : &f->added) += 1;
	}
}

/* A line that is refused is one less: what follows it may be good. */
static int feed(struct cli *cli, const char *life)
{
	char *line = NULL, where[40];
	struct feed f = {0};
	size_t size = 0;
	ssize_t len;

	cli_where(where);
	while ((len = getline(&line, &size, stdin)) > 0) {
		snprintf(where, sizeof(where), "line %lu: ", ++f.lines);
		feed_line(cli, line, (size_t)len, life, &f);
	}
	cli_where("");
	free(line);
	if (ferror(stdin))
		cli_complain("standard input cannot be read to its end: %s", strerror(errno));
	if (cli->json)
		printf("{\"added\":%lu,\"failed\":%lu,\"passed_over\":%lu,\"lines\":%lu}\n",
		       f.added, f.refused, f.passed_over, f.lines);
	else
		printf("%lu added or renewed, %lu refused, %lu of %lu lines passed over\n", f.added,
		       f.refused, f.passed_over, f.lines);
	return f.refused || ferror(stdin) ? CLI_FAILED : CLI_DONE;
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
