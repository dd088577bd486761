// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The XDP program beside real sockets: what is open is never touched, whatever the lists say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "bpf/classify.h"
#include "program.h"

/* One for each family: where the server listens, where its client comes from. */
static const struct side {
	const char *server, *client;
} sides[] = {
	{"127.0.0.1", "127.0.0.77"},
	{"2001:db8::25", "2001:db8::77"},
};

#define PORT 2525

static struct fastpath *fp;
static struct xdp_bpf *skel;

struct connection {
	int listener, client, server;
	uint16_t port; /* of the client */
};

static struct connection connect_them(const struct side *side)
{
	struct endpoint to = {.port = PORT}, from;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct connection c;

	c.listener = room_socket(side->server, PORT, 0, false);
	assert_int_equal(listen(c.listener, 8), 0);
	c.client = room_socket(side->client, 0, 0, false);
	assert_int_equal(addr_parse(side->server, &to.addr), 0);
	len = addr_to_sockaddr(&to, &sa);
	assert_int_equal(connect(c.client, (struct sockaddr *)&sa, len), 0);
	c.server = accept(c.listener, NULL, NULL);
	assert_true(c.server >= 0);
	len = sizeof(sa);
	assert_int_equal(getsockname(c.client, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, &from), 0);
	c.port = from.port;
	return c;
}

static void disconnect(const struct connection *c)
{
	const struct linger reset = {.l_onoff = 1};

	setsockopt(c->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->client);
	close(c->server);
	close(c->listener);
}

static void deny(const char *address, enum gg_action action)
{
	const struct prefix p = room_prefix(address);

	fastpath_del(fp, &p);
	room_put(fp, address, GG_DENY, action, 0);
}

static uint32_t send_from(const struct side *side, uint16_t port, uint8_t flags)
{
	const struct frame_spec s = {.from = side->client,
				     .to = side->server,
				     .from_port = port,
				     .to_port = PORT,
				     .flags = flags};
	struct frame f;

	frame_build(&f, &s);
	return program_run(skel, f.b, f.len);
}

static uint64_t counted(enum gg_stat which)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[which];
}

static int set_up(void **state)
{
	const struct endpoint vips[] = {room_endpoint("127.0.0.1:2525"),
					room_endpoint("[2001:db8::25]:2525"),
					room_endpoint("192.0.2.25:2525")};
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);

	if (room_enter(state))
		return -1;
	room_run("ip addr add 2001:db8::25/128 dev lo nodad && "
		 "ip addr add 2001:db8::77/128 dev lo nodad");
	/* A way out for answers that nobody is to get. */
	room_run("ip link add out0 type veth peer name out1 && ip link set out0 up && "
		 "ip link set out1 up && ip addr add 192.0.2.25/24 dev out0 && "
		 "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev out0");
	conf.vips = vips;
	conf.vip_count = 3;
	fp = room_open(&conf);
	skel = program_xdp(fp);
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

static void an_open_connection_is_never_touched(void **state)
{
	static const uint8_t flags[] = {TCP_SYN,           TCP_SYN | TCP_ACK, TCP_ACK,
					TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK, TCP_RST};
	struct connection c;
	uint64_t before;
	size_t i, n;

	(void)state;
	for (i = 0; i < 2; i++) {
		c = connect_them(&sides[i]);
		deny(sides[i].client, GG_DROP_NEW);
		before = counted(GG_STAT_established);
		for (n = 0; n < sizeof(flags); n++)
			assert_int_equal(send_from(&sides[i], c.port, flags[n]), XDP_PASS);
		assert_int_equal(counted(GG_STAT_established) - before, 1);
		/* Another port of the same source is a new connection. */
		assert_int_equal(send_from(&sides[i], c.port ^ 1, TCP_SYN), XDP_DROP);
		disconnect(&c);
	}
}

static void drop_all_is_the_one_exception(void **state)
{
	struct connection c;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		c = connect_them(&sides[i]);
		deny(sides[i].client, GG_DROP_ALL);
		assert_int_equal(send_from(&sides[i], c.port, TCP_ACK), XDP_DROP);
		assert_int_equal(send_from(&sides[i], c.port, TCP_SYN), XDP_DROP);
		disconnect(&c);
	}
}

static void a_listener_is_no_connection(void **state)
{
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < 2; i++) {
		fd = room_socket(sides[i].server, PORT, 0, false);
		assert_int_equal(listen(fd, 8), 0);
		deny(sides[i].client, GG_DROP_NEW);
		assert_int_equal(send_from(&sides[i], 40000, TCP_SYN), XDP_DROP);
		close(fd);
	}
}

