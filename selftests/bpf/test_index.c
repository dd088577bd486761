// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hot index: the same answers as host4 and host6, whatever happens to entries, sizes and marks
 * meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <time.h>

#include "bpf/classify.h"
#include "lists.h"

static uint32_t syn_from(const char *from)
{
	const struct frame_spec s = {.from = from,
				     .to = strchr(from, ':') ? VIP6 : VIP4,
				     .to_port = 25,
				     .flags = TCP_SYN};
	struct frame f;

	frame_build(&f, &s);
	return program_run(skel, f.b, f.len);
}

static struct gg_entry entry_of(const char *prefix)
{
	const struct prefix p = room_prefix(prefix);
	struct gg_entry e = {};

	if (fastpath_get(fp, &p, &e))
		fail_msg("no entry for %s", prefix);
	return e;
}

static void forget(const char *prefix)
{
	const struct prefix p = room_prefix(prefix);

	assert_int_equal(fastpath_del(fp, &p), 0);
}

static void ignore(const struct prefix *p, const struct gg_entry *e, uint32_t last_seen, void *arg)
{
	(void)p;
	(void)e;
	(void)last_seen;
	(void)arg;
}

static uint64_t dropped(void)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[GG_STAT_drop_new];
}

static void flood_from(const char *from)
{
	int i;

	for (i = 0; i < 3 * GG_ASKED_DROPS; i++)
		assert_int_equal(syn_from(from), XDP_DROP);
}

static struct gg_bucket *bucket_of(const char *host4)
{
	const struct prefix p = room_prefix(host4);
	const struct index *x = &fp->index[INDEX4];
	uint32_t addr;

	memcpy(&addr, p.addr.b + 12, 4);
	return &x->bucket[gg_index_bucket(gg_index_hash4(addr, x->hash_key), x->used)];
}

/* The lists anew, and the index with another key until 198.51.100.1 and 198.51.100.6 share their
 * buckets with no entry that ends: what is asked of the truth because of such a neighbour is not
 * what these tests are about. */
static void renew(void)
{
	do {
		lists_renew();
		assert_int_equal(index_build(fp), 0);
	} while ((bucket_of("198.51.100.1")->state | bucket_of("198.51.100.6")->state) >>
		 GG_BUCKET_ENDS_SHIFT);
}

/* ---- what it answers ---- */

static void a_flood_leaves_the_entry_alone_until_the_sweep(void **state)
{
	uint64_t before;
	int i;

	(void)state;
	renew();
	flood_from("198.51.100.1");
	assert_int_equal(entry_of("198.51.100.1").hits, GG_ASKED_DROPS);
	before = dropped();
	for (i = 0; i < 1000; i++)
		assert_int_equal(syn_from("198.51.100.1"), XDP_DROP);
	assert_int_equal(dropped() - before, 1000);
	assert_int_equal(entry_of("198.51.100.1").hits, GG_ASKED_DROPS);

	/* Only a mark that was set is turned into a time, and only once. */
	assert_int_equal(fastpath_sweep(fp, ignore, NULL), 0);
	assert_int_equal(entry_of("198.51.100.1").hits, GG_ASKED_DROPS + 1);
	assert_in_range(entry_of("198.51.100.1").last_seen, entries_now() - 5, entries_now());
	assert_int_equal(fastpath_sweep(fp, ignore, NULL), 0);
	assert_int_equal(entry_of("198.51.100.1").hits, GG_ASKED_DROPS + 1);
	assert_int_equal(syn_from("198.51.100.1"), XDP_DROP);
	assert_int_equal(fastpath_sweep(fp, ignore, NULL), 0);
	assert_int_equal(entry_of("198.51.100.1").hits, GG_ASKED_DROPS + 2);
	assert_int_equal(entry_of("198.51.100.3").last_seen, 0);
}

/* enum gg_stat, and above it the action. */
static int verdict_on(const void *bytes, uint32_t len)
{
	uint64_t before[GG_STAT_MAX], after[GG_STAT_MAX];
	uint32_t action;
	int i, cause = GG_STAT_packets;

	assert_int_equal(fastpath_stats(fp, before), 0);
	action = program_run(skel, bytes, len);
	assert_int_equal(fastpath_stats(fp, after), 0);
	for (i = 0; i < GG_STAT_MAX; i++)
		if (i != GG_STAT_packets && after[i] != before[i])
			cause = i;
	assert_int_equal(after[GG_STAT_packets] - before[GG_STAT_packets], 1);
	return cause | action << 16;
}

