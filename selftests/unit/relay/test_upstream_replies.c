// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One command and what is read after it, for replies that no script of a delivery holds: unasked,
 * two at once, without end, to chunks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "relay/upstream.h"

/* Brings a machine to UP_IDLE, or with a command to UP_TEXT. */
static void to_idle(struct upstream *u, bool text)
{
	static const char *const lines[] = {"220 a\r\n", "250-a\r\n250 SIZE 1\r\n"};
	struct upstream_client c = {.our_name = "gate.example", .helo = "c"};
	struct upstream_out out;
	enum upstream_act act;

	upstream_init(u);
	upstream_connected(u);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		upstream_input(u, &c, lines[i], strlen(lines[i]), &out, &act);
	assert_int_equal(act, UPSTREAM_READY);
	if (!text)
		return;
	upstream_data(u, &out);
	upstream_input(u, &c, "354 go\r\n", 8, &out, &act);
	assert_int_equal(u->state, UP_TEXT);
}

/* The first byte is enough: a reply that has begun unasked must not end as that to a command. */
static void what_comes_unasked_breaks_the_connection(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"250 ok\r\n", "mail server spoke without being asked"},
		{"2", "mail server spoke without being asked"},
		{"\r\n", "mail server spoke without being asked"},
		{"552 too big\r\n", "mail server spoke without being asked"},
		{"421 closing\r\n", "mail server is closing the connection (421)"},
	};
	static struct upstream u;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int text = 0; text < 2; text++) {
			struct upstream_client c = {.our_name = "x"};
			struct upstream_out out;
			enum upstream_act act;

			to_idle(&u, text);
			upstream_input(&u, &c, rows[i].text, strlen(rows[i].text), &out, &act);
			assert_int_equal(act, UPSTREAM_FAIL);
			assert_int_equal(u.state, UP_BROKEN);
			assert_string_equal(upstream_why(&u), rows[i].why);
			assert_int_equal(upstream_input(&u, &c, "x", 1, &out, &act), 1);
			assert_int_equal(act, UPSTREAM_FAIL);
		}
	}
}

static void a_second_reply_in_the_same_read_breaks_it_after_the_first(void **state)
{
	static const char text[] = "250 one\r\n250 two\r\n";
	struct upstream_client c = {.our_name = "x"};
	struct upstream_out out;
	enum upstream_act act;
	static struct upstream u;
	size_t used;

	(void)state;
	to_idle(&u, false);
	upstream_mail(&u, &out, "", "SIZE=5");
	assert_int_equal(out.len, strlen("MAIL FROM:<> SIZE=5\r\n"));
	assert_memory_equal(out.buf, "MAIL FROM:<> SIZE=5\r\n", out.len);
	used = upstream_input(&u, &c, text, strlen(text), &out, &act);
	assert_int_equal(used, 9);
	assert_int_equal(act, UPSTREAM_REPLY_READY);
	assert_string_equal(u.reply, "250 one\r\n");
	upstream_input(&u, &c, text + used, strlen(text) - used, &out, &act);
	assert_int_equal(act, UPSTREAM_FAIL);
}

static void a_reply_without_end_breaks_it(void **state)
{
	struct upstream_client c = {.our_name = "x"};
	struct upstream_out out;
	enum upstream_act act;
	static struct upstream u;

	(void)state;
	to_idle(&u, false);
	upstream_mail(&u, &out, "a@b", "");
	for (int i = 0; i < UPSTREAM_REPLY; i++) {
		upstream_input(&u, &c, "250-a\r\n", 7, &out, &act);
		if (act != UPSTREAM_MORE)
			break;
	}
	assert_int_equal(act, UPSTREAM_FAIL);
	assert_string_equal(upstream_why(&u), "mail server sent a reply that is too long");
}

static void nothing_read_is_nothing_done(void **state)
{
	struct upstream_client c = {.our_name = "x"};
	struct upstream_out out;
	enum upstream_act act;
	static struct upstream u;

	(void)state;
	for (int text = 0; text < 2; text++) {
		to_idle(&u, text);
		assert_int_equal(upstream_input(&u, &c, "", 0, &out, &act), 0);
		assert_int_equal(act, UPSTREAM_MORE);
		assert_int_equal(u.state, text ? UP_TEXT : UP_IDLE);
	}
}

static void the_longest_envelope_fits(void **state)
{
	char path[255], params[256];
	struct upstream_out out;
	static struct upstream u;

	(void)state;
	memset(path, 'p', 254);
	memset(params, 'q', 255);
	path[254] = params[255] = '\0';
	to_idle(&u, false);
	upstream_mail(&u, &out, path, params);
	assert_int_equal(out.len, strlen("MAIL FROM:<> \r\n") + 254 + 255);
}

static void chunks_are_answered_one_by_one(void **state)
{
	static const struct {
		bool last;
		const char *command, *reply;
		enum upstream_act act;
		enum upstream_state next;
	} rows[] = {
		{false, "BDAT 5\r\n", "250 ok\r\n", UPSTREAM_REPLY_READY, UP_IDLE},
		{false, "BDAT 5\r\n", "452 no\r\n", UPSTREAM_REPLY_READY, UP_IDLE},
		{false, "BDAT 5\r\n", "354 go\r\n", UPSTREAM_FAIL, UP_BROKEN},
		{false, "BDAT 5\r\n", "421 bye\r\n", UPSTREAM_REPLY_READY, UP_BROKEN},
		{true, "BDAT 5 LAST\r\n", "250 ok\r\n", UPSTREAM_REPLY_READY, UP_IDLE},
		{true, "BDAT 5 LAST\r\n", "554 no\r\n", UPSTREAM_REPLY_READY, UP_IDLE},
		{true, "BDAT 5 LAST\r\n", "354 go\r\n", UPSTREAM_FAIL, UP_BROKEN},
		{true, "BDAT 5 LAST\r\n", "what\r\n", UPSTREAM_FAIL, UP_BROKEN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct upstream_client c = {.our_name = "gate"};
		char command[UPSTREAM_CHUNK];
		static struct upstream u;
		struct upstream_out out;
		enum upstream_act act;

		upstream_init(&u);
		u.state = UP_IDLE;
		assert_false(upstream_in_text(&u));
		assert_int_equal(upstream_chunk(&u, command, 5, rows[i].last),
				 strlen(rows[i].command));
		assert_string_equal(command, rows[i].command);
		assert_true(upstream_in_text(&u));
		assert_int_equal(u.state, rows[i].last ? UP_TEXT_END : UP_COMMAND);
		upstream_input(&u, &c, rows[i].reply, strlen(rows[i].reply), &out, &act);
		assert_int_equal(act, rows[i].act);
		assert_int_equal(u.state, rows[i].next);
		assert_false(upstream_in_text(&u));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_unasked_breaks_the_connection),
		cmocka_unit_test(a_second_reply_in_the_same_read_breaks_it_after_the_first),
		cmocka_unit_test(a_reply_without_end_breaks_it),
		cmocka_unit_test(nothing_read_is_nothing_done),
		cmocka_unit_test(the_longest_envelope_fits),
		cmocka_unit_test(chunks_are_answered_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
