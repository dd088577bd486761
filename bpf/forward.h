/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forwarding in XDP: what the stack would do to an ordinary packet, without the stack.
 *
 * Whatever isn't ordinary is left to the stack as it came: no neighbour yet (it must ask), TTL at
 * its end or larger than the way's MTU (it must answer with ICMP), VLAN tags, IP options, a sender
 * that nothing comes from, a way out that isn't one of the configured interfaces.
 */
#ifndef BPF_FORWARD_H
#define BPF_FORWARD_H

#include "gate.h"

/*
 * The kernel asks after a neighbour that it has not heard of for a while only when it sends to it
 * itself, and whoever has another MAC address by then would never be found: of what goes to each
 * neighbour the stack gets a packet every now and then. Which neighbours share a place changes
 * every time, so that none is always late.
 */
#define SHOWN_PLACES 256
#define SHOWN_TURN 32 /* ns, a power of two: 4 s */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SHOWN_PLACES);
	__type(key, __u32);
	__type(value, __u32); /* the turn */
} shown SEC(".maps");

static __always_inline bool shows(const __u8 mac[ETH_ALEN])
{
	const __u32 turn = bpf_ktime_get_coarse_ns() >> SHOWN_TURN;
	__u32 *last, at;

	at = ((__u32)mac[2] << 24 | mac[3] << 16 | mac[4] << 8 | mac[5]) + turn * GG_INDEX_SECOND;
	at = at * GG_INDEX_FIRST >> 24;
	last = bpf_map_lookup_elem(&shown, &at);
	if (!last || *last >= turn)
		return false;
	*last = turn;
	return true;
}

/* Where it goes, or false: to the stack. Walking the policy rules, of which the daemon's own are
 * some, would take longer than all the rest. */
static __always_inline bool find_way(struct xdp_md *ctx, const struct plain *p, __u32 main_routes,
				     struct bpf_fib_lookup *way)
{
	__u32 how = main_routes ? BPF_FIB_LOOKUP_DIRECT : 0;

	struct ipv6hdr *ip6;
	struct iphdr *ip4;

	way->ifindex = ctx->ingress_ifindex;
	way->l4_protocol = IPPROTO_TCP;
	way->sport = p->tcp->source;
	way->dport = p->tcp->dest;
	if (p->is4) {
		ip4 = p->ip;
		if (ip4->ttl <= 1 || is_martian4(ip4->saddr))
			return false;
		way->family = AF_INET;
		way->tos = ip4->tos;
		way->tot_len = bpf_ntohs(ip4->tot_len);
		way->ipv4_src = ip4->saddr;
		way->ipv4_dst = ip4->daddr;
	} else {
		ip6 = p->ip;
		if (ip6->hop_limit <= 1 || is_martian6(&ip6->saddr))
			return false;
		way->family = AF_INET6;
		way->flowinfo = *(__be32 *)ip6 & bpf_htonl(0x0fffffff);
		way->tot_len = bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
		__builtin_memcpy(way->ipv6_src, &ip6->saddr, 16);
		__builtin_memcpy(way->ipv6_dst, &ip6->daddr, 16);
	}
	if (bpf_fib_lookup(ctx, way, sizeof(*way), how) != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	return way->ifindex != ctx->ingress_ifindex && bpf_map_lookup_elem(&ports, &way->ifindex);
}

/* What a router has to look at before it sends a packet on: that all of it is there, and of IPv4
 * that the header is sound (RFC 1812 5.2.2). No options: parse_plain has seen to that. */
static __always_inline bool is_whole(struct xdp_md *ctx, const struct plain *p)
{
	const __u32 room = bpf_xdp_get_buff_len(ctx) - sizeof(struct ethhdr);
	const __u16 *words = p->ip;
	__u32 sum = 0;
	int i;

	if (!p->is4)
		return bpf_ntohs(((struct ipv6hdr *)p->ip)->payload_len) + sizeof(struct ipv6hdr) <=
		       room;
#pragma unroll
	for (i = 0; i < (int)(sizeof(struct iphdr) / sizeof(*words)); i++)
		sum += words[i];
	/* Ten words carry nine at most: one step folds them, and what is sound comes to 0xffff. */
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff && bpf_ntohs(((struct iphdr *)p->ip)->tot_len) <= room;
}

/* XDP_REDIRECT, or XDP_PASS with the frame as it was. flags: the switches', GG_CONF_MAIN_ROUTES
 * only where what it is for is not this machine, and no policy rule has a say. Not inlined, as
 * is_connected. */
__attribute__((noinline)) int forward(struct xdp_md *ctx, __u32 flags)
{
	struct bpf_fib_lookup way = {};
	struct ipv6hdr *ip6;
	struct iphdr *ip4;
	struct plain p;
	__u32 sum;

	if (!parse_plain((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p) ||
	    p.eth->h_dest[0] & 1 || flags & GG_CONF_STACK_FORWARDS || !is_whole(ctx, &p) ||
	    !find_way(ctx, &p, flags & GG_CONF_MAIN_ROUTES, &way) || shows(way.dmac)) {
		count(GG_STAT_forward_stack);
		return XDP_PASS;
	}
	if (p.is4) {
		ip4 = p.ip;
		/* RFC 1624; the TTL is the upper byte of its word. */
		sum = ip4->check + bpf_htons(0x0100);
		ip4->check = sum + (sum >= 0xffff);
		ip4->ttl--;
	} else {
		ip6 = p.ip;
		ip6->hop_limit--;
	}
	__builtin_memcpy(p.eth->h_dest, way.dmac, ETH_ALEN);
	__builtin_memcpy(p.eth->h_source, way.smac, ETH_ALEN);
	count(GG_STAT_forwarded);
	return bpf_redirect_map(&ports, way.ifindex, 0);
}

#endif