/* All the headers' bits one at a time, then all shorter frames. */
#define BITS_FROM (12 * 8)
#define VARIANTS (54 * 8 + 54)

static int verdict_on_variant(const struct frame *f, int n)
{
	uint8_t bytes[sizeof(f->b)];

	memcpy(bytes, f->b, f->len);
	if (n >= 54 * 8)
		return verdict_on(bytes, 14 + (n - 54 * 8) % (f->len - 14));
	bytes[n / 8] ^= 1 << n % 8;
	return verdict_on(bytes, f->len);
}

static void agrees_on_all_variants(const char *from, bool floods)
{
	const struct frame_spec s = {.from = from, .to = VIP4, .to_port = 25, .flags = TCP_SYN};
	int wanted[VARIANTS], got, n;
	struct frame f;

	frame_build(&f, &s);
	lists_renew();
	index_off(fp);
	for (n = BITS_FROM; n < VARIANTS; n++)
		wanted[n] = verdict_on_variant(&f, n);
	renew();
	if (floods)
		flood_from(from);
	for (n = BITS_FROM; n < VARIANTS; n++) {
		got = verdict_on_variant(&f, n);
		if (got != wanted[n])
			fail_msg("%s, mode %d, variant %d: action %d, %s; without the index %d, %s",
				 from, fp->switches.mode, n, got >> 16, program_stats[got & 0xffff],
				 wanted[n] >> 16, program_stats[wanted[n] & 0xffff]);
	}
}

static void what_is_known_at_a_glance_gets_the_verdicts_of_the_lists(void **state)
{
	const enum gg_mode modes[] = {GG_MODE_HOST, GG_MODE_RELAY};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		fp->switches.mode = modes[i];
		assert_int_equal(switches_write(fp), 0);
		agrees_on_all_variants("198.51.100.1", true);
		agrees_on_all_variants("198.51.100.6", false);
	}
}

static void so_do_the_connections_of_an_allowed_source(void **state)
{
	int i;

	(void)state;
	renew();
	for (i = 0; i < 50; i++)
		assert_int_equal(syn_from("198.51.100.6"), XDP_PASS);
	assert_int_equal(entry_of("198.51.100.6").hits, GG_ASKED_DROPS);
	assert_int_equal(fastpath_sweep(fp, ignore, NULL), 0);
	assert_int_equal(entry_of("198.51.100.6").hits, GG_ASKED_DROPS + 1);
	assert_int_equal(fastpath_sweep(fp, ignore, NULL), 0);
	assert_int_equal(entry_of("198.51.100.6").hits, GG_ASKED_DROPS + 1);
}

/* Whoever makes the index anew keeps what it was told. */
static void a_new_index_loses_no_mark(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 6}};
	struct gg_entry e;
	int i;

	(void)state;
	renew();
	for (i = 0; i < 2 * GG_ASKED_DROPS; i++)
		assert_int_equal(syn_from("198.51.100.6"), XDP_PASS);
	for (i = 0; i < 3; i++) {
		e = entry_of("198.51.100.6");
		e.last_seen = 1;
		assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
		assert_int_equal(syn_from("198.51.100.6"), XDP_PASS);
		if (i == 0)
			assert_int_equal(index_build(fp), 0);
		if (i == 1)
			fastpath_again(fp);
		if (i == 2)
			index_off(fp);
		assert_in_range(entry_of("198.51.100.6").last_seen, entries_now() - 5,
				entries_now());
		assert_int_equal(index_build(fp), 0);
	}
}

/* Sixteen in each of the first buckets, of each of which one place names its address. Returns the
 * slot's byte. */
static uint8_t *dense(uint32_t n, struct prefix *ret)
{
	const struct index *x = &fp->index[INDEX4];
	const struct bucket_geometry g = {x->used, x->hash_key};
	const struct bucket_place place = {.at = 1 + n / 16, .key = (uint16_t)(n % 16 * 4099)};
	struct gg_bucket *b = &x->bucket[place.at];
	char text[INET_ADDRSTRLEN];
	uint32_t addr = bucket_address4(g, place);
	int slot = bucket_find(b, place);

	*ret = room_prefix(inet_ntop(AF_INET, &addr, text, sizeof(text)));
	return slot < GG_BUCKET_SLOTS ? &b->slot[gg_index_slot(slot)] : NULL;
}

/* More than are taken at a time, and others beside them that were not used: few, which are asked
 * for one by one, and so many that all hosts are walked through. */
