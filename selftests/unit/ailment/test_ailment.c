// SPDX-License-Identifier: GPL-2.0-or-later
/* Why mail does not go to a mail server: the cause, from how the connection ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../backend/greeting.h"
#include "ailment.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define LAST (CONFIG_TARGETS - 1)

static struct daemon d;

static void the_end_of_a_connection_has_its_cause(void **unused)
{
	static const struct {
		const char *says; /* NULL: lost in a transaction */
		bool distrusted;
		enum ailment_cause cause;
	} rows[] = {
		{"", false, AILMENT_SILENT},
		{"220 hel", false, AILMENT_SILENT},
		{"220 hello\r\n", false, AILMENT_SILENT},
		{"554 5.7.1 go away\r\n", false, AILMENT_REFUSES},
		{"421 4.3.2 later\r\n", false, AILMENT_REFUSES},
		{"what?\r\n", false, AILMENT_REFUSES},
		{"220 hello\r\n250 hello\r\n", false, AILMENT_NO_STARTTLS},
		{"220 hello\r\n250-hello\r\n250 SIZE\r\n", false, AILMENT_NO_STARTTLS},
		{"220 hello\r\n250-hello\r\n250 STARTTLS\r\n", false, AILMENT_TLS},
		{"220 hello\r\n250-hello\r\n250 STARTTLS\r\n454 no\r\n", false,
		 AILMENT_NO_STARTTLS},
		{"220 hello\r\n250-hello\r\n250 STARTTLS\r\n220 go\r\n", false, AILMENT_TLS},
		{"220 hello\r\n250-hello\r\n250 STARTTLS\r\n220 go\r\n", true, AILMENT_CERTIFICATE},
		{NULL, false, AILMENT_BREAKS},
	};
	struct ailment a;

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct ailment_end end = {
			rows[i].says ? greeting(rows[i].says, UPSTREAM_TLS_REQUIRED) : NULL,
			rows[i].distrusted, "why"};

		ailment_note(&d, LAST, &end);
		assert_int_equal(ailment_of(&d, LAST, &a), rows[i].cause);
		assert_int_equal(a.cause, rows[i].cause);
		assert_string_equal(a.why, "why");
		assert_int_equal(ailment_of(&d, 0, &a), AILMENT_NONE);
	}
}

static void the_last_cause_counts_until_it_is_cleared(void **unused)
{
	char words[400];
	const struct ailment_end first = {greeting("", UPSTREAM_TLS_REQUIRED), false, "connect"},
				 then = {NULL, false, words};
	struct ailment a;

	(void)unused;
	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = 0;
	ailment_note(&d, 0, &first);
	ailment_note(&d, LAST, &first);
	ailment_note(&d, 0, &then);
	assert_int_equal(ailment_of(&d, 0, &a), AILMENT_BREAKS);
	assert_int_equal(strlen(a.why), sizeof(a.why) - 1);
	ailment_clear(&d, 0);
	assert_int_equal(ailment_of(&d, 0, &a), AILMENT_NONE);
	assert_int_equal(ailment_of(&d, LAST, &a), AILMENT_SILENT);
	ailment_clear_all(&d);
	assert_int_equal(ailment_of(&d, LAST, &a), AILMENT_NONE);
}

static void each_cause_has_a_word_and_a_mend(void **unused)
{
	(void)unused;
	for (enum ailment_cause i = AILMENT_NONE + 1; i < AILMENT_MAX; i++) {
		assert_true(*ailment_word(i) && *ailment_mend(i));
		for (enum ailment_cause k = AILMENT_NONE; k < i; k++)
			assert_string_not_equal(ailment_word(i), ailment_word(k));
	}
}

static int forget(void **unused)
{
	(void)unused;
	memset(&d, 0, sizeof(d));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_end_of_a_connection_has_its_cause, forget),
		cmocka_unit_test_setup(the_last_cause_counts_until_it_is_cleared, forget),
		cmocka_unit_test(each_cause_has_a_word_and_a_mend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
