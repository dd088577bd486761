// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The egress program: every configured interface, on the way out, host and gateway mode.
 *
 * Watches whom the protected side writes to: a connection to port 25 of another machine that it
 * opened itself and that was answered. It says so once a minute a host, in the events ring; what
 * becomes of the packet is never its business.
 *
 * Nobody outside can make it say anything. The SYN has to come from within, and so has the segment
 * that acknowledges the answer: the first one with the sequence number behind that SYN, which the
 * machine sends only when the host's answer knew that number.
 */
#include "lists.h"
#include "parse.h"

#include <linux/pkt_cls.h>

#define SMTP 25
#define QUIET 60 /* s until a host is named again */

struct opening_key {
	__u8 from[16], to[16];
	__be16 from_port;
	__u16 zero;
};

/* Connections being opened: the number of the SYN. */
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

static __always_inline void read_tuple(const struct plain *p, struct opening_key *ret)
{
	const struct ipv6hdr *ip6 = p->ip;
	const struct iphdr *ip4 = p->ip;

	if (p->is4) {
		ret->from[10] = ret->from[11] = ret->to[10] = ret->to[11] = 0xff;
		__builtin_memcpy(ret->from + 12, &ip4->saddr, 4);
		__builtin_memcpy(ret->to + 12, &ip4->daddr, 4);
	} else {
		__builtin_memcpy(ret->from, &ip6->saddr, 16);
		__builtin_memcpy(ret->to, &ip6->daddr, 16);
	}
	ret->from_port = p->tcp->source;
}

static __always_inline bool is_ours(const __u8 addr[16])
{
	struct gg_vip_key any_port = {};

	__builtin_memcpy(any_port.addr, addr, 16);
	return bpf_map_lookup_elem(&vip, &any_port) != NULL;
}

/* host mode: sent by this machine. gateway mode: by the mail server, and through here; what claims
 * its address and goes back where it came from lies. */
static __always_inline bool from_within(const struct __sk_buff *skb, const struct gg_conf *switches,
					const struct opening_key *t)
{
	if (switches->mode == GG_MODE_HOST)
		return !skb->ingress_ifindex;
	return is_ours(t->from) && skb->ingress_ifindex && skb->ingress_ifindex != skb->ifindex;
}

static __always_inline void name(const struct opening_key *t)
{
	__u64 now = bpf_ktime_get_coarse_ns() / NSEC, *last;
	struct gg_vip_key host = {};
	struct gg_event *e;

	__builtin_memcpy(host.addr, t->to, 16);
	last = bpf_map_lookup_elem(&named, &host);
	if (last && now < *last + QUIET)
		return;
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
	bpf_map_update_elem(&named, &host, &now, BPF_ANY);
	count(GG_STAT_egress_named);
}

static __always_inline void watch(struct __sk_buff *skb, const struct gg_conf *switches)
{
	struct opening_key t = {};
	void *data, *end;
	struct plain p;
	__u32 *number, seq;

	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	/* The port first: nearly all that goes out are answers to those who have come in. */
	if (!parse_plain(data, end, &p) || p.tcp->dest != bpf_htons(SMTP) || p.tcp->rst)
		return;
	read_tuple(&p, &t);
	if (!from_within(skb, switches, &t) || is_ours(t.to))
		return;
	seq = bpf_ntohl(p.tcp->seq);
	if (p.tcp->syn) {
		if (!p.tcp->ack)
			bpf_map_update_elem(&opening, &t, &seq, BPF_ANY);
		return;
	}
	number = bpf_map_lookup_elem(&opening, &t);
	if (!number || !p.tcp->ack || seq != *number + 1)
		return;
	bpf_map_delete_elem(&opening, &t);
	name(&t);
}

SEC("tc")
int greygate_egress(struct __sk_buff *skb)
{
	const struct gg_conf *switches;
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (switches && switches->mode != GG_MODE_RELAY)
		watch(skb, switches);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
