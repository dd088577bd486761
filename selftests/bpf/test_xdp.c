// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

#include "lists.h"

#define SYN4(source) .from = (source), .to = VIP4, .to_port = 25, .flags = TCP_SYN
#define SYN6(source) .from = (source), .to = VIP6, .to_port = 25, .flags = TCP_SYN
#define ACK4(source) .from = (source), .to = VIP4, .to_port = 25, .flags = TCP_ACK
#define ACK6(source) .from = (source), .to = VIP6, .to_port = 25, .flags = TCP_ACK

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
	{"tarpit 4", {SYN4("198.51.100.5")}, XDP_TX, GG_STAT_tarpit_syn},
	{"tarpit 4, options", {SYN4("198.51.100.5"), .options = 1}, XDP_PASS, GG_STAT_stutter_syn},
	{"tarpit 4, QinQ",
	 {SYN4("198.51.100.5"), .tags = {0x88a8, 0x8100}},
	 XDP_TX,
	 GG_STAT_tarpit_syn},
	{"tarpit 4, SYN FIN",
	 {.from = "198.51.100.5", .to = VIP4, .to_port = 25, .flags = TCP_SYN | TCP_FIN},
	 XDP_PASS,
	 GG_STAT_stutter_syn},
	{"tarpit 4, ACK of another connection",
	 {.from = "198.51.100.5", .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
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
	{"tarpit 6", {SYN6("2001:db8:1::5")}, XDP_TX, GG_STAT_tarpit_syn},
	{"tarpit 6, extension header",
	 {SYN6("2001:db8:1::5"), .headers = {FRAME_HBH}},
	 XDP_PASS,
	 GG_STAT_stutter_syn},
	{"tarpit 6, RST ACK of another connection",
	 {.from = "2001:db8:1::5", .to = VIP6, .to_port = 25, .flags = TCP_RST | TCP_ACK},
	 XDP_PASS,
	 GG_STAT_not_new},
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
	{"three tags of VLAN 0",
	 {SYN4("198.51.100.1"), .tags = {0x8100, 0x8100, 0x8100}, .priority = true},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"four tags of VLAN 0, 6",
	 {SYN6("2001:db8:1::99"), .tags = {0x88a8, 0x8100, 0x8100, 0x88a8}, .priority = true},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"three tags of VLAN 0, UDP",
	 {SYN4("198.51.100.1"), .tags = {0x8100, 0x8100, 0x8100}, .priority = true, .protocol = 17},
	 XDP_PASS,
	 GG_STAT_deep_headers},
	{"four tags of VLAN 0, ARP",
	 {SYN4("198.51.100.1"), .tags = {0x8100, 0x8100, 0x8100, 0x8100}, .priority = true,
	  .ethertype = 0x0806},
	 XDP_PASS,
	 GG_STAT_deep_headers},
	{"three tags of VLAN 0, to somebody else",
	 {.from = "198.51.100.1",
	  .to = "192.0.2.26",
	  .to_port = 25,
	  .flags = TCP_SYN,
	  .tags = {0x8100, 0x8100, 0x8100},
	  .priority = true},
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
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"nine headers",
	 {SYN6("2001:db8:1::99"), .headers = {60, 60, 60, 60, 60, 60, 60, 60, 60}, .units = 9},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"seven headers, allow",
	 {SYN6("2001:db8:1::6"), .headers = {FRAME_HBH, 60, 43, 44, 51, 60, 60}},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"seven headers before UDP",
	 {SYN6("2001:db8:1::1"), .headers = {FRAME_HBH, 60, 43, 135, 51, 60, 60}, .units = 3,
	  .protocol = 17},
	 XDP_PASS,
	 GG_STAT_deep_headers},
	{"nine headers before ICMP",
	 {SYN6("2001:db8:1::1"), .headers = {60, 51, 60, 60, 60, 60, 60, 60, 60}, .protocol = 58},
	 XDP_PASS,
	 GG_STAT_deep_headers},
	{"a first piece, the seventh header after that",
	 {SYN6("2001:db8:1::1"), .headers = {44, 60, 60, 60, 60, 60, 60, 60},
	  .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"a first piece of UDP, the seventh header after that",
	 {SYN6("2001:db8:1::1"), .headers = {44, 60, 60, 60, 60, 60, 60, 60},
	  .fragment = FRAGMENT_MORE, .protocol = 17},
	 XDP_PASS,
	 GG_STAT_deep_headers},
	{"seven headers to somebody else",
	 {.from = "2001:db8:1::1",
	  .to = "2001:db8::26",
	  .to_port = 25,
	  .flags = TCP_SYN,
	  .headers = {FRAME_HBH, 60, 43, 44, 51, 60, 60}},
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

	/* Fragments: a SYN is not fragmented, and its header not at all. */
	{"first fragment 4, SYN",
	 {SYN4("198.51.100.99"), .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"first fragment 4, SYN, allow",
	 {SYN4("198.51.100.6"), .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"first fragment 4",
	 {ACK4("198.51.100.99"), .fragment = FRAGMENT_MORE},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"first fragment 4, drop_new",
	 {ACK4("198.51.100.1"), .fragment = FRAGMENT_MORE},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"middle fragment 4",
	 {SYN4("198.51.100.99"), .fragment = FRAGMENT_MORE | 64},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"fragment 4 over the ports",
	 {ACK4("198.51.100.99"), .fragment = 1},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment 4 over the end of the header",
	 {ACK4("198.51.100.99"), .fragment = FRAGMENT_MORE | 2},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment 4 behind the header",
	 {ACK4("198.51.100.99"), .fragment = 3},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"highest offset 4",
	 {SYN4("198.51.100.99"), .fragment = 0x1fff},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"fragment of an allowed source",
	 {SYN4("198.51.100.6"), .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"fragment, options",
	 {SYN4("198.51.100.99"), .options = 4, .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"fragment, drop_all", {SYN4("198.51.100.2"), .fragment = 8}, XDP_DROP, GG_STAT_drop_all},
	{"first fragment, drop_all",
	 {ACK4("198.51.100.2"), .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_all},
	{"first fragment to another port",
	 {.from = "198.51.100.99",
	  .to = VIP4,
	  .to_port = 26,
	  .flags = TCP_SYN,
	  .fragment = FRAGMENT_MORE},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"fragment over the ports, to another address",
	 {.from = "198.51.100.99", .to = "192.0.2.26", .to_port = 25, .fragment = 1},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"fragment to another address",
	 {.from = "198.51.100.2", .to = "192.0.2.26", .to_port = 25, .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"UDP fragment",
	 {SYN4("198.51.100.2"), .protocol = 17, .fragment = 8},
	 XDP_PASS,
	 GG_STAT_not_ours},
	{"first fragment 6, SYN",
	 {SYN6("2001:db8:1::99"), .headers = {44}, .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"first fragment 6",
	 {ACK6("2001:db8:1::99"), .headers = {44}, .fragment = FRAGMENT_MORE},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"first fragment 6, TCP behind options, ACK",
	 {ACK6("2001:db8:1::99"), .headers = {44, 60}, .fragment = FRAGMENT_MORE},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"fragment of a fragment 6",
	 {ACK6("2001:db8:1::99"), .headers = {44, 44}, .fragment = FRAGMENT_MORE},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"fragment 6 behind the header",
	 {SYN6("2001:db8:1::99"), .headers = {44}, .fragment = 3},
	 XDP_PASS,
	 GG_STAT_not_new},
	{"last fragment 6",
	 {SYN6("2001:db8:1::99"), .headers = {44}, .fragment = 1},
	 XDP_DROP,
	 GG_STAT_drop_fragment},
	{"highest offset 6",
	 {SYN6("2001:db8:1::99"), .headers = {44}, .fragment = 0x1fff},
	 XDP_PASS,
	 GG_STAT_not_new},
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
	 XDP_PASS,
	 GG_STAT_not_new},
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
		lists_renew();
		frame_build(&f, &cases[i].frame);
		judge(cases[i].name, f.b, f.len, cases[i].action, cases[i].cause);
	}
}

/* More than is followed, so that the rest need not be there. */
static bool is_deep(const struct frame_spec *s)
{
	return s->tags[2] || s->headers[6];
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
		if (cases[i].cause == GG_STAT_not_ours || is_deep(&cases[i].frame))
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

/* Each of them first, second, alone and gone. */
static void endpoints_are_judged_as_long_as_they_are_protected(void **state)
{
	const struct frame_spec four = {SYN4("198.51.100.1")}, six = {SYN6("2001:db8:1::1")};
	const struct endpoint a = room_endpoint(VIP4 ":25"), b = room_endpoint("[" VIP6 "]:25");
	const struct {
		struct endpoint vips[2];
		int count;
		bool four, six;
	} rows[] = {
		{{b, a}, 2, true, true}, {{a}, 1, true, false},   {{b}, 1, false, true},
		{{a}, 0, false, false},  {{a, b}, 2, true, true},
	};
	/* What an empty key would look like. */
	const struct frame_spec zero = {
		.from = "2001:db8:1::1", .to = "::", .headers = {44}, .fragment = 8};
	struct frame f4, f6, none;
	size_t i;

	(void)state;
	lists_renew();
	frame_build(&none, &zero);
	frame_build(&f4, &four);
	frame_build(&f6, &six);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(fastpath_vips(fp, rows[i].vips, rows[i].count), 0);
		assert_int_equal(program_run(skel, f4.b, f4.len),
				 rows[i].four ? XDP_DROP : XDP_PASS);
		assert_int_equal(program_run(skel, f6.b, f6.len),
				 rows[i].six ? XDP_DROP : XDP_PASS);
		assert_int_equal(program_run(skel, none.b, none.len), XDP_PASS);
	}
}

/* The first piece of a segment says how many bytes of it there are. */
static void a_header_in_pieces_is_dropped(void **state)
{
	const struct frame_spec specs[] = {
		{ACK4("198.51.100.99"), .fragment = FRAGMENT_MORE},
		{ACK4("198.51.100.6"), .options = 3, .fragment = FRAGMENT_MORE},
		{ACK6("2001:db8:1::99"), .headers = {44}, .fragment = FRAGMENT_MORE},
		{ACK6("2001:db8:1::6"), .headers = {60, 44, 60}, .fragment = FRAGMENT_MORE},
	};

	(void)state;
	lists_renew();
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		/* the last one has a header between the fragment's and TCP's */
		for (int bytes = i == 3 ? -8 : 0; bytes <= 20; bytes++) {
			bool six = strchr(specs[i].from, ':');
			struct frame f;
			uint8_t *length;

			frame_build(&f, &specs[i]);
			length = f.b + 14 + (six ? 4 : 2);
			f.len -= (uint32_t)(20 - bytes);
			length[0] = (f.len - 14 - (six ? 40 : 0)) >> 8;
			length[1] = f.len - 14 - (six ? 40 : 0);
			judge("header in pieces", f.b, f.len, bytes < 20 ? XDP_DROP : XDP_PASS,
			      bytes < 20 ? GG_STAT_drop_fragment : GG_STAT_not_new);
			/* As long as what is sent on must be. */
			judge("header in pieces, padded", f.b, f.len + 60,
			      bytes < 20 ? XDP_DROP : XDP_PASS,
			      bytes < 20 ? GG_STAT_drop_fragment : GG_STAT_not_new);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_gets_its_verdict_and_its_counter),
		cmocka_unit_test(a_frame_cut_at_any_byte_passes_until_its_headers_are_whole),
		cmocka_unit_test(a_frame_that_is_not_ours_passes_cut_at_any_byte),
		cmocka_unit_test(lengths_that_contradict_each_other_pass),
		cmocka_unit_test(padding_after_the_packet_changes_nothing),
		cmocka_unit_test(a_header_in_pieces_is_dropped),
		cmocka_unit_test(random_bytes_never_hurt),
		cmocka_unit_test(endpoints_are_judged_as_long_as_they_are_protected),
	};

	return cmocka_run_group_tests(tests, lists_set_up, lists_tear_down);
}
