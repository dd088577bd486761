// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tarpit's answers, byte for byte, and which segments it leaves to others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

#include "lists.h"

#define PIT4 "198.51.100.5"
#define PIT6 "2001:db8:1::5"
#define ISN 0x11111111u /* of frame.h */

struct answer {
	uint32_t action;
	uint8_t b[1024];
	uint32_t len;
};

static struct answer run(const struct frame *f)
{
	struct answer a = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
		    .data_out = a.b, .data_size_out = sizeof(a.b), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.greygate_xdp), &opts),
			 0);
	a.action = opts.retval;
	a.len = opts.data_size_out;
	return a;
}

static uint32_t get(const uint8_t *b, int n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *b++;
	return v;
}

static void set32(uint8_t *b, uint32_t v)
{
	b[0] = v >> 24;
	b[1] = v >> 16;
	b[2] = v >> 8;
	b[3] = v;
}

static uint32_t sum16(const uint8_t *b, int n, uint32_t sum)
{
	int i;

	for (i = 0; i < n; i += 2)
		sum += get(b + i, 2);
	return sum;
}

/* RFC 1071: over the whole, a right checksum makes all ones. */
static bool sums_up(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static const uint8_t *tcp_of(const uint8_t *b, bool six, int tags)
{
	return b + 14 + 4 * tags + (six ? 40 : 20);
}

static void make(struct frame *f, const char *from, uint8_t flags, int tags)
{
	struct frame_spec s = {.from = from,
			       .to = strchr(from, ':') ? VIP6 : VIP4,
			       .from_port = 51515,
			       .to_port = 25,
			       .flags = flags};

	if (tags)
		s.tags[0] = 0x8100;
	frame_build(f, &s);
}

/* The answer to a frame with these numbers must be this and nothing else. */
static void check(const struct frame *f, const struct answer *a, bool six, int tags, uint8_t flags,
		  uint32_t seq, uint32_t ack)
{
	const uint8_t *ip = a->b + 14 + 4 * tags, *was = f->b + 14 + 4 * tags;
	const uint8_t *tcp = tcp_of(a->b, six, tags);
	const uint8_t rest[] = {0x50, flags, 0, 0};
	uint32_t size = 14 + 4 * tags + (six ? 60 : 40);

	assert_int_equal(a->action, XDP_TX);
	if (size < 60)
		size = f->len < 60 ? f->len : 60;
	assert_int_equal(a->len, size);
	assert_memory_equal(a->b, f->b + 6, 6);
	assert_memory_equal(a->b + 6, f->b, 6);
	assert_memory_equal(a->b + 12, f->b + 12, 2 + 4 * tags);
	if (six) {
		const uint8_t head[] = {0x60, 0, 0, 0, 0, 20, 6, 64};

		assert_memory_equal(ip, head, sizeof(head));
		assert_memory_equal(ip + 8, was + 24, 16);
		assert_memory_equal(ip + 24, was + 8, 16);
		assert_true(sums_up(sum16(ip + 8, 32, 6 + 20) + sum16(tcp, 20, 0)));
	} else {
		const uint8_t head[] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6};

		assert_memory_equal(ip, head, sizeof(head));
		assert_memory_equal(ip + 12, was + 16, 4);
		assert_memory_equal(ip + 16, was + 12, 4);
		assert_true(sums_up(sum16(ip, 20, 0)));
		assert_true(sums_up(sum16(ip + 12, 8, 6 + 20) + sum16(tcp, 20, 0)));
	}
	assert_int_equal(get(tcp, 2), 25);
	assert_int_equal(get(tcp + 2, 2), 51515);
	assert_int_equal(get(tcp + 4, 4), seq);
	assert_int_equal(get(tcp + 8, 4), ack);
	assert_memory_equal(tcp + 12, rest, sizeof(rest));
	assert_int_equal(get(tcp + 18, 2), 0);
}

static const struct {
	const char *from;
	bool six;
	int tags;
} sources[] = {{PIT4, false, 0}, {PIT6, true, 0}, {PIT4, false, 1}, {PIT6, true, 1}};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

/* What the answer to the SYN of a source says its next number is. */
static uint32_t next_of(size_t source)
{
	struct answer a;
	struct frame f;

	make(&f, sources[source].from, TCP_SYN, sources[source].tags);
	a = run(&f);
	assert_int_equal(a.action, XDP_TX);
	return get(tcp_of(a.b, sources[source].six, sources[source].tags) + 4, 4) + 1;
}