/* The server closes first, so its end waits: the tuple is taken until its time is over. */
static void time_wait_holds_its_tuple(void **state)
{
	struct connection c;
	char byte;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		c = connect_them(&sides[i]);
		close(c.server);
		assert_int_equal(read(c.client, &byte, 1), 0);
		close(c.client);
		close(c.listener);
		deny(sides[i].client, GG_DROP_NEW);
		assert_int_equal(send_from(&sides[i], c.port, TCP_SYN), XDP_PASS);
		assert_int_equal(send_from(&sides[i], c.port ^ 1, TCP_SYN), XDP_DROP);
	}
}

static void send_raw_syn(uint16_t port)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} p = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .saddr = inet_addr("192.0.2.77"),
		       .daddr = inet_addr("192.0.2.25")},
		.tcp = {.source = htons(port), .dest = htons(PORT), .doff = 5, .syn = 1},
	};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = p.ip.daddr};
	const uint16_t *words = (const uint16_t *)&p.ip.saddr;
	uint32_t sum = htons(IPPROTO_TCP) + htons(sizeof(p.tcp));
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), i;

	p.tcp.window = htons(1024);
	for (i = 0; i < 14; i++) /* both addresses and the header */
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p.tcp.check = ~sum;
	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, &p, sizeof(p), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(p));
	close(fd);
}

/* The packet may be on its way yet: waits until the kernel knows of a handshake. */
static void await_handshake(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < 5000; i++) {
		if (!system("grep -q ' 03 ' /proc/net/tcp"))
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("no handshake has begun");
}

static void a_handshake_under_way_holds_its_tuple(void **state)
{
	const struct side side = {"192.0.2.25", "192.0.2.77"};
	int fd = room_socket(side.server, PORT, 0, false);

	(void)state;
	assert_int_equal(listen(fd, 8), 0);
	send_raw_syn(41000);
	await_handshake();
	deny(side.client, GG_DROP_NEW);
	/* The retransmission, and the answer that completes it. */
	assert_int_equal(send_from(&side, 41000, TCP_SYN), XDP_PASS);
	assert_int_equal(send_from(&side, 41000, TCP_ACK), XDP_PASS);
	assert_int_equal(send_from(&side, 41001, TCP_SYN), XDP_DROP);
	close(fd);
}

/* After so many drops it is a flood; segments of the open connection still pass. */
static void a_flood_no_longer_asks_the_socket_table(void **state)
{
	struct connection c = connect_them(&sides[0]);
	int i;

	(void)state;
	deny(sides[0].client, GG_DROP_NEW);
	for (i = 0; i < GG_ASKED_DROPS; i++) {
		assert_int_equal(send_from(&sides[0], c.port, TCP_SYN), XDP_PASS);
		assert_int_equal(send_from(&sides[0], c.port ^ 1, TCP_SYN), XDP_DROP);
	}
	assert_int_equal(send_from(&sides[0], c.port, TCP_SYN), XDP_DROP);
	assert_int_equal(send_from(&sides[0], c.port, TCP_ACK), XDP_PASS);
	disconnect(&c);
}

/* Asking from XDP runs a socket lookup program too; ours must then keep quiet. */
static void asking_leaves_no_trace_in_the_lookup_program(void **state)
{
	struct lookup_bpf *lookup = program_lookup(fp);
	const struct prefix p = room_prefix(sides[0].client);
	uint64_t before, dropped;
	struct gg_entry e;
	struct bpf_link *link;
	int netns = open("/proc/self/ns/net", O_RDONLY);

	(void)state;
	link = bpf_program__attach_netns(lookup->progs.greygate_lookup, netns);
	assert_non_null(link);
	deny(sides[0].client, GG_DROP_NEW);
	before = counted(GG_STAT_lookup_drop);
	dropped = counted(GG_STAT_drop_new);
	assert_int_equal(send_from(&sides[0], 40000, TCP_SYN), XDP_DROP);
	assert_int_equal(counted(GG_STAT_drop_new) - dropped, 1);
	assert_int_equal(counted(GG_STAT_lookup_drop) - before, 0);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_int_equal(e.hits, 1);
	bpf_link__destroy(link);
	lookup_bpf__destroy(lookup);
	close(netns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_connection_is_never_touched),
		cmocka_unit_test(drop_all_is_the_one_exception),
		cmocka_unit_test(a_listener_is_no_connection),
		cmocka_unit_test(time_wait_holds_its_tuple),
		cmocka_unit_test(a_handshake_under_way_holds_its_tuple),
		cmocka_unit_test(a_flood_no_longer_asks_the_socket_table),
		cmocka_unit_test(asking_leaves_no_trace_in_the_lookup_program),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
