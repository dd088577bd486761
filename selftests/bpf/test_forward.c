// SPDX-License-Identifier: GPL-2.0-or-later
/* Gateway mode: what the XDP program sends on and how, and what it leaves to the stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway.h"

/* Both ways and families, every TTL: hop by hop as a router does, and nothing else changed. */
static void an_allowed_packet_is_sent_on(void **state)
{
	static const struct {
		const char *interface, *mac;
		struct frame_spec frame;
	} ways[] = {
		{"gg0",
		 "\x02\0\0\0\x02\x25",
		 {.from = ALLOWED4, .to = VIP4, .to_port = 25, .flags = TCP_SYN}},
		{"gg0",
		 "\x02\0\0\0\x02\x25",
		 {.from = ALLOWED4, .to = VIP4, .to_port = 25, .flags = TCP_ACK}},
		{"gg0",
		 "\x02\0\0\0\x02\x25",
		 {.from = UNKNOWN4, .to = VIP4, .to_port = 25, .flags = TCP_ACK}},
		{"gg1",
		 "\x02\0\0\0\x01\x02",
		 {.from = VIP4,
		  .to = ALLOWED4,
		  .from_port = 25,
		  .to_port = PORT,
		  .flags = TCP_ACK}},
		{"gg1",
		 "\x02\0\0\0\x01\x02",
		 {.from = VIP4,
		  .to = UNKNOWN4,
		  .from_port = 25,
		  .to_port = PORT,
		  .flags = TCP_SYN | TCP_ACK}},
		{"gg0",
		 "\x02\0\0\0\x02\x25",
		 {.from = ALLOWED6, .to = VIP6, .to_port = 25, .flags = TCP_SYN}},
		{"gg0",
		 "\x02\0\0\0\x02\x25",
		 {.from = ALLOWED6, .to = VIP6, .to_port = 25, .flags = TCP_ACK}},
		{"gg0",
		 "\x02\0\0\0\x02\x25",
		 {.from = UNKNOWN6, .to = VIP6, .to_port = 25, .flags = TCP_FIN | TCP_ACK}},
		{"gg1",
		 "\x02\0\0\0\x01\x02",
		 {.from = VIP6,
		  .to = UNKNOWN6,
		  .from_port = 25,
		  .to_port = PORT,
		  .flags = TCP_RST}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		for (int ttl = 2; ttl < 256; ttl++) {
			uint8_t out[1024];
			struct frame f;
			int at = strchr(ways[i].frame.from, ':') ? 14 + 7 : 14 + 8;

			build(&f, &ways[i].frame, (uint8_t)ttl);
			assert_int_equal(run_xdp(ways[i].interface, &f, out), XDP_REDIRECT);
			assert_memory_equal(out, ways[i].mac, 6);
			assert_memory_not_equal(out + 6, f.b + 6, 6);
			assert_int_equal(out[at], ttl - 1);
			if (at == 14 + 8) {
				assert_int_equal(sum_of(out + 14, 20), 0xffff);
				memcpy(out + 14 + 10, f.b + 14 + 10, 2);
			}
			out[at]++;
			assert_memory_equal(out + 12, f.b + 12, f.len - 12);
		}
}

/* The stack has something to say or to ask; it gets the frame as it came. */
static void what_is_not_ordinary_is_left_to_the_stack(void **state)
{
	static const struct {
		const char *name, *before, *after;
		struct frame_spec frame;
		uint8_t ttl;
		bool alone; /* the command makes the difference: without it the frame is sent on */
	} cases[] = {
		{"TTL 1", NULL, NULL, {SYN4(ALLOWED4)}, 1, false},
		{"TTL 0", NULL, NULL, {SYN4(ALLOWED4)}, 0, false},
		{"hop limit 1", NULL, NULL, {SYN6(ALLOWED6)}, 1, false},
		{"hop limit 0", NULL, NULL, {SYN6(ALLOWED6)}, 0, false},
		{"no neighbour",
		 "ip neigh del " VIP4 " dev gg1",
		 "ip neigh add " VIP4 " lladdr 02:00:00:00:02:25 dev gg1 nud permanent",
		 {SYN4(ALLOWED4)},
		 64,
		 true},
		{"no neighbour 6",
		 "ip neigh del " VIP6 " dev gg1",
		 "ip neigh add " VIP6 " lladdr 02:00:00:00:02:25 dev gg1 nud permanent",
		 {SYN6(ALLOWED6)},
		 64,
		 true},
		{"no forwarding",
		 "sysctl -qw net.ipv4.conf.gg0.forwarding=0",
		 "sysctl -qw net.ipv4.conf.gg0.forwarding=1",
		 {SYN4(ALLOWED4)},
		 64,
		 true},
		{"no route",
		 "ip route add unreachable " VIP4 "/32",
		 "ip route del " VIP4 "/32",
		 {SYN4(ALLOWED4)},
		 64,
		 true},
		{"out by the way it came",
		 "ip route add " VIP4 "/32 via 10.0.0.2",
		 "ip route del " VIP4 "/32",
		 {SYN4(ALLOWED4)},
		 64,
		 true},
		{"out by an interface that isn't ours",
		 "ip link add gg9 type veth peer name in9 && ip link set gg9 up && ip link set in9 "
		 "up "
		 "&& ip neigh add " VIP4 " lladdr 02:00:00:00:02:25 dev gg9 nud permanent && "
		 "ip route add " VIP4 "/32 dev gg9",
		 "ip link del gg9",
		 {SYN4(ALLOWED4)},
		 64,
		 true},
		{"IPv4 options", NULL, NULL, {SYN4(ALLOWED4), .options = 2}, 64, false},
		{"VLAN tag", NULL, NULL, {SYN4(ALLOWED4), .tags = {0x8100}}, 64, false},
		{"extension header", NULL, NULL, {SYN6(ALLOWED6), .headers = {60}}, 64, false},
	};
	uint64_t before;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[1024];
		struct frame f;

		if (cases[i].before)
			room_run(cases[i].before);
		build(&f, &cases[i].frame, cases[i].ttl);
		before = counted(GG_STAT_forward_stack);
		if (run_xdp("gg0", &f, out) != XDP_PASS)
			fail_msg("%s: not left to the stack", cases[i].name);
		assert_int_equal(counted(GG_STAT_forward_stack) - before, 1);
		if (cases[i].after)
			room_run(cases[i].after);
		if (cases[i].alone && run_xdp("gg0", &f, out) != XDP_REDIRECT)
			fail_msg("%s: not sent on without it", cases[i].name);
	}
}

/* Padded to a length just below and just above the way's MTU. */
static void what_is_too_large_is_left_to_the_stack(void **state)
{
	static const struct frame_spec
		four = {.from = ALLOWED4, .to = VIP4, .to_port = 25, .flags = TCP_ACK},
		six = {.from = ALLOWED6, .to = VIP6, .to_port = 25, .flags = TCP_ACK};

	(void)state;
	room_run("ip route add " VIP4 "/32 dev gg1 mtu lock 700 && "
		 "ip -6 route add " VIP6 "/128 dev gg1 mtu lock 1280");
	for (int is6 = 0; is6 < 2; is6++)
		for (int over = 0; over < 2; over++) {
			uint32_t size = (is6 ? 1280u : 700u) + (uint32_t)over;
			uint8_t big[2048] = {0}, out[2048];
			struct xdp_md context = {.ingress_ifindex = if_nametoindex("gg0"),
						 .data_end = size + 14};
			LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = big,
				    .data_size_in = size + 14, .data_out = out,
				    .data_size_out = sizeof(out), .ctx_in = &context,
				    .ctx_size_in = sizeof(context), .repeat = 1);
			struct frame f;

			build(&f, is6 ? &six : &four, 64);
			if (is6) {
				f.b[14 + 4] = (uint8_t)((size - 40) >> 8);
				f.b[14 + 5] = (uint8_t)(size - 40);
			} else {
				f.b[14 + 2] = (uint8_t)(size >> 8);
				f.b[14 + 3] = (uint8_t)size;
				sign(f.b + 14);
			}
			memcpy(big, f.b, f.len);
			assert_int_equal(bpf_prog_test_run_opts(
						 bpf_program__fd(skel->progs.greygate_xdp), &opts),
					 0);
			assert_int_equal(opts.retval, over ? XDP_PASS : XDP_REDIRECT);
		}
	room_run("ip route del " VIP4 "/32 && ip -6 route del " VIP6 "/128");
}

