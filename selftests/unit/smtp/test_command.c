// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "smtp/command.h"

static enum command_line line_of(const char *text, size_t len, size_t limit, size_t *ret_len)
{
	char *exact = malloc(len ? len : 1);
	enum command_line kind;

	memcpy(exact, text, len);
	kind = command_line(exact, len, limit, ret_len);
	free(exact);
	return kind;
}

static void a_line_ends_with_crlf_and_with_nothing_else(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		enum command_line kind;
		size_t taken;
	} rows[] = {
#define ROW(text, kind, taken) {text, sizeof(text) - 1, kind, taken}
		ROW("", LINE_MORE, 0),
		ROW("NOOP", LINE_MORE, 0),
		ROW("NOOP\r", LINE_MORE, 0),
		ROW("\r", LINE_MORE, 0),
		ROW("\r\n", LINE_WHOLE, 2),
		ROW("NOOP\r\n", LINE_WHOLE, 6),
		ROW("NOOP\r\nQUIT\r\n", LINE_WHOLE, 6),
		ROW("\n", LINE_BAD, 1),
		ROW("NOOP\n", LINE_BAD, 5),
		ROW("NOOP\rX", LINE_BAD, 5),
		ROW("\r\r\n", LINE_BAD, 1),
		ROW("NO\0OP\r\n", LINE_BAD, 3),
		ROW("NO\0", LINE_BAD, 3),
		ROW("12345678", LINE_LONG, 8),
		ROW("123456\r\n", LINE_WHOLE, 8),
		ROW("1234567\r", LINE_LONG, 7),
		ROW("1234567\r\n", LINE_LONG, 7),
		ROW("12345678\n", LINE_LONG, 8),
		ROW("1234567\n", LINE_BAD, 8),
		ROW("123456789\n", LINE_LONG, 8),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t taken = 0;
		enum command_line kind = line_of(rows[i].text, rows[i].len, 8, &taken);

		if (kind != rows[i].kind || (kind != LINE_MORE && taken != rows[i].taken))
			fail_msg("row %zu: %d, %zu", i, kind, taken);
	}
}

/* With bytes still missing the answer is either the same or "more". */
static void a_line_does_not_depend_on_the_cut(void **state)
{
	static const char text[] = "MAIL\r\nlonger than the limit\rx\n\0y\r\r\nz\r\n";

	(void)state;
	for (size_t start = 0; start < sizeof(text); start++) {
		size_t whole, part;
		enum command_line kind = line_of(text + start, sizeof(text) - start, 12, &whole),
				  cut;

		for (size_t len = 0; len <= sizeof(text) - start; len++) {
			cut = line_of(text + start, len, 12, &part);
			if (cut != LINE_MORE)
				assert_true(cut == kind && part == whole);
			else
				assert_true(kind == LINE_MORE || len < whole + 1);
		}
	}
}

