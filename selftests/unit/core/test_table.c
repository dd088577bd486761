// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "core/table.c"
#include "selftests/unit/random.h"

/* ---- helpers ---- */

struct value {
	uint64_t n[3];
};
_Static_assert(sizeof(struct value) == TABLE_CELL_DATA, "fills a cell");

static struct value value_of(const struct cell *c)
{
	struct value v;

	memcpy(&v, c->data, sizeof(v));
	return v;
}

/* Three words that belong together, so that a torn cell shows. */
static void value_set(struct cell *c, uint64_t n)
{
	struct value v = {{n, n ^ c->tag, ~n}};

	memcpy(c->data, &v, sizeof(v));
}

static bool value_whole(const struct cell *c)
{
	struct value v = value_of(c);

	return v.n[1] == (v.n[0] ^ c->tag) && v.n[2] == ~v.n[0];
}

/* Sets the value to *arg. */
static bool edit_set(struct cell *c, bool found, void *arg)
{
	(void)found;
	value_set(c, *(const uint64_t *)arg);
	return true;
}

static bool edit_add_one(struct cell *c, bool found, void *arg)
{
	(void)arg;
	value_set(c, found ? value_of(c).n[0] + 1 : 1);
	return true;
}

static int set(struct table *t, uint64_t tag, uint64_t n)
{
	return table_edit(t, tag, edit_set, &n, NULL);
}

static uint32_t rank_by_value(const struct cell *c, void *arg)
{
	(void)arg;
	return (uint32_t)value_of(c).n[0];
}

static uint64_t random_tag(uint64_t *rnd)
{
	return table_tag_fix(random_next(rnd));
}

static bool see_count(const struct cell *c, void *arg)
{
	assert_true(value_whole(c));
	++*(size_t *)arg;
	return false;
}

static size_t sweep_all(struct table *t, size_t step, table_see_fn see, void *arg)
{
	size_t cursor = 0, calls = 1;

	while (table_sweep(t, &cursor, step, see, arg))
		calls++;
	assert_int_equal(cursor, 0);
	return calls;
}

/* ---- one thread ---- */

static void impossible_sizes_are_refused(void **state)
{
	struct table *t = NULL;

	(void)state;
	assert_int_equal(table_new(0, NULL, NULL, &t), -EINVAL);
	assert_int_equal(table_new(SIZE_MAX, NULL, NULL, &t), -EINVAL);
	assert_null(t);
	table_free(&t);
	assert_int_equal(table_tag_fix(0), 1);
	assert_int_equal(table_tag_fix(7), 7);
}

static void the_promised_number_of_cells_fits(void **state)
{
	static const size_t sizes[] = {1, 2, 7, 50, 100, 1000, 3333, 100000};
	uint64_t rnd = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct table *t;
		size_t seen = 0;

		assert_int_equal(table_new(sizes[i], NULL, NULL, &t), 0);
		assert_true(table_capacity(t) >= sizes[i]);
		for (size_t n = 0; n < sizes[i]; n++)
			assert_int_equal(set(t, random_tag(&rnd), n), 0);
		assert_int_equal(table_count(t), sizes[i]);
		assert_int_equal(table_validate(t), 0);
		sweep_all(t, 3, see_count, &seen);
		assert_int_equal(seen, sizes[i]);
		table_free(&t);
		assert_null(t);
	}
}

/* Tags that count up, or differ in their upper bits only, spread as well as random ones. */
static void poor_tags_still_spread(void **state)
{
	(void)state;
	for (int shift = 0; shift < 50; shift += 7) {
		struct table *t;

		assert_int_equal(table_new(10000, NULL, NULL, &t), 0);
		for (uint64_t n = 1; n <= 10000; n++)
			assert_int_equal(set(t, n << shift, n), 0);
		assert_int_equal(table_validate(t), 0);
		table_free(&t);
	}
}

static bool edit_refuse(struct cell *c, bool found, void *arg)
{
	*(bool *)arg = found;
	value_set(c, 99);
	return false;
}

static bool edit_look(struct cell *c, bool found, void *arg)
{
	static const uint8_t zero[TABLE_CELL_DATA];
	uint64_t tag = *(const uint64_t *)arg;

	assert_true(c->tag == tag);
	if (!found)
		assert_memory_equal(c->data, zero, sizeof(zero));
	value_set(c, 5);
	c->tag = 12345; /* not the edit's to change */
	return true;
}

