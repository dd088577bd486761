// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "core/verdicts.c"
#include "census.h"
#include "selftests/unit/random.h"

#define NOW 1000000u

static int put(struct verdicts *v, const char *text, uint8_t list, uint32_t expires)
{
	struct verdict_entry e = {.verdict = GG_DENY, .list = list, .expires = expires};
	struct prefix p = prefix(text);

	return verdicts_put(v, &p, &e);
}

static bool del(struct verdicts *v, const char *text)
{
	struct prefix p = prefix(text);

	return verdicts_del(v, &p);
}

/* List number of the entry that answers for an address; -1: none. */
static int asked(const struct verdicts *v, const char *text, uint32_t now)
{
	struct verdict_entry e;
	struct prefix where, p = prefix(text);

	if (!verdicts_find(v, &p.addr, now, &e, &where))
		return -1;
	assert_true(prefix_holds(&where, &p.addr));
	return e.list;
}

static void every_field_comes_back(void **state)
{
	struct verdicts *v = some(1000);

	(void)state;
	for (int verdict = 0; verdict <= GG_DENY; verdict++)
		for (int action = 0; action <= GG_DROP_ALL; action++)
			for (int origin = 0; origin <= GG_BY_CORRESPONDENT; origin++) {
				struct verdict_entry e = {
					.verdict = (enum gg_verdict)verdict,
					.action = (enum gg_action)action,
					.origin = (enum gg_origin)origin,
					.list = (uint8_t)(255 - origin),
					.repeats = (uint8_t)(250 + action),
					.expires = NOW + 1 + (uint32_t)verdict,
				};
				struct prefix p = prefix("2001:db8::/33"), where;
				struct verdict_entry got;

				assert_int_equal(verdicts_put(v, &p, &e), 0);
				assert_true(verdicts_get(v, &p, NOW, &got));
				assert_int_equal(got.verdict, e.verdict);
				assert_int_equal(got.action, e.action);
				assert_int_equal(got.origin, e.origin);
				assert_int_equal(got.list, e.list);
				assert_int_equal(got.repeats, e.repeats);
				assert_int_equal(got.expires, e.expires);
				assert_true(verdicts_find(v, &p.addr, NOW, NULL, &where));
				assert_memory_equal(&where, &p, sizeof(p));
				assert_true(verdicts_find(v, &p.addr, NOW, NULL, NULL));
			}
	assert_int_equal(verdicts_count(v), 1);
	check_and_free(&v);
}

static void the_most_specific_entry_answers(void **state)
{
	struct verdicts *v = some(100);

	(void)state;
	assert_int_equal(asked(v, "192.0.2.7", NOW), -1);
	assert_int_equal(put(v, "0.0.0.0/0", 1, 0), 0);
	assert_int_equal(put(v, "192.0.0.0/16", 2, 0), 0);
	assert_int_equal(put(v, "192.0.2.0/24", 3, 0), 0);
	assert_int_equal(put(v, "192.0.2.7", 4, 0), 0);
	assert_int_equal(put(v, "::/0", 5, 0), 0);
	assert_int_equal(put(v, "2001:db8::/64", 6, 0), 0);
	assert_int_equal(put(v, "2001:db8::/127", 7, 0), 0);
	assert_int_equal(put(v, "2001:db8::1", 8, 0), 0);
	assert_int_equal(verdicts_count(v), 8);

	assert_int_equal(asked(v, "192.0.2.7", NOW), 4);
	assert_int_equal(asked(v, "192.0.2.8", NOW), 3);
	assert_int_equal(asked(v, "192.0.3.7", NOW), 2);
	assert_int_equal(asked(v, "10.0.0.1", NOW), 1);
	assert_int_equal(asked(v, "2001:db8::1", NOW), 8);
	assert_int_equal(asked(v, "2001:db8::", NOW), 7);
	assert_int_equal(asked(v, "2001:db8::2", NOW), 6);
	assert_int_equal(asked(v, "2001:db8:0:1::", NOW), 5);

	/* Taken away one by one, the next wider one answers. */
	assert_true(del(v, "192.0.2.7"));
	assert_int_equal(asked(v, "192.0.2.7", NOW), 3);
	assert_true(del(v, "192.0.2.0/24"));
	assert_false(del(v, "192.0.2.0/24"));
	assert_int_equal(asked(v, "192.0.2.7", NOW), 2);
	assert_true(del(v, "192.0.0.0/16"));
	assert_true(del(v, "0.0.0.0/0"));
	/* All of IPv6 is not all of IPv4. */
	assert_int_equal(asked(v, "192.0.2.7", NOW), -1);
	assert_int_equal(asked(v, "2001:db8:0:1::", NOW), 5);
	check_and_free(&v);
}