static void skipping_stops_behind_crlf_and_keeps_a_half_one(void **state)
{
	static const struct {
		const char *text;
		size_t taken;
		bool done;
	} rows[] = {
		{"", 0, false},      {"abc", 3, false},     {"abc\r", 3, false},
		{"\r", 0, false},    {"a\nb\rc", 5, false}, {"\r\n", 2, true},
		{"a\r\nb", 3, true}, {"a\r\r\nb", 4, true}, {"\n\n\r\n\r\n", 4, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool done = !rows[i].done;

		assert_int_equal(command_skip(rows[i].text, strlen(rows[i].text), &done),
				 rows[i].taken);
		assert_int_equal(done, rows[i].done);
	}
}

static void verbs_are_split_from_their_arguments(void **state)
{
	static const struct {
		const char *line;
		enum smtp_verb verb;
		const char *arg;
	} rows[] = {
		{"NOOP", VERB_NOOP, ""},
		{"noop", VERB_NOOP, ""},
		{"NoOp  \t ", VERB_NOOP, ""},
		{"EHLO  a b ", VERB_EHLO, "a b"},
		{"MAIL FROM:<a b>", VERB_MAIL, "FROM:<a b>"},
		{"STARTTLS", VERB_STARTTLS, ""},
		{"BDAT 5 LAST", VERB_BDAT, "5 LAST"},
		{"NOOPE", VERB_UNKNOWN, ""},
		{"NOO", VERB_UNKNOWN, ""},
		{"NOOP\tx", VERB_UNKNOWN, ""},
		{" NOOP", VERB_UNKNOWN, "NOOP"},
		{"", VERB_UNKNOWN, ""},
		{"   ", VERB_UNKNOWN, ""},
		{"GET / HTTP/1.1", VERB_NOT_SMTP, "/ HTTP/1.1"},
		{"Host: x", VERB_NOT_SMTP, "x"},
		{"SSH-2.0-x y", VERB_NOT_SMTP, "y"},
		{"RCPT:", VERB_UNKNOWN, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct command cmd;

		command_split(rows[i].line, strlen(rows[i].line), &cmd);
		assert_false(cmd.wide);
		if (cmd.verb != rows[i].verb)
			fail_msg("'%s': %d", rows[i].line, cmd.verb);
		assert_int_equal(cmd.arg_len, strlen(rows[i].arg));
		assert_memory_equal(cmd.arg, rows[i].arg, cmd.arg_len);
	}
}

static void every_8_bit_byte_is_seen_and_may_stand_in_few_places(void **state)
{
	static const struct {
		const char *line;
		bool ok;
	} rows[] = {
		{"MAIL FROM:<\xc3\xa4@b>", true},
		{"RCPT TO:<a@\xc3\xa4>", true},
		{"VRFY \xc3\xa4", true},
		{"MAIL FROM:<\xc3@b>", false},
		{"RCPT TO:<\xed\xa0\x80@b>", false},
		{"VRFY \xff", false},
		{"EHLO \xc3\xa4", false},
		{"NOOP \xc3\xa4", false},
		{"M\xc3\xa4IL", false},
		{"EXPN \xc3\xa4", false},
	};

	(void)state;
	for (int byte = 0x80; byte <= 0xff; byte++) {
		for (size_t at = 0; at < 6; at++) {
			char line[] = "NOOP x";
			struct command cmd;

			line[at] = (char)byte;
			command_split(line, 6, &cmd);
			assert_true(cmd.wide);
			assert_false(command_wide_ok(&cmd));
		}
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct command cmd;

		command_split(rows[i].line, strlen(rows[i].line), &cmd);
		assert_true(cmd.wide);
		assert_int_equal(command_wide_ok(&cmd), rows[i].ok);
	}
}

static void sizes_of_chunks(void **state)
{
	static const struct {
		const char *arg;
		bool ok;
		uint64_t size;
		bool last;
	} rows[] = {
		{"0", true, 0, false},
		{"0 LAST", true, 0, true},
		{"5 last", true, 5, true},
		{"5   LaSt", true, 5, true},
		{"00000000000000000005", true, 5, false},
		{"000000000000000000005", false, 0, false},
		{"18446744073709551615", true, UINT64_MAX, false},
		{"18446744073709551616", false, 0, false},
		{"99999999999999999999", false, 0, false},
		{"", false, 0, false},
		{"LAST", false, 0, false},
		{" LAST", false, 0, false},
		{"-1", false, 0, false},
		{"+1", false, 0, false},
		{"0x10", false, 0, false},
		{"1e3", false, 0, false},
		{"5LAST", false, 0, false},
		{"5 LASTS", false, 0, false},
		{"5 LAST LAST", false, 0, false},
		{"5 6", false, 0, false},
		{"5\tLAST", false, 0, false},
		{"5 FIRST", false, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct command cmd = {VERB_BDAT, rows[i].arg, strlen(rows[i].arg), false};
		uint64_t size = 77;
		bool last = true;

		if (command_chunk(&cmd, &size, &last) != rows[i].ok)
			fail_msg("'%s'", rows[i].arg);
		assert_int_equal(size, rows[i].ok ? rows[i].size : 77);
		assert_int_equal(last, rows[i].ok ? rows[i].last : true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_ends_with_crlf_and_with_nothing_else),
		cmocka_unit_test(a_line_does_not_depend_on_the_cut),
		cmocka_unit_test(skipping_stops_behind_crlf_and_keeps_a_half_one),
		cmocka_unit_test(verbs_are_split_from_their_arguments),
		cmocka_unit_test(every_8_bit_byte_is_seen_and_may_stand_in_few_places),
		cmocka_unit_test(sizes_of_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
