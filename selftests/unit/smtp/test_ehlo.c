// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "smtp/ehlo.h"

static const char *ehlo_of(uint64_t message, uint8_t offers)
{
	static char buf[SMTP_REPLY_MAX + 1];
	struct smtp_conf c = {.hostname = "mx.example.net", .message = message, .offers = offers};
	struct smtp_out out = {buf, 0, SMTP_REPLY_MAX};

	smtp_reply(&out, &c, REPLY_EHLO, NULL);
	buf[out.len] = '\0';
	return buf;
}

static void only_what_the_settings_allow_is_offered(void **state)
{
	(void)state;
	assert_string_equal(ehlo_of(52428800, 0xff),
			    "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
			    "250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n"
			    "250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n");
	assert_string_equal(ehlo_of(0, 0), "250-mx.example.net\r\n250-PIPELINING\r\n250 HELP\r\n");
	assert_non_null(strstr(ehlo_of(UINT64_MAX, 0), "250-SIZE 18446744073709551615\r\n"));
}

static void each_is_offered_by_itself(void **state)
{
	static const struct {
		enum smtp_offer offer;
		const char *line;
	} rows[] = {
		{SMTP_OFFER_8BITMIME, "250-8BITMIME\r\n"},
		{SMTP_OFFER_SMTPUTF8, "250-SMTPUTF8\r\n"},
		{SMTP_OFFER_DSN, "250-DSN\r\n"},
		{SMTP_OFFER_CHUNKING, "250-CHUNKING\r\n"},
		{SMTP_OFFER_ENHANCED, "250-ENHANCEDSTATUSCODES\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
			assert_int_equal(!!strstr(ehlo_of(0, rows[i].offer), rows[k].line), i == k);
}

static void offering_is_knowing(void **state)
{
	const struct smtp_conf none = {0},
			       all = {.message = 1, .offers = 0xff, .tls = SMTP_TLS_OFFERED};

	(void)state;
	assert_int_equal(ehlo_offered(&none), ehlo_bit(EHLO_PIPELINING) | ehlo_bit(EHLO_HELP));
	assert_int_equal(ehlo_offered(&all), (1u << EHLO_KEYWORD_MAX) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_settings_allow_is_offered),
		cmocka_unit_test(each_is_offered_by_itself),
		cmocka_unit_test(offering_is_knowing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
