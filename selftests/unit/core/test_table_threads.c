// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of core/table.c under several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "core/table.c"
#include "selftests/unit/core/value.h"

static bool edit_add_one(struct cell *c, bool found, void *arg)
{
	(void)arg;
	value_set(c, found ? value_of(c).n[0] + 1 : 1);
	return true;
}

#define THREADS 4
#define SHARED 200
#define ROUNDS 40000

struct team {
	struct table *t;
	uint64_t tags[SHARED];
	int looked_at; /* of these */
	_Atomic bool done;
	_Atomic uint64_t torn, missed, twice;
	_Atomic uint64_t created, removed;
	_Atomic int number;
};

static void run_team(struct team *team, void *(*fn)(void *), int n)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, fn, team), 0);
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

static void *add_ones(void *arg)
{
	struct team *team = arg;
	uint64_t rnd = 100 + (uint64_t)atomic_fetch_add(&team->number, 1);

	for (int i = 0; i < ROUNDS; i++)
		if (table_edit(team->t, team->tags[random_below(&rnd, SHARED)], edit_add_one, NULL,
			       NULL))
			atomic_fetch_add(&team->missed, 1);
	return NULL;
}

static bool see_sum(const struct cell *c, void *arg)
{
	assert_true(value_whole(c));
	*(uint64_t *)arg += value_of(c).n[0];
	return false;
}

static void concurrent_edits_of_the_same_tags_all_count(void **state)
{
	struct team team = {0};
	uint64_t rnd = 1, sum = 0;

	(void)state;
	assert_int_equal(table_new(2 * SHARED, NULL, NULL, &team.t), 0);
	for (int i = 0; i < SHARED; i++)
		team.tags[i] = random_tag(&rnd);
	run_team(&team, add_ones, THREADS);
	assert_int_equal(team.missed, 0);
	assert_int_equal(table_validate(team.t), 0);
	assert_int_equal(table_count(team.t), SHARED);
	sweep_all(team.t, 8, see_sum, &sum);
	assert_int_equal(sum, THREADS * ROUNDS);
	table_free(&team.t);
}

static bool edit_create(struct cell *c, bool found, void *arg)
{
	struct team *team = arg;

	value_set(c, 1);
	if (!found)
		atomic_fetch_add(&team->created, 1);
	return true;
}

static void *come_and_go(void *arg)
{
	struct team *team = arg;
	uint64_t rnd = 200 + (uint64_t)atomic_fetch_add(&team->number, 1);

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t tag = team->tags[random_below(&rnd, SHARED)];
		struct cell c;

		switch (random_below(&rnd, 3)) {
		case 0:
			table_edit(team->t, tag, edit_create, team, NULL);
			break;
		case 1:
			if (table_del(team->t, tag, &c)) {
				atomic_fetch_add(&team->removed, 1);
				team->torn += !value_whole(&c);
			}
			break;
		default:
			if (table_get(team->t, tag, &c))
				team->torn += c.tag != tag || !value_whole(&c);
		}
	}
	return NULL;
}

static void concurrent_inserts_make_no_tag_twice(void **state)
{
	struct team team = {0};
	uint64_t rnd = 2;

	(void)state;
	assert_int_equal(table_new(2 * SHARED, NULL, NULL, &team.t), 0);
	for (int i = 0; i < SHARED; i++)
		team.tags[i] = random_tag(&rnd);
	run_team(&team, come_and_go, THREADS);
	assert_int_equal(team.torn, 0);
	assert_int_equal(table_validate(team.t), 0);
	assert_int_equal(table_count(team.t), team.created - team.removed);
	table_free(&team.t);
}

/* Fills what is left of a crowded table with strangers and takes them out again, so that residents
 * are moved between their buckets all the time. */
static void *crowd(void *arg)
{
	struct team *team = arg;
	uint64_t rnd = 300 + (uint64_t)atomic_fetch_add(&team->number, 1);

	for (int i = 0; i < ROUNDS / 40; i++) {
		uint64_t guests[64];
		int n = 0;

		for (int k = 0; k < 64; k++) {
			guests[n] = random_tag(&rnd);
			n += set(team->t, guests[n], (uint64_t)i) == 0;
		}
		while (n--)
			if (!table_del(team->t, guests[n], NULL))
				atomic_fetch_add(&team->missed, 1);
	}
	atomic_store(&team->done, true);
	return NULL;
}

/* One resident wanders between its two buckets without end. */
static void *wander(void *arg)
{
	struct team *team = arg;
	struct place p = place_of(team->t, team->tags[0]);

	for (int i = 0; i < 10 * ROUNDS; i++) {
		struct cell c;
		int from, here, there;

		place_hold(&p);
		from = bucket_find(p.b[0], p.print, team->tags[0], &c) < 0;
		here = bucket_find(p.b[from], p.print, team->tags[0], &c);
		there = free_cell(atomic_load(&p.b[!from]->prints));
		cell_move(team->t, p.b[from], here, p.b[!from], there);
		place_release(&p);
	}
	atomic_store(&team->done, true);
	return NULL;
}

