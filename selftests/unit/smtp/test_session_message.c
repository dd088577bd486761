// SPDX-License-Identifier: GPL-2.0-or-later
/* A transaction: what the session keeps of it, and what becomes of a message that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/smtp/host.h"

static void a_transaction_leaves_nothing_behind(void **state)
{
	static const char *const ends[] = {"RSET", "EHLO c", "HELO c", "DATA\r\n."};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct host *h = host_in(SMTP_READY);

		host_line(h, "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME");
		host_line(h, "RCPT TO:<x@y.example>");
		assert_int_equal(h->s.recipients, 1);
		host_line(h, ends[i]);
		assert_int_equal(h->s.state, SMTP_READY);
		assert_true(h->s.recipients == 0 && h->s.asked == 0 && h->s.size == 0);
		assert_true(h->s.reverse.len == 0 && h->s.forward.len == 0);
		assert_true(h->s.mail_params[0] == '\0' && h->s.rcpt_params[0] == '\0');
		assert_int_equal(h->s.body, SMTP_7BIT);
		free(h);
	}
}

static void the_envelope_is_kept_as_it_was_written(void **state)
{
	struct host *h = host_in(SMTP_READY);

	(void)state;
	host_line(h, "MAIL FROM:<@x:\"A b\"@Example.ORG> SIZE=12");
	assert_string_equal(h->s.reverse.text, "\"A b\"@Example.ORG");
	assert_string_equal(h->s.reverse.text + h->s.reverse.domain, "Example.ORG");
	assert_string_equal(h->s.mail_params, "SIZE=12");
	assert_int_equal(h->s.size, 12);
	assert_string_equal(h->s.helo, "c");
	assert_true(h->s.esmtp);
	free(h);
}

/* The machine says what became of a message that it refused: at once, and at its end. */
static void a_refused_message_is_named_twice(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int reply;
	} rows[] = {
		{"a\nb", 3, REPLY_BARE_BYTE},
		{"a\rb", 3, REPLY_BARE_BYTE},
		{"a\0b", 3, REPLY_BARE_BYTE},
		{"0123456789a", 11, REPLY_TOO_BIG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host *h = host_in(SMTP_RCPT);

		h->c.message = 10;
		host_line(h, "DATA");
		host_feed(h, rows[i].text, rows[i].len);
		assert_int_equal(h->last_act, SMTP_TEXT_BAD);
		assert_int_equal(h->last_reply, rows[i].reply);
		assert_int_equal(h->s.state, SMTP_DISCARD);
		assert_int_equal(h->s.errors, 0);
		host_feed(h, "\r\n.\r\n", 5);
		assert_int_equal(h->last_act, SMTP_RESET);
		assert_int_equal(h->last_reply, rows[i].reply);
		assert_int_equal(h->s.state, SMTP_READY);
		assert_int_equal(h->s.errors, 1);
		free(h);
	}
}

static void a_failed_message_keeps_its_first_reason(void **state)
{
	struct host *h = host_in(SMTP_RCPT);

	(void)state;
	host_line(h, "DATA");
	host_feed(h, "a\nb", 3);
	smtp_text_fail(&h->s, REPLY_BACKEND_LOST);
	host_feed(h, "\r\n.\r\n", 5);
	assert_int_equal(h->last_reply, REPLY_BARE_BYTE);
	smtp_text_fail(&h->s, REPLY_BACKEND_LOST);
	assert_int_equal(h->s.state, SMTP_READY);
	free(h);
}

static void an_end_reached_by_the_last_error_hangs_up(void **state)
{
	struct host *h = host_in(SMTP_RCPT);

	(void)state;
	h->c.errors = 1;
	host_line(h, "DATA");
	host_feed(h, "\n\r\n.\r\nNOOP\r\n", 11);
	assert_int_equal(h->last_act, SMTP_HANGUP);
	assert_int_equal(h->s.state, SMTP_CLOSED);
	assert_non_null(strstr(h->record, "S: 550 5.6.11"));
	assert_non_null(strstr(h->record, "S: 421 4.7.0"));
	assert_null(strstr(h->record, "S: 250 2.0.0 Ok"));
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transaction_leaves_nothing_behind),
		cmocka_unit_test(the_envelope_is_kept_as_it_was_written),
		cmocka_unit_test(a_refused_message_is_named_twice),
		cmocka_unit_test(a_failed_message_keeps_its_first_reason),
		cmocka_unit_test(an_end_reached_by_the_last_error_hangs_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
