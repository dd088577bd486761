// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Entries, sweep, comparison with the daemon's verdicts, endpoints, counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "room.h"

static struct fastpath *fp;

static int set_up(void **state)
{
	return room_enter(state);
}

static int open_one(void **state)
{
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);

	(void)state;
	conf.hosts = 5000;
	conf.nets = 100;
	fp = room_open(&conf);
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	fastpath_close(&fp);
	room_detach();
	return 0;
}

static struct gg_entry get(const char *prefix)
{
	const struct prefix p = room_prefix(prefix);
	struct gg_entry e = {};

	if (fastpath_get(fp, &p, &e))
		fail_msg("no entry for %s", prefix);
	return e;
}

static int lookup_raw(enum map_id id, const void *key)
{
	struct gg_entry e;

	return bpf_map_lookup_elem(fp->maps[id], key, &e) ? -errno : 0;
}

static struct gg_conf switches(void)
{
	struct gg_conf c;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &c), 0);
	return c;
}

static void a_prefix_goes_to_the_map_of_its_kind(void **state)
{
	const struct gg_key4 host4 = {{192, 0, 2, 7}};
	const struct gg_key6 host6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 7}};
	const struct gg_net4 net4 = {24, {192, 0, 2, 0}};
	const struct gg_net6 net6 = {48, {0x20, 0x01, 0x0d, 0xb8}};

	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::7", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "192.0.2.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::/48", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(lookup_raw(MAP_HOST4, &host4), 0);
	assert_int_equal(lookup_raw(MAP_HOST6, &host6), 0);
	assert_int_equal(lookup_raw(MAP_NET4, &net4), 0);
	assert_int_equal(lookup_raw(MAP_NET6, &net6), 0);
	assert_int_equal(get("192.0.2.7").length, 32);
	assert_int_equal(get("2001:db8::7").length, 128);
	assert_int_equal(get("192.0.2.0/24").length, 24);
	assert_int_equal(get("2001:db8::/48").length, 48);
}

static void the_widest_prefixes_have_their_place(void **state)
{
	(void)state;
	room_put(fp, "0.0.0.0/0", GG_DENY, GG_REJECT, 0);
	room_put(fp, "::/0", GG_DENY, GG_STUTTER, 0);
	assert_int_equal(get("0.0.0.0/0").action, GG_REJECT);
	assert_int_equal(get("::/0").action, GG_STUTTER);
	assert_int_equal(switches().have_net4, 1);
	assert_int_equal(switches().have_net6, 1);
}

