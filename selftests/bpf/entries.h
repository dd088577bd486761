/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fast path without interfaces, opened for each test, and what is in its maps. */
#ifndef SELFTESTS_BPF_ENTRIES_H
#define SELFTESTS_BPF_ENTRIES_H

#include <bpf/bpf.h>

#include "room.h"

static struct fastpath *fp;

static inline int open_one(void **state)
{
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);

	(void)state;
	conf.hosts = 5000;
	conf.nets = 100;
	fp = room_open(&conf);
	return 0;
}

static inline int close_one(void **state)
{
	(void)state;
	fastpath_close(&fp);
	room_detach();
	return 0;
}

static inline struct gg_entry get(const char *prefix)
{
	const struct prefix p = room_prefix(prefix);
	struct gg_entry e = {};

	if (fastpath_get(fp, &p, &e))
		fail_msg("no entry for %s", prefix);
	return e;
}

static inline struct gg_conf switches(void)
{
	struct gg_conf c;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &c), 0);
	return c;
}

static inline void set_marks(const char *host4, uint64_t hits, uint64_t last_seen)
{
	const struct prefix p = room_prefix(host4);
	struct gg_entry e = get(host4);
	struct gg_key4 key;

	memcpy(key.addr, p.addr.b + 12, 4);
	e.hits = hits;
	e.last_seen = last_seen;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
}

static inline void count_one(const struct prefix *p, const struct gg_entry *e, uint32_t last_seen,
			     void *arg)
{
	(void)p;
	(void)e;
	(void)last_seen;
	++*(int *)arg;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

#endif
