/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tarpit: a TCP peer that remembers nothing. A SYN is answered with SYN and ACK, then the
 * window stays closed for ever: the client waits for a banner that never comes, and whatever it
 * wants to send, its FIN too, waits for a window that never opens (RFC 9293 3.8.6.1). Probes are
 * answered, or it would give up.
 *
 * Our initial sequence number is a keyed hash of addresses and ports, plus the client's: any later
 * segment proves by its acknowledgement that it belongs to such a conversation and tells where the
 * client stands. Its own number must be that one, or that of a probe before it: a gateway cannot
 * ask whether the connection is one that it forwards, and of a message's segments each that is
 * taken for one of these would be lost. Segments with IP options or extension headers are left to
 * the stack: a SYN reaches the daemon, which stutters.
 */
#ifndef BPF_TARPIT_H
#define BPF_TARPIT_H

#include "parse.h"

#define TARPIT_TTL 64
#define TARPIT_LEAST_FRAME 60 /* Ethernet, without its checksum */

#define TARPIT_SWAP(a, b)                                                                          \
	do {                                                                                       \
		__typeof__(a) was = a;                                                             \
		a = b;                                                                             \
		b = was;                                                                           \
	} while (0)

/* What there is to answer. Sequence numbers are in host order. */
struct tarpit {
	__u32 ours, theirs; /* next ones of both sides */
	bool syn;
	bool silent; /* nothing to be answered */
};

/* Where the IP header is, if it and a TCP header fit behind it. */
static __always_inline void *tarpit_ip(struct xdp_md *ctx, const struct packet *p, __u32 size)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 l3 = p->l3;

	if (l3 > sizeof(struct ethhdr) + PARSE_VLAN_TAGS * sizeof(struct vlan_tag) ||
	    data + l3 + size + sizeof(struct tcphdr) > end)
		return NULL;
	return data + l3;
}

/* The TCP header of a plain segment, which stands right behind the IP header; NULL: it isn't one,
 * or nobody that can be answered has sent it to this machine alone. */
static __always_inline struct tcphdr *tarpit_plain(struct xdp_md *ctx, const struct packet *p,
						   int *ret_payload)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct ipv6hdr *ip6;
	struct tcphdr *tcp;
	struct iphdr *ip4;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || eth->h_dest[0] & 1)
		return NULL;
	if (p->is4) {
		ip4 = tarpit_ip(ctx, p, sizeof(*ip4));
		if (!ip4 || ip4->ihl != 5 || is_martian4(ip4->saddr))
			return NULL;
		tcp = (void *)(ip4 + 1);
		*ret_payload = bpf_ntohs(ip4->tot_len) - (int)sizeof(*ip4) - tcp->doff * 4;
	} else {
		ip6 = tarpit_ip(ctx, p, sizeof(*ip6));
		if (!ip6 || ip6->nexthdr != IPPROTO_TCP || is_martian6(&ip6->saddr))
			return NULL;
		tcp = (void *)(ip6 + 1);
		*ret_payload = bpf_ntohs(ip6->payload_len) - tcp->doff * 4;
	}
	return tcp;
}

