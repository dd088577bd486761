// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "recent.h"

/* Every field tells the same number, so that a mixed entry shows. */
static struct recent_entry entry(uint32_t n)
{
	struct recent_entry e;

	memset(&e, (int)(n % 251), sizeof(e));
	e.ticket = n;
	e.time = n;
	e.wait = n;
	e.age = n;
	return e;
}

static bool whole(const struct recent_entry *e)
{
	struct recent_entry same = entry(e->time);

	return memcmp(e, &same, sizeof(same)) == 0;
}

struct seen {
	uint32_t time[64];
	int n, stop_after;
	bool torn;
};

static bool see(const struct recent_entry *e, void *arg)
{
	struct seen *s = arg;

	s->torn |= !whole(e);
	s->time[s->n++] = e->time;
	return s->n != s->stop_after;
}

static void sizes_are_powers_of_two(void **state)
{
	static const size_t bad[] = {0, 3, 6, 1000, SIZE_MAX, SIZE_MAX / 2 + 1};
	struct recent *r = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(recent_new(bad[i], &r), -EINVAL);
	assert_null(r);
	recent_free(&r);
}

static void the_newest_come_first(void **state)
{
	struct recent *r;

	(void)state;
	assert_int_equal(recent_new(8, &r), 0);
	for (uint32_t added = 0; added < 40; added++) {
		struct seen s = {0}, two = {.stop_after = 2};
		struct recent_entry e = entry(added + 1);
		int want = added < 8 ? (int)added : 8;

		recent_walk(r, see, &s);
		assert_int_equal(s.n, want);
		assert_false(s.torn);
		for (int i = 0; i < s.n; i++)
			assert_int_equal(s.time[i], added - (uint32_t)i);
		recent_walk(r, see, &two);
		assert_int_equal(two.n, want < 2 ? want : 2);
		recent_add(r, &e);
	}
	recent_free(&r);
	assert_null(r);
}

struct race {
	struct recent *r;
	_Atomic bool read, done; /* read: the reader has seen some of it */
};

static void *add_many(void *arg)
{
	struct race *race = arg;

	for (uint32_t n = 1; n <= 400000 || !atomic_load(&race->read); n++) {
		struct recent_entry e = entry(n);

		recent_add(race->r, &e);
	}
	atomic_store(&race->done, true);
	return NULL;
}

static void a_reader_never_sees_half_an_entry(void **state)
{
	static struct race race;
	pthread_t writer;
	long entries = 0;

	(void)state;
	assert_int_equal(recent_new(4, &race.r), 0);
	assert_int_equal(pthread_create(&writer, NULL, add_many, &race), 0);
	while (!atomic_load(&race.done)) {
		struct seen s = {0};

		recent_walk(race.r, see, &s);
		assert_false(s.torn);
		for (int i = 1; i < s.n; i++)
			assert_true(s.time[i] < s.time[i - 1]);
		entries += s.n;
		atomic_store(&race.read, entries >= 1000);
	}
	pthread_join(writer, NULL);
	recent_free(&race.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_two),
		cmocka_unit_test(the_newest_come_first),
		cmocka_unit_test(a_reader_never_sees_half_an_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
