// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/relief.h"

static const struct relief_conf conf = {.enter = {0, 60, 75, 90}, .leave = 10};

static void up_and_down(void **state)
{
	static const struct {
		uint64_t open;
		enum relief_step step;
	} walk[] = {
		{0, RELIEF_NONE},         {59, RELIEF_NONE},
		{60, RELIEF_SHORTER},     {74, RELIEF_SHORTER},
		{50, RELIEF_SHORTER}, /* where it was entered it is not left yet */
		{49, RELIEF_NONE},        {59, RELIEF_NONE},
		{75, RELIEF_UNSTUTTERED}, /* over a step at once */
		{65, RELIEF_UNSTUTTERED}, {64, RELIEF_SHORTER},
		{74, RELIEF_SHORTER},     {100, RELIEF_REFUSE},
		{80, RELIEF_REFUSE},      {79, RELIEF_UNSTUTTERED},
		{89, RELIEF_UNSTUTTERED}, {90, RELIEF_REFUSE},
		{0, RELIEF_NONE},
	};
	enum relief_step step = RELIEF_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(walk) / sizeof(walk[0]); i++) {
		step = relief_next(step, walk[i].open, 100, &conf);
		if (step != walk[i].step)
			fail_msg("row %zu: %s", i, relief_text(step));
	}
}

/* Whatever the step before, nothing changes when it is asked again with the same load. */
static void it_settles_at_once(void **state)
{
	static const uint64_t limits[] = {16, 100, 200000, 10000000};

	(void)state;
	for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++)
		for (int from = RELIEF_NONE; from < RELIEF_STEPS; from++)
			for (uint64_t i = 0; i <= 200; i++) {
				uint64_t open = limits[l] * i / 200;
				enum relief_step to =
					relief_next((enum relief_step)from, open, limits[l], &conf);

				assert_int_equal(relief_next(to, open, limits[l], &conf), to);
			}
}

static void steps_that_stand_together(void **state)
{
	const struct relief_conf full = {.enter = {0, 100, 100, 100}, .leave = 10};

	(void)state;
	assert_int_equal(relief_next(RELIEF_NONE, 15, 16, &full), RELIEF_NONE);
	assert_int_equal(relief_next(RELIEF_NONE, 16, 16, &full), RELIEF_REFUSE);
	assert_int_equal(relief_next(RELIEF_REFUSE, 15, 16, &full), RELIEF_REFUSE);
	assert_int_equal(relief_next(RELIEF_REFUSE, 14, 16, &full), RELIEF_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_and_down),
		cmocka_unit_test(it_settles_at_once),
		cmocka_unit_test(steps_that_stand_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
