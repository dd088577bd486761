// SPDX-License-Identifier: GPL-2.0-or-later
/* The way out: whose connections to port 25 are told to the daemon, and whose are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <egress.skel.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>

#include "program.h"
#include "told.h"

#define VIP4 "192.0.2.25"
#define VIP6 "2001:db8::25"
#define HOST4 "198.51.100.9"
#define HOST6 "2001:db8:9::9"
#define ISN 0xfffffff0u

static struct egress_bpf *egress;
static struct endpoint vips[2];

static void assert_told(const char *host)
{
	const struct prefix p = room_prefix(host);

	assert_true(addr_eq(&told[0], &p.addr));
}

struct step {
	const char *from, *to;
	uint8_t flags;
	uint32_t seq;
	uint16_t from_port, to_port;
	const char *by; /* interface it came in by; NULL: the inner one */
};

/* Neither its fate nor its bytes change. */
static void send_out(const struct step *s)
{
	const struct frame_spec spec = {.from = s->from,
					.to = s->to,
					.from_port = s->from_port ? s->from_port : 40000,
					.to_port = s->to_port ? s->to_port : 25,
					.flags = s->flags};
	struct __sk_buff context = {.ifindex = if_nametoindex("eg0"),
				    .ingress_ifindex = if_nametoindex(s->by ? s->by : "eg1")};
	uint32_t at = strchr(s->from, ':') ? 54 : 34, seq = htonl(s->seq);
	uint8_t out[1024];
	struct frame f;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context), .repeat = 1);

	frame_build(&f, &spec);
	memcpy(f.b + at + 4, &seq, sizeof(seq));
	opts.data_in = f.b;
	opts.data_size_in = f.len;
	if (bpf_prog_test_run_opts(bpf_program__fd(egress->progs.greygate_egress), &opts))
		fail_msg("test run: %s", strerror(errno));
	assert_int_equal(opts.retval, (uint32_t)TC_ACT_UNSPEC);
	assert_int_equal(opts.data_size_out, f.len);
	assert_memory_equal(out, f.b, f.len);
	assert_int_equal(context.mark, 0);
}

static int set_up(void **state)
{
	struct fastpath_conf conf = room_conf(GG_MODE_GATEWAY);

	(void)state;
	vips[0] = room_endpoint(VIP4 ":25");
	vips[1] = room_endpoint("[" VIP6 "]:25");
	conf.xdp = FASTPATH_OFF;
	conf.interfaces[0] = "eg0";
	conf.interfaces[1] = "eg1";
	conf.interface_count = 2;
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	egress = egress_bpf__open();
	if (!egress || maps_use(egress->obj, fp->maps) || egress_bpf__load(egress))
		fail_msg("egress program: %s", words_reason(errno));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	egress_bpf__destroy(egress);
	fastpath_close(&fp);
	room_detach();
	return 0;
}

static int enter(void **state)
{
	if (room_enter(state))
		return -1;
	room_run("ip link add eg0 type veth peer name out0 && ip link add eg1 type veth peer name "
		 "in0 && ip link add eg2 type veth peer name other0 && "
		 "for i in eg0 eg1 eg2 out0 in0 other0; do ip link set $i up; done && "
		 "ip addr add 192.0.2.1/24 dev eg1 && ip addr add 2001:db8::1/64 dev eg1 nodad && "
		 "ip addr add 198.51.100.1/24 dev eg0 && ip addr add 203.0.113.1/24 dev eg2 && "
		 "ip addr add 2001:db8:9::1/64 dev eg0 nodad && "
		 "ip addr add 2001:db8:8::1/64 dev eg2 nodad && "
		 "sysctl -qw net.ipv4.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=1");
	return 0;
}

/* A whole opening of a connection as the way out sees it. */
static void open_from(const char *from, const char *to, uint16_t port, const char *by)
{
	const struct step syn = {from, to, TCP_SYN, ISN, port, 0, by};
	const struct step ack = {from, to, TCP_ACK, ISN + 1, port, 0, by};

	send_out(&syn);
	send_out(&ack);
}

static void an_answered_connection_is_told_once(void **state)
{
	const struct prefix p = room_prefix(HOST4);
	struct gg_vip_key host = {};
	uint64_t when;

	(void)state;
	memcpy(host.addr, p.addr.b, sizeof(host.addr));
	open_from(VIP4, HOST4, 40001, NULL);
	assert_int_equal(tellings(), 1);
	assert_told(HOST4);
	open_from(VIP4, HOST4, 40002, NULL);
	assert_int_equal(tellings(), 0); /* within the same minute */
	open_from(VIP6, HOST6, 40001, NULL);
	assert_int_equal(tellings(), 1);
	assert_told(HOST6);
	/* a minute later */
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(egress->maps.named), &host, &when), 0);
	when -= 61;
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(egress->maps.named), &host, &when, BPF_EXIST), 0);
	open_from(VIP4, HOST4, 40003, NULL);
	assert_int_equal(tellings(), 1);
	assert_told(HOST4);
	/* a number that wraps */
	open_from(VIP4, "198.51.100.10", 40001, NULL);
	assert_int_equal(tellings(), 1);
}

