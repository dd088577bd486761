// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: what the XDP program sends on and how, what the tc program marks, and that the two
 * agree. gg0 is the outer interface, gg1 the inner one; VIP4 and VIP6 are behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "lists.h"
#include "selftests/unit/random.h"
#include "userspace/transparent.h"

#define ALLOWED4 "198.51.100.6"
#define ALLOWED6 "2001:db8:1::6"
#define UNKNOWN4 "198.51.100.99"
#define UNKNOWN6 "2001:db8:1::99"
#define PORT 40000
#define SYN4(source) .from = (source), .to = VIP4, .to_port = 25, .flags = TCP_SYN
#define SYN6(source) .from = (source), .to = VIP6, .to_port = 25, .flags = TCP_SYN

static struct tc_bpf *tc;
static struct fastpath_conf conf;
static struct endpoint vips[2];

static uint64_t counted(enum gg_stat which)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[which];
}

/* ---- running them ---- */

static uint32_t run_xdp(const char *interface, const struct frame *f, uint8_t out[1024])
{
	struct xdp_md context = {.data_end = f->len, .ingress_ifindex = if_nametoindex(interface)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
		    .data_out = out, .data_size_out = 1024, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.greygate_xdp), &opts))
		fail_msg("XDP test run: %s", strerror(errno));
	assert_int_equal(opts.data_size_out, f->len);
	if (opts.retval != XDP_REDIRECT)
		assert_memory_equal(out, f->b, f->len);
	return opts.retval;
}

static uint32_t run_tc(const void *bytes, uint32_t len, uint32_t *ret_mark)
{
	struct __sk_buff context = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context), .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(tc->progs.greygate_tc), &opts))
		fail_msg("tc test run of %u bytes: %s", len, strerror(errno));
	*ret_mark = context.mark;
	return opts.retval;
}

/* What tc does with it: 'm'ark, 'l'eave, 'd'rop. */
static char tc_does(const struct frame_spec *s)
{
	struct frame f;
	uint32_t mark, action;

	frame_build(&f, s);
	action = run_tc(f.b, f.len, &mark);
	if (action == TC_ACT_SHOT)
		return 'd';
	assert_int_equal(action, (uint32_t)TC_ACT_UNSPEC);
	assert_true(!mark || mark == GG_MARK);
	return mark ? 'm' : 'l';
}

/* ---- the place ---- */

static int set_up(void **state)
{
	if (room_enter(state))
		return -1;
	room_run("ip link add gg0 type veth peer name out0 && ip link add gg1 type veth peer name "
		 "in0 && "
		 "for i in gg0 gg1 out0 in0; do ip link set $i up; done && "
		 "sysctl -qw net.ipv4.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=1 && "
		 "ip addr add 10.0.0.1/24 dev gg0 && ip addr add fd00::1/64 dev gg0 nodad && "
		 "ip addr add 192.0.2.1/24 dev gg1 && ip addr add 2001:db8::1/64 dev gg1 nodad && "
		 "ip route add default via 10.0.0.2 && ip -6 route add default via fd00::2 && "
		 "ip neigh add 10.0.0.2 lladdr 02:00:00:00:01:02 dev gg0 nud permanent && "
		 "ip neigh add fd00::2 lladdr 02:00:00:00:01:02 dev gg0 nud permanent && "
		 "ip neigh add 192.0.2.25 lladdr 02:00:00:00:02:25 dev gg1 nud permanent && "
		 "ip neigh add 2001:db8::25 lladdr 02:00:00:00:02:25 dev gg1 nud permanent");
	vips[0] = room_endpoint(VIP4 ":25");
	vips[1] = room_endpoint("[" VIP6 "]:25");
	conf = room_conf(GG_MODE_GATEWAY);
	conf.interfaces[0] = "gg0";
	conf.interfaces[1] = "gg1";
	conf.interface_count = 2;
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	skel = program_xdp(fp);
	tc = tc_bpf__open();
	if (!tc || maps_use(tc->obj, fp->maps) || tc_bpf__load(tc))
		fail_msg("tc program: %s", words_reason(errno));
	lists_renew();
	return 0;
}

static int tear_down(void **state)
{
	tc_bpf__destroy(tc);
	return lists_tear_down(state);
}