/* A later segment of the conversation. */
static void later(struct frame *f, size_t source, uint8_t flags, uint32_t seq, uint32_t ack)
{
	uint8_t *tcp;

	make(f, sources[source].from, flags, sources[source].tags);
	tcp = (uint8_t *)tcp_of(f->b, sources[source].six, sources[source].tags);
	set32(tcp + 4, seq);
	set32(tcp + 8, ack);
}

static void with_payload(struct frame *f, size_t source, int n)
{
	uint8_t *ip = f->b + 14 + 4 * sources[source].tags;
	int at = sources[source].six ? 5 : 3;

	frame_fill(f, 'x', n);
	ip[at] += n;
}

/* The frame is a SYN; its answer is one too, whatever number it begins with. */
static void check_syn(const struct frame *f, size_t source)
{
	const bool six = sources[source].six;
	const int tags = sources[source].tags;
	const struct answer a = run(f);

	check(f, &a, six, tags, TCP_SYN | TCP_ACK, get(tcp_of(a.b, six, tags) + 4, 4), ISN + 1);
}

static void a_syn_is_answered_with_a_closed_window(void **state)
{
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < SOURCES; i++) {
		make(&f, sources[i].from, TCP_SYN, sources[i].tags);
		check_syn(&f, i);
	}
}

/* Whatever follows the header, TCP options or padding: the answer has none. */
static void the_answer_to_a_long_syn_is_short(void **state)
{
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < SOURCES; i++) {
		make(&f, sources[i].from, TCP_SYN, sources[i].tags);
		((uint8_t *)tcp_of(f.b, sources[i].six, sources[i].tags))[12] = 10 << 4;
		with_payload(&f, i, 20);
		frame_fill(&f, 0, 100);
		check_syn(&f, i);
	}
}

static void probes_data_and_ends_get_the_same_closed_window(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t back; /* before the client's next number */
		int payload;
		bool answered;
	} rows[] = {
		{TCP_ACK, 0, 0, false}, /* the handshake's last */
		{TCP_ACK, 1, 0, true},  /* a probe */
		{TCP_ACK, 1, 1, true},
		{TCP_ACK, 0, 1, true},
		{TCP_ACK | TCP_PSH, 0, 100, true},
		{TCP_ACK | TCP_FIN, 0, 0, true},
		{TCP_ACK | TCP_RST, 0, 0, false},
		{TCP_ACK | TCP_RST, 1, 0, false},
		{TCP_ACK | TCP_RST, 0, 100, false},
	};
	struct answer a;
	struct frame f;
	uint32_t next;
	size_t i, row;

	(void)state;
	for (i = 0; i < SOURCES; i++) {
		next = next_of(i);
		for (row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
			later(&f, i, rows[row].flags, ISN + 1 - rows[row].back, next);
			with_payload(&f, i, rows[row].payload);
			a = run(&f);
			if (rows[row].answered)
				check(&f, &a, sources[i].six, sources[i].tags, TCP_ACK, next,
				      ISN + 1);
			else
				assert_int_equal(a.action, XDP_DROP);
		}
	}
}

static void segments_of_other_conversations_are_left_alone(void **state)
{
	const uint32_t next = next_of(0);
	const struct {
		uint8_t flags;
		uint32_t seq, ack;
	} rows[] = {
		{TCP_ACK, ISN + 1, next + 2},
		{TCP_ACK, ISN + 2, next},
		{TCP_ACK, ISN - 1, next},
		{TCP_ACK, ISN + 1, 0},
		{TCP_RST, ISN + 1, next},
		{0, ISN + 1, next},
		{TCP_SYN | TCP_ACK, ISN + 1, next},
		{TCP_ACK | TCP_FIN, ISN + 1401, next},
		/* Or each message that is forwarded past this number would have some lost. */
		{TCP_ACK | TCP_PSH, ISN + 3, next},
		{TCP_ACK | TCP_PSH, ISN + 1401, next},
	};
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		later(&f, 0, rows[i].flags, rows[i].seq, rows[i].ack);
		with_payload(&f, 0, rows[i].flags & TCP_PSH ? 100 : 0);
		assert_int_equal(program_run(skel, f.b, f.len), XDP_PASS);
	}
	/* The number holds for these addresses and ports only. */
	later(&f, 0, TCP_ACK, ISN, next);
	f.b[14 + 20 + 1]++;
	assert_int_equal(program_run(skel, f.b, f.len), XDP_PASS);
	for (i = 0; i < 2; i++) {
		const char *neighbour = i ? "2001:db8:1::15" : "198.51.100.15";
		const struct prefix p = room_prefix(neighbour);

		room_put(fp, neighbour, GG_DENY, GG_TARPIT, 0);
		later(&f, i, TCP_ACK, ISN, next_of(i));
		assert_int_equal(program_run(skel, f.b, f.len), XDP_TX);
		f.b[14 + (i ? 8 + 15 : 12 + 3)] = p.addr.b[15];
		assert_int_equal(program_run(skel, f.b, f.len), XDP_PASS);
		assert_int_equal(fastpath_del(fp, &p), 0);
	}
}

