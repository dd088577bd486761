// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "smtp/ehlo.h"
#include "smtp/params.h"

static const struct smtp_conf conf = {.message = 1000};

enum { ALL = (1 << EHLO_KEYWORD_MAX) - 1, OLD = 1 << EHLO_SIZE | 1 << EHLO_8BITMIME };

static enum smtp_reply params_of(const char *text, struct params *ret)
{
	return params_read(&conf, OLD, false, SMTP_REVERSE, text, strlen(text), ret);
}

static void parameters_are_read(void **state)
{
	struct params p;

	(void)state;
	assert_int_equal(params_of("", &p), REPLY_OK);
	assert_true(p.size == 0 && p.body == SMTP_7BIT && !p.text[0]);
	assert_int_equal(params_of("   ", &p), REPLY_OK);
	assert_string_equal(p.text, "");
	assert_int_equal(params_of("  body=8BitMime   SIZE=00000000000000001000", &p), REPLY_OK);
	assert_true(p.size == 1000 && p.body == SMTP_8BITMIME);
	assert_string_equal(p.text, "body=8BitMime SIZE=00000000000000001000");
}

static void parameters_are_refused_and_change_nothing(void **state)
{
	static const struct {
		const char *text;
		enum smtp_reply reply;
	} rows[] = {
		{"SIZE=1001", REPLY_TOO_BIG},
		{"SIZE=18446744073709551615", REPLY_TOO_BIG},
		{"SIZE=18446744073709551616", REPLY_TOO_BIG},
		{"SIZE=36893488147419103232", REPLY_TOO_BIG},
		{"SIZE=99999999999999999999", REPLY_TOO_BIG},
		{"SIZE=100000000000000000000", REPLY_SYNTAX},
		{"SIZE=1k", REPLY_SYNTAX},
		{"SIZE=99999k", REPLY_SYNTAX},
		{"SIZE=+1", REPLY_SYNTAX},
		{"SIZE=0x10", REPLY_SYNTAX},
		{"SIZE", REPLY_SYNTAX},
		{"SIZE=", REPLY_SYNTAX},
		{"SIZE =5", REPLY_SYNTAX},
		{"SIZE=1 size=1", REPLY_SYNTAX},
		{"BODY=7BIT BODY=7BIT", REPLY_SYNTAX},
		{"BODY", REPLY_SYNTAX},
		{"BODY=", REPLY_SYNTAX},
		{"BODY=8BIT", REPLY_BAD_PARAM},
		{"BODY=7BITS", REPLY_BAD_PARAM},
		{"=", REPLY_SYNTAX},
		{"=x", REPLY_SYNTAX},
		{"-X=1", REPLY_SYNTAX},
		{"X_Y=1", REPLY_SYNTAX},
		{"X=1=2", REPLY_SYNTAX},
		{"X=\x7f", REPLY_SYNTAX},
		{"X=\t", REPLY_SYNTAX},
		{"X@Y", REPLY_SYNTAX},
		{"X", REPLY_BAD_PARAM},
		{"X-Y=1", REPLY_BAD_PARAM},
		{"9=1", REPLY_BAD_PARAM},
		{"SIZES=1", REPLY_BAD_PARAM},
		{"SMTPUTF8", REPLY_BAD_PARAM},
		{"RET=HDRS", REPLY_BAD_PARAM},
	};
	struct params p = {.size = 77, .text = "before"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum smtp_reply r = params_of(rows[i].text, &p);

		if (r != rows[i].reply)
			fail_msg("'%s': %d", rows[i].text, smtp_reply_code(r));
		assert_true(p.size == 77 && strcmp(p.text, "before") == 0);
	}
	assert_int_equal(params_read(&conf, ALL, false, SMTP_FORWARD, "SIZE=1", 6, &p),
			 REPLY_BAD_PARAM);
	assert_int_equal(params_read(&conf, 0, false, SMTP_REVERSE, "SIZE=1", 6, &p),
			 REPLY_BAD_PARAM);
	/* Another EHLO would offer it. */
	assert_int_equal(
		params_read(&conf, ehlo_bit(EHLO_HELP), false, SMTP_REVERSE, "SIZE=1", 6, &p),
		REPLY_OFFER_CHANGED);
	/* The limit went away after EHLO: then there is none. */
	assert_int_equal(
		params_read(&(struct smtp_conf){0}, ALL, false, SMTP_REVERSE, "SIZE=99", 7, &p),
		REPLY_OK);
}

