/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether there is a daemon to give connections to. */
#ifndef BPF_HEARTBEAT_H
#define BPF_HEARTBEAT_H

#include "lists.h"

static __always_inline bool daemon_alive(const struct gg_conf *switches, __u64 now)
{
	__u32 zero = 0;
	const struct gg_meta *m = bpf_map_lookup_elem(&meta, &zero);

	if (!switches->heartbeat_limit)
		return true;
	/* A second of grace: the heartbeat is in whole seconds. */
	return m && (m->heartbeat + switches->heartbeat_limit + 1) * NSEC > now;
}

#endif
