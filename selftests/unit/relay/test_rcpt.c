// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "relay/answer.h"
#include "relay/rcpt.h"

static enum rcpt_says of(const char *reply)
{
	static struct upstream up;
	enum answer a;

	answer_begin(&up);
	assert_int_equal(answer_take(&up, reply, strlen(reply), &a), strlen(reply));
	assert_int_equal(a, ANSWER_WHOLE);
	return rcpt_says(up.code, up.reply);
}

static void what_mail_servers_say(void **state)
{
	static const struct {
		const char *reply;
		enum rcpt_says says;
	} rows[] = {
		{"250 2.1.5 Ok\r\n", RCPT_VALID},
		{"250\r\n", RCPT_VALID},
		{"251 will forward\r\n", RCPT_VALID},
		{"252 2.5.2 can't verify\r\n", RCPT_VALID},
		/* Postfix, Exim, sendmail, Exchange, Domino, OpenSMTPD */
		{"550 5.1.1 <x@e.net>: Recipient address rejected: User unknown\r\n", RCPT_UNKNOWN},
		{"550 Unrouteable address\r\n", RCPT_UNKNOWN},
		{"550 5.1.1 <x@e.net>... User unknown\r\n", RCPT_UNKNOWN},
		{"550 5.1.10 RESOLVER.ADR.RecipientNotFound\r\n", RCPT_UNKNOWN},
		{"550 5.4.1 Recipient address rejected: Access denied\r\n", RCPT_UNKNOWN},
		{"550 x@e.net... No such user\r\n", RCPT_UNKNOWN},
		{"550 Invalid recipient: x@e.net\r\n", RCPT_UNKNOWN},
		{"550-5.1.1 no such\r\n550 5.1.1 user\r\n", RCPT_UNKNOWN},
		{"554 5.1.1 no\r\n", RCPT_UNKNOWN},
		{"550 5.2.1 mailbox disabled\r\n", RCPT_UNKNOWN},
		{"551 user not local\r\n", RCPT_UNKNOWN},
		{"553 mailbox name not allowed\r\n", RCPT_UNKNOWN},
		{"550\r\n", RCPT_UNKNOWN},
		{"550 5.1.\r\n", RCPT_UNKNOWN},
		{"550-5.7.1 of the first line\r\n550 No such user\r\n", RCPT_UNKNOWN},
		{"550-No such user\r\n550\r\n", RCPT_UNKNOWN},
		{"553 5.1.3 bad address syntax\r\n", RCPT_UNKNOWN},
		/* of the one who asks, of the sender, of the load, of the protocol */
		{"554 5.7.1 <x@e.net>: Relay access denied\r\n", RCPT_UNCLEAR},
		{"550 5.7.1 Client host blocked\r\n", RCPT_UNCLEAR},
		{"550-No such user\r\n550 5.7.1 Client host blocked\r\n", RCPT_UNCLEAR},
		{"553 5.7.1 Sender address rejected\r\n", RCPT_UNCLEAR},
		{"551 5.7.0 not from you\r\n", RCPT_UNCLEAR},
		{"550 5.0.0 no\r\n", RCPT_UNCLEAR},
		{"550 5.1.7 bad sender\r\n", RCPT_UNCLEAR},
		{"550 5.1.8 sender's domain does not exist\r\n", RCPT_UNCLEAR},
		{"552 5.2.2 mailbox full\r\n", RCPT_UNCLEAR},
		{"552 too much mail\r\n", RCPT_UNCLEAR},
		{"501 bad address\r\n", RCPT_UNCLEAR},
		{"554 transaction failed\r\n", RCPT_UNCLEAR},
		{"503 5.5.1 bad sequence\r\n", RCPT_UNCLEAR},
		{"530 5.7.0 Must issue a STARTTLS command first\r\n", RCPT_UNCLEAR},
		{"550 5.11.1 no such status\r\n", RCPT_UNCLEAR},
		{"450 4.1.1 unverified\r\n", RCPT_UNCLEAR},
		{"451 4.3.0 temporary lookup failure\r\n", RCPT_UNCLEAR},
		{"421 4.3.2 closing\r\n", RCPT_UNCLEAR},
		{"450 5.1.1 confused\r\n", RCPT_UNCLEAR},
		{"354 what\r\n", RCPT_UNCLEAR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (of(rows[i].reply) != rows[i].says)
			fail_msg("%s", rows[i].reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_mail_servers_say)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