/* Who can't be there, or has sent to many, gets no answer. */
static void nobody_and_crowds_are_not_answered(void **state)
{
	static const char *const froms[] = {"0.0.0.1",         "127.0.0.1", "224.0.0.1",
					    "255.255.255.255", "::1",       "ff02::1"};
	struct frame f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		room_put(fp, froms[i], GG_DENY, GG_TARPIT, 0);
		make(&f, froms[i], TCP_SYN, 0);
		if (program_run(skel, f.b, f.len) != XDP_PASS)
			fail_msg("%s: answered", froms[i]);
	}
	make(&f, PIT4, TCP_SYN, 0);
	f.b[0] |= 1;
	assert_int_equal(program_run(skel, f.b, f.len), XDP_PASS);
}

/* Allowed, or no longer denied: what was held before is the stack's again. */
static void only_the_action_tarpit_holds(void **state)
{
	const uint32_t next = next_of(0);
	struct frame probe, syn;

	(void)state;
	later(&probe, 0, TCP_ACK, ISN, next);
	make(&syn, PIT4, TCP_SYN, 0);
	room_put(fp, PIT4, GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(program_run(skel, probe.b, probe.len), XDP_PASS);
	assert_int_equal(program_run(skel, syn.b, syn.len), XDP_PASS);
	room_put(fp, PIT4, GG_DENY, GG_STUTTER, 0);
	assert_int_equal(program_run(skel, probe.b, probe.len), XDP_PASS);
	assert_int_equal(program_run(skel, syn.b, syn.len), XDP_PASS);
	room_put(fp, PIT4, GG_DENY, GG_TARPIT, 0);
	assert_int_equal(program_run(skel, probe.b, probe.len), XDP_TX);
	assert_int_equal(program_run(skel, syn.b, syn.len), XDP_TX);
}

/* As often as one comes, and whoever has made the index anew meanwhile. */
static void each_that_is_held_is_counted(void **state)
{
	const struct prefix p = room_prefix(PIT4);
	struct gg_entry before, after;
	struct frame syn;
	int i;

	(void)state;
	make(&syn, PIT4, TCP_SYN, 0);
	for (i = 0; i < 3 * GG_ASKED_DROPS; i++)
		assert_int_equal(program_run(skel, syn.b, syn.len), XDP_TX);
	assert_int_equal(index_build(fp), 0);
	assert_int_equal(fastpath_get(fp, &p, &before), 0);
	for (i = 0; i < 3 * GG_ASKED_DROPS; i++)
		assert_int_equal(program_run(skel, syn.b, syn.len), XDP_TX);
	assert_int_equal(fastpath_get(fp, &p, &after), 0);
	assert_int_equal(after.hits - before.hits, 3 * GG_ASKED_DROPS);
}

static void the_key_outlives_a_restart(void **state)
{
	const struct endpoint vips[] = {room_endpoint(VIP4 ":25"), room_endpoint("[" VIP6 "]:25")};
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);
	uint32_t next = next_of(0);

	(void)state;
	conf.vips = vips;
	conf.vip_count = 2;
	assert_true(fp->switches.tarpit_key);
	/* With maps as they were, and with others. */
	for (int other = 0; other < 2; other++) {
		conf.hosts += other ? 5000 : 0;
		xdp_bpf__destroy(skel);
		fastpath_close(&fp);
		fp = room_open(&conf);
		skel = program_xdp(fp);
		assert_int_equal(next_of(0), next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_syn_is_answered_with_a_closed_window),
		cmocka_unit_test(the_answer_to_a_long_syn_is_short),
		cmocka_unit_test(probes_data_and_ends_get_the_same_closed_window),
		cmocka_unit_test(segments_of_other_conversations_are_left_alone),
		cmocka_unit_test(nobody_and_crowds_are_not_answered),
		cmocka_unit_test(only_the_action_tarpit_holds),
		cmocka_unit_test(each_that_is_held_is_counted),
		cmocka_unit_test(the_key_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, lists_set_up, lists_tear_down);
}