static void an_edit_stores_only_what_it_says(void **state)
{
	struct cell c = {.tag = 1}, before = c;
	uint64_t tag = 77;
	struct table *t;
	bool found = true;

	(void)state;
	assert_int_equal(table_new(100, NULL, NULL, &t), 0);
	assert_false(table_get(t, tag, &c));
	assert_memory_equal(&c, &before, sizeof(c));
	assert_int_equal(table_edit(t, tag, edit_refuse, &found, NULL), 0);
	assert_false(found);
	assert_int_equal(table_count(t), 0);
	assert_int_equal(table_edit(t, tag, edit_look, &tag, NULL), 0);
	assert_int_equal(table_edit(t, tag, edit_look, &tag, NULL), 0);
	assert_int_equal(table_count(t), 1);
	assert_false(table_get(t, 12345, &c));
	assert_int_equal(table_edit(t, tag, edit_refuse, &found, NULL), 0);
	assert_true(found);
	assert_true(table_get(t, tag, &c));
	assert_true(value_of(&c).n[0] == 5);

	assert_false(table_del(t, 78, &before));
	assert_int_equal(before.tag, 1);
	assert_true(table_del(t, tag, &before));
	assert_memory_equal(&before, &c, sizeof(c));
	assert_false(table_del(t, tag, NULL));
	assert_false(table_get(t, tag, &c));
	assert_int_equal(table_count(t), 0);
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

#define UNIVERSE 3000

static bool see_odd(const struct cell *c, void *arg)
{
	(void)arg;
	return value_of(c).n[0] & 1;
}

static void random_work_agrees_with_a_plain_array(void **state)
{
	static uint64_t tags[UNIVERSE], values[UNIVERSE]; /* value 0: absent */
	uint64_t rnd = 7;
	struct table *t;
	size_t live = 0;

	(void)state;
	assert_int_equal(table_new(UNIVERSE, NULL, NULL, &t), 0);
	for (int i = 0; i < UNIVERSE; i++)
		tags[i] = random_tag(&rnd);
	memset(values, 0, sizeof(values));
	for (int step = 0; step < 600000; step++) {
		uint32_t i = random_below(&rnd, UNIVERSE), op = random_below(&rnd, 100);
		uint64_t n = 1 + random_below(&rnd, 1000000);
		struct cell c;

		if (op < 50) {
			assert_int_equal(table_get(t, tags[i], &c), values[i] != 0);
			assert_true(!values[i] || value_of(&c).n[0] == values[i]);
		} else if (op < 80) {
			assert_int_equal(set(t, tags[i], n), 0);
			live += !values[i];
			values[i] = n;
		} else {
			assert_int_equal(table_del(t, tags[i], &c), values[i] != 0);
			assert_true(!values[i] || value_of(&c).n[0] == values[i]);
			live -= values[i] != 0;
			values[i] = 0;
		}
		if (step % 100000 == 50000) {
			sweep_all(t, 17, see_odd, NULL);
			for (int k = 0; k < UNIVERSE; k++) {
				if (values[k] & 1) {
					values[k] = 0;
					live--;
				}
			}
		}
		assert_int_equal(table_count(t), live);
	}
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

static void a_sweep_is_bounded_and_removes_what_it_is_told(void **state)
{
	size_t cursor = 0, seen = 0, left = 0, buckets, before;
	uint64_t rnd = 3;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(5000, NULL, NULL, &t), 0);
	for (uint64_t n = 1; n <= 5000; n++)
		assert_int_equal(set(t, random_tag(&rnd), n), 0);
	buckets = table_capacity(t) / CELLS;

	assert_true(table_sweep(t, &cursor, 10, see_count, &seen));
	assert_int_equal(cursor, 10);
	assert_true(seen <= 10 * CELLS);
	before = seen;
	assert_true(table_sweep(t, &cursor, 0, see_count, &seen));
	assert_int_equal(seen, before);
	assert_false(table_sweep(t, &cursor, SIZE_MAX, see_count, &seen));
	assert_int_equal(cursor, 0);
	assert_int_equal(seen, 5000);
	assert_int_equal(sweep_all(t, 1, see_odd, NULL), buckets);
	sweep_all(t, 100, see_count, &left);
	assert_int_equal(left, 2500);
	assert_int_equal(table_count(t), 2500);
	assert_int_equal(table_validate(t), 0);
	/* A stale cursor beyond the end ends the walk. */
	cursor = buckets;
	assert_false(table_sweep(t, &cursor, 5, see_count, &left));
	table_free(&t);
}

/* Says "remove" of a cell that somebody renews in the same moment. */
static bool see_renewed(const struct cell *c, void *arg)
{
	struct table *t = arg;

	assert_int_equal(set(t, c->tag, 2), 0);
	return true;
}

static void a_sweep_leaves_a_cell_that_changed_since_it_was_seen(void **state)
{
	struct table *t;
	struct cell c;

	(void)state;
	assert_int_equal(table_new(10, NULL, NULL, &t), 0);
	assert_int_equal(set(t, 42, 1), 0);
	sweep_all(t, 100, see_renewed, t);
	assert_true(table_get(t, 42, &c));
	assert_true(value_of(&c).n[0] == 2);
	/* Seen with value 2 and "renewed" to the same: that is the cell that was meant. */
	sweep_all(t, 100, see_renewed, t);
	assert_false(table_get(t, 42, &c));
	table_free(&t);
}

static void a_full_table_without_ranks_says_so(void **state)
{
	uint64_t rnd = 5, tag = 0, n = 0;
	struct table *t;
	struct cell c;
	int rc = 0;

	(void)state;
	assert_int_equal(table_new(1000, NULL, NULL, &t), 0);
	while (rc == 0) {
		tag = random_tag(&rnd);
		rc = set(t, tag, ++n);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(table_count(t), n - 1);
	assert_int_equal(table_evicted(t), 0);
	assert_false(table_get(t, tag, &c));
	/* One-step moves carry it well beyond its promise. */
	assert_true(n >= 1000);
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

/* Both buckets of `tag`, cell by cell. */
static int neighbours(const struct table *t, uint64_t tag, struct cell ret[2 * CELLS])
{
	struct place p = place_of(t, tag);
	int n = bucket_copy(p.b[0], ret);

	return n + bucket_copy(p.b[1], ret + n);
}

static void the_highest_rank_goes_and_zero_stays(void **state)
{
	uint64_t rnd = 11, evicted = 0, refused = 0;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(300, rank_by_value, NULL, &t), 0);
	for (int step = 0; step < 20000; step++) {
		struct cell around[2 * CELLS], victim = {0}, c;
		uint64_t tag = random_tag(&rnd), highest = 0;
		/* Later on ever more cells that never go. */
		uint64_t n = random_below(&rnd, 20000) < (uint32_t)step
				     ? 0
				     : 1 + random_below(&rnd, 1000);
		int have = neighbours(t, tag, around);
		int rc = table_edit(t, tag, edit_set, &n, &victim);

		for (int i = 0; i < have; i++)
			if (value_of(&around[i]).n[0] > highest)
				highest = value_of(&around[i]).n[0];
		if (rc == 1) {
			assert_int_equal(have, 2 * CELLS);
			assert_true(value_whole(&victim));
			assert_true(highest > 0 && value_of(&victim).n[0] == highest);
			assert_false(table_get(t, victim.tag, &c));
			evicted++;
		} else if (rc == -ENOSPC) {
			assert_int_equal(have, 2 * CELLS);
			assert_true(highest == 0);
			assert_int_equal(victim.tag, 0);
			refused++;
		} else {
			assert_int_equal(rc, 0);
			assert_int_equal(victim.tag, 0);
		}
		assert_int_equal(table_get(t, tag, &c), rc >= 0);
		assert_true(table_evicted(t) == evicted);
	}
	assert_true(evicted > 1000 && refused > 100);
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

static void validate_finds_what_is_wrong(void **state)
{
	struct bucket saved, *b;
	struct place p;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(100, NULL, NULL, &t), 0);
	assert_int_equal(set(t, 42, 1), 0);
	p = place_of(t, 42);
	b = p.b[!atomic_load(&p.b[0]->prints)];
	memcpy(&saved, b, sizeof(saved));
	assert_int_equal(table_validate(t), 0);

	b->prints ^= 1; /* fingerprint */
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	b->cell[0][0] = 43; /* a tag that belongs elsewhere */
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	b->prints = 0; /* a cell nobody finds */
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	memcpy(p.b[b == p.b[0]], &saved, sizeof(saved)); /* twice */
	assert_int_equal(table_validate(t), -EFAULT);
	memset(p.b[b == p.b[0]], 0, sizeof(saved));
	b->state |= HELD;
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	t->count = 2;
	assert_int_equal(table_validate(t), -EFAULT);
	t->count = 1;
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

/* ---- threads ---- */

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
		cell_move(p.b[from], here, p.b[!from], there);
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
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(the_promised_number_of_cells_fits),
		cmocka_unit_test(poor_tags_still_spread),
		cmocka_unit_test(an_edit_stores_only_what_it_says),
		cmocka_unit_test(random_work_agrees_with_a_plain_array),
		cmocka_unit_test(a_sweep_is_bounded_and_removes_what_it_is_told),
		cmocka_unit_test(a_sweep_leaves_a_cell_that_changed_since_it_was_seen),
		cmocka_unit_test(a_full_table_without_ranks_says_so),
		cmocka_unit_test(the_highest_rank_goes_and_zero_stays),
		cmocka_unit_test(validate_finds_what_is_wrong),
		cmocka_unit_test(concurrent_edits_of_the_same_tags_all_count),
		cmocka_unit_test(concurrent_inserts_make_no_tag_twice),
		cmocka_unit_test(a_cell_on_its_way_is_never_missed),
		cmocka_unit_test(a_crowd_moves_residents_and_loses_none),
		cmocka_unit_test(a_sweep_beside_writers_sees_whole_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
