// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Real connections in host mode: who accepts them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "program.h"

#define MTA_PORT 2525
#define DAEMON_PORT 2526
#define OTHER_PORT 2527

enum who { NOBODY, MTA, DAEMON };

static const struct side {
	const char *server, *client, *other, *wildcard;
	enum gg_sock slot;
} sides[] = {
	{"127.0.0.1", "127.0.0.77", "127.0.0.78", "0.0.0.0", GG_SOCK_DAEMON4},
	{"2001:db8::25", "2001:db8::77", "2001:db8::78", "::", GG_SOCK_DAEMON6},
};

static struct fastpath *fp;
static int mta[2], daemons[2], other[2];

static int listener_at(const char *address, uint16_t port, bool shared)
{
	int fd = room_socket(address, port, SOCK_NONBLOCK, shared);

	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

/* Loopback: the handshake is over, or refused, when connect returns. Non-blocking all the same, so
 * that a SYN that is lost can't hold up the test. */
static int connect_to(const char *from, const char *to, uint16_t port)
{
	const struct linger reset = {.l_onoff = 1};
	struct endpoint e = {.port = port};
	struct sockaddr_storage sa;
	struct pollfd ready;
	socklen_t len, size = sizeof(int);
	int fd = room_socket(from, 0, SOCK_NONBLOCK, false), error = 0;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	assert_int_equal(addr_parse(to, &e.addr), 0);
	len = addr_to_sockaddr(&e, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len)) {
		assert_int_equal(errno, EINPROGRESS);
		ready = (struct pollfd){.fd = fd, .events = POLLOUT};
		assert_int_equal(poll(&ready, 1, 5000), 1);
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		assert_int_equal(error, ECONNREFUSED);
		close(fd);
		return -1;
	}
	return fd;
}

/* The client may know of its connection before the listener does: the handshake's last packet is
 * its own. */
static void await_client(int a, int b)
{
	struct pollfd ready[] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};

	assert_true(poll(ready, 2, 20000) > 0);
}

static bool accepts(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static enum who answers(size_t side, const char *from)
{
	int fd = connect_to(from, sides[side].server, MTA_PORT);
	enum who who = NOBODY;

	if (fd < 0)
		return NOBODY;
	await_client(mta[side], daemons[side]);
	if (accepts(mta[side]))
		who = MTA;
	else if (daemons[side] >= 0 && accepts(daemons[side]))
		who = DAEMON;
	close(fd);
	return who;
}

static uint64_t counted(enum gg_stat which)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[which];
}

static void listen_as_daemon(size_t side)
{
	daemons[side] = listener_at(sides[side].server, DAEMON_PORT, false);
	assert_int_equal(fastpath_listener(fp, sides[side].slot, daemons[side]), 0);
}

