// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hot index with many entries: the same answers as host4 and host6 over a million changes,
 * sizes and full buckets, while packets flow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdatomic.h>

#include "program.h"
#include "selftests/unit/random.h"

#define VIP4 "192.0.2.25"
#define VIP6 "2001:db8::25"
#define MANY 65536
#define MOST 1250000 /* more than index4 has room for in its smallest size */
#define CHANGES 1200000
#define STABLE 4096 /* addresses above the others: even ones are always denied, odd ones never */

static struct fastpath *many;
static struct xdp_bpf *program;
static uint32_t hosts;          /* room for so many */
static uint8_t denied[2][MOST]; /* by family, what the truth must hold */
static atomic_bool stop;
static atomic_ulong packets, wrong;

/* Of the index under test. */
static struct sizes {
	uint32_t least, most, fullest;
} sizes;

static void ignore(const struct prefix *p, const struct gg_entry *e, uint32_t last_seen, void *arg)
{
	(void)p;
	(void)e;
	(void)last_seen;
	(void)arg;
}

static struct prefix number(bool is4, uint32_t n)
{
	return room_number(is4 ? "10.0.0.0" : "2001:db8:5::", n);
}

static uint32_t packet_from(bool is4, uint32_t n)
{
	static const struct frame_spec specs[2] = {
		{.from = "2001:db8:5::", .to = VIP6, .to_port = 25, .flags = TCP_SYN},
		{.from = "10.0.0.0", .to = VIP4, .to_port = 25, .flags = TCP_SYN}};
	static _Thread_local struct frame frames[2];
	struct frame *f = &frames[is4];
	uint8_t *last = f->b + 14 + (is4 ? 16 : 24);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .repeat = 1);

	if (!f->len)
		frame_build(f, &specs[is4]);
	last[-3] = n >> 16;
	last[-2] = n >> 8;
	last[-1] = n;
	opts.data_size_in = f->len;
	if (bpf_prog_test_run_opts(bpf_program__fd(program->progs.greygate_xdp), &opts))
		return UINT32_MAX;
	return opts.retval;
}

/* The packets that flow: what doesn't change must never be judged otherwise. They leave time for
 * the changes where there are few processors. */
static void *send_packets(void *arg)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	uint64_t seed = 4711;
	uint32_t n;

	(void)arg;
	for (uint32_t i = 0; !atomic_load(&stop); i++) {
		if (i % 256 == 0)
			nanosleep(&pause, NULL);
		n = hosts + random_below(&seed, STABLE);
		if (packet_from(random_below(&seed, 4), n) != (n & 1 ? XDP_PASS : XDP_DROP))
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_add(&packets, 1);
	}
	return NULL;
}

static void change(bool is4, uint32_t n, uint32_t how)
{
	const struct verdict_entry deny = {.verdict = GG_DENY,
					   .action = how & 1 ? GG_DROP_NEW : GG_DROP_ALL};
	const struct verdict_entry allow = {.verdict = GG_ALLOW};
	const struct prefix p = number(is4, n);
	int code;

	if (how < 3) {
		code = fastpath_del(many, &p);
		assert_int_equal(code, denied[is4][n] ? 0 : -ENOENT);
		denied[is4][n] = 0;
		return;
	}
	code = fastpath_put(many, &p, how == 3 ? &allow : &deny);
	if (code == -ENOSPC)
		return;
	assert_int_equal(code, 0);
	denied[is4][n] = how == 3 ? 2 : 1;
}

static void compare(bool is4, uint32_t n)
{
	const uint32_t want = denied[is4][n] == 1 ? XDP_DROP : XDP_PASS;
	const struct prefix p = number(is4, n);
	char text[PREFIX_TEXT];

	if (packet_from(is4, n) != want)
		fail_msg("%s: the index says otherwise than the truth (%d)", prefix_text(&p, text),
			 denied[is4][n]);
}