static void get_and_del_want_the_very_prefix(void **state)
{
	const struct prefix inner = room_prefix("192.0.2.0/25"), other = room_prefix("192.0.2.7");
	const struct prefix outer6 = room_prefix("2001:db8::/47");
	struct gg_entry e = {.hits = 77};

	(void)state;
	room_put(fp, "192.0.2.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::/48", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(fastpath_get(fp, &inner, &e), -ENOENT);
	assert_int_equal(fastpath_get(fp, &other, &e), -ENOENT);
	assert_int_equal(fastpath_get(fp, &outer6, &e), -ENOENT);
	assert_int_equal(e.hits, 77);
	assert_int_equal(fastpath_del(fp, &inner), -ENOENT);
	assert_int_equal(fastpath_del(fp, &other), -ENOENT);
	assert_int_equal(fastpath_del(fp, &outer6), -ENOENT);
	assert_int_equal(get("192.0.2.0/24").verdict, GG_ALLOW);
}

static void the_programs_know_how_many_prefixes_there_are(void **state)
{
	const struct prefix a = room_prefix("192.0.2.0/24"), b = room_prefix("192.0.2.0/25");
	const struct prefix c = room_prefix("2001:db8::/48");

	(void)state;
	room_put(fp, "198.51.100.1", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(switches().have_net4, 0);
	room_put(fp, "192.0.2.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "192.0.2.0/24", GG_DENY, GG_REJECT, 0);
	room_put(fp, "192.0.2.0/25", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::/48", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(switches().have_net4, 2);
	assert_int_equal(switches().have_net6, 1);
	assert_int_equal(fastpath_del(fp, &a), 0);
	assert_int_equal(fastpath_del(fp, &a), -ENOENT);
	assert_int_equal(fastpath_del(fp, &b), 0);
	assert_int_equal(fastpath_del(fp, &c), 0);
	assert_int_equal(switches().have_net4, 0);
	assert_int_equal(switches().have_net6, 0);
}

/* As the kernel would have. */
static void set_marks(const char *host4, uint64_t hits, uint64_t last_seen)
{
	const struct prefix p = room_prefix(host4);
	struct gg_entry e = get(host4);
	struct gg_key4 key;

	memcpy(key.addr, p.addr.b + 12, 4);
	e.hits = hits;
	e.last_seen = last_seen;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
}

static void the_same_verdict_again_keeps_the_marks(void **state)
{
	const uint32_t later = time(NULL) + 3600;

	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 0);
	set_marks("192.0.2.7", 5, 9);
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, later);
	assert_int_equal(get("192.0.2.7").hits, 5);
	assert_int_equal(get("192.0.2.7").last_seen, 9);
	assert_in_range(get("192.0.2.7").expires, entries_now() + 3590, entries_now() + 3610);
	/* Another verdict is another story. */
	room_put(fp, "192.0.2.7", GG_DENY, GG_DROP_NEW, later);
	assert_int_equal(get("192.0.2.7").hits, 0);
	assert_int_equal(get("192.0.2.7").last_seen, 0);
}

static void a_time_before_the_boot_has_passed(void **state)
{
	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 1);
	assert_int_equal(get("192.0.2.7").expires, 1);
	room_put(fp, "192.0.2.8", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(get("192.0.2.8").expires, 0);
}

static void a_full_map_says_so_and_keeps_what_it_has(void **state)
{
	const struct verdict_entry e = {.verdict = GG_DENY, .action = GG_REJECT};
	struct prefix p = room_prefix("192.0.0.0");
	struct prefix net = room_prefix("10.0.0.0/24");
	int i, code = 0;

	(void)state;
	for (i = 0; i < 6000 && !code; i++) {
		p.addr.b[14] = i >> 8;
		p.addr.b[15] = i;
		code = fastpath_put(fp, &p, &e);
	}
	assert_int_equal(code, -ENOSPC);
	assert_true(i > 5000);
	assert_int_equal(get("192.0.0.0").verdict, GG_DENY);
	/* What is there can still be changed. */
	room_put(fp, "192.0.0.0", GG_ALLOW, GG_NO_ACTION, 0);
	for (i = 0, code = 0; i < 200 && !code; i++) {
		net.addr.b[14] = i;
		code = fastpath_put(fp, &net, &e);
	}
	assert_int_equal(code, -ENOSPC);
	assert_int_equal(i, 101);
	assert_int_equal(switches().have_net4, 100);
}

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
}

static void count_one(const struct prefix *p, const struct gg_entry *e, uint32_t last_seen,
		      void *arg)
{
	(void)p;
	(void)e;
	(void)last_seen;
	++*(int *)arg;
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

static bool is_protected(const char *address, uint16_t port)
{
	struct gg_vip_key key = {.port = port};
	struct gg_vip value;
	struct addr a;

	assert_int_equal(addr_parse(address, &a), 0);
	memcpy(key.addr, a.b, 16);
	return !bpf_map_lookup_elem(fp->maps[MAP_VIP], &key, &value);
}

static void endpoints_come_and_go_with_their_markers(void **state)
{
	const struct endpoint first[] = {room_endpoint("192.0.2.25:25"),
					 room_endpoint("192.0.2.25:587"),
					 room_endpoint("[2001:db8::25]:25")};
	const struct endpoint second[] = {room_endpoint("192.0.2.25:587"),
					  room_endpoint("192.0.2.26:25")};
	struct gg_vip_key key = {.port = 587};
	struct gg_vip value = {.connections = 42};

	(void)state;
	memcpy(key.addr, first[1].addr.b, 16);
	assert_int_equal(fastpath_vips(fp, first, 3), 0);
	assert_true(is_protected("192.0.2.25", 25));
	assert_true(is_protected("192.0.2.25", 587));
	assert_true(is_protected("192.0.2.25", 0));
	assert_true(is_protected("2001:db8::25", 25));
	assert_true(is_protected("2001:db8::25", 0));
	assert_false(is_protected("192.0.2.26", 25));
	assert_int_equal(switches().first.port, 25);
	assert_memory_equal(switches().first.addr, first[0].addr.b, 16);
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_VIP], &key, &value, BPF_EXIST), 0);

	assert_int_equal(fastpath_vips(fp, second, 2), 0);
	assert_false(is_protected("192.0.2.25", 25));
	assert_true(is_protected("192.0.2.25", 587));
	assert_true(is_protected("192.0.2.25", 0));
	assert_true(is_protected("192.0.2.26", 25));
	assert_true(is_protected("192.0.2.26", 0));
	assert_false(is_protected("2001:db8::25", 25));
	assert_false(is_protected("2001:db8::25", 0));
	/* What stayed was never away: its figure says so. */
	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_VIP], &key, &value), 0);
	assert_int_equal(value.connections, 42);

	assert_int_equal(switches().first.port, 587);

	assert_int_equal(fastpath_vips(fp, NULL, 0), 0);
	assert_false(is_protected("192.0.2.25", 0));
	assert_int_equal(switches().first.port, 0);
}

