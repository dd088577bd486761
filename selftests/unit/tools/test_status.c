// SPDX-License-Identifier: GPL-2.0-or-later
/* What status shows of a daemon's answer, for people: none of its lines is wider than asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/format.c"
#include "tools/status.c"

int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, int min,
	      int max, const char *words[])
{
	(void)cli;
	(void)argv;
	(void)options;
	(void)min;
	(void)max;
	(void)words;
	return argc - 1;
}

static json_t *answer;

int cli_ask(const struct cli *cli, const char *command, json_t *args, cli_row_fn see, void *arg,
	    json_t **ret_summary)
{
	(void)cli;
	(void)command;
	(void)args;
	(void)see;
	(void)arg;
	*ret_summary = json_incref(answer);
	return CLI_DONE;
}

bool cli_print_json(const json_t *row, void *arg)
{
	(void)arg;
	return row != NULL;
}

/* Standard output of status, with COLUMNS set ("": not); freed by the caller. */
static char *shown(const char *columns)
{
	char *argv[] = {"status", NULL}, *text;
	struct cli cli = {0};
	FILE *to = tmpfile();
	const int was = dup(STDOUT_FILENO);
	long size;

	setenv("COLUMNS", columns, 1);
	fflush(stdout);
	dup2(fileno(to), STDOUT_FILENO);
	assert_int_equal(cmd_status(&cli, 1, argv), CLI_DONE);
	fflush(stdout);
	dup2(was, STDOUT_FILENO);
	close(was);
	size = lseek(fileno(to), 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	assert_int_equal(pread(fileno(to), text, (size_t)size, 0), size);
	fclose(to);
	return text;
}

static int width(const char *text)
{
	int widest = 0, n;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		n = characters(text, strcspn(text, "\n"));
		widest = n > widest ? n : widest;
	}
	return widest;
}

/* The same text in one line; words and what stands before them stay. */
static void join(char *text)
{
	char *to = text;
	bool blank = false;

	for (; *text; text++) {
		if (*text == ' ' || *text == '\n') {
			blank = true;
			continue;
		}
		if (blank)
			*to++ = ' ';
		blank = false;
		*to++ = *text;
	}
	*to = '\0';
}

#define INTERFACE "enp129s0f1np1.4" /* as long as the kernel allows */
#define BACKEND "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
#define PIN "/sys/fs/bpf/some/where/that/is/quite/far/down/below/it/greygate/v1/host4"

static const char *const problems[] = {
	"kernel: " INTERFACE ": tc program on the way out: a tc filter of somebody else has "
	"priority 1, handle 0x67726579; remove it (tc filter del dev " INTERFACE
	" egress pref 1); tc filter del dev " INTERFACE " egress pref 1",
	"backend " BACKEND ": does not answer (connect); greygate tries again by itself; see "
	"whether it listens there, and what stands between; others are asked first",
	"list senders: /etc/greygate/lists/s\xc3\xa4nder: cannot be read: Permission denied; what "
	"was read before stays in force; make it readable for the user of the daemon, as it is "
	"read anew at each reload, and by itself when it has changed, without any rights that "
	"the start of the daemon had, so that a name of a directory above it counts as well",
	"kernel: pin " PIN " is gone: what is taken away is not put back; systemctl restart "
	"greygated",
	"short",
};

#define PROBLEMS (sizeof(problems) / sizeof(problems[0]))

/* As long as a name may be. */
#define BLOCKED "blocked-by-somebody-else-on-26-1"
#define EXCEPTED "let-through-in-spite-of-that-26"

static json_t *lists(void)
{
	return json_pack("[{s:s, s:s, s:I, s:I}, {s:s, s:s, s:I, s:I, s:s}, {s:s, s:s, s:n}]",
			 "name", BLOCKED, "format", "spamhaus-drop", "entries",
			 (json_int_t)4294967295, "hits", (json_int_t)4294967295, "name", EXCEPTED,
			 "format", "postgrey-recipients", "entries", (json_int_t)4294967295,
			 "failed", (json_int_t)1, "takes_from", BLOCKED, "name", "first", "format",
			 "cidr", "takes_from");
}

static int set_up(void **state)
{
	json_t *list = json_array(), *backends = json_array();

	(void)state;
	for (size_t i = 0; i < PROBLEMS; i++)
		json_array_append_new(list, json_string(problems[i]));
	for (int i = 0; i < 4; i++)
		json_array_append_new(backends, json_string(BACKEND));
	answer = json_pack("{s:o, s:o, s:o, s:{s:b, s:s}}", "problems", list, "backend", backends,
			   "lists", lists(), "kernel", "loaded", 0, "why",
			   "interface " INTERFACE ": XDP program not accepted (native): Operation "
			   "not supported; set xdp = off, or xdp = generic where mode is not "
			   "gateway");
	return !answer;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(answer);
	return 0;
}

static void no_line_is_wider_than_80(void **state)
{
	char *text = shown("");

	(void)state;
	/* A word of its own length is not broken: the line of the pin is as wide as that. */
	assert_in_range(width(text), 81, 14 + strlen(PIN));
	assert_non_null(strstr(text, "\n              " PIN "\n"));
	/* Without it none is. */
	memset(strstr(text, PIN), '\n', strlen(PIN));
	assert_in_range(width(text), 70, 80);
	free(text);
}

static void nothing_is_lost_of_what_is_said(void **state)
{
	static const char *const widths[] = {"", "40", "80", "100", "9999"};

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		char *text = shown(widths[i]);

		join(text);
		for (size_t k = 0; k < PROBLEMS; k++)
			if (!strstr(text, problems[k]))
				fail_msg("COLUMNS=%s: \"%s\" is not in \"%s\"", widths[i],
					 problems[k], text);
		assert_non_null(strstr(text, "backend " BACKEND ", " BACKEND ", " BACKEND));
		assert_non_null(strstr(text, "where mode is not gateway"));
		free(text);
	}
}

static void whose_clients_a_list_takes_out(void **state)
{
	char *text = shown("");

	(void)state;
	join(text);
	assert_non_null(strstr(text, "lists " BLOCKED ": spamhaus-drop, 4294967295 entries, "
				     "4294967295 hits " EXCEPTED ": "));
	assert_non_null(strstr(text, "0 hits; takes from " BLOCKED "; not read, see problems"));
	assert_non_null(strstr(text, "first: cidr, 0 entries, 0 hits; takes from none, as no list "
				     "stands before it"));
	free(text);
}

/* One problem, one line, for who looks for one. */
static void as_wide_as_is_asked_for(void **state)
{
	char *text = shown("9999");

	(void)state;
	for (size_t i = 0; i < PROBLEMS; i++)
		assert_non_null(strstr(text, problems[i]));
	free(text);
	text = shown("100");
	assert_in_range(width(text), 81, 100);
	free(text);
	/* No width at all. */
	for (int i = 0; i < 3; i++) {
		text = shown((const char *const[]){"0", "-1", "wide"}[i]);
		assert_in_range(width(text), 81, 14 + strlen(PIN));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_is_wider_than_80),
		cmocka_unit_test(nothing_is_lost_of_what_is_said),
		cmocka_unit_test(whose_clients_a_list_takes_out),
		cmocka_unit_test(as_wide_as_is_asked_for),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
