/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the protected side writes to: a connection to port 25 of another machine that it opened
 * itself and that was answered. The daemon is told once a minute a host, in the events ring.
 */
#ifndef BPF_CORRESPONDENTS_H
#define BPF_CORRESPONDENTS_H

#include "lists.h"
#include "parse.h"

#define SMTP 25
#define QUIET 60 /* s until a host is named again */

/* A connection from within. */
struct opening_key {
	__u8 from[16], to[16];
	__be16 from_port;
	__u16 zero;
};

/* Connections being opened: the number of the SYN, where it is seen. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct opening_key);
	__type(value, __u32);
} opening SEC(".maps");

/* When a host was last named, s of CLOCK_MONOTONIC. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct gg_vip_key);
	__type(value, __u64);
} named SEC(".maps");

static __always_inline bool is_protected_address(const __u8 addr[16])
{
	struct gg_vip_key any_port = {};

	__builtin_memcpy(any_port.addr, addr, 16);
	return bpf_map_lookup_elem(&vip, &any_port) != NULL;
}

/* The connection was answered: it opens no more, once that is told. */
static __always_inline void name_correspondent(const struct opening_key *t)
{
	__u64 now = bpf_ktime_get_coarse_ns() / NSEC, *last;
	struct gg_vip_key host = {};
	struct gg_event *e;

	__builtin_memcpy(host.addr, t->to, 16);
	last = bpf_map_lookup_elem(&named, &host);
	if (last && now < *last + QUIET) {
		bpf_map_delete_elem(&opening, t);
		return;
	}
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(GG_STAT_event_lost);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = GG_EVENT_CORRESPONDENT;
	e->time = now;
	__builtin_memcpy(e->addr, t->to, 16);
	bpf_ringbuf_submit(e, 0);
	bpf_map_delete_elem(&opening, t);
	bpf_map_update_elem(&named, &host, &now, BPF_ANY);
	count(GG_STAT_egress_named);
}

#endif
