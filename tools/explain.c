// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

static bool collect(const json_t *row, void *rows)
{
	return json_array_append(rows, (json_t *)row) == 0;
}

/* "  name      value" unless there is none. */
static void line(const char *name, const char *value)
{
	if (*value)
		printf("  %-10s%s\n", name, value);
}

static void print_when(const char *name, const json_t *row, const char *key, uint64_t now)
{
	char text[100];

	if (json_object_get(row, key))
		line(name, format_time(row_num(row, key), now, text, sizeof(text)));
}

/* Its maps may be full: then it goes by something else, or leaves the client to the daemon. */
static void print_without_kernel(const json_t *s)
{
	const json_t *found = json_object_get(s, "kernel");
	char text[160];

	if (!found)
		return;
	if (!*row_str(found, "prefix"))
		snprintf(text, sizeof(text), "not in the map: it leaves the client to the daemon");
	else
		snprintf(text, sizeof(text), "not in the map: it goes by %s, %s%s%s",
			 row_str(found, "prefix"), row_str(found, "verdict"),
			 *row_str(found, "action") ? " with action " : "",
			 row_str(found, "action"));
	line("kernel", text);
}

static void print_verdict(const json_t *row, const json_t *s, uint64_t now)
{
	char reason[300], text[160], seen[FORMAT_TEXT];

	printf("%s%s: %s%s\n", format_colour('b'), row_str(row, "prefix"), row_str(row, "verdict"),
	       format_colour('0'));
	line("action", row_str(row, "action"));
	line("network", row_str(row, "network"));
	line("by", row_str(row, "origin"));
	line("reason", format_safe(row_str(row, "reason"), 0, reason, sizeof(reason)));
	if (row_num(row, "since"))
		print_when("since", row, "since", now);
	print_when("until", row, "expires", now);
	if (*row_str(row, "idle"))
		line("idle", "the address is a load balancer's, which is never judged");
	if (!json_is_true(json_object_get(row, "kernel"))) {
		print_without_kernel(s);
		return;
	}
	snprintf(text, sizeof(text), "%s, %" PRIu64 " connections, last seen %s",
		 json_is_true(json_object_get(row, "asks"))
			 ? "left to the daemon, for want of room for what lies within"
			 : "in the map",
		 row_num(row, "hits"), format_when(row_num(row, "last_seen"), now, seen));
	line("kernel", text);
}

/* "key value  (where it was set)": all keys, or those that section greylist does not set. */
static bool print_settings(const json_t *settings, const char *name, bool all)
{
	char from[400], text[600];
	bool some = false;
	json_t *row;
	size_t i;

	json_array_foreach(settings, i, row)
	{
		if (!all && !strcmp(row_str(row, "from"), "greylist"))
			continue;
		format_safe(row_str(row, "from"), 0, from, sizeof(from));
		snprintf(text, sizeof(text), "%-18s%-9s %s", row_str(row, "key"),
			 row_str(row, "value"), from);
		line(some ? "" : name, text);
		some = true;
	}
	return some;
}

static void print_record(const json_t *row, uint64_t now)
{
	char from[300], to[300], text[160];

	printf("%s%s: %s%s\n", format_colour('b'), row_str(row, "source"), row_str(row, "state"),
	       format_colour('0'));
	line("from", json_object_get(row, "from") && !*row_str(row, "from")
			     ? "<>"
			     : format_safe(row_str(row, "from"), 0, from, sizeof(from)));
	line("to", format_safe(row_str(row, "to"), 0, to, sizeof(to)));
	print_when("first", row, "first", now);
	print_when("last", row, "last", now);
	print_when("ready", row, "ready", now);
	print_when("until", row, "until", now);
	snprintf(text, sizeof(text), "%" PRIu64 ", passed %" PRIu64 ", class %s, identity %s",
		 row_num(row, "attempts"), row_num(row, "passed"), row_str(row, "class"),
		 row_str(row, "identity"));
	line("attempts", text);
	line("ticket", row_str(row, "ticket"));
	print_settings(json_object_get(row, "settings"), "settings", false);
}