/* RFC 1812 5.2.2: the stack discards it. */
static void what_a_router_discards_is_not_sent_on(void **state)
{
	static const struct {
		const char *name;
		const char *from, *to;
		int at;   /* octet of the IP header that is changed */
		int more; /* what is added to it */
		bool signs;
	} cases[] = {
		{"as it is", ALLOWED4, VIP4, 3, 0, true},
		{"a false header checksum", ALLOWED4, VIP4, 10, 1, false},
		{"another TTL than was signed", ALLOWED4, VIP4, 8, 1, false},
		{"an octet more than there is", ALLOWED4, VIP4, 3, 1, true},
		{"256 octets more than there are", ALLOWED4, VIP4, 2, 1, true},
		{"IPv6, as it is", ALLOWED6, VIP6, 5, 0, false},
		{"IPv6, an octet more than there is", ALLOWED6, VIP6, 5, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct frame_spec spec = {
			.from = cases[i].from, .to = cases[i].to, .to_port = 25, .flags = TCP_ACK};
		uint8_t out[1024];
		struct frame f;

		build(&f, &spec, 64);
		f.b[14 + cases[i].at] += (uint8_t)cases[i].more;
		if (cases[i].signs)
			sign(f.b + 14);
		if (run_xdp("gg0", &f, out) != (cases[i].more ? XDP_PASS : XDP_REDIRECT))
			fail_msg("%s", cases[i].name);
	}
}

static void expect_both(const struct frame_spec specs[2], int action)
{
	uint8_t out[1024];
	struct frame f;

	for (int i = 0; i < 2; i++) {
		build(&f, &specs[i], 64);
		assert_int_equal(run_xdp("gg0", &f, out), action);
	}
}

static void change(const char *rule, const char *how)
{
	char words[100], command[120];
	const char *at = strstr(rule, "%s");

	snprintf(words, sizeof(words), "%.*s%s%s", (int)(at - rule), rule, how, at + 2);
	snprintf(command, sizeof(command), "ip %s", words);
	room_run(command);
}

/* Netfilter gives the marks later: what has none yet may not be what such a rule is not for. */
static void rules_that_ask_for_marks_are_left_to_the_stack(void **state)
{
	static const struct frame_spec specs[] = {
		{.from = ALLOWED4, .to = VIP4, .to_port = 25, .flags = TCP_ACK},
		{.from = ALLOWED6, .to = VIP6, .to_port = 25, .flags = TCP_ACK}};
	static const char *const rules[] = {"-4 rule %s fwmark 0x2/0xff lookup 200",
					    "-6 rule %s fwmark 0x2 lookup 200",
					    "-4 rule %s not fwmark 0xca6c lookup 200",
					    "-6 rule %s iif gg0 fwmark 0/1 lookup 200"};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		fastpath_heartbeat(fp);
		assert_null(fastpath_stack_forwards(fp));
		expect_both(specs, XDP_REDIRECT);
		change(rules[i], "add");
		fastpath_heartbeat(fp);
		assert_non_null(strstr(fastpath_stack_forwards(fp), "marks"));
		expect_both(specs, XDP_PASS);
		/* A start knows it before its first packet. */
		fastpath_close(&fp);
		fp = room_open(&conf);
		expect_both(specs, XDP_PASS);
		change(rules[i], "del");
	}
	fastpath_heartbeat(fp);
	expect_both(specs, XDP_REDIRECT);
}

