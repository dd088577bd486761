/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs over the maps of an open fast path, run by BPF_PROG_TEST_RUN. */
#ifndef SELFTESTS_BPF_PROGRAM_H
#define SELFTESTS_BPF_PROGRAM_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <lookup.skel.h>
#include <tc.skel.h>
#include <xdp.skel.h>

#include "frame.h"
#include "room.h"

/* The packets that the stack is shown of each neighbour: that of this turn was it. */
static inline void program_show(const struct xdp_bpf *skel, uint32_t turn)
{
	uint64_t each[128]; /* of each CPU, in 8 bytes */
	uint32_t at;
	int cpu, cpus = libbpf_num_possible_cpus();

	assert_true(cpus > 0 && cpus <= 128);
	for (cpu = 0; cpu < cpus; cpu++)
		each[cpu] = turn;
	for (at = 0; at < bpf_map__max_entries(skel->maps.shown); at++)
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.shown), &at, each, 0),
				 0);
}

/* With nothing to be shown any more, so that what is sent on is. */
static inline struct xdp_bpf *program_xdp(const struct fastpath *fp)
{
	struct xdp_bpf *skel = xdp_bpf__open();

	if (!skel || maps_use(skel->obj, fp->maps) || xdp_bpf__load(skel))
		fail_msg("XDP program: %s", words_reason(errno));
	program_show(skel, UINT32_MAX);
	return skel;
}

static inline struct lookup_bpf *program_lookup(const struct fastpath *fp)
{
	struct lookup_bpf *skel = lookup_bpf__open();

	if (!skel || maps_use(skel->obj, fp->maps) || lookup_bpf__load(skel))
		fail_msg("socket lookup program: %s", words_reason(errno));
	return skel;
}

/* Returns the XDP action; fails if the program changed a byte of what isn't its own answer. */
static inline uint32_t program_run(const struct xdp_bpf *skel, const void *bytes, uint32_t len)
{
	uint8_t out[1024];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.greygate_xdp), &opts))
		fail_msg("test run of %u bytes: %s", len, strerror(errno));
	if (opts.retval != XDP_TX) {
		assert_int_equal(opts.data_size_out, len);
		assert_memory_equal(out, bytes, len);
	}
	return opts.retval;
}

static const char *const program_stats[] = {
#define X(name, words) #name,
	GG_STATS (X)
#undef X
};

/* Fails unless exactly `packets` and `cause` went up by one. GG_STAT_packets: only that. */
static inline void program_counted(const char *name, const uint64_t before[GG_STAT_MAX],
				   const uint64_t after[GG_STAT_MAX], enum gg_stat cause)
{
	uint64_t wanted;
	int i;

	for (i = 0; i < GG_STAT_MAX; i++) {
		wanted = i == GG_STAT_packets || i == (int)cause;
		if (after[i] - before[i] != wanted)
			fail_msg("%s: counter %s went up by %lu, not by %lu", name,
				 program_stats[i], after[i] - before[i], wanted);
	}
}

#endif