static void print_source(const json_t *row, const json_t *s, uint64_t now)
{
	char last[FORMAT_TEXT];

	printf("%s%s: %" PRIu64
	       " distinct triplets passed%s, the last %s; allowed as a whole after "
	       "%" PRIu64 "\n",
	       format_colour('b'), row_str(row, "source"), row_num(row, "triplets"),
	       format_colour('0'), format_when(row_num(row, "last"), now, last),
	       row_num(s, "promote_after"));
}

static void print_network(const json_t *row, const json_t *s, uint64_t now)
{
	char last[FORMAT_TEXT];

	printf("%s%s: %" PRIu64 " of its addresses learned%s, the last %s; ", format_colour('b'),
	       row_str(row, "source"), row_num(row, "hosts"), format_colour('0'),
	       format_when(row_num(row, "last"), now, last));
	if (row_num(s, "promote_net_after"))
		printf("allowed as a whole after %" PRIu64 "\n", row_num(s, "promote_net_after"));
	else
		puts("never allowed as a whole");
}

static void print_list(const json_t *row)
{
	char what[300];

	printf("%s%s: %s%s by list %s, line %" PRIu64 "\n", format_colour('b'),
	       format_safe(row_str(row, "what"), 0, what, sizeof(what)), row_str(row, "verdict"),
	       format_colour('0'), row_str(row, "list"), row_num(row, "line"));
}

static const char *recipient_words(const char *state)
{
	static const struct {
		const char *state, *words;
	} recipients[] = {
		{"valid", "known to the mail server"},
		{"unknown", "unknown to the mail server"},
		{"asked", "being asked about"},
		{"unasked", "not asked about: too many waited"},
		{"unclear", "asked about without a clear answer"},
		{"any", "not asked about: any is taken in its domain"},
	};

	for (size_t i = 0; i < sizeof(recipients) / sizeof(recipients[0]); i++)
		if (!strcmp(state, recipients[i].state))
			return recipients[i].words;
	return NULL;
}

static void print_decision(const json_t *row)
{
	char from[120], to[120], helo[80], clock[16];
	time_t when = (time_t)row_num(row, "time");
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&when, &tm));
	printf("  %s %s %s (%s) <%s> -> <%s> helo %s\n", clock, row_str(row, "src"),
	       row_str(row, "verdict"), row_str(row, "reason"),
	       format_safe(row_str(row, "from"), 0, from, sizeof(from)),
	       format_safe(row_str(row, "to"), 0, to, sizeof(to)),
	       format_safe(row_str(row, "helo"), 0, helo, sizeof(helo)));
	if (recipient_words(row_str(row, "recipient")))
		printf("           recipient %s\n", recipient_words(row_str(row, "recipient")));
	printf("           name %s%s%s, SPF %s%s%s, lists %" JSON_INTEGER_FORMAT "\n",
	       row_str(row, "rdns"), *row_str(row, "name") ? " " : "",
	       format_safe(row_str(row, "name"), 0, from, sizeof(from)), row_str(row, "spf"),
	       *row_str(row, "spf_domain") ? " for " : "",
	       format_safe(row_str(row, "spf_domain"), 0, to, sizeof(to)),
	       json_integer_value(json_object_get(row, "list_score")));
	if (json_object_get(row, "list"))
		printf("           list %s, line %" PRIu64 "\n", row_str(row, "list"),
		       row_num(row, "line"));
}

static void print_kind(const json_t *rows, const char *kind, const json_t *s, uint64_t now)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (strcmp(row_str(row, "kind"), kind) != 0)
			continue;
		if (!strcmp(kind, "verdict"))
			print_verdict(row, s, now);
		else if (!strcmp(kind, "record"))
			print_record(row, now);
		else if (!strcmp(kind, "list"))
			print_list(row);
		else if (!strcmp(kind, "source"))
			print_source(row, s, now);
		else if (!strcmp(kind, "network"))
			print_network(row, s, now);
		else
			print_decision(row);
	}
}