static void too_many_endpoints_are_refused(void **state)
{
	struct endpoint *many = calloc(2000, sizeof(*many));
	int i;

	(void)state;
	for (i = 0; i < 2000; i++) {
		many[i] = room_endpoint("192.0.2.25:25");
		many[i].port = i + 1;
	}
	assert_int_equal(fastpath_vips(fp, many, 2000), -ENOSPC);
	free(many);
}

static void counters_are_summed_over_the_cpus(void **state)
{
	uint64_t each[256], stats[GG_STAT_MAX];
	__u32 key = GG_STAT_drop_new;
	size_t i;

	(void)state;
	for (i = 0; i < 256; i++)
		each[i] = i + 1;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_STATS], &key, each, BPF_ANY), 0);
	assert_int_equal(fastpath_stats(fp, stats), 0);
	assert_true(stats[GG_STAT_drop_new] >= 1);
	i = libbpf_num_possible_cpus();
	assert_int_equal(stats[GG_STAT_drop_new], i * (i + 1) / 2);
	assert_int_equal(stats[GG_STAT_drop_all], 0);
}

static void *put_many(void *arg)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW};
	struct prefix p = room_prefix("10.0.0.0/24");
	int i;

	p.addr.b[13] = (int)(intptr_t)arg;
	for (i = 0; i < 20000; i++) {
		p.addr.b[14] = i % 10;
		if (i / 10 % 2)
			fastpath_del(fp, &p);
		else
			fastpath_put(fp, &p, &e);
	}
	return NULL;
}

/* Any thread may write; the count of prefixes must come out right. */
static void threads_do_not_lose_count(void **state)
{
	pthread_t threads[4];
	intptr_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, (void *)i), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(switches().have_net4, 0);
}

/* Exit status: number of the first call that failed. */
static int use_all_of_it(void)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW};
	const struct endpoint vip = room_endpoint("192.0.2.25:25");
	const struct prefix host = room_prefix("192.0.2.7"), net = room_prefix("10.0.0.0/8");
	uint64_t stats[GG_STAT_MAX];
	int fd = socket(AF_INET, SOCK_STREAM, 0), count = 0;
	struct gg_entry got;

	if (fd < 0 || listen(fd, 1))
		return 1;
	if (fastpath_put(fp, &host, &e) || fastpath_put(fp, &net, &e))
		return 2;
	if (fastpath_get(fp, &host, &got))
		return 3;
	if (fastpath_sweep(fp, count_one, &count) || count != 2)
		return 4;
	if (fastpath_vips(fp, &vip, 1))
		return 5;
	if (fastpath_listener(fp, GG_SOCK_DAEMON4, fd))
		return 6;
	if (fastpath_stats(fp, stats))
		return 7;
	if (fastpath_events_fd(fp) < 0 || fastpath_events(fp, NULL, NULL) < 0)
		return 8;
	return fastpath_del(fp, &net) ? 9 : 0;
}

static void once_open_it_needs_no_privilege(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
		    setresuid(65534, 65534, 65534))
			_exit(99);
		_exit(use_all_of_it());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_prefix_goes_to_the_map_of_its_kind),
		TEST(the_widest_prefixes_have_their_place),
		TEST(get_and_del_want_the_very_prefix),
		TEST(the_programs_know_how_many_prefixes_there_are),
		TEST(the_same_verdict_again_keeps_the_marks),
		TEST(a_time_before_the_boot_has_passed),
		TEST(a_full_map_says_so_and_keeps_what_it_has),
		TEST(a_sweep_sees_every_entry_with_its_time),
		TEST(a_sweep_sees_thousands_once_each),
		TEST(a_sweep_removes_what_has_expired),
		TEST(an_entry_renewed_after_the_walk_stays),
		TEST(sync_makes_the_kernel_hold_what_the_daemon_holds),
		TEST(sync_follows_the_expiry),
		TEST(sync_with_a_full_map_fits_what_it_can),
		TEST(sync_fills_empty_maps_in_batches),
		TEST(sync_fills_what_fits_of_too_many),
		TEST(endpoints_come_and_go_with_their_markers),
		TEST(too_many_endpoints_are_refused),
		TEST(counters_are_summed_over_the_cpus),
		TEST(threads_do_not_lose_count),
		TEST(once_open_it_needs_no_privilege),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
