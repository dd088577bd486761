// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the programs report: counters, and the edges of the events ring.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Adds what the CPUs have of n elements of a map, from `at` on. */
static int sum(int fd, uint32_t at, uint32_t n, uint64_t *sums)
{
	int cpus = libbpf_num_possible_cpus(), cpu, code = 0;
	__u64 *each;
	__u32 i, key;

	if (cpus < 0)
		return cpus;
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (i = 0; i < n && !code; i++) {
		key = at + i;
		if (bpf_map_lookup_elem(fd, &key, each))
			code = -errno;
		for (cpu = 0; cpu < cpus; cpu++)
			sums[i] += each[cpu];
	}
	free(each);
	return code;
}

int fastpath_stats(struct fastpath *fp, uint64_t ret[GG_STAT_MAX])
{
	uint64_t sums[GG_STAT_MAX] = {};
	int code = sum(fp->maps[MAP_STATS], 0, GG_STAT_MAX, sums);

	if (!code)
		memcpy(ret, sums, sizeof(sums));
	return code;
}

uint64_t fastpath_list_hits(struct fastpath *fp, uint8_t list)
{
	uint64_t hits = 0;

	return sum(fp->maps[MAP_LISTS], list, 1, &hits) ? 0 : hits;
}

void fastpath_list_reset(struct fastpath *fp, uint8_t list)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *zeros = cpus > 0 ? calloc(cpus, sizeof(*zeros)) : NULL;
	__u32 key = list;

	if (zeros)
		bpf_map_update_elem(fp->maps[MAP_LISTS], &key, zeros, BPF_ANY);
	free(zeros);
}

int fastpath_events(struct fastpath *fp, void (*see)(const struct gg_event *e, void *arg),
		    void *arg)
{
	fp->see_event = see;
	fp->see_arg = arg;
	return ring_buffer__consume(fp->ring);
}
