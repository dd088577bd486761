// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The same packet, three judges: the XDP program, the socket lookup program, and classify.h in
 * userspace over a list searched one by one. Random lists that change meanwhile, random packets, a
 * fixed seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "bpf/classify.h"
#include "program.h"
#include "selftests/unit/random.h"

#define PACKETS 60000
#define CHANGE_EVERY 400 /* packets */
#define ENTRIES 300
#define PORT 25

static struct fastpath *fp;
static struct xdp_bpf *xdp;
static struct lookup_bpf *lookup;
static uint64_t seed = 25;
static bool openings_only; /* no entry concerns more */

/* What the lists hold, searched the slow way. */
static struct rule {
	struct prefix prefix;
	enum gg_verdict verdict;
	enum gg_action action;
	bool expired;
} rules[ENTRIES];
static int rule_count;

static const struct rule *rule_for(const struct addr *a)
{
	const struct rule *best = NULL;
	int i;

	for (i = 0; i < rule_count; i++)
		if (!rules[i].expired && prefix_holds(&rules[i].prefix, a) &&
		    (!best || rules[i].prefix.len > best->prefix.len))
			best = &rules[i];
	return best;
}

/* Few bits vary, so that packets meet hosts, nested prefixes and gaps between them alike. */
static struct addr random_addr(bool is4)
{
	struct addr a = {.b = {0x20, 0x01, 0x0d, 0xb8}};
	uint32_t bits = random_below(&seed, 256);

	if (is4)
		a = (struct addr){.b = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51}};
	a.b[14] = bits >> 8;
	a.b[15] = bits;
	return a;
}

/* Number 25 of each family is protected. */
static struct addr target(bool is4, uint8_t number)
{
	struct addr a = random_addr(is4);

	a.b[13] = 7;
	a.b[14] = 0;
	a.b[15] = number;
	return a;
}

/* One entry made, changed or removed, in the list here and in the kernel. */
static void change_lists(void)
{
	static const uint8_t lengths[] = {128, 128, 128, 127, 126, 124, 122, 120, 119, 112};
	static const enum gg_action of_openings[] = {GG_REJECT, GG_STUTTER, GG_DROP_NEW};
	struct verdict_entry e = {.origin = GG_BY_OPERATOR};
	struct addr a = random_addr(random_below(&seed, 2));
	struct prefix p = addr_mask(&a, lengths[random_below(&seed, sizeof(lengths))]);
	struct rule *r;
	int have;

	for (have = 0; have < rule_count; have++)
		if (rules[have].prefix.len == p.len && addr_eq(&rules[have].prefix.addr, &p.addr))
			break;
	if (have < rule_count && !random_below(&seed, 4)) {
		rules[have] = rules[--rule_count];
		assert_int_equal(fastpath_del(fp, &p), 0);
		return;
	}
	if (have == ENTRIES)
		return;
	r = &rules[have];
	r->prefix = p;
	r->verdict = random_below(&seed, 3) ? GG_DENY : GG_ALLOW;
	r->action = openings_only ? of_openings[random_below(&seed, 3)]
				  : (enum gg_action)(1 + random_below(&seed, 5));
	if (r->verdict != GG_DENY)
		r->action = GG_NO_ACTION;
	r->expired = !random_below(&seed, 5);
	if (have == rule_count)
		rule_count++;
	e.verdict = r->verdict;
	e.action = r->action;
	e.expires = r->expired ? ROOM_EXPIRED : 0;
	assert_int_equal(fastpath_put(fp, &p, &e), 0);
}

struct packet_case {
	struct addr from, to;
	bool is4;
	uint16_t port;
	enum gg_kind kind;
	uint8_t flags;
	/* Detours that must not matter, but for the tarpit, which takes plain segments only. */
	bool tag, hop, destination;
	uint8_t options;
};

static struct packet_case random_case(void)
{
	static const uint8_t others[] = {TCP_ACK, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, 0};
	struct packet_case c = {.is4 = random_below(&seed, 2), .flags = TCP_SYN};

	c.from = random_addr(c.is4);
	c.to = target(c.is4, random_below(&seed, 8) ? 25 : 26);
	if (!random_below(&seed, 16))
		c.from = c.to; /* the host talks to itself */
	c.port = random_below(&seed, 8) ? PORT : PORT + 1;
	c.kind = random_below(&seed, 4);
	if (c.kind == GG_KIND_OTHER)
		c.flags = others[random_below(&seed, sizeof(others))];
	c.tag = random_below(&seed, 2);
	if (c.is4) {
		c.options = random_below(&seed, 2) * random_below(&seed, 11);
	} else {
		c.hop = random_below(&seed, 2);
		/* what follows the header of a later piece isn't followed */
		c.destination = c.kind != GG_KIND_PIECE && random_below(&seed, 2);
	}
	return c;
}