/* A listener on an address that isn't ours, as the daemon has it. */
static int listen_at(const char *text)
{
	const struct endpoint e = room_endpoint(text);
	int fd = transparent_socket(&e, false);

	assert_true(fd >= 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* ---- forwarding ---- */

static uint16_t sum_of(const uint8_t *b, int n)
{
	uint32_t sum = 0;

	for (int i = 0; i < n; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void build(struct frame *f, const struct frame_spec *s, uint8_t ttl)
{
	uint8_t *ip = f->b + 14;
	uint16_t sum;

	frame_build(f, s);
	for (int i = 0; s->tags[i]; i++)
		ip += 4;
	if (strchr(s->from, ':')) {
		ip[7] = ttl;
		return;
	}
	ip[8] = ttl;
	sum = (uint16_t)~sum_of(ip, (ip[0] & 15) * 4);
	ip[10] = sum >> 8;
	ip[11] = (uint8_t)sum;
}

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
			}
			memcpy(big, f.b, f.len);
			assert_int_equal(bpf_prog_test_run_opts(
						 bpf_program__fd(skel->progs.greygate_xdp), &opts),
					 0);
			assert_int_equal(opts.retval, over ? XDP_PASS : XDP_REDIRECT);
		}
	room_run("ip route del " VIP4 "/32 && ip -6 route del " VIP6 "/128");
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

/* ---- marks ---- */

static const struct {
	const char *name;
	struct frame_spec frame;
	char listening, open, closed; /* with a listener; without, by when_down */
} marks[] = {
	{"unknown 4", {SYN4(UNKNOWN4)}, 'm', 'l', 'd'},
	{"unknown 6", {SYN6(UNKNOWN6)}, 'm', 'l', 'd'},
	{"allowed 4", {SYN4(ALLOWED4)}, 'l', 'l', 'l'},
	{"allowed 6", {SYN6(ALLOWED6)}, 'l', 'l', 'l'},
	{"drop_new 4", {SYN4("198.51.100.1")}, 'd', 'd', 'd'},
	{"drop_new 6", {SYN6("2001:db8:1::1")}, 'd', 'd', 'd'},
	{"drop_all 4", {SYN4("198.51.100.2")}, 'd', 'd', 'd'},
	{"reject 4", {SYN4("198.51.100.3")}, 'm', 'l', 'd'},
	{"stutter 6", {SYN6("2001:db8:1::4")}, 'm', 'l', 'd'},
	{"tarpit 4", {SYN4("198.51.100.5")}, 'm', 'l', 'd'},
	{"allowed in a prefix", {SYN4("203.0.113.6")}, 'l', 'l', 'l'},
	{"prefix", {SYN4("203.0.113.1")}, 'd', 'd', 'd'},
	{"unknown, options", {SYN4(UNKNOWN4), .options = 3}, 'm', 'l', 'd'},
	{"unknown, extension headers", {SYN6(UNKNOWN6), .headers = {FRAME_HBH, 60}}, 'm', 'l', 'd'},
	{"unknown, tagged", {SYN4(UNKNOWN4), .tags = {0x8100}}, 'm', 'l', 'd'},
	{"unknown, ACK",
	 {.from = UNKNOWN4, .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 'l',
	 'l',
	 'l'},
	{"drop_new, ACK",
	 {.from = "198.51.100.1", .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 'l',
	 'l',
	 'l'},
	{"drop_all, ACK",
	 {.from = "198.51.100.2", .to = VIP4, .to_port = 25, .flags = TCP_ACK},
	 'd',
	 'd',
	 'd'},
	{"fragment", {.from = UNKNOWN4, .to = VIP4, .to_port = 25, .fragment = 3}, 'd', 'd', 'd'},
	{"other port",
	 {.from = UNKNOWN4, .to = VIP4, .to_port = 26, .flags = TCP_SYN},
	 'l',
	 'l',
	 'l'},
	{"other address",
	 {.from = "198.51.100.2", .to = "192.0.2.26", .to_port = 25, .flags = TCP_SYN},
	 'l',
	 'l',
	 'l'},
	{"UDP", {SYN4("198.51.100.2"), .protocol = 17}, 'l', 'l', 'l'},
	{"ARP", {SYN4("198.51.100.2"), .ethertype = 0x0806}, 'l', 'l', 'l'},
	{"from the mail server",
	 {.from = VIP4, .to = UNKNOWN4, .from_port = 25, .to_port = PORT, .flags = TCP_ACK},
	 'l',
	 'l',
	 'l'},
	{"fragment from the mail server",
	 {.from = VIP4, .to = UNKNOWN4, .from_port = 25, .to_port = PORT, .fragment = 3},
	 'l',
	 'l',
	 'l'},
};

static void marked(char expected(size_t i), const char *when)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		char got;

		lists_renew();
		got = tc_does(&marks[i].frame);
		if (got != expected(i))
			fail_msg("%s, %s: '%c', not '%c'", when, marks[i].name, got, expected(i));
	}
}

static char if_listening(size_t i)
{
	return marks[i].listening;
}
static char if_open(size_t i)
{
	return marks[i].open;
}
static char if_closed(size_t i)
{
	return marks[i].closed;
}

static void strangers_are_marked_for_a_daemon_that_lives(void **state)
{
	int four = listen_at(VIP4 ":25"), six = listen_at("[" VIP6 "]:25");

	(void)state;
	fastpath_heartbeat(fp);
	marked(if_listening, "listening");
	close(four);
	close(six);
	marked(if_open, "open");
	fastpath_set_when_down(fp, false);
	marked(if_closed, "closed");
	fastpath_set_when_down(fp, true);
}

/* A server of this machine's own that listens on every address is no daemon. */
static void a_listener_on_any_address_is_somebody_else(void **state)
{
	static const struct frame_spec s = {SYN4(UNKNOWN4)}, t = {SYN6(UNKNOWN6)};
	int four = listen_at("0.0.0.0:25"), six;

	(void)state;
	assert_int_equal(tc_does(&s), 'l');
	close(four);
	six = listen_at("[::]:25");
	assert_int_equal(tc_does(&t), 'l');
	assert_int_equal(tc_does(&s), 'l');
	close(six);
}

/* ---- connections ---- */

/* A handshake under way towards the mail server in a client's name: nobody answers. */
static int as_client(const char *client, const char *server)
{
	const struct endpoint from = room_endpoint(client), to = room_endpoint(server);
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&to, &sa);
	int fd = transparent_socket(&from, false);

	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), -1);
	assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static const struct side {
	const char *client, *server, *client_at, *server_at;
} sides[] = {
	{ALLOWED4, VIP4, ALLOWED4 ":40000", VIP4 ":25"},
	{ALLOWED6, VIP6, "[" ALLOWED6 "]:40000", "[" VIP6 "]:25"},
};

