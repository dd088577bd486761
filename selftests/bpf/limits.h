/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sources that come too often, on one CPU, and what is told of them. */
#ifndef SELFTESTS_BPF_LIMITS_H
#define SELFTESTS_BPF_LIMITS_H

#include <errno.h>
#include <linux/bpf.h>

#include "lists.h"

#define PER_SOURCE 3 /* a second: one token in 0.33 s */
#define BURST (2 * PER_SOURCE)
#define NSEC UINT64_C(1000000000)

static inline uint32_t segment(const char *from, const char *to, uint8_t flags)
{
	const struct frame_spec s = {.from = from, .to = to, .to_port = 25, .flags = flags};
	struct frame f;

	frame_build(&f, &s);
	return program_run(skel, f.b, f.len);
}

static inline uint32_t syn_from(const char *from)
{
	return segment(from, strchr(from, ':') ? VIP6 : VIP4, TCP_SYN);
}

static inline uint64_t counted(enum gg_stat which)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[which];
}

static inline struct gg_rate rate_of(enum map_id id, const void *key)
{
	struct gg_rate r;

	if (bpf_map_lookup_elem(fp->maps[id], key, &r))
		fail_msg("no bucket");
	return r;
}

static inline bool has_rate(enum map_id id, const void *key)
{
	struct gg_rate r;

	return !bpf_map_lookup_elem(fp->maps[id], key, &r);
}

/* Full again in an hour: however long the test stands still meanwhile, the source is over. */
static inline void fill_late(enum map_id id, const void *key)
{
	struct gg_rate r = rate_of(id, key);

	r.full += 3600000000000;
	assert_int_equal(bpf_map_update_elem(fp->maps[id], key, &r, BPF_EXIST), 0);
}

/* As if what has happened to it had been so much earlier: when it went over its limit, and its last
 * drop. */
static inline void make_older(enum map_id id, const void *key, uint64_t since, uint64_t last_drop)
{
	struct gg_rate r = rate_of(id, key);

	r.since -= since;
	r.last_drop -= last_drop >> GG_SHORT_SHIFT;
	assert_int_equal(bpf_map_update_elem(fp->maps[id], key, &r, BPF_EXIST), 0);
}

static struct gg_event seen[16];
static int seen_count;

static inline void see(const struct gg_event *e, void *arg)
{
	(void)arg;
	if (seen_count < 16)
		seen[seen_count] = *e;
	seen_count++;
}

static inline void no_event(void)
{
	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_int_equal(seen_count, 0);
}

static inline void only_event(enum gg_event_kind kind, const char *address)
{
	const struct prefix p = room_prefix(address);

	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].kind, kind);
	assert_memory_equal(seen[0].addr, p.addr.b, 16);
}

/* This CPU's bucket: the test stays on it. */
static struct gg_budget budgets[1024];

static inline struct gg_budget *budget_here(void)
{
	__u32 zero = 0;

	assert_true(libbpf_num_possible_cpus() <= 1024);
	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_BUDGET], &zero, budgets), 0);
	return &budgets[sched_getcpu()];
}

static inline void set_budget(const struct gg_budget *b)
{
	__u32 zero = 0;

	*budget_here() = *b;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_BUDGET], &zero, budgets, BPF_EXIST), 0);
}

static inline void only_cpu(enum gg_event_kind kind)
{
	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].kind, kind);
	assert_int_equal(seen[0].cpu, sched_getcpu());
}

static inline int fresh(void **state)
{
	struct gg_key4 four;
	struct gg_half6 six;

	(void)state;
	while (!bpf_map_get_next_key(fp->maps[MAP_RATE4], NULL, &four))
		bpf_map_delete_elem(fp->maps[MAP_RATE4], &four);
	while (!bpf_map_get_next_key(fp->maps[MAP_RATE6], NULL, &six))
		bpf_map_delete_elem(fp->maps[MAP_RATE6], &six);
	lists_renew();
	fastpath_set_limits(fp, PER_SOURCE, 0);
	set_budget(&(struct gg_budget){});
	fastpath_events(fp, see, NULL);
	return 0;
}

/* The bucket refills while the test runs, so that some more may pass; many can't. */
static inline int passed_of(const char *from, int n)
{
	int passed = 0;

	while (n--)
		passed += syn_from(from) == XDP_PASS;
	return passed;
}

/* The programs run on the CPU of the test, and each CPU has a budget of its own. */
static inline int limits_set_up(void **state)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -1 : lists_set_up(state);
}

#endif