static void each_of_many_marks_is_taken_once(void **state)
{
	enum { MANY = 900 };
	struct prefix p;
	struct gg_entry e;
	uint32_t i, round, hits;

	(void)state;
	for (i = 0; i < MANY; i++) {
		dense(i, &p);
		room_put_prefix(fp, &p, GG_DENY, GG_DROP_NEW, 0);
	}
	for (round = 0; round < 4; round++) {
		/* Every tenth; all but every third; and each time nothing is left. */
		for (i = 0; i < MANY && round % 2 == 0; i++)
			if (round == 0 ? !(i % 10) : i % 3 != 0)
				*dense(i, &p) |= GG_SLOT_SEEN;
		assert_int_equal(marks_sweep(fp, 4711 + round / 2), 0);
		for (i = 0; i < MANY; i++) {
			hits = !(i % 10) + (round >= 2 && i % 3 != 0);
			assert_int_equal(*dense(i, &p) & GG_SLOT_SEEN, 0);
			assert_int_equal(fastpath_get(fp, &p, &e), 0);
			assert_int_equal(e.hits, hits);
			assert_int_equal(e.last_seen, round >= 2 && i % 3 ? 4712 : hits ? 4711 : 0);
		}
	}
	for (i = 0; i < MANY; i++) {
		dense(i, &p);
		assert_int_equal(fastpath_del(fp, &p), 0);
	}
}

static void any_change_of_an_entry_counts_at_once(void **state)
{
	(void)state;
	renew();
	flood_from("198.51.100.1");
	room_put(fp, "198.51.100.1", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, 0);
	flood_from("198.51.100.1");
	forget("198.51.100.1");
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	/* Under a prefix: a host entry comes and goes. */
	flood_from("203.0.113.44");
	room_put(fp, "203.0.113.44", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(syn_from("203.0.113.44"), XDP_PASS);
	forget("203.0.113.44");
	flood_from("203.0.113.44");
	forget("203.0.113.0/24");
	assert_int_equal(syn_from("203.0.113.44"), XDP_PASS);
}

static void the_same_verdict_again_keeps_the_drops(void **state)
{
	(void)state;
	renew();
	flood_from("198.51.100.1");
	room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, 0);
	syn_from("198.51.100.1");
	assert_int_equal(entry_of("198.51.100.1").hits, GG_ASKED_DROPS);
	/* Built anew it knows them from the entry, to which the mark has been added. */
	do
		assert_int_equal(index_build(fp), 0);
	while (bucket_of("198.51.100.1")->state >> GG_BUCKET_ENDS_SHIFT);
	syn_from("198.51.100.1");
	assert_int_equal(entry_of("198.51.100.1").hits, GG_ASKED_DROPS + 1);
}

static bool passes_in_the_end(const char *from)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	uint64_t end = entries_now() + 20;

	while (entries_now() < end) {
		if (syn_from(from) == XDP_PASS)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void an_expiry_is_noticed(void **state)
{
	int i, drops;
	time_t now;

	(void)state;
	do { /* until the flood is over in the second in which it began, long before the end */
		renew();
		now = time(NULL);
		room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, now + 2);
		for (i = drops = 0; i < 3 * GG_ASKED_DROPS; i++)
			drops += syn_from("198.51.100.1") == XDP_DROP;
	} while (time(NULL) != now);
	assert_int_equal(drops, 3 * GG_ASKED_DROPS);
	assert_true(passes_in_the_end("198.51.100.1"));
}

/* What an end that has passed costs, its bucket pays until the sweep. */
static void the_sweep_renews_ends(void **state)
{
	struct gg_bucket *b;

	(void)state;
	renew();
	room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, ROOM_EXPIRED);
	b = bucket_of("198.51.100.1");
	assert_int_equal(b->state >> GG_BUCKET_ENDS_SHIFT, 1);
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, time(NULL) + 100000);
	assert_int_equal(b->state >> GG_BUCKET_ENDS_SHIFT, 1);
	flood_from("198.51.100.1");
	assert_int_equal(fastpath_sweep(fp, ignore, NULL), 0);
	assert_in_range((b->state >> GG_BUCKET_ENDS_SHIFT) * (uint64_t)GG_BUCKET_ENDS_UNIT,
			entries_now() + 1, entries_now() + 100000);
	flood_from("198.51.100.1");
	assert_int_equal(b->state & GG_BUCKET_BUSY, 0);
}

