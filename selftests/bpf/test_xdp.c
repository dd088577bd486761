// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

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

#define SYN4(source) .from = (source), .to = VIP4, .to_port = 25, .flags = TCP_SYN
#define SYN6(source) .from = (source), .to = VIP6, .to_port = 25, .flags = TCP_SYN

static const struct {
	const char *name;
	struct frame_spec frame;
	uint32_t action;
	enum gg_stat cause;
} cases[] = {
	/* Verdicts, both families. */
	{"unknown 4", {SYN4("198.51.100.99")}, XDP_PASS, GG_STAT_unknown_syn},
	{"drop_new 4", {SYN4("198.51.100.1")}, XDP_DROP, GG_STAT_drop_new},
	{"drop_all 4", {SYN4("198.51.100.2")}, XDP_DROP, GG_STAT_drop_all},
	{"reject 4", {SYN4("198.51.100.3")}, XDP_PASS, GG_STAT_reject_syn},
	{"stutter 4", {SYN4("198.51.100.4")}, XDP_PASS, GG_STAT_stutter_syn},
	{"tarpit 4", {SYN4("198.51.100.5")}, XDP_PASS, GG_STAT_stutter_syn},
	{"allow 4", {SYN4("198.51.100.6")}, XDP_PASS, GG_STAT_allow_syn},
	{"expired 4", {SYN4("198.51.100.7")}, XDP_PASS, GG_STAT_unknown_syn},
	{"expires far ahead", {SYN4("198.51.100.8")}, XDP_DROP, GG_STAT_drop_new},
	{"deny without action", {SYN4("198.51.100.9")}, XDP_PASS, GG_STAT_reject_syn},
	{"deny, unknown action", {SYN4("198.51.100.10")}, XDP_PASS, GG_STAT_reject_syn},
	{"unknown 6", {SYN6("2001:db8:1::99")}, XDP_PASS, GG_STAT_unknown_syn},
	{"drop_new 6", {SYN6("2001:db8:1::1")}, XDP_DROP, GG_STAT_drop_new},
	{"drop_all 6", {SYN6("2001:db8:1::2")}, XDP_DROP, GG_STAT_drop_all},
	{"reject 6", {SYN6("2001:db8:1::3")}, XDP_PASS, GG_STAT_reject_syn},
	{"stutter 6", {SYN6("2001:db8:1::4")}, XDP_PASS, GG_STAT_stutter_syn},
	{"tarpit 6", {SYN6("2001:db8:1::5")}, XDP_PASS, GG_STAT_stutter_syn},
	{"allow 6", {SYN6("2001:db8:1::6")}, XDP_PASS, GG_STAT_allow_syn},
	{"expired 6", {SYN6("2001:db8:1::7")}, XDP_PASS, GG_STAT_unknown_syn},

	/* The most specific entry wins; an expired one is absent. */
	{"prefix 4", {SYN4("203.0.113.1")}, XDP_DROP, GG_STAT_drop_new},
	{"host in prefix 4", {SYN4("203.0.113.6")}, XDP_PASS, GG_STAT_allow_syn},
	{"expired host in prefix 4", {SYN4("203.0.113.7")}, XDP_DROP, GG_STAT_drop_new},
	{"outer prefix 4", {SYN4("10.2.0.1")}, XDP_DROP, GG_STAT_drop_new},
	{"inner prefix 4", {SYN4("10.1.2.1")}, XDP_PASS, GG_STAT_allow_syn},
	{"expired in inner prefix 4", {SYN4("10.1.1.1")}, XDP_PASS, GG_STAT_allow_syn},
	{"two expired in inner prefix 4", {SYN4("10.1.1.129")}, XDP_PASS, GG_STAT_allow_syn},
	{"expired prefix 4", {SYN4("172.16.0.1")}, XDP_PASS, GG_STAT_unknown_syn},
	{"prefix 6", {SYN6("2001:db8:2:9::1")}, XDP_DROP, GG_STAT_drop_new},
	{"host in prefix 6", {SYN6("2001:db8:2::6")}, XDP_PASS, GG_STAT_allow_syn},
	{"inner prefix 6", {SYN6("2001:db8:2:1::1")}, XDP_PASS, GG_STAT_allow_syn},
	{"expired in inner prefix 6", {SYN6("2001:db8:2:1:1::1")}, XDP_PASS, GG_STAT_allow_syn},
	{"expired prefix 6", {SYN6("2001:db8:3::1")}, XDP_PASS, GG_STAT_unknown_syn},

	/* Kinds of segment: drop_new means SYN without ACK and nothing else. */
	{"drop_new, SYN ACK",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 25, .flags = TCP_SYN | TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"drop_new, ACK",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"drop_new, FIN ACK",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 25, .flags = TCP_FIN | TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"drop_new, RST",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 25, .flags = TCP_RST},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"drop_new, no flag",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 25},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"drop_new, SYN FIN",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 25, .flags = TCP_SYN | TCP_FIN},
	 XDP_DROP,
	 GG_STAT_drop_new},
	{"drop_new 6, ACK",
	 {.from = "2001:db8:1::1", .to = VIP6, .to_port = 25, .flags = TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"drop_all, ACK",
	 {.from = "198.51.100.2", .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 XDP_DROP,
	 GG_STAT_drop_all},
	{"drop_all, FIN ACK",
	 {.from = "198.51.100.2", .to = VIP4, .to_port = 25, .flags = TCP_FIN | TCP_ACK},
	 XDP_DROP,
	 GG_STAT_drop_all},
	{"drop_all 6, RST",
	 {.from = "2001:db8:1::2", .to = VIP6, .to_port = 25, .flags = TCP_RST},
	 XDP_DROP,
	 GG_STAT_drop_all},
	{"allow, ACK",
	 {.from = "198.51.100.6", .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"unknown, ACK",
	 {.from = "198.51.100.99", .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},

	/* Only TCP to a protected address and port. */
	{"other port 4",
	 {.from = "198.51.100.2", .to = VIP4, .to_port = 26, .flags = TCP_SYN},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"port 0",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 0, .flags = TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"other address 4",
	 {.from = "198.51.100.2", .to = "192.0.2.26", .to_port = 25, .flags = TCP_SYN},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"from the protected port",
	 {.from = "198.51.100.2",
	  .to = "192.0.2.26",
	  .from_port = 25,
	  .to_port = 40000,
	  .flags = TCP_SYN},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"other port 6",
	 {.from = "2001:db8:1::2", .to = VIP6, .to_port = 587, .flags = TCP_SYN},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"other address 6",
	 {.from = "2001:db8:1::2", .to = "2001:db8::26", .to_port = 25, .flags = TCP_SYN},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"UDP", {SYN4("198.51.100.2"), .protocol = 17}, XDP_PASS, GG_STAT_not_ours},
	{"ICMP", {SYN4("198.51.100.2"), .protocol = 1}, XDP_PASS, GG_STAT_not_ours},
	{"ICMPv6", {SYN6("2001:db8:1::2"), .protocol = 58}, XDP_PASS, GG_STAT_not_ours},
	{"ESP 6", {SYN6("2001:db8:1::2"), .protocol = 50}, XDP_PASS, GG_STAT_not_ours},
	{"no next header 6", {SYN6("2001:db8:1::2"), .protocol = 59}, XDP_PASS, GG_STAT_not_ours},
	{"ARP", {SYN4("198.51.100.2"), .ethertype = 0x0806}, XDP_PASS, GG_STAT_not_ours},
	{"IPv6 behind the ethertype of IPv4",
	 {SYN6("2001:db8:1::2"), .ethertype = 0x0800},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"IPv4 behind the ethertype of IPv6",
	 {SYN4("198.51.100.2"), .ethertype = 0x86dd},
	 XDP_PASS,
	 GG_STAT_not_ours},

	/* VLAN tags: two are followed. */
	{"one tag", {SYN4("198.51.100.1"), .tags = {0x8100}}, XDP_DROP, GG_STAT_drop_new},
	{"one tag 6", {SYN6("2001:db8:1::1"), .tags = {0x8100}}, XDP_DROP, GG_STAT_drop_new},
	{"QinQ", {SYN4("198.51.100.1"), .tags = {0x88a8, 0x8100}}, XDP_DROP, GG_STAT_drop_new},
	{"two tags of one kind, 6",
	 {SYN6("2001:db8:1::1"), .tags = {0x8100, 0x8100}},
	 XDP_DROP,
	 GG_STAT_drop_new},
	{"three tags",
	 {SYN4("198.51.100.1"), .tags = {0x88a8, 0x8100, 0x8100}},
	 XDP_PASS,
	 GG_STAT_deep_headers},
	{"tag, allow", {SYN4("198.51.100.6"), .tags = {0x8100}}, XDP_PASS, GG_STAT_allow_syn},
	{"tag, other port",
	 {.from = "198.51.100.2", .to = VIP4, .to_port = 26, .flags = TCP_SYN, .tags = {0x8100}},
	 XDP_PASS,
	 GG_STAT_not_ours},

	/* IPv4 options. */
	{"one word of options", {SYN4("198.51.100.1"), .options = 1}, XDP_DROP, GG_STAT_drop_new},
	{"ten words of options", {SYN4("198.51.100.1"), .options = 10}, XDP_DROP, GG_STAT_drop_new},
	{"options, allow", {SYN4("198.51.100.6"), .options = 3}, XDP_PASS, GG_STAT_allow_syn},
	{"options and QinQ",
	 {SYN4("198.51.100.1"), .options = 10, .tags = {0x88a8, 0x8100}},
	 XDP_DROP,
	 GG_STAT_drop_new},

	/* IPv6 extension headers: six are followed. */
	{"hop by hop", {SYN6("2001:db8:1::1"), .headers = {FRAME_HBH}}, XDP_DROP, GG_STAT_drop_new},
	{"destination options",
	 {SYN6("2001:db8:1::1"), .headers = {60}},
	 XDP_DROP,
	 GG_STAT_drop_new},
	{"routing", {SYN6("2001:db8:1::1"), .headers = {43}}, XDP_DROP, GG_STAT_drop_new},
	{"mobility", {SYN6("2001:db8:1::1"), .headers = {135}}, XDP_DROP, GG_STAT_drop_new},
	{"authentication", {SYN6("2001:db8:1::1"), .headers = {51}}, XDP_DROP, GG_STAT_drop_new},
	{"long authentication",
	 {SYN6("2001:db8:1::1"), .headers = {51}, .units = 2},
	 XDP_DROP,
	 GG_STAT_drop_new},
	{"long headers",
	 {SYN6("2001:db8:1::1"), .headers = {FRAME_HBH, 60, 43}, .units = 7},
	 XDP_DROP,
	 GG_STAT_drop_new},
	{"six headers",
	 {SYN6("2001:db8:1::1"), .headers = {FRAME_HBH, 60, 43, 44, 51, 60}},
	 XDP_DROP,
	 GG_STAT_drop_new},
	{"seven headers",
	 {SYN6("2001:db8:1::1"), .headers = {FRAME_HBH, 60, 43, 44, 51, 60, 60}},
	 XDP_PASS,
	 GG_STAT_deep_headers},
	{"headers, allow",
	 {SYN6("2001:db8:1::6"), .headers = {FRAME_HBH, 60}},
	 XDP_PASS,
	 GG_STAT_allow_syn},
	{"headers before UDP",
	 {SYN6("2001:db8:1::2"), .headers = {FRAME_HBH}, .protocol = 17},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"headers and QinQ",
	 {SYN6("2001:db8:1::1"), .headers = {FRAME_HBH, 60}, .tags = {0x88a8, 0x8100}},
	 XDP_DROP,
	 GG_STAT_drop_new},

	/* Fragments: TCP to a protected address, whatever the source. */
	{"first fragment 4",
	 {SYN4("198.51.100.99"), .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"middle fragment 4",
	 {SYN4("198.51.100.99"), .fragment = FRAGMENT_MORE | 64},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"last fragment 4",
	 {SYN4("198.51.100.99"), .fragment = 1},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"highest offset 4",
	 {SYN4("198.51.100.99"), .fragment = 0x1fff},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment of an allowed source",
	 {SYN4("198.51.100.6"), .fragment = 8},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment, options",
	 {SYN4("198.51.100.99"), .options = 4, .fragment = 8},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment, drop_all", {SYN4("198.51.100.2"), .fragment = 8}, XDP_DROP, GG_STAT_drop_all},
	{"fragment to any port",
	 {.from = "198.51.100.99", .to = VIP4, .to_port = 26, .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment to another address",
	 {.from = "198.51.100.2", .to = "192.0.2.26", .to_port = 25, .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"UDP fragment",
	 {SYN4("198.51.100.2"), .protocol = 17, .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"first fragment 6",
	 {SYN6("2001:db8:1::99"), .headers = {44}, .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"last fragment 6",
	 {SYN6("2001:db8:1::99"), .headers = {44}, .fragment = 1},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"highest offset 6",
	 {SYN6("2001:db8:1::99"), .headers = {44}, .fragment = 0x1fff},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"atomic fragment 6",
	 {SYN6("2001:db8:1::99"), .headers = {44}},
	 XDP_PASS,
	 GG_STAT_unknown_syn},
	{"atomic fragment 6, drop_new",
	 {SYN6("2001:db8:1::1"), .headers = {44}},
	 XDP_DROP,
	 GG_STAT_drop_new},
	{"first fragment 6, TCP behind options",
	 {SYN6("2001:db8:1::99"), .headers = {44, 60}, .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment 6 behind headers",
	 {SYN6("2001:db8:1::99"), .headers = {FRAME_HBH, 60, 44}, .fragment = 8},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment 6, drop_all",
	 {SYN6("2001:db8:1::2"), .headers = {44}, .fragment = 8},
	 XDP_DROP,
	 GG_STAT_drop_all},
	{"fragment 6 of UDP",
	 {SYN6("2001:db8:1::2"), .headers = {44}, .protocol = 17, .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"fragment 6 to another address",
	 {.from = "2001:db8:1::2",
	  .to = "2001:db8::26",
	  .to_port = 25,
	  .headers = {44},
	  .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_ours},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static void forget_hits(void)
{
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const struct prefix p = room_prefix(lists[i].prefix);

		fastpath_del(fp, &p);
		room_put(fp, lists[i].prefix, lists[i].verdict, lists[i].action, lists[i].expires);
	}
}

static int set_up(void **state)
{
	const struct endpoint vips[] = {room_endpoint(VIP4 ":25"), room_endpoint("[" VIP6 "]:25")};
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);

	if (room_enter(state))
		return -1;
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	skel = program_xdp(fp);
	forget_hits();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	xdp_bpf__destroy(skel);
	fastpath_close(&fp);
	room_detach();
	return 0;
}

static void judge(const char *name, const void *bytes, uint32_t len, uint32_t action,
		  enum gg_stat cause)
{
	uint64_t before[GG_STAT_MAX], after[GG_STAT_MAX];
	uint32_t got;

	assert_int_equal(fastpath_stats(fp, before), 0);
	got = program_run(skel, bytes, len);
	assert_int_equal(fastpath_stats(fp, after), 0);
	if (got != action)
		fail_msg("%s (%u bytes): XDP action %u, not %u", name, len, got, action);
	program_counted(name, before, after, cause);
}

static void each_frame_gets_its_verdict_and_its_counter(void **state)
{
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		forget_hits();
		frame_build(&f, &cases[i].frame);
		judge(cases[i].name, f.b, f.len, cases[i].action, cases[i].cause);
	}
}

/* From the Ethernet header on (the kernel runs no shorter frame): passed and counted as short until
 * the byte is there that the verdict needs, and the same verdict from there on. */
static void a_frame_cut_at_any_byte_passes_until_its_headers_are_whole(void **state)
{
	struct frame f;
	uint32_t len;
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		if (cases[i].cause == GG_STAT_not_ours || cases[i].cause == GG_STAT_deep_headers)
			continue;
		frame_build(&f, &cases[i].frame);
		for (len = 14; len < f.len; len++) {
			if (len < f.needed)
				judge(cases[i].name, f.b, len, XDP_PASS, GG_STAT_short_packet);
			else
				judge(cases[i].name, f.b, len, cases[i].action, cases[i].cause);
		}
	}
}

/* Those frames may be recognised early; what counts is that no cut makes one of them a drop. */
static void a_frame_that_is_not_ours_passes_cut_at_any_byte(void **state)
{
	struct frame f;
	uint32_t len;
	size_t i;

	(void)state;
	for (i = 0; i < CASES; i++) {
		if (cases[i].cause != GG_STAT_not_ours && cases[i].cause != GG_STAT_deep_headers)
			continue;
		frame_build(&f, &cases[i].frame);
		for (len = 14; len <= f.len; len++)
			if (program_run(skel, f.b, len) != XDP_PASS)
				fail_msg("%s: dropped when cut at %u", cases[i].name, len);
	}
}

static void lengths_that_contradict_each_other_pass(void **state)
{
	static const struct {
		const char *name;
		uint32_t at;
		uint8_t value[2];
		uint32_t bytes;
	} lies[] = {
		{"header length 0", 14, {0x40}, 1},
		{"header length 16", 14, {0x44}, 1},
		{"header beyond the packet", 14, {0x4f}, 1},
		{"total length 0", 16, {0, 0}, 2},
		{"total length of the header alone", 16, {0, 20}, 2},
		{"total length within the TCP header", 16, {0, 39}, 2},
	};
	const struct frame_spec syn = {SYN4("198.51.100.1")};
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		frame_build(&f, &syn);
		memcpy(f.b + lies[i].at, lies[i].value, lies[i].bytes);
		judge(lies[i].name, f.b, f.len, XDP_PASS, GG_STAT_short_packet);
	}
}

static void padding_after_the_packet_changes_nothing(void **state)
{
	const struct frame_spec syn = {SYN4("198.51.100.1")};
	struct frame f;

	(void)state;
	frame_build(&f, &syn);
	frame_fill(&f, 0xa5, 300);
	judge("padded", f.b, f.len, XDP_DROP, GG_STAT_drop_new);
}

static void random_bytes_never_hurt(void **state)
{
	static const uint8_t starts[][2] = {{0x08, 0x00}, {0x86, 0xdd}, {0x81, 0x00}, {0x88, 0xa8}};
	uint64_t seed = 0x9e3779b97f4a7c15;
	uint8_t bytes[256];
	uint32_t len, action;
	int i;
	size_t at;

	(void)state;
	for (i = 0; i < 20000; i++) {
		for (at = 0; at < sizeof(bytes); at++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[at] = seed >> 32;
		}
		len = 14 + bytes[0] % (sizeof(bytes) - 14);
		memcpy(bytes + 12, starts[i % 4], 2);
		if (i % 3)
			bytes[14] = i % 4 == 0 ? 0x45 : 0x60;
		action = program_run(skel, bytes, len);
		if (action != XDP_PASS)
			fail_msg("noise %d (%u bytes): action %u", i, len, action);
	}
}

static struct gg_entry entry_of(const char *address)
{
	const struct prefix p = room_prefix(address);
	struct gg_entry e = {};

	if (fastpath_get(fp, &p, &e))
		fail_msg("no entry for %s", address);
	return e;
}

static void run_case(const char *from, uint8_t flags, uint32_t action)
{
	const struct frame_spec s = {
		.from = from, .to = strchr(from, ':') ? VIP6 : VIP4, .to_port = 25, .flags = flags};
	struct frame f;

	frame_build(&f, &s);
	assert_int_equal(program_run(skel, f.b, f.len), action);
}

static void new_connections_leave_their_marks(void **state)
{
	static const struct {
		const char *from;
		uint32_t action;
	} rows[] = {
		{"198.51.100.1", XDP_DROP},  {"198.51.100.2", XDP_DROP},
		{"198.51.100.3", XDP_PASS},  {"198.51.100.6", XDP_PASS},
		{"2001:db8:1::1", XDP_DROP}, {"2001:db8:1::6", XDP_PASS},
	};
	struct gg_entry e;
	uint64_t before;
	size_t i;

	(void)state;
	forget_hits();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		e = entry_of(rows[i].from);
		assert_int_equal(e.hits, 0);
		assert_int_equal(e.last_seen, 0);
		before = entries_now();
		run_case(rows[i].from, TCP_SYN, rows[i].action);
		run_case(rows[i].from, TCP_SYN, rows[i].action);
		e = entry_of(rows[i].from);
		assert_int_equal(e.hits, 2);
		/* The coarse clock may lag by a tick. */
		assert_in_range(e.last_seen, before - 1, entries_now());
	}
	/* On a prefix entry too. */
	run_case("203.0.113.44", TCP_SYN, XDP_DROP);
	assert_int_equal(entry_of("203.0.113.0/24").hits, 1);
}

static void other_segments_leave_no_mark(void **state)
{
	(void)state;
	forget_hits();
	run_case("198.51.100.6", TCP_ACK, XDP_PASS);
	run_case("198.51.100.1", TCP_SYN | TCP_ACK, XDP_PASS);
	run_case("198.51.100.7", TCP_SYN, XDP_PASS);
	assert_int_equal(entry_of("198.51.100.6").hits, 0);
	assert_int_equal(entry_of("198.51.100.1").hits, 0);
	assert_int_equal(entry_of("198.51.100.7").hits, 0);
}

static void last_seen_moves_only_when_older_than_a_second(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 6}};
	struct gg_entry e = entry_of("198.51.100.6");
	uint64_t now = entries_now();

	(void)state;
	e.last_seen = now + 100;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	assert_int_equal(entry_of("198.51.100.6").last_seen, now + 100);
	e.last_seen = now - 100;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	assert_in_range(entry_of("198.51.100.6").last_seen, now - 1, now + 50);
}

static void in_host_mode_what_passes_is_marked_elsewhere(void **state)
{
	(void)state;
	forget_hits();
	fp->switches.mode = GG_MODE_HOST;
	assert_int_equal(switches_write(fp), 0);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	fp->switches.mode = GG_MODE_RELAY;
	assert_int_equal(switches_write(fp), 0);
	assert_int_equal(entry_of("198.51.100.6").hits, 0);
	assert_int_equal(entry_of("198.51.100.1").hits, 1);
}

static struct gg_event seen[8];
static int seen_count;

static void see(const struct gg_event *e, void *arg)
{
	(void)arg;
	if (seen_count < 8)
		seen[seen_count] = *e;
	seen_count++;
}

static void the_first_drop_of_an_entry_is_reported_once(void **state)
{
	const struct prefix four = room_prefix("198.51.100.1"), six = room_prefix("2001:db8:1::2");

	(void)state;
	fastpath_events(fp, see, NULL);
	forget_hits();
	seen_count = 0;
	run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	run_case("2001:db8:1::2", TCP_ACK, XDP_DROP);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	run_case("198.51.100.3", TCP_SYN, XDP_PASS);
	assert_int_equal(fastpath_events(fp, see, NULL), 2);
	assert_int_equal(seen_count, 2);
	assert_int_equal(seen[0].kind, GG_EVENT_FIRST_DROP);
	assert_int_equal(seen[0].action, GG_DROP_NEW);
	assert_memory_equal(seen[0].addr, four.addr.b, 16);
	assert_in_range(seen[0].time, entries_now() - 10, entries_now());
	assert_int_equal(seen[1].action, GG_DROP_ALL);
	assert_memory_equal(seen[1].addr, six.addr.b, 16);
}

static void a_full_ring_is_counted_and_drops_go_on(void **state)
{
	uint64_t before[GG_STAT_MAX], after[GG_STAT_MAX];
	int i;

	(void)state;
	/* A record has a header of eight bytes; the ring 256 KiB. */
	for (i = 0; i < (1 << 18) / (int)(sizeof(struct gg_event) + 8) + 100; i++) {
		const struct prefix p = room_prefix("198.51.100.1");

		fastpath_del(fp, &p);
		room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, 0);
		if (i == 0)
			assert_int_equal(fastpath_stats(fp, before), 0);
		run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	}
	assert_int_equal(fastpath_stats(fp, after), 0);
	assert_in_range(after[GG_STAT_event_lost] - before[GG_STAT_event_lost], 1, i);
	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_int_equal(seen_count + after[GG_STAT_event_lost] - before[GG_STAT_event_lost], i);
}

static uint64_t connections_of(const char *endpoint)
{
	const struct endpoint e = room_endpoint(endpoint);
	struct gg_vip_key key = {.port = e.port};
	struct gg_vip value;

	memcpy(key.addr, e.addr.b, 16);
	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_VIP], &key, &value), 0);
	return value.connections;
}

static void an_endpoint_counts_the_connections_that_pass(void **state)
{
	uint64_t before = connections_of(VIP4 ":25");

	(void)state;
	run_case("198.51.100.99", TCP_SYN, XDP_PASS);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	run_case("198.51.100.99", TCP_ACK, XDP_PASS);
	assert_int_equal(connections_of(VIP4 ":25") - before, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_gets_its_verdict_and_its_counter),
		cmocka_unit_test(a_frame_cut_at_any_byte_passes_until_its_headers_are_whole),
		cmocka_unit_test(a_frame_that_is_not_ours_passes_cut_at_any_byte),
		cmocka_unit_test(lengths_that_contradict_each_other_pass),
		cmocka_unit_test(padding_after_the_packet_changes_nothing),
		cmocka_unit_test(random_bytes_never_hurt),
		cmocka_unit_test(new_connections_leave_their_marks),
		cmocka_unit_test(other_segments_leave_no_mark),
		cmocka_unit_test(last_seen_moves_only_when_older_than_a_second),
		cmocka_unit_test(in_host_mode_what_passes_is_marked_elsewhere),
		cmocka_unit_test(the_first_drop_of_an_entry_is_reported_once),
		cmocka_unit_test(a_full_ring_is_counted_and_drops_go_on),
		cmocka_unit_test(an_endpoint_counts_the_connections_that_pass),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