static void what_was_not_answered_is_not_told(void **state)
{
	static const struct step rows[][3] = {
		/* SYN alone; retransmitted */
		{{VIP4, "198.51.100.20", TCP_SYN, ISN, 0, 0, NULL},
		 {VIP4, "198.51.100.20", TCP_SYN, ISN, 0, 0, NULL}},
		/* refused by the mail server itself */
		{{VIP4, "198.51.100.21", TCP_SYN, ISN, 0, 0, NULL},
		 {VIP4, "198.51.100.21", TCP_RST | TCP_ACK, ISN + 1, 0, 0, NULL}},
		/* an ACK with another number */
		{{VIP4, "198.51.100.22", TCP_SYN, ISN, 0, 0, NULL},
		 {VIP4, "198.51.100.22", TCP_ACK, ISN, 0, 0, NULL},
		 {VIP4, "198.51.100.22", TCP_ACK, ISN + 2, 0, 0, NULL}},
		/* no SYN: somebody's connection from his port 25 to ours */
		{{VIP4, "198.51.100.23", TCP_SYN | TCP_ACK, ISN, 25, 0, NULL},
		 {VIP4, "198.51.100.23", TCP_ACK, ISN + 1, 25, 0, NULL}},
		/* another port of ours, another one of theirs */
		{{VIP4, "198.51.100.24", TCP_SYN, ISN, 1, 0, NULL},
		 {VIP4, "198.51.100.24", TCP_ACK, ISN + 1, 2, 0, NULL}},
		{{VIP4, "198.51.100.25", TCP_SYN, ISN, 0, 587, NULL},
		 {VIP4, "198.51.100.25", TCP_ACK, ISN + 1, 0, 587, NULL}},
		/* ourselves, one of two to the other */
		{{VIP4, VIP4, TCP_SYN, ISN, 0, 0, NULL},
		 {VIP4, VIP4, TCP_ACK, ISN + 1, 0, 0, NULL}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int k = 0; k < 3 && rows[i][k].from; k++)
			send_out(&rows[i][k]);
		if (tellings())
			fail_msg("row %zu", i);
	}
}

static void a_gateway_believes_the_inside_only(void **state)
{
	static const struct {
		const char *from, *to, *by;
		int told;
	} rows[] = {
		{VIP4, "198.51.100.30", "eg1", 1},
		{VIP6, "2001:db8:9::30", "eg1", 1},
		/* comes from outside and goes back there: forged */
		{VIP4, "198.51.100.31", "eg0", 0},
		/* comes by a way that doesn't lead to the mail server */
		{VIP4, "198.51.100.34", "eg2", 0},
		{VIP6, "2001:db8:9::34", "eg2", 0},
		/* the gate's own, in whatever name; others behind it; strangers */
		{VIP4, "198.51.100.32", "", 0},
		{"192.0.2.26", "198.51.100.33", "eg1", 0},
		{HOST4, VIP4, "eg1", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		open_from(rows[i].from, rows[i].to, 40000, rows[i].by);
		if (tellings() != rows[i].told)
			fail_msg("row %zu", i);
	}
}

static void interfaces_are_watched_until_detached(void **state)
{
	struct fastpath_conf conf = room_conf(GG_MODE_GATEWAY);
	struct fastpath *again;

	(void)state;
	conf.xdp = FASTPATH_OFF;
	conf.interfaces[0] = "eg0";
	conf.interface_count = 1;
	conf.vips = vips;
	conf.vip_count = 2;
	conf.observe = true;
	for (int i = 0; i < 2; i++) { /* a second start takes the first one's place */
		again = room_open(&conf);
		assert_null(fastpath_observe_why(again));
		room_run("test $(tc filter show dev eg0 egress | grep -c greygate_egress) = 1");
		fastpath_close(&again);
		room_run("tc filter show dev eg0 egress | grep -q greygate_egress");
	}
	conf.observe = false;
	again = room_open(&conf);
	room_run("! tc filter show dev eg0 egress | grep -q greygate_egress");
	fastpath_close(&again);
	conf.observe = true;
	again = room_open(&conf);
	fastpath_close(&again);
	room_detach();
	room_run("! tc filter show dev eg0 egress | grep -q greygate_egress");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answered_connection_is_told_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_not_answered_is_not_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_gateway_believes_the_inside_only, set_up,
						tear_down),
		cmocka_unit_test(interfaces_are_watched_until_detached),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
