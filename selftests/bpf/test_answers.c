// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Host mode: which answers to this machine's own connections name a correspondent, beside real
 * sockets that are in the state in question.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "program.h"
#include "told.h"

#define PATIENCE 10000 /* ms: a SYN is sent again after one second */

/* Of each family: this machine, and somebody who has an SMTP server. All is on lo. */
static const struct side {
	const char *here, *host;
} sides[] = {
	{"127.0.0.25", "198.51.100.9"},
	{"2001:db8::25", "2001:db8:9::9"},
};

#define VIP "192.0.2.25"

static struct xdp_bpf *skel;

static void send_in(const char *from, uint16_t from_port, const char *to, uint16_t to_port,
		    uint8_t flags)
{
	const struct frame_spec s = {
		.from = from, .to = to, .from_port = from_port, .to_port = to_port, .flags = flags};
	struct frame f;

	frame_build(&f, &s);
	assert_int_equal(program_run(skel, f.b, f.len), XDP_PASS);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint e;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, &e), 0);
	return e.port;
}

/* Not waited for. */
static int connect_to(const char *from, uint16_t from_port, const char *to, uint16_t port)
{
	const int fd = room_socket(from, from_port, SOCK_NONBLOCK, false);
	struct endpoint e = {.port = port};
	struct sockaddr_storage sa;
	socklen_t len;

	assert_int_equal(addr_parse(to, &e.addr), 0);
	len = addr_to_sockaddr(&e, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS)
		fail_msg("connect to %s: %s", to, strerror(errno));
	return fd;
}

static bool is_open(int fd, int patience)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int error = 0;

	return poll(&p, 1, patience) == 1 && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) &&
	       !error;
}

/* A server that has no room for another connection until somebody is accepted: whoever comes keeps
 * on sending his SYN. */
struct server {
	int listener, first;
};

static struct server serve(const struct side *side, uint16_t port)
{
	struct server s = {.listener = room_socket(side->host, port, 0, false)};

	assert_int_equal(listen(s.listener, 0), 0);
	s.first = connect_to(side->here, 0, side->host, port);
	assert_true(is_open(s.first, PATIENCE));
	return s;
}

static void accept_one(const struct server *s)
{
	const int fd = accept(s->listener, NULL, NULL);

	assert_true(fd >= 0);
	close(fd);
}

static void end(const struct server *s)
{
	close(s->first);
	close(s->listener);
}

static int set_up(void **state)
{
	static struct endpoint vips[2];
	struct fastpath_conf conf = room_conf(GG_MODE_HOST);

	(void)state;
	vips[0] = room_endpoint(VIP ":25");
	vips[1] = room_endpoint("[2001:db8::26]:25");
	conf.vips = vips;
	conf.vip_count = 2;
	conf.observe = true;
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

static int enter(void **state)
{
	if (room_enter(state))
		return -1;
	room_run("for a in 198.51.100.9 198.51.100.10 " VIP "; do ip addr add $a/32 dev lo; done; "
		 "for a in 25 26; do ip addr add 2001:db8::$a/128 dev lo nodad; done; "
		 "for a in 9 10; do ip addr add 2001:db8:9::$a/128 dev lo nodad; done");
	return 0;
}

static void who_answers_is_told_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		const struct side *side = &sides[i];
		const struct server s = serve(side, 25);
		const int fd = connect_to(side->here, 0, side->host, 25);
		const uint16_t port = port_of(fd);
		const struct prefix host = room_prefix(side->host);

		/* It has sent a SYN: what claims to be an answer, and what claims to follow one. */
		send_in(side->host, 25, side->here, port, TCP_ACK);
		send_in(side->host, 25, side->here, port, TCP_SYN | TCP_ACK);
		send_in(side->host, 25, side->here, port, TCP_ACK | TCP_PSH);
		assert_int_equal(tellings(), 0);
		/* The kernel has taken the true one. */
		accept_one(&s);
		assert_true(is_open(fd, PATIENCE));
		send_in(side->host, 25, side->here, port, TCP_RST | TCP_ACK);
		assert_int_equal(tellings(), 0);
		send_in(side->host, 25, side->here, port, TCP_ACK | TCP_PSH);
		assert_int_equal(tellings(), 1);
		assert_true(addr_eq(&told[0], &host.addr));
		/* Nothing is said of it again; nor of another one within the same minute. */
		send_in(side->host, 25, side->here, port, TCP_ACK);
		send_in(side->host, 25, side->here, port, TCP_SYN | TCP_ACK);
		send_in(side->host, 25, side->here, port, TCP_ACK);
		assert_int_equal(tellings(), 0);
		close(fd);
		end(&s);
	}
}

/* One row: a connection that is being opened, and then is open. */
static const struct {
	const char *from;
	uint16_t from_port;
	const char *to;
	uint16_t port;
	bool answered; /* a SYN with ACK has come while it was being opened */
	bool off;      /* nobody wants to know */
	const char *what;
} untold[] = {
	{"127.0.0.25", 0, "198.51.100.10", 25, false, false, "no answer was seen"},
	{"127.0.0.25", 0, "198.51.100.10", 587, true, false, "another port"},
	{"127.0.0.25", 0, VIP, 25, true, false, "to ourselves"},
	{"2001:db8::25", 0, "2001:db8::26", 25, true, false, "to ourselves, IPv6"},
	{"127.0.0.25", 0, "198.51.100.10", 25, true, true, "observe = no"},
};

static void others_are_not_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(untold) / sizeof(untold[0]); i++) {
		const struct side side = {untold[i].from, untold[i].to};
		const struct server s = serve(&side, untold[i].port);
		const int fd = connect_to(side.here, 0, side.host, untold[i].port);
		const uint16_t port = port_of(fd);

		if (untold[i].off) {
			fp->switches.flags &= ~GG_CONF_OBSERVE;
			assert_int_equal(switches_write(fp), 0);
		}
		if (untold[i].answered)
			send_in(side.host, untold[i].port, side.here, port, TCP_SYN | TCP_ACK);
		accept_one(&s);
		assert_true(is_open(fd, PATIENCE));
		if (!untold[i].answered)
			send_in(side.host, untold[i].port, side.here, port, TCP_SYN | TCP_ACK);
		send_in(side.host, untold[i].port, side.here, port, TCP_ACK);
		if (tellings())
			fail_msg("%s", untold[i].what);
		close(fd);
		end(&s);
	}
}

/* Somebody connects to a service of ours from his own port 25; somebody has no connection at all.
 */
static void who_comes_by_himself_is_not_told(void **state)
{
	const struct side us = {"198.51.100.10", "127.0.0.25"};
	const struct server s = serve(&us, 2525);
	const int fd = connect_to(us.here, 25, us.host, 2525);

	(void)state;
	send_in(us.here, 25, us.host, 2525, TCP_SYN | TCP_ACK);
	accept_one(&s);
	assert_true(is_open(fd, PATIENCE));
	send_in(us.here, 25, us.host, 2525, TCP_SYN | TCP_ACK);
	send_in(us.here, 25, us.host, 2525, TCP_ACK);
	send_in("198.51.100.77", 25, us.host, 40000, TCP_SYN | TCP_ACK);
	send_in("198.51.100.77", 25, us.host, 40000, TCP_ACK);
	assert_int_equal(tellings(), 0);
	close(fd);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_answers_is_told_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_are_not_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_comes_by_himself_is_not_told, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