static struct gg_decision expected(const struct packet_case *c, bool has_tarpit,
				   bool *ret_protected)
{
	const struct rule *rule = rule_for(&c->from);
	struct gg_facts facts = {
		.kind = c->kind,
		.verdict = rule ? rule->verdict : GG_UNKNOWN,
		.action = rule ? rule->action : GG_NO_ACTION,
		.self = addr_eq(&c->from, &c->to),
		.pit = has_tarpit && c->kind == GG_KIND_NEW && !c->options && !c->hop &&
		       !c->destination,
	};

	*ret_protected = c->to.b[15] == 25 && (c->port == PORT || c->kind == GG_KIND_PIECE);
	return gg_classify(&facts);
}

static uint32_t run_xdp(const struct packet_case *c)
{
	char from[ADDR_TEXT], to[ADDR_TEXT];
	struct frame_spec s = {
		.from = addr_text(&c->from, from),
		.to = addr_text(&c->to, to),
		.to_port = c->port,
		.flags = c->flags,
		.fragment = c->kind == GG_KIND_FRAGMENT ? FRAGMENT_MORE
			    : c->kind == GG_KIND_PIECE  ? 8
							: 0,
	};
	struct frame f;
	int n;

	if (c->tag)
		s.tags[0] = 0x8100;
	s.options = c->options;
	n = 0;
	if (c->hop)
		s.headers[n++] = FRAME_HBH;
	if (s.fragment && !c->is4)
		s.headers[n++] = 44;
	if (c->destination)
		s.headers[n++] = 60;
	frame_build(&f, &s);
	return program_run(xdp, f.b, f.len);
}

static enum gg_route run_lookup(const struct packet_case *c)
{
	struct bpf_sk_lookup ctx = {
		.family = c->is4 ? AF_INET : AF_INET6,
		.protocol = IPPROTO_TCP,
		.remote_port = htons(40000),
		.local_port = c->port,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = 1);

	if (c->is4) {
		memcpy(&ctx.remote_ip4, c->from.b + 12, 4);
		memcpy(&ctx.local_ip4, c->to.b + 12, 4);
	} else {
		memcpy(ctx.remote_ip6, c->from.b, 16);
		memcpy(ctx.local_ip6, c->to.b, 16);
	}
	if (bpf_prog_test_run_opts(bpf_program__fd(lookup->progs.greygate_lookup), &opts))
		fail_msg("socket lookup test run: %s", strerror(errno));
	if (opts.retval == SK_DROP)
		return GG_TO_NOBODY;
	return ctx.cookie ? GG_TO_DAEMON : GG_TO_MTA;
}

static void agree(int packets, int met[4])
{
	struct gg_decision want;
	static const uint32_t actions[] = {[GG_TO_MTA] = XDP_PASS,
					   [GG_TO_DAEMON] = XDP_PASS,
					   [GG_TO_NOBODY] = XDP_DROP,
					   [GG_TO_TARPIT] = XDP_TX};
	uint32_t action;
	bool ours;
	int i;

	for (i = 0; i < packets; i++) {
		struct packet_case c = random_case();
		char from[ADDR_TEXT];

		if (i % CHANGE_EVERY == 0)
			change_lists();
		want = expected(&c, true, &ours);
		action = !ours ? XDP_PASS : actions[want.route];
		if (run_xdp(&c) != action)
			fail_msg("packet %d from %s: XDP says otherwise than classify.h (%u)", i,
				 addr_text(&c.from, from), action);
		met[want.route]++;
		if (c.kind != GG_KIND_NEW)
			continue;
		want = expected(&c, false, &ours);
		if (!ours)
			want.route = GG_TO_MTA;
		if (run_lookup(&c) != want.route)
			fail_msg("packet %d from %s: socket lookup says %d, classify.h %d", i,
				 addr_text(&c.from, from), run_lookup(&c), want.route);
	}
}

static void they_agree_where_nothing_concerns_segments(void **state)
{
	int met[4] = {};

	(void)state;
	openings_only = true;
	for (int i = 0; i < ENTRIES; i++)
		change_lists();
	agree(PACKETS / 4, met);
	openings_only = false;
	assert_true(fp->switches.flags & GG_CONF_OPENINGS_ONLY);
	assert_int_equal(met[GG_TO_TARPIT], 0);
	assert_true(met[GG_TO_NOBODY] > PACKETS / 100);
}