/* A policy that comes while the daemon runs, and one that a start finds. */
static void what_ipsec_may_have_a_say_in_is_left_to_the_stack(void **state)
{
	static const struct frame_spec specs[] = {
		{.from = ALLOWED4, .to = VIP4, .to_port = 25, .flags = TCP_ACK},
		{.from = ALLOWED6, .to = VIP6, .to_port = 25, .flags = TCP_ACK}};

	(void)state;
	for (int step = 0; step < 3; step++) {
		if (step == 1)
			room_run("ip xfrm policy add src 198.18.0.0/15 dst 198.18.9.9 dir out "
				 "action block");
		if (step == 2) {
			fastpath_close(&fp);
			fp = room_open(&conf);
		}
		fastpath_heartbeat(fp);
		assert_int_equal(fastpath_stack_forwards(fp) != NULL, step > 0);
		expect_both(specs, step ? XDP_PASS : XDP_REDIRECT);
	}
	room_run("ip xfrm policy flush");
	fastpath_close(&fp);
	fp = room_open(&conf);
	assert_null(fastpath_stack_forwards(fp));
}

static void a_frame_to_a_group_is_left_alone(void **state)
{
	static const struct frame_spec s = {SYN4(ALLOWED4)};
	uint8_t out[1024];
	struct frame f;

	(void)state;
	build(&f, &s, 64);
	f.b[0] |= 1;
	assert_int_equal(run_xdp("gg0", &f, out), XDP_PASS);
}