static void answers_to_the_daemon_come_home(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct frame_spec answer = {.from = sides[i].server,
					    .to = sides[i].client,
					    .from_port = 25,
					    .to_port = PORT,
					    .flags = TCP_SYN | TCP_ACK};
		uint8_t out[1024];
		struct frame f;
		int fd;

		build(&f, &answer, 64);
		assert_int_equal(tc_does(&answer), 'l');
		assert_int_equal(run_xdp("gg1", &f, out), XDP_REDIRECT);
		fd = as_client(sides[i].client_at, sides[i].server_at);
		assert_int_equal(tc_does(&answer), 'm');
		assert_int_equal(run_xdp("gg1", &f, out), XDP_PASS);
		answer.to_port++; /* another connection of the same client */
		assert_int_equal(tc_does(&answer), 'l');
		close(fd);
	}
}

/* An allowed client's SYN from the port that the daemon uses in its name: were it forwarded, the
 * answers would go astray. */
static void a_port_that_the_daemon_uses_is_not_forwarded(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct frame_spec syn = {.from = sides[i].client,
					 .to = sides[i].server,
					 .from_port = PORT,
					 .to_port = 25,
					 .flags = TCP_SYN};
		int fd = as_client(sides[i].client_at, sides[i].server_at);
		uint8_t out[1024];
		struct frame f;

		build(&f, &syn, 64);
		assert_int_equal(tc_does(&syn), 'm');
		assert_int_equal(run_xdp("gg0", &f, out), XDP_PASS);
		close(fd);
		assert_int_equal(tc_does(&syn), 'l');
		assert_int_equal(run_xdp("gg0", &f, out), XDP_REDIRECT);
	}
}

/* ---- ICMP ---- */

/* An error with `bytes` of the packet's TCP header quoted. */
static void icmp_build(struct frame *f, const struct frame_spec *quoted, uint8_t type, int bytes)
{
	bool six = strchr(quoted->from, ':') != NULL;
	struct frame_spec outer = {.from = six ? "2001:db8:9::1" : "10.9.9.9",
				   .to = quoted->from,
				   .protocol = six ? 58 : 1};
	int ip = six ? 40 : 20;
	struct frame inner;

	frame_build(&inner, quoted);
	frame_build(f, &outer);
	f->len = 14 + (uint32_t)ip;
	frame_u8(f, type);
	frame_fill(f, 0, 7);
	frame_bytes(f, inner.b + 14, (uint32_t)(ip + bytes));
	if (six) {
		f->b[14 + 4] = 0;
		f->b[14 + 5] = (uint8_t)(f->len - 14 - 40);
	} else {
		f->b[14 + 2] = 0;
		f->b[14 + 3] = (uint8_t)(f->len - 14);
	}
}