static void three_judges_agree(void **state)
{
	int i, met[4] = {};

	(void)state;
	for (i = 0; i < ENTRIES; i++)
		change_lists();
	agree(PACKETS, met);
	/* Each answer was given often enough to mean something. */
	for (i = 0; i < 4; i++)
		assert_true(met[i] > PACKETS / 100);
}

static int listener(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int set_up(void **state)
{
	struct fastpath_conf conf = room_conf(GG_MODE_HOST);
	struct endpoint vips[2];

	if (room_enter(state))
		return -1;
	vips[0] = (struct endpoint){target(true, 25), PORT};
	vips[1] = (struct endpoint){target(false, 25), PORT};
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	/* Not a random one: with one key in some millions, one of the packets that end nothing is a
	 * tarpit's by chance. */
	fp->switches.tarpit_key = 4711;
	assert_int_equal(switches_write(fp), 0);
	xdp = program_xdp(fp);
	lookup = program_lookup(fp);
	assert_int_equal(fastpath_listener(fp, GG_SOCK_DAEMON4, listener(AF_INET)), 0);
	assert_int_equal(fastpath_listener(fp, GG_SOCK_DAEMON6, listener(AF_INET6)), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	xdp_bpf__destroy(xdp);
	lookup_bpf__destroy(lookup);
	fastpath_close(&fp);
	room_detach();
	return 0;
}

/* classify.h by itself: every combination of facts. */
static void classify_holds_its_rules_for_all_facts(void **state)
{
	struct gg_decision d;
	struct gg_facts f, g;
	bool asks;
	int n;

	(void)state;
	for (n = 0; n < 4 * 3 * 8 * 2 * 2 * 3 * 2 * 2 * 2 * 2; n++) {
		f = (struct gg_facts){
			.kind = n % 4,
			.verdict = n / 4 % 3,
			.action = n / 12 % 8,
			.connected = n / 96 % 2,
			.self = n / 192 % 2,
			.limit = n / 384 % 3,
			.pit = n / 1152 % 2,
			.sampled = n / 2304 % 2,
			.gateway = n / 4608 % 2,
			.unjudged = n / 9216 && n / 4 % 3 == GG_UNKNOWN,
		};
		d = gg_classify(&f);
		if (f.verdict == GG_DENY && f.action == GG_DROP_ALL)
			assert_int_equal(d.route, GG_TO_NOBODY);
		else if (f.kind == GG_KIND_FRAGMENT)
			assert_int_equal(d.route, GG_TO_NOBODY);
		else if (f.gateway && f.connected && (f.limit == GG_WITHIN || !gg_asks_limit(&f)))
			assert_int_equal(d.route, GG_TO_DAEMON);
		else if (f.kind == GG_KIND_OTHER && gg_is_for_tarpit(&f))
			assert_int_equal(d.route, f.connected ? GG_TO_MTA : GG_TO_TARPIT);
		else if (f.kind != GG_KIND_NEW)
			assert_int_equal(d.route, GG_TO_MTA);
		else if (f.verdict == GG_ALLOW)
			assert_int_equal(d.route, f.sampled ? GG_TO_DAEMON : GG_TO_MTA);
		else if (f.verdict == GG_DENY && f.action == GG_DROP_NEW)
			assert_int_equal(d.route, f.connected ? GG_TO_MTA : GG_TO_NOBODY);
		else if (f.limit != GG_WITHIN && !f.self && !f.unjudged)
			assert_int_equal(d.route, GG_TO_NOBODY);
		else if (gg_is_for_tarpit(&f))
			assert_int_equal(d.route, f.connected ? GG_TO_MTA : GG_TO_TARPIT);
		else if (f.verdict == GG_DENY)
			assert_int_equal(d.route, GG_TO_DAEMON);
		else
			assert_int_equal(d.route, f.self ? GG_TO_MTA : GG_TO_DAEMON);
		/* A limit is asked exactly where its answer matters, and the socket table too. */
		g = f;
		g.limit = !g.limit;
		assert_int_equal(gg_asks_limit(&f), d.route != gg_classify(&g).route);
		/* Nor are the lists asked where they have no say. */
		g = f;
		g.openings_only = true;
		if (!gg_concerns_segments(f.verdict, f.action) && !gg_asks_lists(&g)) {
			g.verdict = GG_UNKNOWN;
			g.action = GG_NO_ACTION;
			assert_int_equal(d.cause, gg_classify(&g).cause);
		}
		assert_true(gg_asks_lists(&f));
		asks = gg_asks_sockets(&f);
		f.connected = !f.connected;
		assert_int_equal(asks, d.cause != gg_classify(&f).cause);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classify_holds_its_rules_for_all_facts),
		cmocka_unit_test(they_agree_where_nothing_concerns_segments),
		cmocka_unit_test(three_judges_agree),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
