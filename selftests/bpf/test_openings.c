// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Segments that open nothing are looked up from the first entry on that concerns them, whichever
 * way it came; before, no entry has a say in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

#include "program.h"

#define VIP4 "192.0.2.25"
#define VIP6 "2001:db8:ffff::25"

static const uint8_t hash_key[16] = "0123456789abcde";
static struct endpoint vips[2];
static struct fastpath *fp;
static struct xdp_bpf *xdp;
static struct imports *listed;
static uint32_t room_for = 1000;

static void open_it(enum gg_mode mode)
{
	struct fastpath_conf conf = room_conf(mode);

	vips[0] = room_endpoint(VIP4 ":25");
	vips[1] = room_endpoint("[" VIP6 "]:25");
	conf.hosts = room_for;
	conf.vips = vips;
	conf.vip_count = 2;
	conf.imported = 10;
	fp = room_open(&conf);
	xdp = program_xdp(fp);
}

static void close_it(void)
{
	xdp_bpf__destroy(xdp);
	fastpath_close(&fp);
}

static bool openings_only(void)
{
	struct gg_conf now;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &now), 0);
	return now.flags & GG_CONF_OPENINGS_ONLY;
}

/* One that opens nothing. options: not a plain one. */
static uint32_t segment_from(const char *source, int options)
{
	const struct frame_spec s = {.from = source,
				     .to = strchr(source, ':') ? VIP6 : VIP4,
				     .to_port = 25,
				     .flags = TCP_ACK,
				     .options = (uint8_t)(strchr(source, ':') ? 0 : options)};
	struct frame f;

	frame_build(&f, &s);
	return program_run(xdp, f.b, f.len);
}

static void assert_segments(const char *source, uint32_t action)
{
	for (int options = 0; options < 3; options++)
		assert_int_equal(segment_from(source, options), action);
}

/* ---- the ways of an entry ---- */

static struct verdict_entry entry_of(enum gg_action action)
{
	return (struct verdict_entry){
		.verdict = GG_DENY, .action = action, .origin = GG_BY_OPERATOR};
}

static void by_put(const struct prefix *p, enum gg_action action)
{
	const struct verdict_entry e = entry_of(action);

	assert_int_equal(fastpath_put(fp, p, &e), 0);
}

/* Where the maps are empty: in batches. */
static void by_sync(const struct prefix *p, enum gg_action action)
{
	const struct verdict_entry e = entry_of(action);
	struct verdicts *v;

	assert_int_equal(verdicts_new(1000, hash_key, &v), 0);
	assert_int_equal(verdicts_put(v, p, &e), 0);
	assert_true(fastpath_sync(fp, v, 1000) >= 0);
	verdicts_free(&v);
}

static void by_list(const struct prefix *p, enum gg_action action)
{
	struct import_item item = {.addr = p->addr, .len = p->len, .list = 3, .says = IMPORT_DENY};
	const uint8_t rank[GG_LISTS] = {0};

	imports_free(&listed);
	assert_int_equal(imports_make(&item, 1, rank, &listed), 0);
	listed->action[3] = action;
	assert_int_equal(fastpath_import(fp, listed, NULL, 0, NULL), 0);
}

static const struct way {
	void (*put)(const struct prefix *p, enum gg_action action);
	const char *prefix, *source;
} ways[] = {
	{by_put, "198.51.100.1", "198.51.100.1"},     {by_put, "198.51.100.0/24", "198.51.100.1"},
	{by_put, "2001:db8::1", "2001:db8::1"},       {by_put, "2001:db8::/32", "2001:db8::1"},
	{by_sync, "198.51.100.1", "198.51.100.1"},    {by_sync, "198.51.100.0/24", "198.51.100.1"},
	{by_sync, "2001:db8::1", "2001:db8::1"},      {by_sync, "2001:db8::/32", "2001:db8::1"},
	{by_list, "198.51.100.0/24", "198.51.100.1"}, {by_list, "2001:db8::/32", "2001:db8::1"},
};

