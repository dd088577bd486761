/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which endpoints are protected. */
#ifndef BPF_PROTECTED_H
#define BPF_PROTECTED_H

#include "maps.h"

#include <bpf/bpf_endian.h>
#include <stdbool.h>

static __always_inline bool same_endpoint(const struct gg_vip_key *a, const struct gg_vip_key *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	/* The port first: it differs most often. */
	return x[4] == y[4] && x[3] == y[3] && x[2] == y[2] && x[1] == y[1] && x[0] == y[0];
}

/* The same of an IPv4 address, network order, without a key made of it. port: host order. */
static __always_inline bool is_first4(const struct gg_conf *switches, __be32 addr, __u16 port)
{
	const __u64 *x = (const __u64 *)switches->first.addr;
	const __u32 mapped[2] = {bpf_htonl(0xffff), addr};

	return port && switches->first.port == port && x[1] == *(const __u64 *)mapped && !x[0];
}

/* A third of the cost of a drop would be the hash lookup. */
static __always_inline bool is_protected(const struct gg_conf *switches,
					 const struct gg_vip_key *to)
{
	if (switches->first.port && same_endpoint(&switches->first, to))
		return true;
	return bpf_map_lookup_elem(&vip, to) != NULL;
}

#endif