static pthread_t begin_with(uint32_t entries)
{
	const struct endpoint vips[] = {room_endpoint(VIP4 ":25"), room_endpoint("[" VIP6 "]:25")};
	const struct verdict_entry deny = {.verdict = GG_DENY, .action = GG_DROP_NEW};
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);
	struct prefix p;
	pthread_t sender;
	uint32_t n;

	memset(denied, 0, sizeof(denied));
	sizes = (struct sizes){.least = UINT32_MAX};
	atomic_store(&stop, false);
	atomic_store(&packets, 0);
	hosts = entries;
	conf.hosts = entries;
	conf.vips = vips;
	conf.vip_count = 2;
	many = room_open(&conf);
	program = program_xdp(many);
	for (n = 0; n < STABLE; n += 2) {
		p = number(true, hosts + n);
		assert_int_equal(fastpath_put(many, &p, &deny), 0);
		p = number(false, hosts + n);
		assert_int_equal(fastpath_put(many, &p, &deny), 0);
	}
	assert_int_equal(pthread_create(&sender, NULL, send_packets, NULL), 0);
	return sender;
}

static void end_with(pthread_t sender)
{
	atomic_store(&stop, true);
	pthread_join(sender, NULL);
	printf("# %lu packets meanwhile, %u to %u buckets in use, up to %u full\n", packets,
	       sizes.least, sizes.most, sizes.fullest);
	assert_int_equal(wrong, 0);
	assert_true(packets > 10000);
	xdp_bpf__destroy(program);
	fastpath_close(&many);
	room_detach();
}

static void note_sizes(int which)
{
	const struct index *x = &many->index[which];

	if (x->used < sizes.least)
		sizes.least = x->used;
	if (x->used > sizes.most)
		sizes.most = x->used;
	if (x->full > sizes.fullest)
		sizes.fullest = x->full;
}

static void it_agrees_with_the_truth_over_a_million_changes(void **state)
{
	uint64_t seed = 12345;
	pthread_t sender;
	uint32_t i, n, size;
	bool is4;

	(void)state;
	sender = begin_with(MANY);
	for (i = 0; i < CHANGES; i++) {
		/* Waves: nearly empty, full beyond what fits, nearly empty again. */
		size = i / (CHANGES / 8) % 2 ? 3 : 12;
		is4 = random_below(&seed, 2);
		n = random_below(&seed, MANY);
		change(is4, n, random_below(&seed, size));
		if (i % 16 == 0)
			compare(is4, n);
		if (i % 100000 == 0)
			assert_int_equal(fastpath_tidy(many), 0);
		if (i % 90000 == 0)
			assert_int_equal(index_build(many), 0);
		if (i % 250000 == 0)
			assert_int_equal(fastpath_sweep(many, ignore, NULL), 0);
		note_sizes(INDEX6);
	}
	for (n = 0; n < MANY; n++) {
		compare(true, n);
		compare(false, n);
	}
	end_with(sender);
	assert_true(sizes.least < sizes.most / 4);
	/* Full buckets were among what was compared. */
	assert_true(sizes.fullest > 100);
}

static void it_grows_beyond_a_million(void **state)
{
	uint64_t seed = 54321;
	pthread_t sender;
	uint32_t i, n;

	(void)state;
	sender = begin_with(MOST);
	for (n = 0; n < MOST - STABLE; n++) {
		change(true, n, 3 + n % 3);
		note_sizes(INDEX4);
		if (n % 65536)
			continue;
		assert_int_equal(fastpath_tidy(many), 0);
		for (i = 0; i < 2000; i++)
			compare(true, random_below(&seed, MOST));
	}
	for (i = 0; i < CHANGES / 8; i++) {
		n = random_below(&seed, MOST);
		change(true, n, random_below(&seed, 6));
		if (i % 16 == 0)
			compare(true, n);
		if (i % 100000 == 0)
			assert_int_equal(fastpath_sweep(many, ignore, NULL), 0);
		note_sizes(INDEX4);
	}
	for (n = 0; n < MOST; n += 3)
		compare(true, n);
	end_with(sender);
	assert_int_equal(sizes.least, GG_EXACT_BUCKETS);
	assert_true(sizes.most > GG_EXACT_BUCKETS);
	assert_true(sizes.fullest > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_agrees_with_the_truth_over_a_million_changes),
		cmocka_unit_test(it_grows_beyond_a_million),
	};

	return cmocka_run_group_tests(tests, room_enter, NULL);
}
