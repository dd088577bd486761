// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lists/prefixes.h"
#include "selftests/unit/random.h"

static struct prefix at(const char *text)
{
	struct prefix p;

	if (prefix_parse(text, &p))
		fail_msg("%s is no prefix", text);
	return p;
}

static void add(struct list_prefixes *l, const char *text)
{
	struct prefix p = at(text);

	assert_int_equal(list_prefixes_add(l, &p, LIST_DENY, (uint32_t)l->count + 1, 0), 0);
}

/* The line that answers for an address, 0: none. */
static uint32_t line_for(const struct list_prefixes *l, const char *text)
{
	struct prefix p = at(text);
	const struct list_prefix *found = list_prefixes_find(l, &p.addr);

	return found ? found->line : 0;
}

static void nothing(void **state)
{
	struct list_prefixes l = {0};

	(void)state;
	assert_int_equal(list_prefixes_make(&l, false), 0);
	assert_int_equal(line_for(&l, "192.0.2.1"), 0);
	list_prefixes_free(&l);
}

static void most_specific(void **state)
{
	struct list_prefixes l = {0};

	(void)state;
	add(&l, "10.0.0.0/8");
	add(&l, "10.1.0.0/16");
	add(&l, "10.1.2.3");
	add(&l, "10.1.0.0/16");
	add(&l, "::/0");
	add(&l, "2001:db8::/32");
	add(&l, "ffff::/16");
	add(&l, "255.255.255.255");
	assert_int_equal(list_prefixes_make(&l, false), 0);
	assert_int_equal(l.count, 7);
	assert_int_equal(line_for(&l, "10.1.2.3"), 3);
	assert_int_equal(line_for(&l, "10.1.2.4"), 2);
	assert_int_equal(line_for(&l, "10.1.255.255"), 2);
	assert_int_equal(line_for(&l, "10.2.0.0"), 1);
	assert_int_equal(line_for(&l, "10.0.0.0"), 1);
	assert_int_equal(line_for(&l, "9.255.255.255"), 0);
	assert_int_equal(line_for(&l, "11.0.0.0"), 0);
	assert_int_equal(line_for(&l, "255.255.255.255"), 8);
	assert_int_equal(line_for(&l, "2001:db8::1"), 6);
	assert_int_equal(line_for(&l, "2001:db9::1"), 5);
	assert_int_equal(line_for(&l, "::1"), 5);
	assert_int_equal(line_for(&l, "ffff:ffff::1"), 7);
	list_prefixes_free(&l);
}

static void first_match(void **state)
{
	struct list_prefixes l = {0};

	(void)state;
	add(&l, "10.1.2.0/24");
	add(&l, "10.1.0.0/16");
	add(&l, "10.1.2.3"); /* covered by line 1 */
	add(&l, "10.1.3.4"); /* by line 2 */
	add(&l, "10.0.0.0/8");
	add(&l, "10.2.0.0/16"); /* by line 5 */
	add(&l, "10.1.0.0/16");
	add(&l, "0.0.0.0/0");
	add(&l, "192.0.2.1"); /* by line 8 */
	add(&l, "2001:db8::1");
	assert_int_equal(list_prefixes_make(&l, true), 0);
	assert_int_equal(line_for(&l, "10.1.2.3"), 1);
	assert_int_equal(line_for(&l, "10.1.3.4"), 2);
	assert_int_equal(line_for(&l, "10.2.0.1"), 5);
	assert_int_equal(line_for(&l, "192.0.2.1"), 8);
	assert_int_equal(line_for(&l, "2001:db8::1"), 10);
	assert_int_equal(l.count, 5);
	list_prefixes_free(&l);
}

/* Short addresses of a small world, so that prefixes meet. */
static struct prefix random_prefix(uint64_t *state)
{
	struct addr a = {.b = {[10] = 0xff, [11] = 0xff, [12] = 10}};
	uint64_t r = random_next(state);

	if (r & 1) {
		memset(&a, 0, sizeof(a));
		a.b[0] = 0x20;
		a.b[15] = (uint8_t)(r >> 8 & 0x3f);
		return addr_mask(&a, (uint8_t)(r & 2 ? 122 + (r >> 16) % 7 : (r >> 16) % 129));
	}
	a.b[15] = (uint8_t)(r >> 8 & 0x3f);
	return addr_mask(&a, (uint8_t)(r & 2 ? 122 + (r >> 16) % 7 : 96 + (r >> 16) % 33));
}

/* Whatever the prefixes: the same answer as by going through all of them. */
static void against_a_scan(void **state)
{
	enum { N = 40 };
	uint64_t seed = 4;

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct list_prefixes l = {0};
		struct prefix all[N];
		bool in_order = round & 1;

		for (uint32_t i = 0; i < N; i++) {
			all[i] = random_prefix(&seed);
			assert_int_equal(list_prefixes_add(&l, &all[i], LIST_DENY, i, 0), 0);
		}
		assert_int_equal(list_prefixes_make(&l, in_order), 0);
		for (int probe = 0; probe < 100; probe++) {
			struct prefix p = random_prefix(&seed);
			const struct list_prefix *got = list_prefixes_find(&l, &p.addr);
			int want = -1;

			for (int i = 0; i < N; i++)
				if (prefix_holds(&all[i], &p.addr) &&
				    (want < 0 || (!in_order && all[i].len > all[want].len)))
					want = i;
			if (want < 0)
				assert_null(got);
			else
				assert_true(got && (int)got->line == want);
		}
		list_prefixes_free(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(most_specific),
		cmocka_unit_test(first_match),
		cmocka_unit_test(against_a_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
