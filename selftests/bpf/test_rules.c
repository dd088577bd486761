// SPDX-License-Identifier: GPL-2.0-or-later
/* Gateway mode: what XDP sends on goes where the stack would send it, by all that routes are chosen
 * by: policy rules and the paths of a route, both ways and in both families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway.h"

/* Next hops: the router outside, the mail server. */
#define OUTSIDE "\x02\0\0\0\x01\x02"
#define INSIDE "\x02\0\0\0\x02\x25"

/* Both ways of a session in each family. In its type of service are two bits that are none of the
 * rules' business (ECN). */
static const struct session {
	const char *ip, *client, *server;
	struct frame_spec request, answer;
} sessions[] = {
	{"ip -4",
	 ALLOWED4,
	 VIP4,
	 {SYN4(ALLOWED4), .from_port = PORT, .tos = 0x12},
	 {.from = VIP4,
	  .to = ALLOWED4,
	  .from_port = 25,
	  .to_port = PORT,
	  .flags = TCP_SYN | TCP_ACK,
	  .tos = 0x12}},
	{"ip -6",
	 ALLOWED6,
	 VIP6,
	 {SYN6(ALLOWED6), .from_port = PORT, .tos = 0x12},
	 {.from = VIP6,
	  .to = ALLOWED6,
	  .from_port = 25,
	  .to_port = PORT,
	  .flags = TCP_SYN | TCP_ACK,
	  .tos = 0x12}},
};

/* Its words are of both families: $client, $server, $other. */
static void change_rule(const struct session *s, const char *how, const char *rule)
{
	char command[300];

	snprintf(command, sizeof(command), "client=%s server=%s other=%s; %s rule %s %s", s->client,
		 s->server, s == sessions ? "203.0.113.9" : "2001:db8:2:9::1", s->ip, how, rule);
	room_run(command);
}

static bool goes_outside(const struct frame_spec *s, const char *rule)
{
	uint8_t out[1024];
	struct frame f;

	build(&f, s, 64);
	if (run_xdp("gg2", &f, out) != XDP_REDIRECT)
		fail_msg("%s: from %s: not sent on", rule, s->from);
	if (!memcmp(out, OUTSIDE, 6))
		return true;
	assert_memory_equal(out, INSIDE, 6);
	return false;
}

/* Follows `ip rule` as it is at the next heartbeat. Table 77 has the two sides exchanged. */
static void a_policy_rule_is_obeyed(void **state)
{
	static const struct {
		const char *rule;       /* NULL: none */
		bool walked;            /* the rules are */
		bool requests, answers; /* go by table 77 */
	} cases[] = {
		{NULL, false, false, false},
		{"from $client table 77", true, true, false},
		{"from $server table 77", true, false, true},
		{"to $server table 77", true, true, false},
		{"to $client table 77", true, false, true},
		{"from $other table 77", true, false, false},
		{"iif gg2 table 77", true, true, true},
		{"table 77", true, true, true},
		{"ipproto tcp table 77", true, true, true},
		{"ipproto udp table 77", true, false, false},
		{"dport 25 table 77", true, true, false},
		{"sport 25 table 77", true, false, true},
		{"sport 40000 table 77", true, true, false},
		{"dport 40000 table 77", true, false, true},
		{"dsfield 0x10 table 77", true, true, true},
		{"dsfield 0x08 table 77", true, false, false},
		{"priority 40 table main suppress_prefixlength 0", true, false, false},
		{"priority 40 table main", false, false, false},
	};

	(void)state;
	room_run("ip link add gg2 type veth peer name out2 && ip link set gg2 up && "
		 "ip link set out2 up && ip route add default via 10.0.0.2 table 77 && "
		 "ip route add " ALLOWED4 " via " VIP4 " table 77 && "
		 "ip -6 route add default via fd00::2 table 77 && "
		 "ip -6 route add " ALLOWED6 " via " VIP6 " table 77");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t k = 0; k < sizeof(sessions) / sizeof(sessions[0]); k++) {
			const struct session *s = &sessions[k];
			const char *rule = cases[i].rule;

			if (rule)
				change_rule(s, "add", rule);
			fastpath_heartbeat(fp);
			assert_int_equal(!(fp->switches.flags & GG_CONF_MAIN_ROUTES),
					 cases[i].walked);
			if (goes_outside(&s->request, rule) != cases[i].requests)
				fail_msg("%s, %s: requests", s->ip, rule);
			if (goes_outside(&s->answer, rule) == cases[i].answers)
				fail_msg("%s, %s: answers", s->ip, rule);
			if (rule)
				change_rule(s, "del", rule);
		}
	room_run("ip route flush table 77 && ip -6 route flush table 77 && ip link del gg2");
	fastpath_heartbeat(fp);
	assert_true(fp->switches.flags & GG_CONF_MAIN_ROUTES);
}

