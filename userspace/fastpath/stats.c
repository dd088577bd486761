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

int fastpath_stats(struct fastpath *fp, uint64_t ret[GG_STAT_MAX])
{
	int cpus = libbpf_num_possible_cpus(), cpu, code = 0;
	uint64_t sums[GG_STAT_MAX] = {};
	__u64 *each;
	__u32 i;

	if (cpus < 0)
		return cpus;
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (i = 0; i < GG_STAT_MAX && !code; i++) {
		if (bpf_map_lookup_elem(fp->maps[MAP_STATS], &i, each))
			code = -errno;
		for (cpu = 0; cpu < cpus; cpu++)
			sums[i] += each[cpu];
	}
	free(each);
	if (!code)
		memcpy(ret, sums, sizeof(sums));
	return code;
}

int fastpath_events_fd(struct fastpath *fp)
{
	return ring_buffer__epoll_fd(fp->ring);
}

int fastpath_events(struct fastpath *fp, void (*see)(const struct gg_event *e, void *arg),
		    void *arg)
{
	fp->see_event = see;
	fp->see_arg = arg;
	return ring_buffer__consume(fp->ring);
}
