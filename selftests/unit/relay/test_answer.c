// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "relay/answer.h"

static struct upstream up;

/* Feeds pieces of `piece` bytes at most; returns how it ended and how much was taken. */
static enum answer feed(const char *text, size_t len, size_t piece, size_t *ret_taken)
{
	enum answer a = ANSWER_MORE;
	size_t taken = 0;

	answer_begin(&up);
	while (taken < len && a == ANSWER_MORE) {
		size_t n = len - taken < piece ? len - taken : piece;

		taken += answer_take(&up, text + taken, n, &a);
	}
	*ret_taken = taken;
	return a;
}

static void replies_of_every_shape(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *reply; /* NULL: as it came */
	} rows[] = {
		{"250 ok\r\n", 250, NULL},
		{"250\r\n", 250, NULL},
		{"250 \r\n", 250, NULL},
		{"250-\r\n250 \r\n", 250, NULL},
		{"250-a\r\n250-b\r\n250 c\r\n", 250, NULL},
		{"250-a\r\n250\r\n", 250, NULL},
		{"220 \tmx ESMTP\r\n", 220, NULL},
		{"354 go\r\n", 354, NULL},
		{"599 x\r\n", 599, NULL},
		{"550 5.1.1 Empf\xe4nger unbekannt\r\n", 550, NULL},
		{"250 ok\n", 250, "250 ok\r\n"},
		{"250-a\n250 b\r\n", 250, "250-a\r\n250 b\r\n"},
		{"250\n", 250, "250\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text), taken;
		const char *reply = rows[i].reply ? rows[i].reply : rows[i].text;

		for (size_t piece = 1; piece <= len; piece++) {
			assert_int_equal(feed(rows[i].text, len, piece, &taken), ANSWER_WHOLE);
			assert_int_equal(taken, len);
			assert_int_equal(up.code, rows[i].code);
			assert_int_equal(up.reply_len, strlen(reply));
			assert_string_equal(up.reply, reply);
		}
		/* Cut short it is not whole, and not garbage either. */
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(feed(rows[i].text, cut, cut + 1, &taken), ANSWER_MORE);
	}
}

static void what_follows_a_reply_stays(void **state)
{
	size_t taken;

	(void)state;
	assert_int_equal(feed("250 a\r\n250 b\r\n", 14, 100, &taken), ANSWER_WHOLE);
	assert_int_equal(taken, 7);
	assert_string_equal(up.reply, "250 a\r\n");
}

static void garbage_is_no_reply(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
		ROW("\r\n"),
		ROW("\n"),
		ROW("2\r\n"),
		ROW("25\r\n"),
		ROW("ok\r\n"),
		ROW("SSH-2.0-OpenSSH_9.2\r\n"),
		ROW("HTTP/1.1 400 Bad Request\r\n"),
		ROW("* OK IMAP4rev1\r\n"),
		ROW("+OK POP3\r\n"),
		ROW(" 250 ok\r\n"),
		ROW("2500 ok\r\n"),
		ROW("250ok\r\n"),
		ROW("250_ok\r\n"),
		ROW("250\tok\r\n"),
		ROW("150 ok\r\n"),
		ROW("050 ok\r\n"),
		ROW("650 ok\r\n"),
		ROW("999 ok\r\n"),
		ROW("2x0 ok\r\n"),
		ROW("25x ok\r\n"),
		ROW("-50 ok\r\n"),
		ROW("250-a\r\n251 b\r\n"),
		ROW("250-a\r\n550 b\r\n"),
		ROW("250-a\r\nb\r\n"),
		ROW("250-a\r\n\r\n"),
		ROW("250 a\rb\r\n"),
		ROW("250 a\r\r\n"),
		ROW("250 a\0b\r\n"),
		ROW("\0"),
		ROW("250 \x1b[2J\r\n"),
		ROW("250 a\x7f\r\n"),
		ROW("250 a\x08\r\n"),
		ROW("\x15\x03\x01\x00\x02\x02\x0a"),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t taken, whole;

		if (feed(rows[i].text, rows[i].len, rows[i].len, &whole) != ANSWER_GARBAGE)
			fail_msg("row %zu: %s", i, rows[i].text);
		for (size_t piece = 1; piece < rows[i].len; piece++) {
			assert_int_equal(feed(rows[i].text, rows[i].len, piece, &taken),
					 ANSWER_GARBAGE);
			assert_int_equal(taken, whole);
		}
	}
}

static void lengths_have_an_end(void **state)
{
	char text[UPSTREAM_REPLY + UPSTREAM_LINE];
	size_t taken, len = 0;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "250 ", 4);
	memcpy(text + UPSTREAM_LINE - 2, "\r\n", 2);
	assert_int_equal(feed(text, UPSTREAM_LINE, 100, &taken), ANSWER_WHOLE);
	text[UPSTREAM_LINE - 2] = 'a';
	memcpy(text + UPSTREAM_LINE - 1, "\r\n", 2);
	assert_int_equal(feed(text, UPSTREAM_LINE + 1, 100, &taken), ANSWER_LONG);

	/* Lines of 8 bytes up to the last place but one, which the NUL needs. */
	while (len + 8 < UPSTREAM_REPLY) {
		memcpy(text + len, "250-aa\r\n", 8);
		len += 8;
	}
	text[len - 5] = ' ';
	assert_int_equal(feed(text, len, 100, &taken), ANSWER_WHOLE);
	assert_int_equal(up.reply_len, len);
	assert_int_equal(up.reply[len], '\0');
	text[len - 5] = '-';
	memcpy(text + len, "250 aa\r\n", 8);
	assert_int_equal(feed(text, len + 8, 1, &taken), ANSWER_LONG);
}

static void lines_are_handed_out_without_code(void **state)
{
	static const char *const lines[] = {"mx.example", "", "SIZE 5", "", ""};
	static const char text[] = "250-mx.example\r\n250-\r\n250-SIZE 5\r\n250-\r\n250\r\n";
	size_t taken, at = 0, len;
	const char *line;

	(void)state;
	assert_int_equal(feed(text, strlen(text), 100, &taken), ANSWER_WHOLE);
	for (size_t i = 0; i < 5; i++) {
		assert_true(answer_line(&up, &at, &line, &len));
		assert_int_equal(len, strlen(lines[i]));
		assert_memory_equal(line, lines[i], len);
	}
	assert_false(answer_line(&up, &at, &line, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_of_every_shape),
		cmocka_unit_test(what_follows_a_reply_stays),
		cmocka_unit_test(garbage_is_no_reply),
		cmocka_unit_test(lengths_have_an_end),
		cmocka_unit_test(lines_are_handed_out_without_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