static void *look(void *arg)
{
	struct team *team = arg;
	uint64_t rnd = 400 + (uint64_t)atomic_fetch_add(&team->number, 1);

	while (!atomic_load(&team->done)) {
		uint64_t tag = team->tags[random_below(&rnd, (uint32_t)team->looked_at)];
		struct cell c;

		if (!table_get(team->t, tag, &c))
			atomic_fetch_add(&team->missed, 1);
		else if (c.tag != tag || !value_whole(&c))
			atomic_fetch_add(&team->torn, 1);
		/* Now and then a writer too: it must find what moved. */
		if (random_below(&rnd, 8) == 0 &&
		    table_edit(team->t, tag, edit_add_one, NULL, NULL))
			atomic_fetch_add(&team->missed, 1);
	}
	return NULL;
}

static void *crowd_or_look(void *arg)
{
	struct team *team = arg;

	return atomic_fetch_add(&team->number, 1) & 1 ? look(arg) : crowd(arg);
}

static void *wander_or_look(void *arg)
{
	struct team *team = arg;

	return atomic_fetch_add(&team->number, 1) ? look(arg) : wander(arg);
}

static void a_cell_on_its_way_is_never_missed(void **state)
{
	struct team team = {.looked_at = 1, .tags = {42}};

	(void)state;
	assert_int_equal(table_new(20, NULL, NULL, &team.t), 0);
	assert_int_equal(set(team.t, 42, 1), 0);
	run_team(&team, wander_or_look, 2);
	assert_int_equal(team.missed, 0);
	assert_int_equal(team.torn, 0);
	assert_int_equal(table_count(team.t), 1);
	assert_int_equal(table_validate(team.t), 0);
	table_free(&team.t);
}

static void a_crowd_moves_residents_and_loses_none(void **state)
{
	struct team team = {.looked_at = SHARED};
	size_t moved = 0;
	uint64_t rnd = 3;
	const struct bucket *home[SHARED];

	(void)state;
	assert_int_equal(table_new(SHARED + 20, NULL, NULL, &team.t), 0);
	for (int i = 0; i < SHARED; i++) {
		struct place p;
		struct cell c;

		team.tags[i] = random_tag(&rnd);
		assert_int_equal(set(team.t, team.tags[i], 1), 0);
		p = place_of(team.t, team.tags[i]);
		home[i] = p.b[bucket_find(p.b[0], p.print, team.tags[i], &c) < 0];
	}
	run_team(&team, crowd_or_look, THREADS);
	assert_int_equal(team.missed, 0);
	assert_int_equal(team.torn, 0);
	assert_int_equal(table_count(team.t), SHARED);
	assert_int_equal(table_validate(team.t), 0);
	/* The test would prove nothing if nobody had moved. */
	for (int i = 0; i < SHARED; i++) {
		struct place p = place_of(team.t, team.tags[i]);
		struct cell c;

		moved += bucket_find(home[i], p.print, team.tags[i], &c) < 0;
	}
	assert_true(moved > 0);
	table_free(&team.t);
}

static bool see_whole(const struct cell *c, void *arg)
{
	struct team *team = arg;

	if (!value_whole(c))
		atomic_fetch_add(&team->torn, 1);
	return value_of(c).n[0] % 16 == 0;
}

static void *sweep_or_edit(void *arg)
{
	struct team *team = arg;
	int me = atomic_fetch_add(&team->number, 1);
	size_t cursor = 0;

	if (me == 0) {
		while (!atomic_load(&team->done))
			table_sweep(team->t, &cursor, 16, see_whole, team);
		return NULL;
	}
	add_ones(team);
	atomic_store(&team->done, true);
	return NULL;
}

static void a_sweep_beside_writers_sees_whole_cells(void **state)
{
	struct team team = {0};
	uint64_t rnd = 4;

	(void)state;
	assert_int_equal(table_new(2 * SHARED, NULL, NULL, &team.t), 0);
	for (int i = 0; i < SHARED; i++)
		team.tags[i] = random_tag(&rnd);
	run_team(&team, sweep_or_edit, 3);
	assert_int_equal(team.torn, 0);
	assert_int_equal(team.missed, 0);
	assert_int_equal(table_validate(team.t), 0);
	table_free(&team.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(concurrent_edits_of_the_same_tags_all_count),
		cmocka_unit_test(concurrent_inserts_make_no_tag_twice),
		cmocka_unit_test(a_cell_on_its_way_is_never_missed),
		cmocka_unit_test(a_crowd_moves_residents_and_loses_none),
		cmocka_unit_test(a_sweep_beside_writers_sees_whole_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