static int set_up(void **state)
{
	const struct endpoint vips[] = {room_endpoint("127.0.0.1:2525"),
					room_endpoint("[2001:db8::25]:2525")};
	struct fastpath_conf conf = room_conf(GG_MODE_HOST);
	size_t i;

	if (room_enter(state))
		return -1;
	room_run("ip addr add 2001:db8::25/128 dev lo nodad && "
		 "ip addr add 2001:db8::77/128 dev lo nodad && "
		 "ip addr add 2001:db8::78/128 dev lo nodad");
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	for (i = 0; i < 2; i++) {
		mta[i] = listener_at(sides[i].wildcard, MTA_PORT, false);
		other[i] = listener_at(sides[i].server, OTHER_PORT, false);
		listen_as_daemon(i);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fastpath_close(&fp);
	room_detach();
	return 0;
}

static void clear(const char *address)
{
	const struct prefix p = room_prefix(address);

	fastpath_del(fp, &p);
}

static void each_verdict_leads_to_its_listener(void **state)
{
	static const struct {
		enum gg_verdict verdict;
		enum gg_action action;
		uint32_t expires;
		enum who who;
		enum gg_stat counter;
	} rows[] = {
		{GG_UNKNOWN, GG_NO_ACTION, 0, DAEMON, GG_STAT_lookup_daemon},
		{GG_ALLOW, GG_NO_ACTION, 0, MTA, GG_STAT_lookup_mta},
		{GG_DENY, GG_REJECT, 0, DAEMON, GG_STAT_lookup_daemon},
		{GG_DENY, GG_STUTTER, 0, DAEMON, GG_STAT_lookup_daemon},
		{GG_DENY, GG_TARPIT, 0, DAEMON, GG_STAT_lookup_daemon},
		{GG_DENY, GG_DROP_NEW, 0, NOBODY, GG_STAT_lookup_drop},
		{GG_DENY, GG_DROP_ALL, 0, NOBODY, GG_STAT_lookup_drop},
		{GG_ALLOW, GG_NO_ACTION, ROOM_EXPIRED, DAEMON, GG_STAT_lookup_daemon},
		{GG_DENY, GG_DROP_NEW, ROOM_EXPIRED, DAEMON, GG_STAT_lookup_daemon},
	};
	uint64_t before;
	enum who who;
	size_t i, side;

	(void)state;
	for (side = 0; side < 2; side++) {
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			clear(sides[side].client);
			if (rows[i].verdict != GG_UNKNOWN)
				room_put(fp, sides[side].client, rows[i].verdict, rows[i].action,
					 rows[i].expires);
			before = counted(rows[i].counter);
			who = answers(side, sides[side].client);
			if (who != rows[i].who)
				fail_msg("%s, row %zu: answered by %d, not %d", sides[side].client,
					 i, who, rows[i].who);
			assert_int_equal(counted(rows[i].counter) - before, 1);
			/* Another source is not concerned. */
			assert_int_equal(answers(side, sides[side].other), DAEMON);
		}
		clear(sides[side].client);
	}
}

