// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All entries at a time: the sweep, and the comparison with the daemon's verdicts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <time.h>

#include "entries.h"

struct found {
	int count;
	bool host4, host6, net4, net6;
	uint32_t last_seen;
};

static void find(const struct prefix *p, const struct gg_entry *e, uint32_t last_seen, void *arg)
{
	struct found *f = arg;
	char text[PREFIX_TEXT];

	f->count++;
	prefix_text(p, text);
	f->host4 |= !strcmp(text, "192.0.2.7") && e->verdict == GG_ALLOW;
	f->host6 |= !strcmp(text, "2001:db8::7") && e->action == GG_DROP_NEW;
	f->net4 |= !strcmp(text, "192.0.2.0/24") && e->action == GG_REJECT;
	f->net6 |= !strcmp(text, "2001:db8::/48") && e->verdict == GG_ALLOW;
	if (!strcmp(text, "192.0.2.7"))
		f->last_seen = last_seen;
	else
		assert_int_equal(last_seen, 0);
}

static uint32_t seen(const char *text)
{
	const struct prefix p = room_prefix(text);

	return fastpath_seen(fp, &p);
}

static void a_sweep_sees_every_entry_with_its_time(void **state)
{
	struct found f = {};
	uint32_t now = time(NULL);

	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::7", GG_DENY, GG_DROP_NEW, now + 1000);
	room_put(fp, "192.0.2.0/24", GG_DENY, GG_REJECT, 0);
	room_put(fp, "2001:db8::/48", GG_ALLOW, GG_NO_ACTION, 0);
	set_marks("192.0.2.7", 1, entries_now() - 5);
	assert_int_equal(fastpath_sweep(fp, find, &f), 0);
	assert_int_equal(f.count, 4);
	assert_true(f.host4 && f.host6 && f.net4 && f.net6);
	assert_in_range(f.last_seen, now - 7, now + 2);
	/* Of one alone the same. */
	assert_in_range(seen("192.0.2.7"), f.last_seen - 1, f.last_seen + 1);
	assert_int_equal(seen("2001:db8::/48"), 0);
	assert_int_equal(seen("192.0.2.8"), 0);
}

static void a_sweep_sees_thousands_once_each(void **state)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW};
	struct prefix p = room_prefix("192.0.0.0");
	int i, count = 0;

	(void)state;
	for (i = 0; i < 4321; i++) {
		p.addr.b[14] = i >> 8;
		p.addr.b[15] = i;
		assert_int_equal(fastpath_put(fp, &p, &e), 0);
	}
	assert_int_equal(fastpath_sweep(fp, count_one, &count), 0);
	assert_int_equal(count, 4321);
}