static void the_address_of_zeros_is_one_like_others(void **state)
{
	(void)state;
	room_put(fp, "0.0.0.0", GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(syn_from("0.0.0.0"), XDP_DROP);
	forget("0.0.0.0");
	assert_int_equal(syn_from("0.0.0.0"), XDP_PASS);
}

/* The n-th address of those that a bucket looks for in its first half, from 9.0.0.0 on. */
static uint32_t crowd(const struct gg_bucket *b, int n)
{
	const struct index *x = &fp->index[INDEX4];
	uint32_t host = 9 << 24, hash, addr;

	for (;;) {
		addr = htonl(host++);
		hash = gg_index_hash4(addr, x->hash_key);
		if (&x->bucket[gg_index_bucket(hash, x->used)] == b &&
		    !gg_index_half(gg_index_key(hash, x->used)) && !n--)
			return addr;
	}
}

static int taken(const struct gg_bucket *b, int from, int to)
{
	int n = 0;

	for (; from < to; from++)
		n += !!b->slot[gg_index_slot(from)];
	return n;
}

static struct bucket_place away_of(const char *host4)
{
	const struct prefix p = room_prefix(host4);
	const struct index *x = &fp->index[INDEX4];
	const struct bucket_geometry g = {x->used, x->hash_key};
	uint32_t addr;

	memcpy(&addr, p.addr.b + 12, 4);
	return bucket_away(g, bucket_place4(g, addr));
}

static void take_all_slots(struct gg_bucket *b, struct bucket_place but)
{
	int i;

	for (i = 0; i < GG_BUCKET_SLOTS; i++)
		if (!b->slot[gg_index_slot(i)])
			b->slot[gg_index_slot(i)] = GG_MEANS_ASK | (but.rest ^ GG_SLOT_REST);
}

/* A flood's entry and its bucket as they are once its end is over: the slot still says flood. */
static void flood_beyond_its_end(const char *host4, struct gg_bucket *b)
{
	const struct prefix p = room_prefix(host4);
	struct gg_entry e = entry_of(host4);
	struct gg_key4 key;

	flood_from(host4);
	memcpy(key.addr, p.addr.b + 12, 4);
	e.expires = entries_now() - 1;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
	assert_int_equal(syn_from(host4), XDP_DROP);
	b->state |= 1 << GG_BUCKET_ENDS_SHIFT;
	assert_int_equal(syn_from(host4), XDP_PASS);
	b->state &= (1 << GG_BUCKET_ENDS_SHIFT) - 1;
	room_put(fp, host4, GG_DENY, GG_DROP_NEW, 0);
}

/* Its half, the four of no half, the other half; two that stand away, and one that finds no place
 * there either. */
static void a_crowd_is_told_wherever_it_stands(void **state)
{
	enum { AWAY = GG_BUCKET_SLOTS, NOWHERE = AWAY + 2, NEXT };
	struct gg_bucket *const all = fp->index[INDEX4].bucket, *away, before;
	struct gg_bucket *b = bucket_of("198.51.100.1");
	char text[NEXT + 1][INET_ADDRSTRLEN];
	uint32_t addr;
	int i;

	(void)state;
	while (taken(b, 0, GG_BUCKET_SLOTS))
		b++;
	for (i = 0; i <= NEXT; i++) {
		addr = crowd(b, i);
		inet_ntop(AF_INET, &addr, text[i], sizeof(text[i]));
	}
	for (i = 0; i < NOWHERE; i++) {
		assert_int_equal(b->state & GG_BUCKET_FULL, i > AWAY);
		room_put(fp, text[i], GG_DENY, GG_DROP_NEW, 0);
		assert_int_equal(taken(b, 0, 8), i < 8 ? i + 1 : 8);
		assert_int_equal(taken(b, 16, 20), i < 8 ? 0 : i < 12 ? i - 7 : 4);
		assert_int_equal(taken(b, 8, 16), i < 12 ? 0 : i < 20 ? i - 11 : 8);
		assert_int_equal(bucket_find(&all[away_of(text[i]).at], away_of(text[i])) <
					 GG_BUCKET_SLOTS,
				 i >= AWAY);
	}
	away = &all[away_of(text[NOWHERE]).at];
	before = *away;
	take_all_slots(away, away_of(text[NOWHERE]));
	room_put(fp, text[NOWHERE], GG_DENY, GG_DROP_NEW, 0);
	assert_true(away->state & GG_BUCKET_FULL);

	for (i = 0; i < NOWHERE; i++) {
		flood_from(text[i]);
		assert_int_equal(entry_of(text[i]).hits, GG_ASKED_DROPS);
	}
	flood_from(text[NOWHERE]);
	assert_int_equal(entry_of(text[NOWHERE]).hits, 3 * GG_ASKED_DROPS);
	assert_int_equal(syn_from(text[NEXT]), XDP_PASS);

	assert_int_equal(marks_sweep(fp, entries_now()), 0);
	for (i = 0; i < NOWHERE; i++)
		assert_int_equal(entry_of(text[i]).hits, GG_ASKED_DROPS + 1);
	flood_beyond_its_end(text[0], b);
	flood_beyond_its_end(text[8], b);
	flood_beyond_its_end(text[12], b);
	flood_beyond_its_end(text[AWAY], &all[away_of(text[AWAY]).at]);
	/* Its end is noted where it stands. */
	assert_int_equal(bucket_end(&all[away_of(text[AWAY]).at]), 0);
	room_put(fp, text[AWAY], GG_DENY, GG_DROP_NEW, (uint32_t)time(NULL) + 3600);
	assert_in_range(bucket_end(&all[away_of(text[AWAY]).at]), entries_now() + 3500,
			entries_now() + 3700);
	assert_int_equal(bucket_end(b), 0);
	room_put(fp, text[AWAY], GG_DENY, GG_DROP_NEW, 0);
	for (i = AWAY; i < NOWHERE; i++) {
		room_put(fp, text[i], GG_ALLOW, GG_NO_ACTION, 0);
		assert_int_equal(syn_from(text[i]), XDP_PASS);
		room_put(fp, text[i], GG_DENY, GG_DROP_NEW, 0);
		assert_int_equal(syn_from(text[i]), XDP_DROP);
	}
	/* Room in its own bucket again changes nothing for who stands away. */
	forget(text[0]);
	assert_int_equal(syn_from(text[0]), XDP_PASS);
	assert_int_equal(syn_from(text[AWAY]), XDP_DROP);
	room_put(fp, text[AWAY], GG_DENY, GG_DROP_ALL, 0);
	assert_int_equal(taken(b, 0, GG_BUCKET_SLOTS), GG_BUCKET_SLOTS - 1);
	for (i = NOWHERE; i > 0; i--) {
		forget(text[i]);
		assert_int_equal(syn_from(text[i]), XDP_PASS);
	}
	assert_int_equal(taken(b, 0, GG_BUCKET_SLOTS), 0);
	*away = before;
}

/* A writer that dies in the middle leaves an odd turn: the truth is asked. */
static void a_change_cut_short_contradicts_nothing(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 1}};
	struct index_edit edit;

	(void)state;
	renew();
	flood_from("198.51.100.1");
	edit = index_begin(fp, MAP_HOST4, &key);
	assert_int_equal(bpf_map_delete_elem(fp->maps[MAP_HOST4], &key), 0);
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	index_del(&edit);
	index_end(&edit);
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
}

