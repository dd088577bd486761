// SPDX-License-Identifier: GPL-2.0-or-later
/* What lies within a prefix: found by looking up each place and by a walk, it is the same. */
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
#define ENTRIES 3000

struct seen {
	const struct prefix *within;
	int count;
	uint64_t sum; /* of the tags, in whatever order they come */
	const struct verdicts *v;
	bool remove;
};

static bool see(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct seen *s = arg;

	(void)e;
	if (s->within && (p->len < s->within->len || !prefix_holds(s->within, &p->addr)))
		return false;
	s->count++;
	s->sum += tag_of(s->v, p);
	return s->remove;
}

/* Entries close to each other, so that prefixes hold some of them. */
static struct prefix near(uint64_t *state)
{
	struct prefix p = prefix(random_below(state, 2) ? "192.0.0.0" : "2001:db8::");
	const bool is4 = addr_is4(&p.addr);

	for (int i = is4 ? 14 : 13; i < 16; i++)
		p.addr.b[i] = (uint8_t)random_below(state, i == 15 ? 256 : 4);
	return addr_mask(&p.addr,
			 (uint8_t)(random_below(state, 3) ? 128 : 108 + random_below(state, 21)));
}

static void fill(struct verdicts *v, uint64_t *state)
{
	for (int i = 0; i < ENTRIES; i++) {
		const struct prefix p = near(state);
		const struct verdict_entry e = {.verdict = GG_DENY,
						.expires = random_below(state, 8) ? 0 : NOW};

		assert_true(verdicts_put(v, &p, &e) >= 0);
	}
}

static void looking_up_and_walking_agree(void **state)
{
	uint64_t numbers = 4711;
	int found = 0, walked = 0, looked = 0;

	(void)state;
	/* In the large one even long rows of addresses are looked up. */
	for (size_t room = 10000; room <= 4000000; room *= 400) {
		struct verdicts *v = some(room);

		fill(v, &numbers);
		for (int i = 0; i < 400; i++) {
			struct prefix p = near(&numbers);
			struct seen all = {.v = v, .within = &p}, got = {.v = v};

			p = addr_mask(&p.addr, (uint8_t)(100 + random_below(&numbers, 29)));
			verdicts_walk(v, NOW, see, &all);
			verdicts_within(v, &p, NOW, see, &got);
			assert_int_equal(got.count, all.count);
			assert_true(got.sum == all.sum);
			found += got.count;
			if (places(&p, HOST) > table_buckets(v->table) / BUCKETS_PER_PLACE)
				walked++;
			else if (p.len < HOST)
				looked++;
		}
		check_and_free(&v);
	}
	assert_true(found > 1000 && walked > 100 && looked > 100);
}

static void what_is_removed_is_gone(void **state)
{
	uint64_t numbers = 815;

	(void)state;
	for (size_t room = 10000; room <= 4000000; room *= 400) {
		static const char *const prefixes[] = {"192.0.2.7",      "192.0.1.0/24",
						       "2001:db8::/112", "2001:db8::1:0/116",
						       "192.0.0.0/22",   "::/0"};
		struct verdicts *v = some(room);

		fill(v, &numbers);
		for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
			const struct prefix p = prefix(prefixes[i]);
			struct seen before = {.v = v}, in = {.v = v, .within = &p}, left = {.v = v};
			struct seen gone = {.v = v, .remove = true};

			verdicts_walk(v, NOW, see, &before);
			verdicts_walk(v, NOW, see, &in);
			verdicts_within(v, &p, NOW, see, &gone);
			assert_int_equal(gone.count, in.count);
			verdicts_walk(v, NOW, see, &left);
			assert_int_equal(left.count, before.count - in.count);
			assert_true(left.sum == before.sum - in.sum);
		}
		check_and_free(&v);
	}
}

/* All of a family is too much to look up, and none of the other. */
static void everything(void **state)
{
	struct verdicts *v = some(1000);
	const struct verdict_entry e = {.verdict = GG_ALLOW};
	static const char *const texts[] = {"0.0.0.0/0",  "192.0.2.1", "255.255.255.255",
					    "::/0",       "::1",       "2001:db8::/32",
					    "ffff::ffff", "8000::/1"};
	static const struct {
		const char *prefix;
		int count;
	} cases[] = {{"0.0.0.0/0", 3}, {"::/0", 5},       {"::/1", 2},         {"8000::/1", 2},
		     {"::1", 1},       {"::2", 0},        {"0.0.0.0/1", 0},    {"128.0.0.0/1", 2},
		     {"::/128", 0},    {"0.0.0.0/32", 0}, {"2001:db8::/32", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct prefix p = prefix(texts[i]);

		assert_int_equal(verdicts_put(v, &p, &e), 0);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct prefix p = prefix(cases[i].prefix);
		struct seen got = {.v = v};

		verdicts_within(v, &p, NOW, see, &got);
		if (got.count != cases[i].count)
			fail_msg("%s: %d", cases[i].prefix, got.count);
	}
	check_and_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looking_up_and_walking_agree),
		cmocka_unit_test(what_is_removed_is_gone),
		cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
