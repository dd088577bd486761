// SPDX-License-Identifier: GPL-2.0-or-later
/* list and export. Rows are printed as they come; on a terminal they are cut to its width. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

struct table {
	uint64_t now;
	int width; /* 0: rows are not cut */
	bool head; /* the heading was printed */
};

/* Room for the last text of a row whose other columns take `used`. */
static int room(const struct table *t, int used)
{
	return !t->width ? 0 : t->width - used > 8 ? t->width - used : 8;
}

static void heading(struct table *t, const char *line)
{
	if (!t->head)
		printf("%s%s%s\n", format_colour('b'), line, format_colour('0'));
	t->head = true;
}

static bool print_verdict(const json_t *row, void *arg)
{
	struct table *t = arg;
	char expires[FORMAT_TEXT], seen[FORMAT_TEXT], reason[256];
	const char *what = *row_str(row, "idle") ? "idle" : row_str(row, "action");

	heading(t, "SOURCE               VERDICT   BY        EXPIRES   LAST SEEN  HITS  REASON");
	printf("%-20s %-9s %-9s %-9s %-9s %5" PRIu64 "  %s\n", row_str(row, "prefix"),
	       *what ? what : row_str(row, "verdict"), row_str(row, "origin"),
	       format_when(row_num(row, "expires"), t->now, expires),
	       format_when(row_num(row, "last_seen"), t->now, seen), row_num(row, "hits"),
	       format_safe(row_str(row, "reason"), room(t, 68), reason, sizeof(reason)));
	return true;
}

static bool print_grey(const json_t *row, void *arg)
{
	struct table *t = arg;
	char ready[FORMAT_TEXT], from[256], to[256];
	int half = room(t, 46) / 2;

	heading(t, "SOURCE           READY     TRIES TICKET        FROM -> TO");
	printf("%-16s %-9s %5" PRIu64 " %-13s %s -> %s\n", row_str(row, "source"),
	       row_num(row, "ready") > t->now ? format_when(row_num(row, "ready"), t->now, ready)
					      : "now",
	       row_num(row, "attempts"), row_str(row, "ticket"),
	       format_safe(row_str(row, "from"), half - 2, from, sizeof(from)),
	       format_safe(row_str(row, "to"), half - 2, to, sizeof(to)));
	return true;
}

static bool print_passed(const json_t *row, void *arg)
{
	struct table *t = arg;
	char last[FORMAT_TEXT], from[256], to[256];
	int half = room(t, 46) / 2;

	heading(t, "SOURCE           LAST      MAILS TICKET        FROM -> TO");
	printf("%-16s %-9s %5" PRIu64 " %-13s %s -> %s\n", row_str(row, "source"),
	       format_when(row_num(row, "last"), t->now, last), row_num(row, "passed"),
	       row_str(row, "ticket"),
	       format_safe(row_str(row, "from"), half - 2, from, sizeof(from)),
	       format_safe(row_str(row, "to"), half - 2, to, sizeof(to)));
	return true;
}

static const struct {
	const char *name;
	cli_row_fn print;
} lists[] = {
	{"allow", print_verdict}, {"deny", print_verdict}, {"grey", print_grey},
	{"passed", print_passed}, {"trap", print_verdict}, {"learned", print_verdict},
};

int cmd_list(struct cli *cli, int argc, char **argv)
{
	struct table t = {.now = (uint64_t)time(NULL), .width = format_width()};
	const char *what;

	if (cli_parse(cli, argc, argv, NULL, 1, 1, &what) < 0)
		return CLI_USAGE;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (!strcmp(lists[i].name, what))
			return cli_ask(cli, "list", json_pack("{s:s}", "what", what),
				       cli->json ? cli_print_json : lists[i].print, &t, NULL);
	}
	cli_complain("there is no list \"%s\": one of allow, deny, grey, passed, trap, learned",
		     what);
	return CLI_USAGE;
}

int cmd_export(struct cli *cli, int argc, char **argv)
{
	if (cli_parse(cli, argc, argv, NULL, 0, 0, NULL) < 0)
		return CLI_USAGE;
	return cli_ask(cli, "export", NULL, cli_print_json, NULL, NULL);
}
