// SPDX-License-Identifier: GPL-2.0-or-later
/* Gateway mode: what carries no ports of its own, and whose it is by what tc has to go by: ICMP
 * errors by the packet that they quote, later pieces of a segment by the pieces before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway.h"

/* The segments of a session, each way in each family, and the socket of the daemon's for which
 * those are that come here; it sends `back`. */
static const struct way {
	const char *name;
	struct frame_spec here, back;
	const char *local, *peer;
} ways[] = {
	{"IPv4, with the client",
	 {.from = ALLOWED4, .to = VIP4, .from_port = PORT, .to_port = 25, .flags = TCP_ACK},
	 {.from = VIP4, .to = ALLOWED4, .from_port = 25, .to_port = PORT, .flags = TCP_ACK},
	 VIP4 ":25",
	 ALLOWED4 ":40000"},
	{"IPv4, with the mail server",
	 {.from = VIP4, .to = ALLOWED4, .from_port = 25, .to_port = PORT, .flags = TCP_ACK},
	 {.from = ALLOWED4, .to = VIP4, .from_port = PORT, .to_port = 25, .flags = TCP_ACK},
	 ALLOWED4 ":40000",
	 VIP4 ":25"},
	{"IPv6, with the client",
	 {.from = ALLOWED6, .to = VIP6, .from_port = PORT, .to_port = 25, .flags = TCP_ACK},
	 {.from = VIP6, .to = ALLOWED6, .from_port = 25, .to_port = PORT, .flags = TCP_ACK},
	 "[" VIP6 "]:25",
	 "[" ALLOWED6 "]:40000"},
	{"IPv6, with the mail server",
	 {.from = VIP6, .to = ALLOWED6, .from_port = 25, .to_port = PORT, .flags = TCP_ACK},
	 {.from = ALLOWED6, .to = VIP6, .from_port = PORT, .to_port = 25, .flags = TCP_ACK},
	 "[" ALLOWED6 "]:40000",
	 "[" VIP6 "]:25"},
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static bool is_six(const struct frame_spec *s)
{
	return strchr(s->from, ':') != NULL;
}

/* ---- ICMP ---- */

/* An error with `bytes` of the packet's TCP header quoted. */
static void icmp_build(struct frame *f, const struct frame_spec *quoted, uint8_t type, int bytes)
{
	bool six = is_six(quoted);
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

static bool comes_home(const struct frame_spec *quoted, uint8_t type, int bytes)
{
	struct frame f;
	uint32_t mark;

	icmp_build(&f, quoted, type, bytes);
	assert_int_equal((int)run_tc(f.b, f.len, &mark), TC_ACT_UNSPEC);
	assert_true(!mark || mark == GG_MARK);
	return mark;
}

/* Of what it sends the mail server and of what it sends the client. */
static void errors_about_the_daemons_packets_come_home(void **state)
{
	static const uint8_t errors[2][3] = {{3, 11, 12}, {1, 2, 4}},
			     others[2][3] = {{0, 5, 8}, {0, 128, 129}};

	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		const struct frame_spec *sent = &ways[i].back;
		struct frame_spec udp = *sent, other = *sent;
		const bool six = is_six(sent);
		int fd = handshake(ways[i].local, ways[i].peer);
		uint64_t before = counted(GG_STAT_tc_icmp);

		for (int k = 0; k < 3; k++) {
			if (!comes_home(sent, errors[six][k], 8))
				fail_msg("%s: type %d", ways[i].name, errors[six][k]);
			if (comes_home(sent, others[six][k], 8))
				fail_msg("%s: type %d, no error", ways[i].name, others[six][k]);
		}
		assert_int_equal(counted(GG_STAT_tc_icmp) - before, 3);
		/* Cut off before the ports; about UDP; about another connection of the two. */
		assert_false(comes_home(sent, errors[six][0], 3));
		udp.protocol = 17;
		assert_false(comes_home(&udp, errors[six][0], 8));
		*(other.from_port == PORT ? &other.from_port : &other.to_port) = PORT + 1;
		assert_false(comes_home(&other, errors[six][0], 8));
		close(fd);
		/* About a connection that was forwarded. */
		assert_false(comes_home(sent, errors[six][0], 8));
	}
}

/* ---- segments in pieces ---- */

/* The first piece, with the ports. */
static char first(const struct frame_spec *segment, uint16_t id)
{
	struct frame_spec s = *segment;

	s.id = id;
	s.fragment = FRAGMENT_MORE;
	s.headers[0] = 44;
	return tc_does(&s);
}

static char later(const struct frame_spec *segment, uint16_t id)
{
	struct frame_spec s = *segment;

	s.id = id;
	s.fragment = 3;
	s.headers[0] = 44;
	return tc_does(&s);
}

/* The daemon and the mail server each have a connection of the same two addresses. */
static void a_later_piece_goes_where_the_first_one_went(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		const struct frame_spec *daemons = &ways[i].here;
		struct frame_spec mailservers = *daemons;
		int fd = handshake(ways[i].local, ways[i].peer);

		*(daemons->from_port == PORT ? &mailservers.from_port : &mailservers.to_port) =
			PORT + 1;
		/* Nobody has sent any: it is the mail server's. */
		assert_int_equal(later(daemons, 1), 'l');
		assert_int_equal(first(&mailservers, 2), 'l');
		assert_int_equal(later(&mailservers, 2), 'l');
		assert_int_equal(first(daemons, 3), 'm');
		assert_int_equal(later(daemons, 3), 'm');
		/* The later one came before: as the last such segment. */
		assert_int_equal(later(daemons, 4), 'm');
		assert_int_equal(first(daemons, 4), 'm');
		assert_int_equal(first(&mailservers, 5), 'l');
		if (later(&mailservers, 5) != 'l')
			fail_msg("%s: the daemon got what is the mail server's", ways[i].name);
		assert_int_equal(later(&mailservers, 6), 'l');
		assert_int_equal(first(&mailservers, 6), 'l');
		/* Others between them change nothing. */
		assert_int_equal(first(daemons, 7), 'm');
		assert_int_equal(first(&mailservers, 8), 'l');
		assert_int_equal(later(daemons, 7), 'm');
		assert_int_equal(first(daemons, 9), 'm');
		assert_int_equal(later(&mailservers, 8), 'l');
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_about_the_daemons_packets_come_home),
		cmocka_unit_test(a_later_piece_goes_where_the_first_one_went),
	};

	return cmocka_run_group_tests(tests, gateway_set_up, gateway_tear_down);
}
