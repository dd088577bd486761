// SPDX-License-Identifier: GPL-2.0-or-later
/* Sessions of each source, and those of them that hold a connection to the mail server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker.h"

#define ROOM 64 /* sources in the table */
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct config c;
static struct daemon d;
static struct worker w;

static int make(void **unused)
{
	(void)unused;
	memset(&d, 0, sizeof(d));
	memset(&w, 0, sizeof(w));
	memcpy(d.key, "0123456789abcde", HASH_KEY);
	c.limit.per_source = 3;
	c.upstream.per_source = 2;
	w.daemon = &d;
	w.config = &c;
	return table_new(ROOM, headcount_rank, NULL, &d.sources);
}

static int unmake(void **unused)
{
	(void)unused;
	table_free(&d.sources);
	return 0;
}

static struct session of(const char *source)
{
	struct session s = {0};

	assert_int_equal(addr_parse(source, &s.src), 0);
	return s;
}

/* The two counts, and how far each goes. */
static const struct {
	bool (*enter)(struct worker *w, struct session *s);
	void (*leave)(struct worker *w, struct session *s);
	unsigned limit;
} counts[] = {
	{headcount_enter, headcount_leave, 3},
	{headcount_hold, headcount_let_go, 2},
};

static void each_source_has_its_own_and_each_count_too(void **unused)
{
	static const struct {
		const char *one, *other;
		bool same;
	} rows[] = {
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.8", false},
		{"2001:db8:1::7", "2001:db8:1::8", true},
		{"2001:db8:1::7", "2001:db8:1:0:ffff::", true},
		{"2001:db8:1::7", "2001:db8:1:1::7", false},
	};

	for (size_t r = 0; r < COUNT(rows); r++) {
		unmake(unused);
		make(unused);
		for (size_t k = 0; k < COUNT(counts); k++) {
			struct session some[4], other = of(rows[r].other);

			for (unsigned i = 0; i <= counts[k].limit; i++) {
				some[i] = of(rows[r].one);
				assert_int_equal(counts[k].enter(&w, &some[i]),
						 i < counts[k].limit);
			}
			assert_int_equal(counts[k].enter(&w, &other), !rows[r].same);
			/* Who was refused takes nobody's place with him. */
			counts[k].leave(&w, &some[counts[k].limit]);
			assert_false(counts[k].enter(&w, &some[counts[k].limit]));
			counts[k].leave(&w, &some[0]);
			counts[k].leave(&w, &some[0]);
			assert_true(counts[k].enter(&w, &some[0]));
			assert_false(counts[k].enter(&w, &some[counts[k].limit]));
		}
	}
}

static void an_allowed_source_is_not_counted(void **unused)
{
	(void)unused;
	for (size_t k = 0; k < COUNT(counts); k++) {
		struct session s[10], late = of("192.0.2.7");

		for (unsigned i = 0; i < COUNT(s); i++) {
			s[i] = of("192.0.2.7");
			s[i].allowed = true;
			assert_true(counts[k].enter(&w, &s[i]));
		}
		for (unsigned i = 0; i < COUNT(s); i++)
			counts[k].leave(&w, &s[i]);
		/* It becomes so while it is counted. */
		for (unsigned i = 0; i < 10; i++) {
			late.allowed = false;
			assert_true(counts[k].enter(&w, &late));
			late.allowed = true;
			counts[k].leave(&w, &late);
		}
	}
}

static void however_many_sources_came_the_limit_holds(void **unused)
{
	struct session last[3];

	(void)unused;
	for (uint32_t i = 0; i < 100 * ROOM; i++) {
		char text[32];
		struct session s;

		snprintf(text, sizeof(text), "10.%u.%u.1", i >> 8, i & 255);
		s = of(text);
		assert_true(headcount_hold(&w, &s));
		assert_true(s.holding);
		headcount_let_go(&w, &s);
	}
	for (unsigned i = 0; i < 3; i++) {
		last[i] = of("192.0.2.7");
		assert_int_equal(headcount_hold(&w, &last[i]), i < 2);
	}
}

static void whom_there_is_no_room_to_count_is_let_in(void **unused)
{
	uint32_t counted = 0;

	(void)unused;
	for (uint32_t i = 0; i < 100 * ROOM; i++) {
		char text[32];
		struct session s;

		snprintf(text, sizeof(text), "10.%u.%u.1", i >> 8, i & 255);
		s = of(text);
		assert_true(headcount_enter(&w, &s));
		counted += s.counted;
	}
	assert_true(counted >= ROOM);
	assert_true(counted < 100 * ROOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_source_has_its_own_and_each_count_too, make,
						unmake),
		cmocka_unit_test_setup_teardown(an_allowed_source_is_not_counted, make, unmake),
		cmocka_unit_test_setup_teardown(however_many_sources_came_the_limit_holds, make,
						unmake),
		cmocka_unit_test_setup_teardown(whom_there_is_no_room_to_count_is_let_in, make,
						unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
