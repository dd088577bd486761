// SPDX-License-Identifier: GPL-2.0-or-later
/* Gateway mode: what the tc program marks for the daemon, and that it agrees with the XDP program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "gateway.h"
#include "selftests/unit/random.h"

/* A listener on an address that isn't ours, as the daemon has it. */
static int listen_at(const char *text)
{
	const struct endpoint e = room_endpoint(text);
	int fd = transparent_socket(&e);

	assert_true(fd >= 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
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
	{"unknown, six long ones",
	 {SYN6(UNKNOWN6), .headers = {60, 60, 60, 60, 60, 60}, .units = 15},
	 'm',
	 'l',
	 'd'},
	{"seven", {SYN6(UNKNOWN6), .headers = {60, 60, 60, 60, 60, 60, 60}}, 'd', 'd', 'd'},
	{"seven, allowed",
	 {SYN6(ALLOWED6), .headers = {60, 60, 60, 60, 60, 60, 60}},
	 'd',
	 'd',
	 'd'},
	{"seven, to another address",
	 {.from = UNKNOWN6,
	  .to = "2001:db8::ffff",
	  .to_port = 25,
	  .flags = TCP_SYN,
	  .headers = {60, 60, 60, 60, 60, 60, 60}},
	 'l',
	 'l',
	 'l'},
	{"more tags than are followed",
	 {SYN4(UNKNOWN4), .tags = {0x8100, 0x8100, 0x8100}},
	 'l',
	 'l',
	 'l'},
	{"seven headers before UDP",
	 {SYN6(UNKNOWN6), .headers = {60, 60, 60, 60, 60, 60, 60}, .protocol = 17},
	 'l',
	 'l',
	 'l'},
	{"more tags of VLAN 0, UDP",
	 {SYN4(UNKNOWN4), .tags = {0x8100, 0x88a8, 0x8100}, .priority = true, .protocol = 17},
	 'l',
	 'l',
	 'l'},
	{"more tags of VLAN 0",
	 {SYN4(UNKNOWN4), .tags = {0x8100, 0x88a8, 0x8100, 0x8100}, .priority = true},
	 'd',
	 'd',
	 'd'},
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
	{"later fragment of nothing known",
	 {.from = UNKNOWN4, .to = VIP4, .to_port = 25, .fragment = 3},
	 'l',
	 'l',
	 'l'},
	{"SYN in fragments", {SYN4(ALLOWED4), .fragment = FRAGMENT_MORE}, 'd', 'd', 'd'},
	{"fragment over the ports",
	 {.from = UNKNOWN4, .to = VIP4, .to_port = 25, .fragment = 1},
	 'd',
	 'd',
	 'd'},
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
		fd = handshake(sides[i].client_at, sides[i].server_at);
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
		int fd = handshake(sides[i].client_at, sides[i].server_at);
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

/* ---- samples ---- */

static void samples_of_earned_sources_are_the_daemons(void **state)
{
	static const char *const sources[] = {"198.51.100.77", "2001:db8:1::77"};
	int four = listen_at(VIP4 ":25"), six = listen_at("[" VIP6 "]:25");
	uint8_t out[1024];

	(void)state;
	fastpath_heartbeat(fp);
	for (int origin = GG_BY_OPERATOR; origin <= GG_BY_CORRESPONDENT; origin++) {
		const struct verdict_entry e = {.verdict = GG_ALLOW, .origin = origin};

		for (size_t i = 0; i < 2; i++) {
			const struct prefix p = room_prefix(sources[i]);
			struct frame_spec s = {.from = sources[i],
					       .to = i ? VIP6 : VIP4,
					       .to_port = 25,
					       .flags = TCP_SYN};
			struct frame f;
			int daemons = 0, sent = 0, both = 0;

			assert_int_equal(fastpath_put(fp, &p, &e), 0);
			fastpath_set_sample(fp, 4);
			for (int port = 1; port <= 400; port++) {
				bool daemon, redirected;

				s.from_port = (uint16_t)port;
				build(&f, &s, 64);
				daemon = tc_does(&s) == 'm';
				redirected = run_xdp("gg0", &f, out) == XDP_REDIRECT;
				/* what XDP sends on can't be sampled any more */
				both += daemon && redirected;
				daemons += daemon;
				sent += redirected;
			}
			assert_in_range(sent, 240, 360);
			/* Others are chosen each minute: one may begin between the two. */
			assert_in_range(both, 0, 1);
			if (verdict_earned(e.origin))
				assert_in_range(daemons, 399 - sent, 401 - sent);
			else
				assert_int_equal(daemons, 0);
			/* never a later segment, and nobody while the daemon is away */
			s.flags = TCP_ACK;
			fastpath_set_sample(fp, 1);
			assert_int_equal(tc_does(&s), 'l');
			fastpath_set_sample(fp, 0);
			assert_int_equal(fastpath_del(fp, &p), 0);
		}
	}
	close(four);
	close(six);
}

static void a_sample_that_nobody_takes_is_forwarded(void **state)
{
	static const struct frame_spec s = {SYN4("198.51.100.77")};
	const struct verdict_entry e = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING};
	const struct prefix p = room_prefix("198.51.100.77");

	(void)state;
	assert_int_equal(fastpath_put(fp, &p, &e), 0);
	fastpath_set_sample(fp, 1);
	fastpath_set_when_down(fp, false);
	assert_int_equal(tc_does(&s), 'l');
	fastpath_set_when_down(fp, true);
	fastpath_set_sample(fp, 0);
	assert_int_equal(fastpath_del(fp, &p), 0);
}

/* ---- limits, tarpit ---- */

static uint32_t xdp_of(const char *interface, const struct frame_spec *s, uint8_t out[1024])
{
	struct xdp_md context = {.ingress_ifindex = if_nametoindex(interface)};
	struct frame f;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.b, .data_out = out, .data_size_out = 1024,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

	build(&f, s, 64);
	context.data_end = opts.data_size_in = f.len;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.greygate_xdp), &opts),
			 0);
	return opts.retval;
}

