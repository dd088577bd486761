// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The egress program: every configured interface, on the way out, gateway mode.
 *
 * Watches whom the protected side writes to (correspondents.h); what becomes of the packet is never
 * its business.
 *
 * Nobody outside can make it say anything. The SYN has to come from within, and so has the segment
 * that acknowledges the answer: the first one with the sequence number behind that SYN, which the
 * machine sends only when the host's answer knew that number.
 */
#include "correspondents.h"

#include <linux/pkt_cls.h>

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

/* By the mail server, and through here; what claims its address and goes back where it came from
 * lies. */
static __always_inline bool from_within(const struct __sk_buff *skb, const struct opening_key *t)
{
	return is_protected_address(t->from) && skb->ingress_ifindex &&
	       skb->ingress_ifindex != skb->ifindex;
}

/* Its address is reached by the interface it came in by. What comes by another one, from a machine
 * that is next to that, claims the address. */
static __always_inline bool came_the_right_way(struct __sk_buff *skb, const struct plain *p)
{
	struct bpf_fib_lookup back = {.l4_protocol = IPPROTO_TCP, .ifindex = skb->ifindex};
	const struct ipv6hdr *ip6 = p->ip;
	const struct iphdr *ip4 = p->ip;
	long code;

	if (p->is4) {
		back.family = AF_INET;
		back.ipv4_src = ip4->daddr;
		back.ipv4_dst = ip4->saddr;
	} else {
		back.family = AF_INET6;
		__builtin_memcpy(back.ipv6_src, &ip6->daddr, 16);
		__builtin_memcpy(back.ipv6_dst, &ip6->saddr, 16);
	}
	code = bpf_fib_lookup(skb, &back, sizeof(back), 0);
	return (code == BPF_FIB_LKUP_RET_SUCCESS || code == BPF_FIB_LKUP_RET_NO_NEIGH) &&
	       back.ifindex == skb->ingress_ifindex;
}

static __always_inline void watch(struct __sk_buff *skb)
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
	if (!from_within(skb, &t) || is_protected_address(t.to))
		return;
	seq = bpf_ntohl(p.tcp->seq);
	if (p.tcp->syn) {
		if (!p.tcp->ack && came_the_right_way(skb, &p))
			bpf_map_update_elem(&opening, &t, &seq, BPF_ANY);
		return;
	}
	number = bpf_map_lookup_elem(&opening, &t);
	if (!number || !p.tcp->ack || seq != *number + 1)
		return;
	name_correspondent(&t);
}

SEC("tc")
int greygate_egress(struct __sk_buff *skb)
{
	const struct gg_conf *switches;
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (switches && switches->mode == GG_MODE_GATEWAY)
		watch(skb);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
