// SPDX-License-Identifier: GPL-2.0-or-later
/* Every cell of an owner is found, whatever happens to the table; few others are looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "core/owners.c"
#include "selftests/unit/random.h"

#define OWNERS 500

/* The owner lies in the first bytes; 0: nobody's. */
static bool owner_in(const struct cell *c, uint64_t *ret)
{
	memcpy(ret, c->data, sizeof(*ret));
	return *ret != 0;
}

static bool edit_owner(struct cell *cell, bool found, void *arg)
{
	(void)found;
	memcpy(cell->data, arg, sizeof(uint64_t));
	return true;
}

static void put(struct table *t, uint64_t tag, uint64_t owner)
{
	assert_true(table_edit(t, tag, edit_owner, &owner, NULL) >= 0);
}

static uint32_t oldest(const struct cell *c, void *arg)
{
	(void)arg;
	return (uint32_t)(c->tag >> 32) + 1;
}

struct found {
	uint64_t owner;
	size_t own, others;
	bool remove;
};

static bool see(const struct cell *c, void *arg)
{
	struct found *f = arg;
	uint64_t owner;

	if (!owner_in(c, &owner) || owner != f->owner) {
		f->others++;
		return false;
	}
	f->own++;
	return f->remove;
}

static size_t walk(struct table *t, uint64_t owner)
{
	struct found f = {.owner = owner};
	size_t cursor = 0;

	table_sweep(t, &cursor, SIZE_MAX, see, &f);
	return f.own;
}

static size_t ask(struct owners *o, uint64_t owner, size_t *ret_others)
{
	struct found f = {.owner = owner};

	owners_sweep(o, owner, see, &f);
	if (ret_others)
		*ret_others = f.others;
	return f.own;
}

static bool is_even(const struct cell *c, void *arg)
{
	(void)arg;
	return c->tag % 2 == 0;
}

/* Random work: new cells until old ones have to go, other owners, removals, rounds at any time. */
static void all_of_an_owner_are_found(void **state)
{
	static const size_t rooms[] = {10, 380, 1000, 20000};
	uint64_t numbers = 42;

	(void)state;
	for (size_t room = 0; room < sizeof(rooms) / sizeof(rooms[0]); room++) {
		struct owners *o;
		struct table *t;

		assert_int_equal(table_new(rooms[room], oldest, NULL, &t), 0);
		assert_int_equal(owners_new(t, owner_in, &o), 0);
		for (int i = 0; i < 60000; i++) {
			const uint64_t tag = random_below(&numbers, 30000) + 1;

			if (random_below(&numbers, 10))
				put(t, tag, random_below(&numbers, OWNERS));
			else
				table_del(t, tag, NULL);
			if (i % 50 == 0)
				owners_renew(o, 20, i % 100 ? is_even : NULL, NULL);
			if (i % 100 == 0) {
				uint64_t owner = 1 + random_below(&numbers, OWNERS - 1);

				assert_int_equal(ask(o, owner, NULL), walk(t, owner));
			}
		}
		for (uint64_t owner = 1; owner < OWNERS; owner++) {
			struct found f = {.owner = owner, .remove = true};

			owners_sweep(o, owner, see, &f);
			assert_int_equal(walk(t, owner), 0);
		}
		assert_int_equal(table_validate(t), 0);
		owners_free(&o);
		assert_null(o);
		put(t, 1, 1); /* nobody watches any more */
		table_free(&t);
	}
}

/* In a full table an owner's question passes a few regions; after its cells are gone and a round of
 * filters, next to none. */
static void few_others_are_seen(void **state)
{
	const size_t cells = 300000;
	size_t others, sum = 0, stale = 0;
	struct owners *o;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(cells, NULL, NULL, &t), 0);
	assert_int_equal(owners_new(t, owner_in, &o), 0);
	for (uint64_t i = 1; i <= cells; i++)
		put(t, i, i);
	for (uint64_t owner = 1; owner <= 100; owner++) {
		assert_int_equal(ask(o, owner, &others), 1);
		sum += others;
	}
	assert_true(sum / 100 < cells / 25);
	for (uint64_t i = 1; i <= cells; i++)
		table_del(t, i, NULL);
	for (int i = 0; i < 2; i++)
		owners_renew(o, 1, NULL, NULL);
	put(t, 7, 7);
	for (uint64_t owner = 1000; owner < 1100; owner++) {
		assert_int_equal(ask(o, owner, &others), 0);
		stale += others;
	}
	assert_true(stale <= 1);
	owners_free(&o);
	table_free(&t);
}

/* ---- several threads ---- */

struct crowd {
	struct table *t;
	struct owners *o;
	_Atomic bool over;
};

/* Cells of others come and go; the table is so large that none is pushed about. */
static void *work(void *arg)
{
	struct crowd *c = arg;
	uint64_t numbers = (uintptr_t)&numbers | 1;

	while (!c->over) {
		const uint64_t tag = 100 + random_below(&numbers, 3000);

		if (random_below(&numbers, 3))
			table_del(c->t, tag, NULL);
		else
			put(c->t, tag, 100 + random_below(&numbers, OWNERS));
	}
	return NULL;
}

static void *renew(void *arg)
{
	struct crowd *c = arg;

	while (!c->over)
		owners_renew(c->o, 3, NULL, NULL);
	return NULL;
}

static bool see_seven(const struct cell *c, void *arg)
{
	size_t *count = arg;

	*count += c->tag == 7;
	return false;
}

static void while_others_write_and_renew(void **state)
{
	static struct crowd c; /* the threads outlive a failed assertion */
	pthread_t threads[3];

	(void)state;
	assert_int_equal(table_new(20000, NULL, NULL, &c.t), 0);
	assert_int_equal(owners_new(c.t, owner_in, &c.o), 0);
	put(c.t, 7, 7);
	assert_int_equal(pthread_create(&threads[0], NULL, renew, &c), 0);
	for (int i = 1; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &c), 0);
	for (int i = 0; i < 3000; i++) {
		size_t count = 0;
		uint64_t tag = 10000 + (uint64_t)i, owner = 20000 + tag;

		put(c.t, tag, owner);
		assert_int_equal(ask(c.o, owner, NULL) > 0, true);
		table_del(c.t, tag, NULL);
		owners_sweep(c.o, 7, see_seven, &count);
		assert_true(count > 0);
	}
	c.over = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	owners_free(&c.o);
	table_free(&c.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_an_owner_are_found),
		cmocka_unit_test(few_others_are_seen),
		cmocka_unit_test(while_others_write_and_renew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