static bool has_kind(const json_t *rows, const char *kind)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(row_str(row, "kind"), kind))
			return true;
	}
	return false;
}

/* What the verdict of the closing object means. */
static const struct {
	const char *verdict, *words;
} outcomes[] = {
	{"allow", "is let through without a delay"},
	{"deny", "is refused"},
	{"grey", "is greylisted: a new sender or recipient waits, a known one passes"},
	{"pass", "is let through: greylisting is not enforced"},
	{"balancer", "is a load balancer's (proxy_protocol_from) and never judged"},
};

static void print_outcome(const json_t *s)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		if (!strcmp(outcomes[i].verdict, row_str(s, "verdict")))
			printf("%s %s\n", row_str(s, "address"), outcomes[i].words);
	}
}

/* The lines of a reply as one. */
static const char *one_line(const char *reply, char *out, size_t size)
{
	size_t len = 0;

	for (; *reply && len + 1 < size; reply++)
		if (*reply == '\n')
			out[len++] = ' ';
		else if (*reply != '\r')
			out[len++] = *reply;
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	return out;
}

static void print_mailbox(const json_t *s, uint64_t now)
{
	const json_t *recipient = json_object_get(s, "recipient");
	char mailbox[400], reply[600], safe[600];

	printf("mail to %s ", format_safe(row_str(s, "mailbox"), 0, mailbox, sizeof(mailbox)));
	puts(!strcmp(row_str(s, "verdict"), "exempt") ? "is never greylisted"
	     : !strcmp(row_str(s, "verdict"), "grey") ? "is greylisted"
						      : "is let through: not enforced");
	if (json_is_object(recipient)) {
		line("recipient", recipient_words(row_str(recipient, "state")));
		one_line(row_str(recipient, "reply"), reply, sizeof(reply));
		line("reply", format_safe(reply, 0, safe, sizeof(safe)));
		print_when("since", recipient, "since", now);
		print_when("until", recipient, "until", now);
	}
	print_settings(json_object_get(s, "settings"), "settings", true);
}

static void print(const json_t *rows, const json_t *s, bool ticket)
{
	uint64_t now = (uint64_t)time(NULL);
	json_t *one;
	size_t i;

	if (json_object_get(s, "mailbox")) {
		print_mailbox(s, now);
		print_kind(rows, "list", s, now);
		return;
	}
	print_outcome(s);
	print_kind(rows, "verdict", s, now);
	print_kind(rows, "list", s, now);
	print_kind(rows, "source", s, now);
	print_kind(rows, "network", s, now);
	print_kind(rows, "record", s, now);
	if (has_kind(rows, "decision")) {
		printf("%slast decisions%s\n", format_colour('b'), format_colour('0'));
		print_kind(rows, "decision", s, now);
	}
	printf("%swhat would change it%s\n", format_colour('b'), format_colour('0'));
	if (ticket || !strcmp(row_str(s, "verdict"), "grey"))
		puts("  the sender's own retry, between ready and until");
	json_array_foreach(json_object_get(s, "mend"), i, one)
		printf("  %s\n", json_string_value(one));
}

int cmd_explain(struct cli *cli, int argc, char **argv)
{
	json_t *rows = json_array(), *s = NULL;
	const char *what;
	int rc;

	if (cli_parse(cli, argc, argv, NULL, 1, 1, &what) < 0) {
		json_decref(rows);
		return CLI_USAGE;
	}
	rc = !cli_utf8(what);
	rc = rc ? CLI_FAILED
		: cli_ask(cli, "explain", json_pack("{s:s}", "what", what), collect, rows, &s);
	if (!rc && cli->json) {
		json_object_del(s, "done");
		json_object_set(s, "rows", rows);
		cli_print_json(s, NULL);
	} else if (!rc) {
		print(rows, s, json_object_get(s, "ticket"));
	}
	json_decref(rows);
	json_decref(s);
	return rc;
}
