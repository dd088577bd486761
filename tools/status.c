// SPDX-License-Identifier: GPL-2.0-or-later
#include <greygate/types.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../userspace/counters.h"
#include "cli.h"

struct counter_words {
	const char *name, *words;
};

static const struct counter_words daemon_words[] = {
#define X(name, words) {#name, words},
	COUNTERS(X)
#undef X
};

static const struct counter_words kernel_words[] = {
#define X(name, words) {#name, words},
	GG_STATS (X)
#undef X
};

#define INDENT 12 /* of what is said, behind what it is about */

/* "" in the first column: more of what stands above. colour: as of format_colour. */
static void print_text(const char *name, char colour, const char *text)
{
	const size_t size = text ? strlen(text) + 1 : 1;
	char *safe = malloc(size);

	if (!safe)
		return;
	printf("  %-10s%s", name, format_colour(colour));
	format_wrap(format_safe(text, 0, safe, size), INDENT, INDENT + 2);
	printf("%s\n", format_colour('0'));
	free(safe);
}

static void print_list(const char *name, const json_t *list)
{
	char *text = NULL;
	size_t i, size;
	json_t *item;
	FILE *f;

	if (!json_array_size(list))
		return;
	f = open_memstream(&text, &size);
	if (!f)
		return;
	json_array_foreach(list, i, item)
		fprintf(f, "%s%s", i ? ", " : "", json_string_value(item));
	if (!fclose(f))
		print_text(name, '0', text);
	free(text);
}

static void print_kernel(const json_t *kernel)
{
	const json_t *interfaces = json_object_get(kernel, "interfaces"), *one;
	const json_t *missing = json_object_get(kernel, "missing");
	char why[300];
	size_t i;

	snprintf(why, sizeof(why), "not loaded: %s", row_str(kernel, "why"));
	if (!json_is_true(json_object_get(kernel, "loaded")))
		print_text("kernel", '0', why);
	else if (!json_array_size(interfaces))
		print_text("kernel", '0', row_str(kernel, "why"));
	json_array_foreach(interfaces, i, one)
		printf("  %-10s%s: %s, %s\n", i ? "" : "kernel", row_str(one, "interface"),
		       row_str(one, "how"), row_str(one, "with"));
	json_array_foreach(missing, i, one)
		printf("  %-10s%s%s%s%s: %s%s\n", "", format_colour('r'), row_str(one, "interface"),
		       *row_str(one, "interface") ? ": " : "", row_str(one, "program"),
		       row_str(one, "state"), format_colour('0'));
}

static void print_store(const json_t *store)
{
	char size[FORMAT_TEXT];

	if (!json_is_true(json_object_get(store, "open"))) {
		printf("  %-10s%snone: what is learned is lost at the end%s\n", "store",
		       format_colour('r'), format_colour('0'));
		return;
	}
	printf("  %-10s%s in use; %" PRIu64 " grey, %" PRIu64 " passed, %" PRIu64
	       " verdicts, %" PRIu64 " traps\n",
	       "store", format_size(row_num(store, "bytes"), size), row_num(store, "grey"),
	       row_num(store, "passed"), row_num(store, "verdicts"), row_num(store, "traps"));
}

static void print_relief(const json_t *relief, uint64_t now)
{
	const json_t *entered = json_object_get(relief, "entered"), *times;
	const char *step, *colour = "";
	char when[FORMAT_TEXT];

	if (strcmp(row_str(relief, "step"), "none") != 0)
		colour = format_colour('r');
	printf("  %-10s%s%s%s", "relief", colour, row_str(relief, "step"),
	       *colour ? format_colour('0') : "");
	if (row_num(relief, "since"))
		printf(" since %s", format_when(row_num(relief, "since"), now, when));
	fputs("; entered", stdout);
	json_object_foreach((json_t *)entered, step, times)
		printf(" %s %" JSON_INTEGER_FORMAT, step, json_integer_value(times));
	putchar('\n');
}

static void print_upstream(const json_t *upstream)
{
	printf("  %-10s%" PRIu64 " of %" PRIu64 " connections open; strangers may use %" PRIu64
	       "\n",
	       "upstream", row_num(upstream, "open"), row_num(upstream, "max"),
	       row_num(upstream, "strangers_max"));
}

static void print_verify(const json_t *verify)
{
	const json_t *any = json_object_get(verify, "any"), *one;
	char safe[300];
	size_t i;

	if (!json_is_true(json_object_get(verify, "on"))) {
		printf("  %-10snot asked about beforehand\n", "mailboxes");
		return;
	}
	printf("  %-10s%" PRIu64 " known from the mail server\n", "mailboxes",
	       row_num(verify, "known"));
	json_array_foreach(any, i, one)
		printf("  %-10s%s: any is taken, so none is verified\n", "",
		       format_safe(json_string_value(one), 0, safe, sizeof(safe)));
}