static void errors_about_the_daemons_packets_come_home(void **state)
{
	static const uint8_t errors[2][3] = {{3, 11, 12}, {1, 2, 4}},
			     others[2][3] = {{0, 5, 8}, {0, 128, 129}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct frame_spec sent = {.from = sides[i].client,
						.to = sides[i].server,
						.from_port = PORT,
						.to_port = 25,
						.flags = TCP_ACK};
		struct frame_spec udp = sent;
		int fd = as_client(sides[i].client_at, sides[i].server_at);
		uint64_t before = counted(GG_STAT_tc_icmp);
		uint32_t mark;
		struct frame f;

		udp.protocol = 17;
		for (int k = 0; k < 3; k++) {
			icmp_build(&f, &sent, errors[i][k], 8);
			assert_int_equal((int)run_tc(f.b, f.len, &mark), TC_ACT_UNSPEC);
			assert_int_equal(mark, GG_MARK);
			icmp_build(&f, &sent, others[i][k], 8);
			assert_int_equal((int)run_tc(f.b, f.len, &mark), TC_ACT_UNSPEC);
			assert_int_equal(mark, 0);
		}
		assert_int_equal(counted(GG_STAT_tc_icmp) - before, 3);
		/* Cut off before the ports; about UDP. */
		icmp_build(&f, &sent, errors[i][0], 3);
		run_tc(f.b, f.len, &mark);
		assert_int_equal(mark, 0);
		icmp_build(&f, &udp, errors[i][0], 8);
		run_tc(f.b, f.len, &mark);
		assert_int_equal(mark, 0);
		close(fd);
		/* About a connection that was forwarded. */
		icmp_build(&f, &sent, errors[i][0], 8);
		run_tc(f.b, f.len, &mark);
		assert_int_equal(mark, 0);
	}
}

/* ---- agreement ---- */

static void both_programs_agree(void **state)
{
	static const char *const from4[] = {UNKNOWN4,       ALLOWED4,
					    "198.51.100.1", "198.51.100.2",
					    "198.51.100.3", "203.0.113.1",
					    "203.0.113.6",  VIP4},
				 *const from6[] = {UNKNOWN6,        ALLOWED6,
						   "2001:db8:1::1", "2001:db8:1::2",
						   "2001:db8:1::3", "2001:db8:2:9::1",
						   "2001:db8:2::6", VIP6};
	static const uint8_t flags[] = {TCP_SYN,           TCP_SYN,           TCP_SYN, TCP_ACK,
					TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, 0};
	int four = listen_at(VIP4 ":25"), six = listen_at("[" VIP6 "]:25");
	int drops = 0, sent = 0, passed = 0;
	uint64_t seed = 5;

	(void)state;
	fastpath_heartbeat(fp);
	for (int i = 0; i < 20000; i++) {
		bool is6 = random_below(&seed, 2);
		struct frame_spec s = {
			.from = (is6 ? from6 : from4)[random_below(&seed, 8)],
			.to = is6 ? VIP6 : VIP4,
			.from_port = random_below(&seed, 4) ? PORT : 25,
			.to_port = random_below(&seed, 8) ? 25 : 26,
			.flags = flags[random_below(&seed, 8)],
			.fragment = random_below(&seed, 16) ? 0 : 3,
			.options = random_below(&seed, 8) ? 0 : 2,
			.tags = {random_below(&seed, 8) ? 0 : 0x8100},
			.headers = {random_below(&seed, 8) ? 0 : 60},
			.protocol = random_below(&seed, 16) ? 0 : 17,
		};
		uint8_t out[1024];
		struct frame f;
		uint32_t xdp;
		char does;

		if (is6 && s.fragment)
			s.headers[0] = 44;
		if (!random_below(&seed, 4)) { /* the other direction */
			const char *swap = s.from;

			s.from = s.to;
			s.to = swap;
		}
		build(&f, &s, 64);
		xdp = run_xdp("gg0", &f, out);
		does = tc_does(&s);
		if ((xdp == XDP_DROP) != (does == 'd') || (xdp == XDP_REDIRECT && does != 'l'))
			fail_msg("packet %d, %s to %s: XDP %u, tc '%c'", i, s.from, s.to, xdp,
				 does);
		drops += xdp == XDP_DROP;
		sent += xdp == XDP_REDIRECT;
		passed += xdp == XDP_PASS;
	}
	assert_true(drops > 1000 && sent > 1000 && passed > 1000);
	close(four);
	close(six);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowed_packet_is_sent_on),
		cmocka_unit_test(what_is_not_ordinary_is_left_to_the_stack),
		cmocka_unit_test(what_is_too_large_is_left_to_the_stack),
		cmocka_unit_test(a_frame_to_a_group_is_left_alone),
		cmocka_unit_test(strangers_are_marked_for_a_daemon_that_lives),
		cmocka_unit_test(a_listener_on_any_address_is_somebody_else),
		cmocka_unit_test(answers_to_the_daemon_come_home),
		cmocka_unit_test(a_port_that_the_daemon_uses_is_not_forwarded),
		cmocka_unit_test(errors_about_the_daemons_packets_come_home),
		cmocka_unit_test(both_programs_agree),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
