/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fast path with lists that have every kind of entry, and the XDP program over them. */
#ifndef SELFTESTS_BPF_LISTS_H
#define SELFTESTS_BPF_LISTS_H

#include "program.h"

#define VIP4 "192.0.2.25"
#define VIP6 "2001:db8::25"

static struct fastpath *fp;
static struct xdp_bpf *skel;

/* The lists all cases meet. 198.51.100.N and 2001:db8:1::N are hosts by verdict. */
static const struct {
	const char *prefix;
	enum gg_verdict verdict;
	enum gg_action action;
	uint32_t expires;
} lists[] = {
	{"198.51.100.1", GG_DENY, GG_DROP_NEW, 0},
	{"198.51.100.2", GG_DENY, GG_DROP_ALL, 0},
	{"198.51.100.3", GG_DENY, GG_REJECT, 0},
	{"198.51.100.4", GG_DENY, GG_STUTTER, 0},
	{"198.51.100.5", GG_DENY, GG_TARPIT, 0},
	{"198.51.100.6", GG_ALLOW, GG_NO_ACTION, 0},
	{"198.51.100.7", GG_DENY, GG_DROP_ALL, ROOM_EXPIRED},
	{"198.51.100.8", GG_DENY, GG_DROP_NEW, 0xfffffff0},
	{"198.51.100.9", GG_DENY, GG_NO_ACTION, 0},
	{"198.51.100.10", GG_DENY, 77, 0},
	{"2001:db8:1::1", GG_DENY, GG_DROP_NEW, 0},
	{"2001:db8:1::2", GG_DENY, GG_DROP_ALL, 0},
	{"2001:db8:1::3", GG_DENY, GG_REJECT, 0},
	{"2001:db8:1::4", GG_DENY, GG_STUTTER, 0},
	{"2001:db8:1::5", GG_DENY, GG_TARPIT, 0},
	{"2001:db8:1::6", GG_ALLOW, GG_NO_ACTION, 0},
	{"2001:db8:1::7", GG_DENY, GG_DROP_ALL, ROOM_EXPIRED},
	/* A host inside a prefix, a prefix inside a prefix, an expired one inside a live one. */
	{"203.0.113.0/24", GG_DENY, GG_DROP_NEW, 0},
	{"203.0.113.6", GG_ALLOW, GG_NO_ACTION, 0},
	{"203.0.113.7", GG_ALLOW, GG_NO_ACTION, ROOM_EXPIRED},
	{"10.0.0.0/8", GG_DENY, GG_DROP_NEW, 0},
	{"10.1.0.0/16", GG_ALLOW, GG_NO_ACTION, 0},
	{"10.1.1.0/24", GG_DENY, GG_REJECT, ROOM_EXPIRED},
	{"10.1.1.128/25", GG_DENY, GG_DROP_ALL, ROOM_EXPIRED},
	{"172.16.0.0/12", GG_DENY, GG_DROP_NEW, ROOM_EXPIRED},
	{"2001:db8:2::/48", GG_DENY, GG_DROP_NEW, 0},
	{"2001:db8:2::6", GG_ALLOW, GG_NO_ACTION, 0},
	{"2001:db8:2:1::/64", GG_ALLOW, GG_NO_ACTION, 0},
	{"2001:db8:2:1:1::/80", GG_DENY, GG_DROP_ALL, ROOM_EXPIRED},
	{"2001:db8:3::/48", GG_DENY, GG_DROP_ALL, ROOM_EXPIRED},
};

static inline void lists_renew(void)
{
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const struct prefix p = room_prefix(lists[i].prefix);

		fastpath_del(fp, &p);
		room_put(fp, lists[i].prefix, lists[i].verdict, lists[i].action, lists[i].expires);
	}
}

static inline int lists_set_up(void **state)
{
	const struct endpoint vips[] = {room_endpoint(VIP4 ":25"), room_endpoint("[" VIP6 "]:25")};
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);

	if (room_enter(state))
		return -1;
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	skel = program_xdp(fp);
	lists_renew();
	return 0;
}

static inline int lists_tear_down(void **state)
{
	(void)state;
	xdp_bpf__destroy(skel);
	fastpath_close(&fp);
	room_detach();
	return 0;
}

#endif
