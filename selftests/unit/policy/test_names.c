// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "selftests/unit/policy/settings.h"

typedef const char *(*word_fn)(unsigned int);

static const char *reason(unsigned int i)
{
	return policy_reason_text(i);
}

static const char *class(unsigned int i)
{
	return policy_class_text(i);
}

static const char *rung(unsigned int i)
{
	return policy_rung_text(i);
}

static void every_value_has_its_own_word(void **state)
{
	static const struct {
		word_fn word;
		unsigned int first, end;
	} rows[] = {
		{reason, 0, REASON_MAX},
		{class, 0, CLASS_MAX},
		{rung, RUNG_ADDRESS, RUNG_SPF + 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned int v = rows[i].first; v < rows[i].end; v++) {
			assert_string_not_equal(rows[i].word(v), "unknown");
			for (unsigned int u = rows[i].first; u < v; u++)
				assert_string_not_equal(rows[i].word(v), rows[i].word(u));
		}
		assert_string_equal(rows[i].word(rows[i].end), "unknown");
		assert_string_equal(rows[i].word(1000), "unknown");
	}
	assert_string_equal(policy_rung_text(0), "unknown");
}

static void words_are_the_manuals(void **state)
{
	(void)state;
	assert_string_equal(policy_reason_text(REASON_FIRST), "first");
	assert_string_equal(policy_reason_text(REASON_EARLY), "early");
	assert_string_equal(policy_reason_text(REASON_LATE), "late");
	assert_string_equal(policy_reason_text(REASON_MATURE), "mature");
	assert_string_equal(policy_reason_text(REASON_KNOWN), "known");
	assert_string_equal(policy_reason_text(REASON_LEARN), "learn");
	assert_string_equal(policy_reason_text(REASON_OFF), "off");
	assert_string_equal(policy_reason_text(REASON_EXEMPT), "exempt");
	assert_string_equal(policy_class_text(CLASS_SUSPICIOUS), "suspicious");
	assert_string_equal(policy_rung_text(RUNG_NETWORK), "network");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_has_its_own_word),
		cmocka_unit_test(words_are_the_manuals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
