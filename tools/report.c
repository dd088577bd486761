// SPDX-License-Identifier: GPL-2.0-or-later
/* report: the figures of `greygate replay` from what the daemon knows. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define DOMAINS 15 /* printed for people; --json has all */

static bool collect(const json_t *row, void *rows)
{
	return json_array_append(rows, (json_t *)row) == 0;
}

/* "-" where nothing has passed. */
static void print_delays(const json_t *row)
{
	static const char *const keys[] = {"p50", "p90", "p99", "max"};
	char text[FORMAT_TEXT];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		printf(" %6s", row_num(row, "mails") > row_num(row, "never_passed") +
							       row_num(row, "learned")
				       ? format_short(row_num(row, keys[i]), text)
				       : "-");
	putchar('\n');
}

static void print_figures(const char *name, const json_t *row)
{
	printf("%-10s %7" PRIu64 " %8" PRIu64 " %7" PRIu64 " %7" PRIu64 " %6" PRIu64, name,
	       row_num(row, "mails"), row_num(row, "deferred"), row_num(row, "passed"),
	       row_num(row, "never_passed"), row_num(row, "not_retried"));
	print_delays(row);
}

static void print_classes(const json_t *rows, const json_t *all)
{
	json_t *row;
	size_t i;

	printf("%s%-10s %7s %8s %7s %7s %6s %6s %6s %6s %6s%s\n", format_colour('b'), "class",
	       "mails", "deferred", "passed", "never", "once", "p50", "p90", "p99", "max",
	       format_colour('0'));
	json_array_foreach(rows, i, row)
	{
		if (!strcmp(row_str(row, "kind"), "class"))
			print_figures(row_str(row, "class"), row);
	}
	print_figures("all", all);
}

static void print_domains(const json_t *rows, const char *kind, const char *title)
{
	bool learned = !strcmp(kind, "learned");
	size_t i, count = 0;
	char name[80];
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		if (strcmp(row_str(row, "kind"), kind) != 0 || ++count > DOMAINS)
			continue;
		if (count == 1 && learned)
			printf("\n%s%-34s %8s%s\n", format_colour('b'), title, "mails",
			       format_colour('0'));
		else if (count == 1)
			printf("\n%s%-34s %8s %7s %6s %6s %6s %6s%s\n", format_colour('b'), title,
			       "mails", "never", "p50", "p90", "p99", "max", format_colour('0'));
		printf("%-34s %8" PRIu64,
		       format_safe(row_str(row, "domain"), 34, name, sizeof(name)),
		       row_num(row, "mails"));
		if (learned) {
			putchar('\n');
			continue;
		}
		printf(" %7" PRIu64, row_num(row, "never_passed"));
		print_delays(row);
	}
	if (count > DOMAINS)
		printf("and %zu more, see --json\n", count - DOMAINS);
}

static void print(const json_t *rows, const json_t *s)
{
	const json_t *all = json_object_get(s, "summary"),
		     *start = json_object_get(s, "since_start");
	uint64_t now = (uint64_t)time(NULL), since = row_num(s, "since");
	char text[100];

	if (since)
		printf("mail first seen since %s\n", format_time(since, now, text, sizeof(text)));
	else
		puts("all mail that is remembered");
	print_classes(rows, all);
	if (row_num(all, "learned"))
		printf("\nlearn mode let %" PRIu64 " of them through that would have waited\n",
		       row_num(all, "learned"));
	print_domains(rows, "learned", "learned, by recipient domain");
	print_domains(rows, "recipient_domain", "recipient domain");
	print_domains(rows, "domain", "sender domain");
	printf("\nforgotten since the start, %s:\n",
	       format_time(row_num(start, "started"), now, text, sizeof(text)));
	printf("  %8" PRIu64 " never retried\n  %8" PRIu64 " retried, but not after their delay\n"
	       "besides\n  %8" PRIu64 " retried late, after the window\n  %8" PRIu64
	       " sessions denied\n",
	       row_num(start, "never_retried"), row_num(start, "gave_up"), row_num(start, "late"),
	       row_num(start, "denied"));
}

int cmd_report(struct cli *cli, int argc, char **argv)
{
	json_t *rows = json_array(), *s = NULL, *args = json_object();
	const char *since = NULL;
	const struct cli_option options[] = {{"--since", &since, NULL}, {NULL, NULL, NULL}};
	int rc;

	if (cli_parse(cli, argc, argv, options, 0, 0, NULL) < 0) {
		json_decref(rows);
		json_decref(args);
		return CLI_USAGE;
	}
	if (since)
		json_object_set_new(args, "since", json_string(since));
	rc = cli_ask(cli, "report", args, collect, rows, &s);
	if (!rc && cli->json) {
		json_object_del(s, "done");
		json_object_set(s, "rows", rows);
		cli_print_json(s, NULL);
	} else if (!rc) {
		print(rows, s);
	}
	json_decref(rows);
	json_decref(s);
	return rc;
}