static void the_wider_ones_come_one_by_one(void **state)
{
	static const char *const around[] = {"2001:db8::/127", "2001:db8::/64", "::/0"};
	struct verdicts *v = some(100);
	struct prefix at = prefix("2001:db8::1"), four = prefix("192.0.2.7"), q = four;
	struct verdict_entry e = {.list = 77};

	(void)state;
	assert_int_equal(put(v, "2001:db8::1", 9, 0), 0);
	assert_int_equal(put(v, "2001:db8::/96", 8, NOW), 0);
	assert_int_equal(put(v, "2001:db8:1::/48", 7, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put(v, around[i], (uint8_t)i, 0), 0);
	for (int i = 0; i < 3; i++) {
		const struct prefix want = prefix(around[i]);

		assert_true(verdicts_wider(v, &at, NOW, &e, &q));
		assert_int_equal(e.list, i);
		assert_memory_equal(&q, &want, sizeof(q));
		at = q;
	}
	assert_false(verdicts_wider(v, &at, NOW, &e, &q));
	assert_false(verdicts_wider(v, &four, NOW, &e, &q));
	assert_memory_equal(&q, &at, sizeof(q));
	assert_int_equal(e.list, 2);
	check_and_free(&v);
}

static void an_expired_entry_is_absent(void **state)
{
	struct verdicts *v = some(100);
	struct prefix p = prefix("192.0.2.7");

	(void)state;
	assert_int_equal(put(v, "192.0.2.7", 1, NOW), 0);
	assert_int_equal(put(v, "192.0.2.0/24", 2, NOW + 10), 0);
	assert_int_equal(put(v, "192.0.0.0/16", 3, 0), 0);
	assert_int_equal(asked(v, "192.0.2.7", NOW - 1), 1);
	assert_true(verdicts_get(v, &p, NOW - 1, NULL));
	assert_false(verdicts_get(v, &p, NOW, NULL));
	assert_int_equal(asked(v, "192.0.2.7", NOW), 2);
	assert_int_equal(asked(v, "192.0.2.7", NOW + 9), 2);
	assert_int_equal(asked(v, "192.0.2.7", NOW + 10), 3);
	assert_int_equal(asked(v, "192.0.2.7", UINT32_MAX), 3);
	/* Replaced, it lives again. */
	assert_int_equal(put(v, "192.0.2.7", 4, 0), 0);
	assert_int_equal(asked(v, "192.0.2.7", NOW + 10), 4);
	assert_int_equal(verdicts_count(v), 3);
	check_and_free(&v);
}

static void every_length_of_both_families_is_found(void **state)
{
	uint64_t rnd = 1;

	(void)state;
	for (int is4 = 0; is4 < 2; is4++) {
		struct verdicts *v = some(200);
		struct prefix all = prefix(is4 ? "203.0.113.77" : "2001:db8:ffff::a5a5");

		for (int len = is4 ? 96 : 0; len <= 128; len++) {
			struct prefix p = addr_mask(&all.addr, (uint8_t)len), where;
			struct verdict_entry e = {.verdict = GG_ALLOW, .list = (uint8_t)len}, got;

			assert_int_equal(verdicts_put(v, &p, &e), 0);
			assert_true(verdicts_find(v, &all.addr, NOW, &got, &where));
			assert_int_equal(got.list, len);
			assert_int_equal(where.len, len);
		}
		/* Taken away in any order, the longest left answers. */
		for (int left = is4 ? 33 : 129; left; left--) {
			struct prefix where, p;

			assert_true(verdicts_find(v, &all.addr, NOW, NULL, &where));
			do
				p = addr_mask(&all.addr, (uint8_t)random_below(&rnd, 129));
			while (!verdicts_get(v, &p, NOW, NULL));
			assert_true(p.len <= where.len);
			assert_true(verdicts_del(v, &p));
		}
		assert_false(verdicts_find(v, &all.addr, NOW, NULL, NULL));
		assert_int_equal(verdicts_count(v), 0);
		check_and_free(&v);
	}
}

#define MODEL 400

struct model {
	struct prefix p;
	struct verdict_entry e;
	bool there;
};

static struct prefix random_prefix(uint64_t *rnd)
{
	struct prefix all = prefix(random_below(rnd, 2) ? "10.0.0.0" : "2001:db8::");
	uint8_t shortest = addr_is4(&all.addr) ? 96 : 0;

	/* Few bits vary, so that prefixes lie in each other. */
	all.addr.b[15] = (uint8_t)random_below(rnd, 4);
	all.addr.b[14] = (uint8_t)(random_below(rnd, 2) * 0x80);
	if (random_below(rnd, 3) == 0)
		return all;
	return addr_mask(&all.addr, (uint8_t)(shortest + random_below(rnd, 129u - shortest)));
}

static const struct model *model_find(const struct model *m, int n, const struct addr *a,
				      uint32_t now)
{
	const struct model *best = NULL;

	for (int i = 0; i < n; i++)
		if (m[i].there && prefix_holds(&m[i].p, a) &&
		    (!m[i].e.expires || m[i].e.expires > now) &&
		    (!best || m[i].p.len > best->p.len))
			best = &m[i];
	return best;
}

static struct model *model_of(struct model *m, int *n, const struct prefix *p)
{
	for (int i = 0; i < *n; i++)
		if (m[i].p.len == p->len && addr_eq(&m[i].p.addr, &p->addr))
			return &m[i];
	assert_true(*n < MODEL);
	m[*n] = (struct model){.p = *p};
	return &m[(*n)++];
}

static void random_work_agrees_with_a_plain_list(void **state)
{
	static struct model m[MODEL];
	struct verdicts *v = some(MODEL);
	uint64_t rnd = 9;
	int n = 0;

	(void)state;
	for (int step = 0; step < 60000; step++) {
		struct prefix p = random_prefix(&rnd), where;
		struct model *known = model_of(m, &n, &p);
		uint32_t op = random_below(&rnd, 10);

		if (op < 2) {
			known->e = (struct verdict_entry){
				.verdict = GG_DENY,
				.list = (uint8_t)step,
				.expires = random_below(&rnd, 2) * (NOW + random_below(&rnd, 3)),
			};
			known->there = true;
			assert_int_equal(verdicts_put(v, &p, &known->e), 0);
		} else if (op < 4) {
			assert_int_equal(verdicts_del(v, &p), known->there);
			known->there = false;
		} else {
			uint32_t now = NOW + random_below(&rnd, 4) - 1;
			const struct model *best = model_find(m, n, &p.addr, now);
			struct verdict_entry e;

			assert_int_equal(verdicts_find(v, &p.addr, now, &e, &where), best != NULL);
			if (best) {
				assert_int_equal(e.list, best->e.list);
				assert_int_equal(where.len, best->p.len);
			}
		}
	}
	check_and_free(&v);
}

/* Two prefixes with one tag: as good as impossible, but never the wrong verdict. */
static void a_strangers_tag_is_no_answer(void **state)
{
	struct verdict_entry e = {.verdict = GG_DENY};
	struct prefix p = prefix("192.0.2.1"), stranger = prefix("192.0.2.2");
	struct verdicts *v = some(10);
	struct put planted = {.entry = pack(&stranger, &e)};

	(void)state;
	assert_int_equal(table_edit(v->table, tag_of(v, &p), edit_put, &planted, NULL), 0);
	assert_false(verdicts_get(v, &p, NOW, NULL));
	assert_false(verdicts_find(v, &p.addr, NOW, NULL, NULL));
	check_and_free(&v);
}

struct walked {
	int n;
	bool remove_denied;
};

static bool see(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct walked *w = arg;

	assert_true(p->len <= 128);
	w->n++;
	return w->remove_denied && e->verdict == GG_DENY;
}

static void a_walk_sees_the_living(void **state)
{
	struct verdict_entry allow = {.verdict = GG_ALLOW};
	struct prefix p = prefix("198.51.100.0/24");
	struct verdicts *v = some(100);
	struct walked w = {0};

	(void)state;
	verdicts_walk(v, NOW, see, &w);
	assert_int_equal(w.n, 0);
	assert_int_equal(put(v, "192.0.2.1", 1, NOW), 0);
	assert_int_equal(put(v, "192.0.2.0/24", 2, NOW), 0);
	assert_int_equal(put(v, "192.0.2.2", 3, NOW + 1), 0);
	assert_int_equal(put(v, "2001:db8::/32", 4, 0), 0);
	assert_int_equal(verdicts_put(v, &p, &allow), 0);
	assert_int_equal(verdicts_count(v), 5);
	verdicts_walk(v, NOW, see, &w);
	assert_int_equal(w.n, 3);
	/* Whose they are deletes them in the kernel and in the store, too. */
	assert_int_equal(verdicts_count(v), 5);
	assert_int_equal(asked(v, "192.0.2.1", NOW - 1), 1);

	w = (struct walked){.remove_denied = true};
	verdicts_walk(v, NOW, see, &w);
	assert_int_equal(w.n, 3);
	assert_int_equal(verdicts_count(v), 3);
	assert_true(del(v, "192.0.2.1"));
	assert_true(del(v, "192.0.2.0/24"));
	assert_int_equal(asked(v, "192.0.2.2", NOW), -1);
	assert_int_equal(asked(v, "2001:db8::1", NOW), -1);
	assert_int_equal(asked(v, "198.51.100.1", NOW), 0);
	check_and_free(&v);
}

static void parts_of_a_walk_are_the_walk(void **state)
{
	struct verdicts *v = some(1000);
	struct walked w;
	char text[40];

	(void)state;
	for (int i = 0; i < 700; i++) {
		snprintf(text, sizeof(text), "10.0.%d.%d", i / 250, i % 250);
		assert_int_equal(put(v, text, 1, 0), 0);
	}
	for (unsigned parts = 1; parts <= 9; parts++) {
		w = (struct walked){0};
		for (unsigned part = 0; part < parts; part++)
			verdicts_walk_part(v, part, parts, NOW, see, &w);
		assert_int_equal(w.n, 700);
	}
	w = (struct walked){0};
	verdicts_walk_part(v, 1, 3, NOW, see, &w);
	assert_in_range(w.n, 700 / 3 - 100, 700 / 3 + 100);
	/* More parts than there are buckets. */
	w = (struct walked){.remove_denied = true};
	for (unsigned part = 0; part < 100000; part++)
		verdicts_walk_part(v, part, 100000, NOW, see, &w);
	assert_int_equal(w.n, 700);
	assert_int_equal(verdicts_count(v), 0);
	check_and_free(&v);
}

static void a_full_set_says_so_and_keeps_what_it_has(void **state)
{
	struct verdict_entry e = {.verdict = GG_DENY};
	struct verdicts *v = some(50);
	size_t held = 0;
	int rc = 0;

	(void)state;
	for (uint32_t i = 0; !rc && i < 10000; i++) {
		struct prefix p = prefix("10.0.0.0/24");

		p.addr.b[13] = (uint8_t)(i >> 8);
		p.addr.b[14] = (uint8_t)i;
		rc = verdicts_put(v, &p, &e);
		if (!rc) {
			held++;
			assert_true(verdicts_get(v, &p, NOW, NULL));
		}
	}
	assert_int_equal(rc, -ENOSPC);
	assert_true(held >= 50);
	assert_int_equal(verdicts_count(v), held);
	/* The refused one did not spoil the count of its length: empty again, nothing is found. */
	verdicts_walk(v, NOW, see, &(struct walked){.remove_denied = true});
	assert_int_equal(verdicts_count(v), 0);
	assert_int_equal(asked(v, "10.0.0.1", NOW), -1);
	assert_int_equal(put(v, "10.0.0.0/24", 9, 0), 0);
	assert_int_equal(asked(v, "10.0.0.1", NOW), 9);
	check_and_free(&v);
}

struct race {
	struct verdicts *v;
	_Atomic bool done;
	_Atomic int number, wrong;
};

/* Puts and removes prefixes of a length that come and go, under a wide one that stays. */
static void *flicker(void *arg)
{
	struct race *race = arg;
	int me = atomic_fetch_add(&race->number, 1);
	struct verdict_entry e = {.verdict = GG_DENY, .list = 2};
	struct prefix p = prefix(me ? "192.0.2.0/24" : "192.0.3.0/24"), where;

	for (int i = 0; i < 30000; i++) {
		struct verdict_entry got;

		if (verdicts_put(race->v, &p, &e) ||
		    !verdicts_find(race->v, &p.addr, NOW, &got, &where) || where.len != p.len)
			atomic_fetch_add(&race->wrong, 1);
		if (!verdicts_del(race->v, &p) ||
		    !verdicts_find(race->v, &p.addr, NOW, &got, &where) || where.len != 104)
			atomic_fetch_add(&race->wrong, 1);
	}
	atomic_store(&race->done, true);
	return NULL;
}

static bool see_nothing(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	(void)p;
	(void)e;
	(void)arg;
	return false;
}

static void writers_of_one_length_do_not_hide_each_other(void **state)
{
	struct race race = {.v = some(100)};
	pthread_t thread[2];

	(void)state;
	assert_int_equal(put(race.v, "192.0.0.0/8", 1, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, flicker, &race), 0);
	while (!atomic_load(&race.done))
		verdicts_walk(race.v, NOW, see_nothing, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(race.wrong, 0);
	assert_int_equal(verdicts_count(race.v), 1);
	check_and_free(&race.v);
}

static struct imports *listing(const char *text, enum import_says says, const char *text2,
			       enum import_says says2)
{
	struct prefix one = prefix(text), two = prefix(text2);
	struct import_item items[] = {
		{.addr = one.addr, .len = one.len, .list = 1, .says = says},
		{.addr = two.addr, .len = two.len, .list = 2, .says = says2},
	};
	const uint8_t rank[GG_LISTS] = {[1] = 1, [2] = says2 == IMPORT_EXCEPT ? 1 : 2};
	struct imports *in;

	assert_int_equal(imports_make(items, 2, rank, &in), 0);
	in->action[1] = GG_STUTTER;
	in->action[2] = GG_TARPIT;
	return in;
}

static void an_imported_entry_gives_way_to_one_as_specific(void **state)
{
	struct imports *in = listing("192.0.2.0/24", IMPORT_DENY, "192.0.2.9", IMPORT_DENY);
	const struct verdict_entry own = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING};
	struct verdicts *v = some(100);
	struct prefix p = prefix("192.0.2.7"), where;
	struct verdict_entry e;

	(void)state;
	assert_null(verdicts_import(v, in));
	assert_true(verdicts_find(v, &p.addr, NOW, &e, &where));
	assert_int_equal(e.verdict, GG_DENY);
	assert_int_equal(e.action, GG_STUTTER);
	assert_int_equal(e.origin, GG_BY_IMPORT);
	assert_int_equal(e.list, 1);
	assert_int_equal(where.len, 120);
	assert_false(verdicts_get(v, &where, NOW, NULL));
	assert_int_equal(verdicts_count(v), 0);

	/* The same prefix: the daemon's own. A wider one: the list's. */
	where = prefix("192.0.2.0/24");
	assert_int_equal(verdicts_put(v, &where, &own), 0);
	assert_true(verdicts_find(v, &p.addr, NOW, &e, NULL));
	assert_int_equal(e.origin, GG_BY_LEARNING);
	assert_true(verdicts_del(v, &where));
	where = prefix("192.0.0.0/16");
	assert_int_equal(verdicts_put(v, &where, &own), 0);
	assert_true(verdicts_find(v, &p.addr, NOW, &e, NULL));
	assert_int_equal(e.origin, GG_BY_IMPORT);
	p = prefix("192.0.2.9");
	assert_true(verdicts_find(v, &p.addr, NOW, &e, NULL));
	assert_int_equal(e.action, GG_TARPIT);
	assert_int_equal(verdicts_put(v, &p, &own), 0);
	assert_true(verdicts_find(v, &p.addr, NOW, &e, &where));
	assert_int_equal(e.origin, GG_BY_LEARNING);
	assert_int_equal(where.len, 128);

	assert_ptr_equal(verdicts_import(v, NULL), in);
	imports_free(&in);
	check_and_free(&v);
}

static void in_a_hole_the_daemons_own_entry_holds(void **state)
{
	struct imports *in = listing("192.0.2.0/24", IMPORT_DENY, "192.0.2.128/25", IMPORT_EXCEPT);
	const struct verdict_entry own = {.verdict = GG_ALLOW, .origin = GG_BY_OPERATOR};
	struct prefix p = prefix("192.0.2.200"), wide = prefix("192.0.0.0/16");
	struct verdicts *v = some(100);
	struct verdict_entry e;

	(void)state;
	assert_null(verdicts_import(v, in));
	assert_false(verdicts_find(v, &p.addr, NOW, &e, NULL));
	assert_int_equal(verdicts_put(v, &wide, &own), 0);
	assert_true(verdicts_find(v, &p.addr, NOW, &e, NULL));
	assert_int_equal(e.origin, GG_BY_OPERATOR);
	assert_ptr_equal(verdicts_import(v, NULL), in);
	imports_free(&in);
	check_and_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(the_most_specific_entry_answers),
		cmocka_unit_test(the_wider_ones_come_one_by_one),
		cmocka_unit_test(an_expired_entry_is_absent),
		cmocka_unit_test(every_length_of_both_families_is_found),
		cmocka_unit_test(random_work_agrees_with_a_plain_list),
		cmocka_unit_test(a_strangers_tag_is_no_answer),
		cmocka_unit_test(a_walk_sees_the_living),
		cmocka_unit_test(parts_of_a_walk_are_the_walk),
		cmocka_unit_test(a_full_set_says_so_and_keeps_what_it_has),
		cmocka_unit_test(writers_of_one_length_do_not_hide_each_other),
		cmocka_unit_test(an_imported_entry_gives_way_to_one_as_specific),
		cmocka_unit_test(in_a_hole_the_daemons_own_entry_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