static void print_listed(const char *name, const json_t *one)
{
	const char *from = row_str(one, "takes_from");
	char text[250];

	if (json_object_get(one, "takes_from") && !*from)
		from = "none, as no list stands before it";
	snprintf(text, sizeof(text), "%s: %s, %" PRIu64 " entries, %" PRIu64 " hits%s%s%s",
		 row_str(one, "name"), row_str(one, "format"), row_num(one, "entries"),
		 row_num(one, "hits"), *from ? "; takes from " : "", from,
		 row_num(one, "failed") ? "; not read, see problems" : "");
	print_text(name, '0', text);
}

static void print_lists(const json_t *lists)
{
	json_t *one;
	size_t i;

	json_array_foreach(lists, i, one) print_listed(i ? "" : "lists", one);
}

static void print_problems(const json_t *problems)
{
	size_t i;
	json_t *one;

	if (!json_array_size(problems))
		print_text("problems", 'g', "none");
	json_array_foreach(problems, i, one)
		print_text(i ? "" : "problems", 'r', json_string_value(one));
}

static void print_status(const json_t *s)
{
	const json_t *before = json_object_get(s, "before");
	char up[FORMAT_TEXT];

	printf("%sgreygated %s%s, mode %s, up %s, pid %" PRIu64 "%s\n", format_colour('b'),
	       row_str(s, "version"), format_colour('0'), row_str(s, "mode"),
	       format_duration(row_num(s, "uptime_s"), up), row_num(s, "pid"),
	       json_is_true(json_object_get(s, "draining")) ? ", draining" : "");
	if (before)
		printf("  %-10sprocess %" PRIu64 ", before the upgrade, drains %" PRIu64
		       " sessions\n",
		       "before", row_num(before, "pid"), row_num(before, "sessions"));
	print_list("listen", json_object_get(s, "listen"));
	print_list("protect", json_object_get(s, "protect"));
	print_list("backend", json_object_get(s, "backend"));
	print_list("offers", json_object_get(s, "backend_offers"));
	print_upstream(json_object_get(s, "upstream"));
	printf("  %-10s%" PRIu64 " of %" PRIu64 " open, %" PRIu64 " stuttering; %" PRIu64
	       " workers\n",
	       "sessions", row_num(s, "sessions"), row_num(s, "sessions_max"),
	       row_num(s, "stuttering"), row_num(s, "workers"));
	printf("  %-10s%" PRIu64 " of %" PRIu64 " in memory; %" PRIu64 " verdicts\n", "records",
	       row_num(s, "records"), row_num(s, "records_max"), row_num(s, "verdicts"));
	print_relief(json_object_get(s, "relief"), (uint64_t)time(NULL));
	print_verify(json_object_get(s, "verify"));
	print_kernel(json_object_get(s, "kernel"));
	print_store(json_object_get(s, "store"));
	print_lists(json_object_get(s, "lists"));
	print_problems(json_object_get(s, "problems"));
}

static void print_counters(const json_t *s, const struct counter_words *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (json_object_get(s, list[i].name))
			printf("%12" PRIu64 "  %-18s %s\n", row_num(s, list[i].name), list[i].name,
			       list[i].words);
	}
}

static void print_hits(const json_t *lists)
{
	json_t *one;
	size_t i;

	if (json_array_size(lists))
		printf("%slists%s\n", format_colour('b'), format_colour('0'));
	json_array_foreach(lists, i, one)
		printf("%12" PRIu64 "  %s\n", row_num(one, "hits"), row_str(one, "name"));
}

static void print_stats(const json_t *s)
{
	print_counters(s, daemon_words, sizeof(daemon_words) / sizeof(daemon_words[0]));
	if (json_object_get(s, kernel_words[0].name)) {
		printf("%skernel%s\n", format_colour('b'), format_colour('0'));
		print_counters(s, kernel_words, sizeof(kernel_words) / sizeof(kernel_words[0]));
	}
	print_hits(json_object_get(s, "lists"));
}

static int one_object(struct cli *cli, int argc, char **argv, void (*print)(const json_t *))
{
	json_t *summary = NULL;
	int rc;

	if (cli_parse(cli, argc, argv, NULL, 0, 0, NULL) < 0)
		return CLI_USAGE;
	rc = cli_ask(cli, argv[0], NULL, NULL, NULL, &summary);
	if (rc)
		return rc;
	json_object_del(summary, "done");
	if (cli->json)
		cli_print_json(summary, NULL);
	else
		print(summary);
	json_decref(summary);
	return CLI_DONE;
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
	return one_object(cli, argc, argv, print_status);
}

int cmd_stats(struct cli *cli, int argc, char **argv)
{
	return one_object(cli, argc, argv, print_stats);
}
