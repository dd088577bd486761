// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/reply.h"

static const struct smtp_conf conf = {
	.hostname = "mx.example.net", .contact = "postmaster@example.net", .message = 1000};

static const char *reply_of(const struct smtp_conf *c, enum smtp_reply r,
			    const struct smtp_reply_args *args)
{
	static char buf[SMTP_REPLY_MAX + 1];
	struct smtp_out out = {buf, 0, SMTP_REPLY_MAX};

	smtp_reply(&out, c, r, args);
	buf[out.len] = '\0';
	assert_int_equal(strlen(buf), out.len);
	return buf;
}

static void refusals_read_as_the_manual_says(void **state)
{
	struct smtp_reply_args args = {.minutes = 5, .ticket = "7F3K-Q2", .reason = "Listed"};

	(void)state;
	assert_string_equal(reply_of(&conf, REPLY_GREYLISTED, &args),
			    "451 4.7.1 Greylisted, please retry in 5 minutes (ticket 7F3K-Q2; "
			    "postmaster@example.net)\r\n");
	args.minutes = 1;
	assert_string_equal(reply_of(&conf, REPLY_GREYLISTED, &args),
			    "451 4.7.1 Greylisted, please retry in 1 minute (ticket 7F3K-Q2; "
			    "postmaster@example.net)\r\n");
	assert_string_equal(reply_of(&conf, REPLY_DENIED, &args),
			    "554 5.7.1 Listed (ticket 7F3K-Q2; postmaster@example.net)\r\n");
	assert_string_equal(reply_of(&conf, REPLY_BANNER, NULL),
			    "220 mx.example.net ESMTP greygate\r\n");
	assert_string_equal(reply_of(&conf, REPLY_HELO, NULL), "250 mx.example.net\r\n");
}

static void help_names_what_is_there(void **state)
{
	static const struct {
		uint8_t offers, tls;
		const char *more;
	} rows[] = {
		{0, SMTP_TLS_NONE, ""},
		{SMTP_OFFER_CHUNKING, SMTP_TLS_NONE, " BDAT"},
		{SMTP_OFFER_8BITMIME, SMTP_TLS_OFFERED, " STARTTLS"},
		{SMTP_OFFER_CHUNKING, SMTP_TLS_OFFERED, " STARTTLS BDAT"},
		{SMTP_OFFER_CHUNKING, SMTP_TLS_ACTIVE, " BDAT"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_conf c = conf;
		char expected[128];

		c.offers = rows[i].offers;
		c.tls = rows[i].tls;
		snprintf(expected, sizeof(expected),
			 "214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA QUIT RSET NOOP VRFY "
			 "HELP%s\r\n",
			 rows[i].more);
		assert_string_equal(reply_of(&c, REPLY_HELP, NULL), expected);
	}
}

static void what_is_missing_has_a_stand_in(void **state)
{
	const struct smtp_conf bare = {.hostname = NULL, .contact = ""};

	(void)state;
	assert_string_equal(reply_of(&bare, REPLY_DENIED, NULL),
			    "554 5.7.1 Refused (ticket none; postmaster)\r\n");
	assert_string_equal(reply_of(&bare, REPLY_BANNER, NULL),
			    "220 localhost ESMTP greygate\r\n");
	assert_string_equal(reply_of(&bare, REPLY_GREYLISTED, NULL),
			    "451 4.7.1 Greylisted, please retry in some minutes (ticket none; "
			    "postmaster)\r\n");
}

/* Codes, classes and enhanced status codes agree; every field is a field; the manual has its words.
 */
static void every_row_of_the_table_is_whole(void **state)
{
	(void)state;
	for (int r = 0; r < REPLY_MAX; r++) {
		const struct smtp_reply_row *row = smtp_reply_row(r);
		const char *text = reply_of(&conf, r, NULL);

		assert_non_null(row->text);
		assert_true(row->when && *row->when);
		assert_int_equal(strtol(text, NULL, 10), row->code);
		assert_int_equal(smtp_reply_code(r), row->code);
		assert_true(row->code >= 200 && row->code < 600);
		assert_null(strpbrk(text, "{}"));
		if (r == REPLY_BANNER || r == REPLY_HELO || r == REPLY_EHLO) {
			assert_null(row->status); /* RFC 2034 */
			continue;
		}
		assert_non_null(row->status);
		assert_int_equal(row->status[0] - '0', row->code / 100);
		assert_memory_equal(text + 4, row->status, strlen(row->status));
		if (row->code == 421) /* RFC 5321 4.2.3: the name first */
			assert_memory_equal(row->text, "{hostname} ", 11);
	}
}

static void no_reply_outgrows_a_line_or_carries_a_control_byte(void **state)
{
	static char huge[5000], odd[256];
	const struct smtp_conf c = {.hostname = huge, .contact = huge, .message = UINT64_MAX};
	const struct smtp_conf d = {.hostname = odd, .contact = odd, .message = UINT64_MAX};
	struct smtp_reply_args args = {.minutes = UINT32_MAX, .ticket = huge, .reason = huge};

	(void)state;
	memset(huge, 'h', sizeof(huge) - 1);
	for (int i = 1; i < 256; i++)
		odd[i - 1] = (char)i;
	for (int r = 0; r < REPLY_MAX; r++) {
		const char *text = reply_of(&c, r, &args);

		while (*text) {
			const char *end = strstr(text, "\r\n");

			assert_non_null(end);
			assert_true(end + 2 - text <= REPLY_LINE);
			text = end + 2;
		}
		args = (struct smtp_reply_args){.ticket = odd, .reason = odd};
		for (text = reply_of(&d, r, &args); *text; text++) {
			if (text[0] == '\r' && text[1] == '\n')
				text++;
			else
				assert_true(*text >= ' ' && *text <= '~');
		}
		args = (struct smtp_reply_args){UINT32_MAX, huge, huge};
	}
}

static void an_argument_cannot_add_a_line(void **state)
{
	struct smtp_reply_args args = {.ticket = "T", .reason = "see\r\n250 ok\n"};

	(void)state;
	assert_string_equal(reply_of(&conf, REPLY_DENIED, &args),
			    "554 5.7.1 see??250 ok? (ticket T; postmaster@example.net)\r\n");
}

static void replies_are_appended(void **state)
{
	char buf[SMTP_REPLY_MAX];
	struct smtp_out out = {buf, 0, sizeof(buf)};

	(void)state;
	smtp_reply(&out, &conf, REPLY_OK, NULL);
	smtp_reply(&out, &conf, REPLY_OK, NULL);
	assert_int_equal(out.len, 28);
	assert_memory_equal(buf, "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n", 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_read_as_the_manual_says),
		cmocka_unit_test(help_names_what_is_there),
		cmocka_unit_test(what_is_missing_has_a_stand_in),
		cmocka_unit_test(every_row_of_the_table_is_whole),
		cmocka_unit_test(no_reply_outgrows_a_line_or_carries_a_control_byte),
		cmocka_unit_test(an_argument_cannot_add_a_line),
		cmocka_unit_test(replies_are_appended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