static void a_sweep_removes_what_has_expired(void **state)
{
	const struct prefix host = room_prefix("192.0.2.7"), net = room_prefix("10.0.0.0/8");
	const struct prefix fresh = room_prefix("192.0.2.8");
	struct gg_entry e;
	int count = 0;

	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, ROOM_EXPIRED);
	room_put(fp, "10.0.0.0/8", GG_ALLOW, GG_NO_ACTION, ROOM_EXPIRED);
	/* Expired just now: a renewal may be on its way. */
	room_put(fp, "192.0.2.8", GG_ALLOW, GG_NO_ACTION, time(NULL) - 2);
	room_put(fp, "192.0.2.9", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(fastpath_sweep(fp, count_one, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(fastpath_get(fp, &host, &e), -ENOENT);
	assert_int_equal(fastpath_get(fp, &net, &e), -ENOENT);
	assert_int_equal(fastpath_get(fp, &fresh, &e), 0);
	assert_int_equal(switches().have_net4, 0);
}

static void an_entry_renewed_after_the_walk_stays(void **state)
{
	const struct prefix p = room_prefix("192.0.2.7");
	struct gg_entry e;

	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, time(NULL) + 100);
	assert_int_equal(entries_expire(fp, &p, entries_now()), 0);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
}

static const uint8_t hash_key[16] = "0123456789abcde";

static struct verdicts *verdicts_with(const char *const *prefixes, enum gg_action action)
{
	struct verdict_entry e = {.verdict = GG_DENY, .action = action, .origin = GG_BY_OPERATOR};
	struct verdicts *v;
	struct prefix p;

	assert_int_equal(verdicts_new(1000, hash_key, &v), 0);
	for (; *prefixes; prefixes++) {
		p = room_prefix(*prefixes);
		assert_int_equal(verdicts_put(v, &p, &e), 0);
	}
	return v;
}

static void sync_makes_the_kernel_hold_what_the_daemon_holds(void **state)
{
	static const char *const wanted[] = {"192.0.2.7",     "2001:db8::7",  "192.0.2.0/24",
					     "2001:db8::/48", "198.51.100.1", NULL};
	struct verdicts *v = verdicts_with(wanted, GG_DROP_NEW);
	const struct prefix stale = room_prefix("192.0.2.99"), net = room_prefix("10.0.0.0/8");
	uint32_t now = time(NULL);
	struct gg_entry e;

	(void)state;
	room_put(fp, "192.0.2.7", GG_DENY, GG_DROP_NEW, 0); /* the same */
	set_marks("192.0.2.7", 12, 34);
	room_put(fp, "198.51.100.1", GG_DENY, GG_REJECT, 0); /* another action */
	set_marks("198.51.100.1", 5, 6);
	room_put(fp, "192.0.2.99", GG_ALLOW, GG_NO_ACTION, 0); /* not wanted */
	room_put(fp, "10.0.0.0/8", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(fastpath_sync(fp, v, now), 2 + 4);
	assert_int_equal(get("192.0.2.7").hits, 12);
	assert_int_equal(get("192.0.2.7").last_seen, 34);
	assert_int_equal(get("198.51.100.1").action, GG_DROP_NEW);
	assert_int_equal(get("198.51.100.1").hits, 0);
	assert_int_equal(get("2001:db8::7").action, GG_DROP_NEW);
	assert_int_equal(get("192.0.2.0/24").length, 24);
	assert_int_equal(get("2001:db8::/48").length, 48);
	assert_int_equal(fastpath_get(fp, &stale, &e), -ENOENT);
	assert_int_equal(fastpath_get(fp, &net, &e), -ENOENT);
	assert_int_equal(switches().have_net4, 1);
	/* A second time there is nothing to do. */
	assert_int_equal(fastpath_sync(fp, v, now), 0);
	verdicts_free(&v);
}

static void sync_follows_the_expiry(void **state)
{
	struct verdict_entry e = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING};
	const struct prefix p = room_prefix("192.0.2.7");
	uint32_t now = time(NULL);
	struct verdicts *v;

	(void)state;
	assert_int_equal(verdicts_new(1000, hash_key, &v), 0);
	e.expires = now + 1000;
	assert_int_equal(verdicts_put(v, &p, &e), 0);
	assert_int_equal(fastpath_sync(fp, v, now), 1);
	set_marks("192.0.2.7", 3, 4);
	assert_int_equal(fastpath_sync(fp, v, now), 0);
	e.expires = now + 5000;
	assert_int_equal(verdicts_put(v, &p, &e), 0);
	assert_int_equal(fastpath_sync(fp, v, now), 1);
	assert_int_equal(get("192.0.2.7").hits, 3);
	assert_in_range(get("192.0.2.7").expires, entries_now() + 4990, entries_now() + 5010);
	/* So it does the owner's number. */
	e.list = 7;
	assert_int_equal(verdicts_put(v, &p, &e), 0);
	assert_int_equal(fastpath_sync(fp, v, now), 1);
	assert_int_equal(get("192.0.2.7").list, 7);
	assert_int_equal(fastpath_sync(fp, v, now), 0);
	/* Gone by then. */
	assert_int_equal(fastpath_sync(fp, v, now + 6000), 1);
	verdicts_free(&v);
}

static void sync_with_a_full_map_fits_what_it_can(void **state)
{
	static const char *const none[] = {NULL};
	struct verdicts *v = verdicts_with(none, GG_REJECT);
	struct verdict_entry e = {.verdict = GG_DENY, .action = GG_REJECT};
	struct prefix p = room_prefix("10.0.0.0/24");
	int i, count = 0;

	(void)state;
	for (i = 0; i < 150; i++) {
		p.addr.b[14] = i;
		assert_int_equal(verdicts_put(v, &p, &e), 0);
	}
	assert_int_equal(fastpath_sync(fp, v, time(NULL)), -ENOSPC);
	assert_int_equal(fastpath_sweep(fp, count_one, &count), 0);
	assert_int_equal(count, 100);
	verdicts_free(&v);
}

/* More than a batch in each family. */
static struct verdicts *thousands_of(int n)
{
	struct verdict_entry e = {.verdict = GG_DENY, .action = GG_DROP_NEW};
	struct prefix four = room_prefix("192.0.0.0"), six = room_prefix("2001:db8::");
	struct verdicts *v;
	int i;

	assert_int_equal(verdicts_new(2 * n + 100, hash_key, &v), 0);
	for (i = 0; i < n; i++) {
		four.addr.b[14] = six.addr.b[14] = i >> 8;
		four.addr.b[15] = six.addr.b[15] = i;
		assert_int_equal(verdicts_put(v, &four, &e), 0);
		assert_int_equal(verdicts_put(v, &six, &e), 0);
	}
	return v;
}

static void sync_fills_empty_maps_in_batches(void **state)
{
	struct verdicts *v = thousands_of(4700);
	int count = 0;

	(void)state;
	assert_int_equal(fastpath_sync(fp, v, time(NULL)), 9400);
	assert_int_equal(fastpath_sweep(fp, count_one, &count), 0);
	assert_int_equal(count, 9400);
	assert_int_equal(get("192.0.18.91").length, 32);
	assert_int_equal(get("2001:db8::125b").length, 128);
	assert_int_equal(fp->index[INDEX4].count, 4700);
	assert_int_equal(fastpath_sync(fp, v, time(NULL)), 0);
	verdicts_free(&v);
}

static void sync_fills_what_fits_of_too_many(void **state)
{
	struct verdicts *v = thousands_of(6000);
	int count = 0;

	(void)state;
	assert_int_equal(fastpath_sync(fp, v, time(NULL)), -ENOSPC);
	assert_int_equal(fastpath_sweep(fp, count_one, &count), 0);
	assert_in_range(count, 2 * 5000, 2 * 5100);
	verdicts_free(&v);
}

static void the_first_to_expire_of_the_daemons_own_are_found(void **state)
{
	static const struct {
		const char *prefix;
		enum gg_origin origin;
		uint32_t life;
	} entries[] = {
		{"192.0.2.1", GG_BY_LEARNING, 500},     {"192.0.2.2", GG_BY_OPERATOR, 100},
		{"192.0.2.3", GG_BY_TRAP, 300},         {"192.0.2.4", GG_BY_LEARNING, 400},
		{"192.0.2.5", GG_BY_OPERATOR, 0},       {"2001:db8::1", GG_BY_LIMIT, 10},
		{"192.0.2.0/25", GG_BY_LEARNING, 5},    {"2001:db8:1::/64", GG_BY_LEARNING, 7},
		{"2001:db8:2::/64", GG_BY_LEARNING, 6}, {"2001:db8:3::/64", GG_BY_OPERATOR, 6},
	};
	struct prefix four = room_prefix("198.51.100.1"), net6 = room_prefix("2001:db9::/32");
	struct prefix found[4];

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct prefix p = room_prefix(entries[i].prefix);
		struct verdict_entry e = {.verdict = GG_DENY,
					  .origin = entries[i].origin,
					  .expires = entries[i].life ? time(NULL) + entries[i].life
								     : 0};

		assert_int_equal(fastpath_put(fp, &p, &e), 0);
	}
	assert_int_equal(fastpath_oldest(fp, &four, found, 2), 2);
	assert_memory_equal(&found[0], &(struct prefix[]){room_prefix("192.0.2.3")},
			    sizeof(*found));
	assert_memory_equal(&found[1], &(struct prefix[]){room_prefix("192.0.2.4")},
			    sizeof(*found));
	assert_int_equal(fastpath_oldest(fp, &four, found, 4), 3);
	assert_int_equal(fastpath_oldest(fp, &net6, found, 4), 2);
	assert_memory_equal(&found[0], &(struct prefix[]){room_prefix("2001:db8:2::/64")},
			    sizeof(*found));
}

