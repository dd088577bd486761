// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "smtp/ehlo.h"

static const char *ehlo_of(uint64_t message, bool eightbit)
{
	static char buf[SMTP_REPLY_MAX + 1];
	struct smtp_conf c = {
		.hostname = "mx.example.net", .message = message, .eightbit = eightbit};
	struct smtp_out out = {buf, 0, SMTP_REPLY_MAX};

	smtp_reply(&out, &c, REPLY_EHLO, NULL);
	buf[out.len] = '\0';
	return buf;
}

static void only_what_the_settings_allow_is_offered(void **state)
{
	(void)state;
	assert_string_equal(ehlo_of(52428800, true),
			    "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
			    "250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n");
	assert_string_equal(ehlo_of(0, false), "250-mx.example.net\r\n250-PIPELINING\r\n"
					       "250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n");
	assert_non_null(strstr(ehlo_of(UINT64_MAX, false), "250-SIZE 18446744073709551615\r\n"));
}

static void offering_is_knowing(void **state)
{
	const struct smtp_conf none = {0},
			       all = {.message = 1, .eightbit = true, .tls = SMTP_TLS_OFFERED};

	(void)state;
	assert_false(ehlo_offers(&none, EHLO_SIZE));
	assert_false(ehlo_offers(&none, EHLO_8BITMIME));
	assert_false(ehlo_offers(&none, EHLO_STARTTLS));
	assert_true(ehlo_offers(&none, EHLO_PIPELINING));
	for (int k = 0; k < EHLO_KEYWORD_MAX; k++)
		assert_true(ehlo_offers(&all, k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_settings_allow_is_offered),
		cmocka_unit_test(offering_is_knowing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