static void out_of_force_the_truth_is_asked(void **state)
{
	const struct prefix p = room_prefix("198.51.100.1");

	(void)state;
	renew();
	index_off(fp);
	assert_int_equal(syn_from("198.51.100.1"), XDP_DROP);
	assert_int_equal(syn_from("2001:db8:1::1"), XDP_DROP);
	assert_int_equal(fastpath_del(fp, &p), 0);
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	room_put(fp, "198.51.100.77", GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(syn_from("198.51.100.77"), XDP_DROP);
	assert_int_equal(fastpath_tidy(fp), 0);
	assert_true(fp->index[INDEX4].used && fp->index[INDEX6].used);
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	assert_int_equal(syn_from("198.51.100.77"), XDP_DROP);
	forget("198.51.100.77");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_leaves_the_entry_alone_until_the_sweep),
		cmocka_unit_test(so_do_the_connections_of_an_allowed_source),
		cmocka_unit_test(what_is_known_at_a_glance_gets_the_verdicts_of_the_lists),
		cmocka_unit_test(a_new_index_loses_no_mark),
		cmocka_unit_test(any_change_of_an_entry_counts_at_once),
		cmocka_unit_test(the_same_verdict_again_keeps_the_drops),
		cmocka_unit_test(an_expiry_is_noticed),
		cmocka_unit_test(the_sweep_renews_ends),
		cmocka_unit_test(the_address_of_zeros_is_one_like_others),
		cmocka_unit_test(each_of_many_marks_is_taken_once),
		cmocka_unit_test(a_crowd_is_told_wherever_it_stands),
		cmocka_unit_test(a_change_cut_short_contradicts_nothing),
		cmocka_unit_test(out_of_force_the_truth_is_asked),
	};

	return cmocka_run_group_tests(tests, lists_set_up, lists_tear_down);
}
