// SPDX-License-Identifier: GPL-2.0-or-later
/* Every case of the openspf suite for RFC 7208, answered from its own zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "selftests/unit/dns/zone.h"

#define SUITE "selftests/data/rfc7208-tests.json"
#define CASES 203

static json_t *file, *suite;

static int load(void **state)
{
	(void)state;
	file = json_load_file(SUITE, JSON_ALLOW_NUL, NULL);
	suite = json_object_get(file, "scenarios");
	return suite ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(file);
	return 0;
}

static bool among(const json_t *list, const char *word)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (!strcmp(json_string_value(one), word))
			return true;
	}
	return false;
}

static void print(void *arg, int depth, const char *line)
{
	(void)arg;
	print_message("#   %*s%s\n", 2 * depth, "", line);
}

static bool passes(const json_t *test, json_t *zone, bool loud)
{
	static struct spf s;
	struct spf_query q = {
		.helo = json_string_value(json_object_get(test, "helo")),
		.sender = json_string_value(json_object_get(test, "mailfrom")),
		.receiver = "receiver.example.net",
		.now = 1700000000,
		.trace = loud ? print : NULL,
	};
	const char *explanation = json_string_value(json_object_get(test, "explanation"));

	assert_int_equal(addr_parse(json_string_value(json_object_get(test, "host")), &q.addr), 0);
	if (explanation && !strcmp(explanation, "DEFAULT"))
		explanation = "";
	spf_begin(&s, &q);
	assert_true(zone_run(&s, zone) < 200);
	if (loud)
		print_message("# got %s, \"%s\"\n", spf_result_text(s.result), s.explanation);
	return among(json_object_get(test, "result"), spf_result_text(s.result)) &&
	       (!explanation || !strcmp(explanation, s.explanation));
}

static void every_case_gives_its_result(void **state)
{
	int cases = 0, passed = 0;
	json_t *scenario, *test;
	size_t i, k;

	(void)state;
	json_array_foreach(suite, i, scenario)
	{
		json_t *zone = json_object_get(scenario, "zone");

		json_array_foreach(json_object_get(scenario, "tests"), k, test)
		{
			cases++;
			if (passes(test, zone, false)) {
				passed++;
				continue;
			}
			print_message("# %s: %s\n",
				      json_string_value(json_object_get(scenario, "description")),
				      json_string_value(json_object_get(test, "name")));
			passes(test, zone, true);
		}
	}
	print_message("# RFC 7208 suite: %d of %d cases\n", passed, cases);
	assert_int_equal(cases, CASES);
	assert_int_equal(passed, cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_gives_its_result),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
