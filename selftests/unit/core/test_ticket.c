// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/ticket.h"
#include "selftests/unit/random.h"

static void known_numbers_have_known_digits(void **state)
{
	static const struct {
		uint64_t tag;
		const char *text;
	} rows[] = {
		{0, "0000000000000"},
		{1, "0000000000001"},
		{31, "000000000000Z"},
		{32, "0000000000010"},
		{UINT64_MAX, "FZZZZZZZZZZZZ"},
		{UINT64_C(1) << 63, "8000000000000"},
		{UINT64_C(0x0123456789abcdef), "028T5CY4TQKFF"},
	};
	char buf[TICKET_TEXT];
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(ticket_text(rows[i].tag, buf), rows[i].text);
		assert_int_equal(ticket_parse(rows[i].text, &back), 0);
		assert_true(back == rows[i].tag);
	}
}

static void every_ticket_survives_a_careless_copy(void **state)
{
	uint64_t rnd = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t tag = random_next(&rnd) >> random_below(&rnd, 64), back = ~tag;
		char text[TICKET_TEXT], spoken[3 * TICKET_TEXT], *p = spoken;

		ticket_text(tag, text);
		assert_int_equal(strlen(text), TICKET_TEXT - 1);
		assert_int_equal(strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), TICKET_TEXT - 1);
		for (int k = 0; text[k]; k++) {
			char c = text[k];

			if (random_below(&rnd, 4) == 0)
				*p++ = '-';
			if (c == '1')
				c = "1IL"[random_below(&rnd, 3)];
			if (c == '0')
				c = "0O"[random_below(&rnd, 2)];
			*p++ = random_below(&rnd, 2) ? c : (char)tolower(c);
		}
		*p = '\0';
		assert_int_equal(ticket_parse(spoken, &back), 0);
		assert_true(back == tag);
	}
}

static void malformed_tickets_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"-",
		"0",
		"000000000000",   /* 12 digits */
		"00000000000000", /* 14 */
		"G000000000000",  /* 65 bits */
		"ZZZZZZZZZZZZZ",
		"000000000000U",
		"000000000000u",
		"00000000000 0",
		"0000000000000 ",
		" 0000000000000",
		"0000000000000\n",
		"000000_000000",
		"00000000000\xc3\xa9",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"192.0.2.1",
		"+000000000000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t tag = 42;

		if (ticket_parse(rows[i], &tag) != -EINVAL)
			fail_msg("\"%s\" was taken", rows[i]);
		assert_true(tag == 42);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_numbers_have_known_digits),
		cmocka_unit_test(every_ticket_survives_a_careless_copy),
		cmocka_unit_test(malformed_tickets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