static void strangers_have_limits(void **state)
{
	static const struct frame_spec unknown[] = {{SYN4(UNKNOWN4)}, {SYN6(UNKNOWN6)}},
				       allowed[] = {{SYN4(ALLOWED4)}, {SYN6(ALLOWED6)}};
	const struct gg_key4 four = {{198, 51, 100, 99}};
	const struct gg_half6 six = {{0x20, 0x01, 0x0d, 0xb8, 0, 1}};
	uint8_t out[1024];

	(void)state;
	lists_renew();
	fastpath_set_limits(fp, 3, 0);
	for (int i = 0; i < 2; i++) {
		uint64_t before = counted(GG_STAT_flood_source);
		int passed = 0, sent = 0;

		for (int k = 0; k < 100; k++) {
			passed += xdp_of("gg0", &unknown[i], out) == XDP_PASS;
			sent += xdp_of("gg0", &allowed[i], out) == XDP_REDIRECT;
		}
		/* The bucket refills while the test runs. */
		assert_in_range(passed, 6, 46);
		assert_int_equal(sent, 100);
		assert_int_equal(counted(GG_STAT_flood_source) - before, 100 - passed);
	}
	fastpath_set_limits(fp, 0, 0);
	bpf_map_delete_elem(fp->maps[MAP_RATE4], &four);
	bpf_map_delete_elem(fp->maps[MAP_RATE6], &six);
	for (int i = 0; i < 2; i++)
		assert_int_equal(xdp_of("gg0", &unknown[i], out), XDP_PASS);
}

/* Answered at the gate; but the daemon's own connections live on, and an open one that was
 * forwarded goes on being forwarded. */
static void the_tarpit_answers_for_the_mail_server(void **state)
{
	static const struct side stuck[] = {
		{"198.51.100.5", VIP4, "198.51.100.5:40000", VIP4 ":25"},
		{"2001:db8:1::5", VIP6, "[2001:db8:1::5]:40000", "[" VIP6 "]:25"},
	};

	(void)state;
	lists_renew();
	for (size_t i = 0; i < 2; i++) {
		struct frame_spec s = {.from = stuck[i].client,
				       .to = stuck[i].server,
				       .from_port = PORT,
				       .to_port = 25,
				       .flags = TCP_SYN};
		uint64_t before = counted(GG_STAT_tarpit_syn);
		const uint8_t *tcp;
		uint8_t out[1024];
		int fd;

		tcp = out + 14 + (i ? 40 : 20);
		assert_int_equal(xdp_of("gg0", &s, out), XDP_TX);
		assert_int_equal(tcp[13], TCP_SYN | TCP_ACK);
		assert_int_equal(tcp[14] | tcp[15], 0);
		assert_int_equal(counted(GG_STAT_tarpit_syn) - before, 1);
		fd = handshake(stuck[i].client_at, stuck[i].server_at);
		assert_int_equal(xdp_of("gg0", &s, out), XDP_PASS);
		close(fd);
		assert_int_equal(xdp_of("gg0", &s, out), XDP_TX);
		s.flags = TCP_ACK;
		assert_int_equal(xdp_of("gg0", &s, out), XDP_REDIRECT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_are_marked_for_a_daemon_that_lives),
		cmocka_unit_test(a_listener_on_any_address_is_somebody_else),
		cmocka_unit_test(answers_to_the_daemon_come_home),
		cmocka_unit_test(a_port_that_the_daemon_uses_is_not_forwarded),
		cmocka_unit_test(both_programs_agree),
		cmocka_unit_test(samples_of_earned_sources_are_the_daemons),
		cmocka_unit_test(a_sample_that_nobody_takes_is_forwarded),
		cmocka_unit_test(strangers_have_limits),
		cmocka_unit_test(the_tarpit_answers_for_the_mail_server),
	};

	return cmocka_run_group_tests(tests, gateway_set_up, gateway_tear_down);
}