/* With the daemon gone nobody watches the rules. */
static void a_rule_made_while_the_daemon_is_gone_is_obeyed(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(sessions) / sizeof(sessions[0]); k++) {
		const struct session *s = &sessions[k];
		uint8_t out[1024];
		struct frame f;

		fastpath_heartbeat(fp);
		assert_true(fp->switches.flags & GG_CONF_MAIN_ROUTES);
		change_rule(s, "add", "blackhole");
		build(&f, &s->request, 64);
		assert_int_equal(run_xdp("gg0", &f, out), XDP_REDIRECT);
		fp->meta.heartbeat -= 2 * conf.heartbeat_limit + 2;
		assert_int_equal(switches_write_meta(fp), 0);
		assert_int_equal(run_xdp("gg0", &f, out), XDP_PASS);
		change_rule(s, "del", "blackhole");
		fastpath_heartbeat(fp);
	}
}

/* Of a route with two paths each connection takes one: of IPv6 its flow label decides which, of
 * IPv4, where the kernel is told to, its ports. */
static void the_paths_of_a_route_are_shared_out(void **state)
{
	(void)state;
	room_run("sysctl -qw net.ipv4.fib_multipath_hash_policy=1 && "
		 "for i in 3 4; do "
		 "ip neigh add 10.0.0.$i lladdr 02:00:00:00:09:0$i dev gg0 nud permanent && "
		 "ip neigh add fd00::$i lladdr 02:00:00:00:09:0$i dev gg0 nud permanent && "
		 "ip neigh add 192.0.2.$i lladdr 02:00:00:00:09:0$i dev gg1 nud permanent && "
		 "ip neigh add 2001:db8::$i lladdr 02:00:00:00:09:0$i dev gg1 nud permanent; done "
		 "&& "
		 "ip route add " ALLOWED4 " nexthop via 10.0.0.3 nexthop via 10.0.0.4 && "
		 "ip route add " VIP4 " nexthop via 192.0.2.3 nexthop via 192.0.2.4 && "
		 "ip -6 route add " ALLOWED6 " nexthop via fd00::3 nexthop via fd00::4 && "
		 "ip -6 route add " VIP6 " nexthop via 2001:db8::3 nexthop via 2001:db8::4");
	fastpath_heartbeat(fp);
	for (int i = 0; i < 4; i++) {
		struct frame_spec s = i & 1 ? sessions[i / 2].answer : sessions[i / 2].request;
		int by[2] = {0};

		for (int n = 0; n < 64; n++) {
			uint8_t out[1024];
			struct frame f;

			if (i >= 2)
				s.label = (uint32_t)n * 16127 & 0xfffff;
			else
				*(i & 1 ? &s.to_port : &s.from_port) = (uint16_t)(PORT + n);
			build(&f, &s, 64);
			assert_int_equal(run_xdp(i & 1 ? "gg1" : "gg0", &f, out), XDP_REDIRECT);
			assert_memory_equal(out, "\x02\0\0\0\x09", 5);
			assert_in_range(out[5], 3, 4);
			by[out[5] - 3]++;
		}
		if (by[0] < 8 || by[1] < 8)
			fail_msg("from %s: %d and %d of 64", s.from, by[0], by[1]);
	}
	room_run("ip route del " ALLOWED4 " && ip route del " VIP4 " && "
		 "ip -6 route del " ALLOWED6 " && ip -6 route del " VIP6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_rule_is_obeyed),
		cmocka_unit_test(a_rule_made_while_the_daemon_is_gone_is_obeyed),
		cmocka_unit_test(the_paths_of_a_route_are_shared_out),
	};

	return cmocka_run_group_tests(tests, gateway_set_up, gateway_tear_down);
}