/* The daemon never hears of it. */
static void what_is_sent_on_is_a_hit_of_its_list(void **state)
{
	static const struct frame_spec frames[] = {
		{.from = UNKNOWN4, .to = VIP4, .to_port = 25, .flags = TCP_SYN},
		{.from = UNKNOWN6, .to = VIP6, .to_port = 25, .flags = TCP_SYN},
	};
	const uint8_t rank[GG_LISTS] = {[3] = 1};
	struct imports *in;

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		const struct prefix p = room_prefix(frames[i].from);
		struct import_item item = {
			.addr = p.addr, .len = p.len, .list = 3, .says = IMPORT_ALLOW};
		uint8_t out[1024];
		struct frame f;

		fastpath_list_reset(fp, 3);
		assert_int_equal(imports_make(&item, 1, rank, &in), 0);
		assert_int_equal(fastpath_import(fp, in, NULL, 0, NULL), 0);
		build(&f, &frames[i], 64);
		assert_int_equal(run_xdp("gg0", &f, out), XDP_REDIRECT);
		assert_int_equal(fastpath_list_hits(fp, 3), 1);
		assert_int_equal(fastpath_import(fp, NULL, NULL, 0, NULL), 0);
		imports_free(&in);
	}
}

/* The kernel asks after a neighbour only if it sends to it itself: once a turn it does, of every
 * CPU that frames arrive at. */
static void each_neighbour_is_shown_to_the_stack(void **state)
{
	static const struct {
		const char *interface;
		struct frame_spec frame;
	} ways[] = {
		{"gg0", {.from = ALLOWED4, .to = VIP4, .to_port = 25, .flags = TCP_ACK}},
		{"gg1",
		 {.from = VIP6,
		  .to = ALLOWED6,
		  .from_port = 25,
		  .to_port = PORT,
		  .flags = TCP_ACK}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int shown = 0;

		program_show(skel, 0);
		for (int n = 0; n < 100; n++) {
			uint8_t out[1024];
			struct frame f;

			build(&f, &ways[i].frame, 64);
			shown += run_xdp(ways[i].interface, &f, out) != XDP_REDIRECT;
		}
		/* A turn may end meanwhile, and a test may be moved to another CPU. */
		assert_in_range(shown, 1, 5);
		program_show(skel, UINT32_MAX);
	}
}

static void what_comes_from_nowhere_is_not_sent_on(void **state)
{
	static const char *const froms[] = {"0.0.0.0",   "0.1.2.3",   "127.0.0.1",
					    "224.0.0.1", "240.0.0.1", "255.255.255.255",
					    "::",        "::1",       "ff02::1"};

	(void)state;
	for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		const bool six = strchr(froms[i], ':');
		const struct frame_spec spec = {
			.from = froms[i], .to = six ? VIP6 : VIP4, .to_port = 25, .flags = TCP_ACK};
		uint8_t out[1024];
		struct frame f;

		build(&f, &spec, 64);
		if (run_xdp("gg0", &f, out) != XDP_PASS)
			fail_msg("%s: sent on", froms[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowed_packet_is_sent_on),
		cmocka_unit_test(what_is_not_ordinary_is_left_to_the_stack),
		cmocka_unit_test(what_is_too_large_is_left_to_the_stack),
		cmocka_unit_test(what_a_router_discards_is_not_sent_on),
		cmocka_unit_test(a_frame_to_a_group_is_left_alone),
		cmocka_unit_test(what_is_sent_on_is_a_hit_of_its_list),
		cmocka_unit_test(each_neighbour_is_shown_to_the_stack),
		cmocka_unit_test(what_comes_from_nowhere_is_not_sent_on),
		cmocka_unit_test(rules_that_ask_for_marks_are_left_to_the_stack),
		cmocka_unit_test(what_ipsec_may_have_a_say_in_is_left_to_the_stack),
	};

	return cmocka_run_group_tests(tests, gateway_set_up, gateway_tear_down);
}