static __always_inline __u64 rotated(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static __always_inline void sip_round(__u64 v[4])
{
	v[0] += v[1];
	v[1] = rotated(v[1], 13) ^ v[0];
	v[0] = rotated(v[0], 32);
	v[2] += v[3];
	v[3] = rotated(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotated(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotated(v[1], 17) ^ v[2];
	v[2] = rotated(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012) of the ends of the connection: whoever sees cookies, as
 * every host in the tarpit does, must not learn the key from them. The key is half as long as
 * SipHash's; its other half is made of it. */
static __always_inline __u32 tarpit_cookie(const struct gg_conf *switches, const struct packet *p)
{
	const __u32 *from = (const __u32 *)p->from, *to = (const __u32 *)p->to.addr;
	const __u64 first = switches->tarpit_key, second = first * 0x9e3779b97f4a7c15ull;
	__u64 v[4] = {first ^ 0x736f6d6570736575ull, second ^ 0x646f72616e646f6dull,
		      first ^ 0x6c7967656e657261ull, second ^ 0x7465646279746573ull};
	__u64 word;
	int i;

#pragma unroll
	for (i = 0; i < 5; i++) {
		/* 36 octets; their number stands in the last word's upper one. */
		word = i < 4 ? from[i] | (__u64)to[i] << 32
			     : ((__u64)p->from_port << 16 | p->to.port) | 36ull << 56;
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Whether the tarpit would take this segment. This and tarpit_answer are functions of their own, so
 * that the verifier walks through them once. */
__noinline int tarpit_takes(struct xdp_md *ctx, const struct gg_conf *switches,
			    const struct packet *p, struct tarpit *ret)
{
	__u32 cookie, seq, probe;
	struct tcphdr *tcp;
	int payload;

	if (!switches || !p || !ret)
		return false;
	tcp = tarpit_plain(ctx, p, &payload);
	if (!tcp)
		return false;
	cookie = tarpit_cookie(switches, p);
	seq = bpf_ntohl(tcp->seq);
	ret->syn = p->kind == GG_KIND_NEW;
	if (ret->syn) {
		ret->ours = cookie + seq;
		ret->theirs = seq + 1;
		ret->silent = false;
		return !tcp->rst && !tcp->fin;
	}
	if (!tcp->ack || tcp->syn)
		return false;
	ret->ours = bpf_ntohl(tcp->ack_seq);
	ret->theirs = ret->ours - cookie;
	/* A probe may repeat the number before the one that is next. */
	probe = ret->theirs - seq;
	if (probe > 1)
		return false;
	ret->silent = tcp->rst || (!probe && !tcp->fin && payload <= 0);
	return true;
}

static __always_inline __u16 tarpit_fold(__s64 sum)
{
	__u32 s = (__u32)sum;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return ~s;
}

/* Returns the sum over the header, and over what of the pseudo header is the same in all answers.
 */
static __always_inline __s64 tarpit_tcp(struct tcphdr *tcp, const struct tarpit *t)
{
	TARPIT_SWAP(tcp->source, tcp->dest);
	tcp->seq = bpf_htonl(t->ours);
	tcp->ack_seq = bpf_htonl(t->theirs);
	((__be16 *)tcp)[6] = bpf_htons(0x5010 | (t->syn ? 0x02 : 0)); /* length 5, ACK, SYN */
	tcp->window = 0;
	tcp->check = 0;
	tcp->urg_ptr = 0;
	return bpf_csum_diff(NULL, 0, (__be32 *)tcp, sizeof(*tcp),
			     bpf_htonl(IPPROTO_TCP + sizeof(*tcp)));
}

static __always_inline bool tarpit_ip4(struct xdp_md *ctx, const struct packet *p,
				       const struct tarpit *t)
{
	struct iphdr *ip = tarpit_ip(ctx, p, sizeof(*ip));
	struct tcphdr *tcp;

	if (!ip)
		return false;
	tcp = (void *)(ip + 1);
	TARPIT_SWAP(ip->saddr, ip->daddr);
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*tcp));
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* don't fragment */
	ip->ttl = TARPIT_TTL;
	ip->check = 0;
	ip->check = tarpit_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
	tcp->check = tarpit_fold(bpf_csum_diff(NULL, 0, &ip->saddr, 8, tarpit_tcp(tcp, t)));
	return true;
}

static __always_inline bool tarpit_ip6(struct xdp_md *ctx, const struct packet *p,
				       const struct tarpit *t)
{
	struct ipv6hdr *ip = tarpit_ip(ctx, p, sizeof(*ip));
	struct tcphdr *tcp;

	if (!ip)
		return false;
	tcp = (void *)(ip + 1);
	TARPIT_SWAP(ip->saddr, ip->daddr);
	*(__be32 *)ip = bpf_htonl(0x60000000); /* version, no class, no label */
	ip->payload_len = bpf_htons(sizeof(*tcp));
	ip->hop_limit = TARPIT_TTL;
	tcp->check =
		tarpit_fold(bpf_csum_diff(NULL, 0, (__be32 *)&ip->saddr, 32, tarpit_tcp(tcp, t)));
	return true;
}

/* The frame becomes the answer. */
__noinline int tarpit_answer(struct xdp_md *ctx, const struct packet *p, const struct tarpit *t)
{
	__u32 size = sizeof(struct tcphdr), have = bpf_xdp_get_buff_len(ctx);
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if (!p || !t || t->silent || (void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, mac, ETH_ALEN);
	if (!(p->is4 ? tarpit_ip4(ctx, p, t) : tarpit_ip6(ctx, p, t)))
		return XDP_DROP;

	/* What followed the header is the client's own bytes; some stay as padding. */
	size += p->l3;
	size += p->is4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (size < TARPIT_LEAST_FRAME)
		size = TARPIT_LEAST_FRAME;
	if (have > size && bpf_xdp_adjust_tail(ctx, (int)size - (int)have))
		return XDP_DROP;
	return XDP_TX;
}

#endif
