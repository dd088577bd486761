// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "smtp/dsn.h"

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A100 A50 A50

struct row {
	const char *text;
	bool ok;
};

/* On a copy of exact length, so that the address sanitizer sees a read beyond it. */
static bool orcpt(const char *text, bool utf8)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1);
	bool ok;

	memcpy(exact, text, len);
	ok = dsn_orcpt(exact, len, utf8);
	free(exact);
	return ok;
}

static void ret_is_one_of_two(void **state)
{
	static const struct row rows[] = {{"FULL", true},   {"hdrs", true}, {"", false},
					  {"FULLY", false}, {"HDR", false}, {"FULL,HDRS", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(dsn_ret(rows[i].text, strlen(rows[i].text)), rows[i].ok);
}

static void envid_is_xtext_of_printable_ascii(void **state)
{
	static const struct row rows[] = {
		{"QQ314159", true}, {"a+20b", true},     {"+7E", true},     {"+2B+3D", true},
		{"!~", true},       {A100, true},        {A100 "a", false}, {"", false},
		{"a b", false},     {"a=b", false},      {"a+", false},     {"a+2", false},
		{"+2b", false},     {"+0A", false},      {"+7F", false},    {"+1F", false},
		{"+80", false},     {"\xc3\xa4", false}, {"a\x7f", false},  {"+GG", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dsn_envid(rows[i].text, strlen(rows[i].text)) != rows[i].ok)
			fail_msg("'%s'", rows[i].text);
}

static void notify_is_never_or_a_set(void **state)
{
	static const struct row rows[] = {
		{"NEVER", true},
		{"never", true},
		{"SUCCESS", true},
		{"FAILURE", true},
		{"DELAY", true},
		{"delay,Success,FAILURE", true},
		{"", false},
		{",", false},
		{"SUCCESS,", false},
		{",SUCCESS", false},
		{"SUCCESS,,DELAY", false},
		{"SUCCESS,SUCCESS", false},
		{"SUCCESS,FAILURE,DELAY,SUCCESS", false},
		{"NEVER,SUCCESS", false},
		{"SUCCESS,NEVER", false},
		{"SUCCESSFUL", false},
		{"SUCCES", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dsn_notify(rows[i].text, strlen(rows[i].text)) != rows[i].ok)
			fail_msg("'%s'", rows[i].text);
}

static void orcpt_is_a_type_and_xtext(void **state)
{
	static const struct {
		const char *text;
		bool ok, utf8_ok;
	} rows[] = {
		{"rfc822;bob@example.com", true, true},
		{"RFC822;Bob+2Bx@example.com", true, true},
		{"x400;/C=us/", false, false}, /* "=" has to be +3D */
		{"x400;/C+3Dus/", true, true},
		{"utf-8;bob@example.com", true, true},
		{"utf-8;\\x{E4}@example.com", true, true},
		{"UTF-8;\\x{10FFFF}@example.com", true, true},
		{"utf-8;\\x{1234567}@b", false, false},
		{"utf-8;\\x{}@b", false, false},
		{"utf-8;\\x{E4", false, false},
		{"utf-8;\\y", false, false},
		{"utf-8;\\", false, false},
		{"utf-8;\xc3\xa4@example.com", false, true},
		{"utf-8;\xc3", false, false},
		{"utf-8;\xed\xa0\x80@b", false, false},
		{"rfc822;\xc3\xa4@example.com", false, false},
		{"rfc822;\\x{E4}", true, true}, /* outside of utf-8 a backslash is any xchar */
		{"rfc822;", false, false},
		{";bob", false, false},
		{"rfc822", false, false},
		{"", false, false},
		{"rfc 822;bob", false, false},
		{"rfc.822;bob", false, false},
		{"rfc822;a b", false, false},
		{"rfc822;a=b", false, false},
		{"rfc822;a+2", false, false},
		{"rfc822;a;b", true, true},
		{"rfc822;" A100 A100 A100 A100 A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 true, true},
		{"rfc822;" A100 A100 A100 A100 A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (orcpt(rows[i].text, false) != rows[i].ok ||
		    orcpt(rows[i].text, true) != rows[i].utf8_ok)
			fail_msg("'%s'", rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ret_is_one_of_two),
		cmocka_unit_test(envid_is_xtext_of_printable_ascii),
		cmocka_unit_test(notify_is_never_or_a_set),
		cmocka_unit_test(orcpt_is_a_type_and_xtext),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