static void every_way_of_an_entry_is_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const enum gg_mode mode = i % 2 ? GG_MODE_HOST : GG_MODE_RELAY;
		const struct way *w = &ways[i];
		const struct prefix p = room_prefix(w->prefix);

		open_it(mode);
		assert_true(openings_only());
		w->put(&p, GG_DROP_NEW);
		assert_true(openings_only());
		assert_segments(w->source, XDP_PASS);
		if (w->put == by_sync) { /* only empty maps are filled in batches */
			close_it();
			room_detach();
			open_it(mode);
		}
		w->put(&p, GG_DROP_ALL);
		assert_false(openings_only());
		assert_segments(w->source, XDP_DROP);
		close_it();
		room_detach();
		imports_free(&listed);
	}
}

static void the_tarpit_concerns_segments_too(void **state)
{
	(void)state;
	open_it(GG_MODE_HOST);
	room_put(fp, "198.51.100.1", GG_DENY, GG_REJECT, 0);
	room_put(fp, "198.51.100.2", GG_DENY, GG_STUTTER, 0);
	room_put(fp, "198.51.100.3", GG_ALLOW, GG_NO_ACTION, 0);
	assert_true(openings_only());
	room_put(fp, "198.51.100.4", GG_DENY, GG_TARPIT, 0);
	assert_false(openings_only());
	close_it();
	room_detach();
}

/* The maps outlive the process, and so does what is known of them. */
static void it_lasts_as_long_as_the_maps(void **state)
{
	const struct prefix p = room_prefix("198.51.100.1");
	struct gg_conf old;
	__u32 zero = 0;

	(void)state;
	open_it(GG_MODE_HOST);
	close_it();
	open_it(GG_MODE_HOST);
	assert_true(openings_only());
	by_put(&p, GG_DROP_ALL);
	assert_int_equal(fastpath_del(fp, &p), 0);
	assert_false(openings_only());
	close_it();
	open_it(GG_MODE_HOST);
	assert_false(openings_only());
	close_it();
	room_detach();
	/* Other sizes: entries are carried over. */
	for (int put = 0; put < 2; put++) {
		open_it(GG_MODE_HOST);
		if (put)
			by_put(&p, GG_DROP_ALL);
		assert_int_equal(openings_only(), !put);
		close_it();
		room_for *= 2;
		open_it(GG_MODE_HOST);
		assert_int_equal(openings_only(), !put);
		assert_segments("198.51.100.1", put ? XDP_DROP : XDP_PASS);
		close_it();
		room_detach();
	}
	/* Maps of a version that never said so. */
	open_it(GG_MODE_HOST);
	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &old), 0);
	old.flags &= ~GG_CONF_OPENINGS_ONLY;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_CONF], &zero, &old, BPF_ANY), 0);
	close_it();
	open_it(GG_MODE_HOST);
	assert_false(openings_only());
	close_it();
	room_detach();
}

/* An upgrade that fails: the successor has put what this process knows nothing of. */
static void what_a_successor_has_put_is_noticed(void **state)
{
	struct gg_conf theirs;
	__u32 zero = 0;

	(void)state;
	for (int put = 0; put < 2; put++) {
		open_it(GG_MODE_HOST);
		assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &theirs), 0);
		if (put)
			theirs.flags &= ~GG_CONF_OPENINGS_ONLY;
		theirs.sample++;
		assert_int_equal(bpf_map_update_elem(fp->maps[MAP_CONF], &zero, &theirs, BPF_ANY),
				 0);
		fastpath_again(fp);
		assert_int_equal(openings_only(), !put);
		room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, 0);
		assert_int_equal(openings_only(), !put);
		close_it();
		room_detach();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_of_an_entry_is_noticed),
		cmocka_unit_test(the_tarpit_concerns_segments_too),
		cmocka_unit_test(it_lasts_as_long_as_the_maps),
		cmocka_unit_test(what_a_successor_has_put_is_noticed),
	};

	return cmocka_run_group_tests(tests, room_enter, NULL);
}