static void prefixes_count_and_hosts_win_over_them(void **state)
{
	(void)state;
	room_put(fp, "127.0.0.64/26", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(answers(0, "127.0.0.77"), MTA);
	assert_int_equal(answers(0, "127.0.0.128"), DAEMON);
	room_put(fp, "127.0.0.77", GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(answers(0, "127.0.0.77"), NOBODY);
	assert_int_equal(answers(0, "127.0.0.78"), MTA);
	clear("127.0.0.64/26");
	clear("127.0.0.77");
	assert_int_equal(answers(0, "127.0.0.78"), DAEMON);
}

static void the_host_itself_reaches_the_mail_server(void **state)
{
	size_t side;

	(void)state;
	for (side = 0; side < 2; side++) {
		assert_int_equal(answers(side, sides[side].server), MTA);
		/* Unless somebody has said otherwise of it. */
		room_put(fp, sides[side].server, GG_DENY, GG_REJECT, 0);
		assert_int_equal(answers(side, sides[side].server), DAEMON);
		clear(sides[side].server);
	}
}

/* As by the address that the kernel chooses towards the second one of a network. */
static void one_protected_address_is_no_stranger_to_another(void **state)
{
	const struct endpoint all[] = {
		room_endpoint("127.0.0.1:2525"),  room_endpoint("[2001:db8::25]:2525"),
		room_endpoint("127.0.0.78:2525"), room_endpoint("[2001:db8::78]:2525"),
		room_endpoint("127.0.0.77:25"),
	};
	size_t side;

	(void)state;
	assert_int_equal(fastpath_vips(fp, all, 5), 0);
	for (side = 0; side < 2; side++) {
		assert_int_equal(answers(side, sides[side].other), MTA);
		/* That another port of an address is protected says nothing of this one. */
		assert_int_equal(answers(side, sides[side].client), DAEMON);
		room_put(fp, sides[side].other, GG_DENY, GG_REJECT, 0);
		assert_int_equal(answers(side, sides[side].other), DAEMON);
		clear(sides[side].other);
	}
	assert_int_equal(fastpath_vips(fp, all, 2), 0);
	assert_int_equal(answers(0, sides[0].other), DAEMON);
}

static void other_ports_are_left_alone(void **state)
{
	size_t side;
	int fd;

	(void)state;
	for (side = 0; side < 2; side++) {
		room_put(fp, sides[side].client, GG_DENY, GG_DROP_ALL, 0);
		fd = connect_to(sides[side].client, sides[side].server, OTHER_PORT);
		assert_true(fd >= 0);
		await_client(other[side], -1);
		assert_true(accepts(other[side]));
		close(fd);
		clear(sides[side].client);
	}
}

static void a_connection_outlives_a_change_of_verdict(void **state)
{
	size_t side;
	int fd, peer;
	char byte;

	(void)state;
	for (side = 0; side < 2; side++) {
		fd = connect_to(sides[side].client, sides[side].server, MTA_PORT);
		await_client(daemons[side], -1);
		peer = accept(daemons[side], NULL, NULL);
		assert_true(peer >= 0);
		room_put(fp, sides[side].client, GG_ALLOW, GG_NO_ACTION, 0);
		assert_int_equal(write(fd, "x", 1), 1);
		assert_int_equal(read(peer, &byte, 1), 1);
		room_put(fp, sides[side].client, GG_DENY, GG_DROP_NEW, 0);
		assert_int_equal(write(peer, "y", 1), 1);
		fcntl(fd, F_SETFL, 0);
		assert_int_equal(read(fd, &byte, 1), 1);
		close(fd);
		close(peer);
		clear(sides[side].client);
	}
}

static void nobody_looks(const struct prefix *p, const struct gg_entry *e, uint32_t seen, void *arg)
{
	(void)p, (void)e, (void)seen, (void)arg;
}

static void a_connection_leaves_its_mark(void **state)
{
	const struct prefix p = room_prefix("127.0.0.77");
	struct gg_entry e;

	(void)state;
	room_put(fp, "127.0.0.77", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(answers(0, "127.0.0.77"), MTA);
	assert_int_equal(answers(0, "127.0.0.77"), MTA);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_int_equal(e.hits, 2);
	assert_in_range(e.last_seen, entries_now() - 10, entries_now());
	clear("127.0.0.77");
}

/* After the first ones the index alone knows, until the daemon looks; an address that a list allows
 * counts for it each time. */
static void who_comes_often_is_marked_in_the_index(void **state)
{
	const struct prefix p = room_prefix("127.0.0.77");
	const struct verdict_entry listed = {.verdict = GG_ALLOW, .origin = GG_BY_IMPORT};
	const struct verdict_entry learned = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING};
	const struct gg_key4 key = {{127, 0, 0, 77}};
	struct gg_entry e;
	int i;

	(void)state;
	/* The index comes into force; what ended in the address's bucket is over. */
	assert_int_equal(fastpath_tidy(fp), 0);
	assert_int_equal(fastpath_sweep(fp, nobody_looks, NULL), 0);
	assert_int_equal(fastpath_put(fp, &p, &learned), 0);
	for (i = 0; i < GG_ASKED_DROPS + 5; i++)
		assert_int_equal(answers(0, "127.0.0.77"), MTA);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_int_equal(e.hits, GG_ASKED_DROPS);
	e.last_seen = 1;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
	assert_int_equal(fastpath_sweep(fp, nobody_looks, NULL), 0);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_int_equal(e.hits, GG_ASKED_DROPS + 1);
	assert_in_range(e.last_seen, entries_now() - 10, entries_now());

	assert_int_equal(fastpath_put(fp, &p, &listed), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(answers(0, "127.0.0.77"), MTA);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_int_equal(e.hits, GG_ASKED_DROPS + 4);
	room_put(fp, "127.0.0.77", GG_DENY, GG_REJECT, 0);
	assert_int_equal(answers(0, "127.0.0.77"), DAEMON);
	clear("127.0.0.77");
}

static void the_listeners_of_a_group_share_the_connections(void **state)
{
	int first = listener_at("127.0.0.1", DAEMON_PORT + 10, true), fd, i, got[2] = {};
	int second = listener_at("127.0.0.1", DAEMON_PORT + 10, true);

	(void)state;
	assert_int_equal(fastpath_listener(fp, GG_SOCK_DAEMON4, first), 0);
	for (i = 0; i < 64; i++) {
		fd = connect_to("127.0.0.77", "127.0.0.1", MTA_PORT);
		await_client(first, second);
		got[0] += accepts(first);
		got[1] += accepts(second);
		close(fd);
	}
	assert_int_equal(got[0] + got[1], 64);
	assert_true(got[0] > 0 && got[1] > 0);
	close(first);
	close(second);
	assert_int_equal(fastpath_listener(fp, GG_SOCK_DAEMON4, daemons[0]), 0);
}

static void without_a_listener_when_down_decides(void **state)
{
	uint64_t before;
	size_t side;

	(void)state;
	for (side = 0; side < 2; side++) {
		close(daemons[side]);
		daemons[side] = -1;
		before = counted(GG_STAT_lookup_down);
		assert_int_equal(answers(side, sides[side].client), MTA);
		fastpath_set_when_down(fp, false);
		assert_int_equal(answers(side, sides[side].client), NOBODY);
		assert_int_equal(counted(GG_STAT_lookup_down) - before, 2);
		/* What doesn't need the daemon goes on. */
		room_put(fp, sides[side].client, GG_ALLOW, GG_NO_ACTION, 0);
		assert_int_equal(answers(side, sides[side].client), MTA);
		clear(sides[side].client);
		fastpath_set_when_down(fp, true);
		listen_as_daemon(side);
		assert_int_equal(answers(side, sides[side].client), DAEMON);
	}
}

static void a_stale_heartbeat_counts_as_down(void **state)
{
	(void)state;
	fp->meta.heartbeat = entries_now() - fp->switches.heartbeat_limit - 2;
	assert_int_equal(switches_write_meta(fp), 0);
	assert_int_equal(answers(0, "127.0.0.77"), MTA);
	fastpath_set_when_down(fp, false);
	assert_int_equal(answers(0, "127.0.0.77"), NOBODY);
	/* Not watched: the listener alone counts. */
	fp->switches.heartbeat_limit = 0;
	assert_int_equal(switches_write(fp), 0);
	assert_int_equal(answers(0, "127.0.0.77"), DAEMON);
	fp->switches.heartbeat_limit = 60;
	fastpath_set_when_down(fp, true);
	fastpath_heartbeat(fp);
	assert_int_equal(answers(0, "127.0.0.77"), DAEMON);
}

static void an_endpoint_no_longer_protected_is_the_mail_servers(void **state)
{
	const struct endpoint both[] = {room_endpoint("127.0.0.1:2525"),
					room_endpoint("[2001:db8::25]:2525")};

	(void)state;
	assert_int_equal(fastpath_vips(fp, both + 1, 1), 0);
	assert_int_equal(answers(0, "127.0.0.77"), MTA);
	assert_int_equal(answers(1, "2001:db8::77"), DAEMON);
	assert_int_equal(fastpath_vips(fp, both, 2), 0);
	assert_int_equal(answers(0, "127.0.0.77"), DAEMON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verdict_leads_to_its_listener),
		cmocka_unit_test(prefixes_count_and_hosts_win_over_them),
		cmocka_unit_test(the_host_itself_reaches_the_mail_server),
		cmocka_unit_test(one_protected_address_is_no_stranger_to_another),
		cmocka_unit_test(other_ports_are_left_alone),
		cmocka_unit_test(a_connection_outlives_a_change_of_verdict),
		cmocka_unit_test(a_connection_leaves_its_mark),
		cmocka_unit_test(who_comes_often_is_marked_in_the_index),
		cmocka_unit_test(the_listeners_of_a_group_share_the_connections),
		cmocka_unit_test(without_a_listener_when_down_decides),
		cmocka_unit_test(a_stale_heartbeat_counts_as_down),
		cmocka_unit_test(an_endpoint_no_longer_protected_is_the_mail_servers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