static void a_full_map_is_known_until_there_is_room(void **state)
{
	const struct verdict_entry e = {.verdict = GG_DENY, .origin = GG_BY_OPERATOR};
	struct prefix p = room_prefix("10.0.0.0/24");

	(void)state;
	for (int i = 0; i < 100; i++) {
		p.addr.b[14] = (uint8_t)i;
		assert_int_equal(fastpath_put(fp, &p, &e), 0);
	}
	assert_int_equal(fastpath_full(fp), 0);
	p.addr.b[14] = 100;
	assert_int_equal(fastpath_put(fp, &p, &e), -ENOSPC);
	assert_int_equal(fastpath_full(fp), 1u << FASTPATH_NET4);
	p.addr.b[14] = 99;
	assert_int_equal(fastpath_put(fp, &p, &e), 0);
	assert_int_equal(fastpath_full(fp), 1u << FASTPATH_NET4);
	assert_int_equal(fastpath_del(fp, &p), 0);
	assert_int_equal(fastpath_full(fp), 0);
}

static void it_finds_what_the_programs_find(void **state)
{
	static const struct {
		const char *addr, *prefix; /* NULL: nothing */
	} asked[] = {
		{"192.0.2.7", "192.0.2.7"},    {"192.0.2.8", "192.0.2.0/24"},
		{"192.0.2.9", "192.0.2.0/24"}, {"192.0.2.130", "192.0.2.0/24"},
		{"198.51.100.1", NULL},        {"2001:db8::1", "2001:db8::/32"},
		{"2001:db9::1", NULL},
	};
	struct prefix found;
	struct gg_entry e;

	(void)state;
	room_put(fp, "192.0.2.0/24", GG_DENY, GG_DROP_NEW, 0);
	room_put(fp, "192.0.2.128/25", GG_ALLOW, GG_NO_ACTION, ROOM_EXPIRED);
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "192.0.2.9", GG_ALLOW, GG_NO_ACTION, ROOM_EXPIRED);
	room_put(fp, "2001:db8::/32", GG_DENY, GG_TARPIT, 0);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct prefix a = room_prefix(asked[i].addr), want;

		if (!asked[i].prefix) {
			assert_int_equal(fastpath_find(fp, &a.addr, &found, &e), -ENOENT);
			continue;
		}
		want = room_prefix(asked[i].prefix);
		assert_int_equal(fastpath_find(fp, &a.addr, &found, &e), 0);
		assert_memory_equal(&found, &want, sizeof(want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sweep_sees_every_entry_with_its_time),
		TEST(a_sweep_sees_thousands_once_each),
		TEST(a_sweep_removes_what_has_expired),
		TEST(an_entry_renewed_after_the_walk_stays),
		TEST(sync_makes_the_kernel_hold_what_the_daemon_holds),
		TEST(sync_follows_the_expiry),
		TEST(sync_with_a_full_map_fits_what_it_can),
		TEST(sync_fills_empty_maps_in_batches),
		TEST(sync_fills_what_fits_of_too_many),
		TEST(the_first_to_expire_of_the_daemons_own_are_found),
		TEST(a_full_map_is_known_until_there_is_room),
		TEST(it_finds_what_the_programs_find),
	};

	return cmocka_run_group_tests(tests, room_enter, NULL);
}