/* Each parameter with its extension, without it, and at the other command. */
static void a_parameter_needs_its_extension_and_its_command(void **state)
{
	static const struct {
		const char *text;
		enum smtp_path_kind kind;
		enum ehlo_keyword needs;
	} rows[] = {
		{"SIZE=1", SMTP_REVERSE, EHLO_SIZE},
		{"BODY=8BITMIME", SMTP_REVERSE, EHLO_8BITMIME},
		{"SMTPUTF8", SMTP_REVERSE, EHLO_SMTPUTF8},
		{"smtputf8", SMTP_REVERSE, EHLO_SMTPUTF8},
		{"RET=FULL", SMTP_REVERSE, EHLO_DSN},
		{"RET=hdrs", SMTP_REVERSE, EHLO_DSN},
		{"ENVID=QQ314159", SMTP_REVERSE, EHLO_DSN},
		{"NOTIFY=NEVER", SMTP_FORWARD, EHLO_DSN},
		{"NOTIFY=SUCCESS,DELAY", SMTP_FORWARD, EHLO_DSN},
		{"ORCPT=rfc822;Bob@Example.COM", SMTP_FORWARD, EHLO_DSN},
	};
	const struct smtp_conf none = {0}, any = {.message = 1000, .offers = 0xff};
	struct params p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = rows[i].text;
		size_t len = strlen(text);
		enum smtp_path_kind other =
			rows[i].kind == SMTP_REVERSE ? SMTP_FORWARD : SMTP_REVERSE;

		assert_int_equal(params_read(&conf, ehlo_bit(rows[i].needs), false, rows[i].kind,
					     text, len, &p),
				 REPLY_OK);
		assert_string_equal(p.text, text);
		assert_int_equal(p.utf8, rows[i].needs == EHLO_SMTPUTF8);
		assert_int_equal(params_read(&none, ALL & ~ehlo_bit(rows[i].needs), false,
					     rows[i].kind, text, len, &p),
				 REPLY_BAD_PARAM);
		assert_int_equal(params_read(&any, ALL & ~ehlo_bit(rows[i].needs), false,
					     rows[i].kind, text, len, &p),
				 REPLY_OFFER_CHANGED);
		assert_int_equal(params_read(&any, 0, false, rows[i].kind, text, len, &p),
				 REPLY_BAD_PARAM);
		assert_int_equal(params_read(&conf, ALL, false, other, text, len, &p),
				 REPLY_BAD_PARAM);
	}
}

static void values_of_extensions_are_checked(void **state)
{
	static const struct {
		enum smtp_path_kind kind;
		const char *text;
	} rows[] = {
		{SMTP_REVERSE, "SMTPUTF8=1"},
		{SMTP_REVERSE, "RET"},
		{SMTP_REVERSE, "RET=SOME"},
		{SMTP_REVERSE, "ENVID"},
		{SMTP_REVERSE, "ENVID=a+zz"},
		{SMTP_REVERSE, "RET=FULL RET=HDRS"},
		{SMTP_FORWARD, "NOTIFY"},
		{SMTP_FORWARD, "NOTIFY=NEVER,DELAY"},
		{SMTP_FORWARD, "ORCPT"},
		{SMTP_FORWARD, "ORCPT=rfc822"},
		{SMTP_FORWARD, "ORCPT=utf-8;\xc3\xa4@b"},
	};
	struct params p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(params_read(&conf, ALL, false, rows[i].kind, rows[i].text,
					     strlen(rows[i].text), &p),
				 REPLY_SYNTAX);
	assert_int_equal(
		params_read(&conf, ALL, true, SMTP_FORWARD, "ORCPT=utf-8;\xc3\xa4@b", 16, &p),
		REPLY_OK);
}

/* The longest that RFC 3461 allows find their room. */
static void the_longest_values_fit(void **state)
{
	char text[SMTP_PARAMS + 100];
	struct params p;
	int n;

	(void)state;
	n = snprintf(text, sizeof(text), "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;%0493d", 0);
	assert_int_equal(params_read(&conf, ALL, false, SMTP_FORWARD, text, (size_t)n, &p),
			 REPLY_OK);
	assert_string_equal(p.text, text);
	n = snprintf(text, sizeof(text), "ORCPT=rfc822;%0494d", 0);
	assert_int_equal(params_read(&conf, ALL, false, SMTP_FORWARD, text, (size_t)n, &p),
			 REPLY_SYNTAX);
	n = snprintf(text, sizeof(text),
		     "SIZE=00000000000000000001 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=%0100d", 0);
	assert_int_equal(params_read(&conf, ALL, false, SMTP_REVERSE, text, (size_t)n, &p),
			 REPLY_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_read),
		cmocka_unit_test(parameters_are_refused_and_change_nothing),
		cmocka_unit_test(a_parameter_needs_its_extension_and_its_command),
		cmocka_unit_test(values_of_extensions_are_checked),
		cmocka_unit_test(the_longest_values_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
