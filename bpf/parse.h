/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From frame to what the verdict needs: addresses, ports, kind of packet.
 *
 * Ethernet with up to two VLAN tags, IPv4 with options, IPv6 with up to six extension headers, TCP.
 * Reads the bytes between data and end and nothing else; every step is bounded. A frame that ends
 * early or goes deeper than this is passed on, not dropped: the stack parses all of it. On a gate,
 * whose stack only forwards, tc.bpf.c has the last word on those.
 */
#ifndef BPF_PARSE_H
#define BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <stdbool.h>

#include "classify.h"

#define PARSE_VLAN_TAGS 2
#define PARSE_EXTENSIONS 6
#define VLAN_NUMBER 0xfff     /* of a tag */
#define PARSE_FRAGMENT 0x3fff /* of IPv4's frag_off: more fragments, offset */
#define PARSE_OFFSET 0x1fff   /* in units of eight bytes */

enum parse_result {
	PARSE_TCP,   /* packet is filled in */
	PARSE_OTHER, /* not TCP over IP */
	PARSE_SHORT, /* cut off, or lengths that contradict each other */
	PARSE_DEEP,  /* more tags or headers than are followed */
};

/* Addresses are IPv4-mapped for IPv4, so that one vip key serves both families. `to` ends in port 0
 * for a piece without the TCP header: that is the key of its address's marker. */
struct packet {
	struct gg_vip_key to;
	__u8 from[16];
	__be16 from_port;
	bool is4;
	__u16 l3; /* where the IP header begins */
	__u16 l4; /* where the TCP header begins; 0 for a piece without */
	enum gg_kind kind;
	bool piece; /* of a segment, the first one or a later one */
	__u32 id;   /* of the segment that it is a piece of */
};

struct vlan_tag {
	__be16 tci;
	__be16 proto;
};

struct extension {
	__u8 next;
	__u8 len;
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

/* Points *ret at `size` bytes at pos if they are all there. */
#define PARSE_TAKE(ret, pos, end, size) ((ret) = (pos), (void *)(ret) + (size) <= (end))

static __always_inline enum parse_result parse_tcp(void *data, void *pos, void *end,
						   struct packet *ret)
{
	struct tcphdr *tcp;

	if (!PARSE_TAKE(tcp, pos, end, sizeof(*tcp)))
		return PARSE_SHORT;
	/* Nobody listens there, and it would be taken for the marker. */
	if (!tcp->dest)
		return PARSE_OTHER;
	ret->l4 = pos - data;
	ret->to.port = bpf_ntohs(tcp->dest);
	ret->from_port = tcp->source;
	ret->kind = tcp->syn && !tcp->ack ? GG_KIND_NEW : GG_KIND_OTHER;
	if (ret->piece && ret->kind == GG_KIND_NEW)
		ret->kind = GG_KIND_FRAGMENT;
	return PARSE_TCP;
}

/* A piece without the header, or whose header isn't whole. offset: bytes. What lies within a header
 * writes over the one that was judged (RFC 3128). */
static __always_inline enum parse_result parse_piece(__u32 offset, struct packet *ret)
{
	ret->kind = offset < sizeof(struct tcphdr) ? GG_KIND_FRAGMENT : GG_KIND_PIECE;
	return PARSE_TCP;
}

static __always_inline enum parse_result parse_ip4(void *data, void *pos, void *end,
						   struct packet *ret)
{
	struct iphdr *ip;
	__u32 header, total, offset;

	if (!PARSE_TAKE(ip, pos, end, sizeof(*ip)))
		return PARSE_SHORT;
	if (ip->version != 4 || ip->protocol != IPPROTO_TCP)
		return PARSE_OTHER;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || total < header)
		return PARSE_SHORT;

	ret->is4 = true;
	ret->from[10] = ret->from[11] = ret->to.addr[10] = ret->to.addr[11] = 0xff;
	__builtin_memcpy(ret->from + 12, &ip->saddr, 4);
	__builtin_memcpy(ret->to.addr + 12, &ip->daddr, 4);
	if (ip->frag_off & bpf_htons(PARSE_FRAGMENT)) {
		ret->piece = true;
		ret->id = ip->id;
		offset = (bpf_ntohs(ip->frag_off) & PARSE_OFFSET) * 8;
		if (offset || total < header + sizeof(struct tcphdr))
			return parse_piece(offset, ret);
	}
	if (total < header + sizeof(struct tcphdr))
		return PARSE_SHORT;
	return parse_tcp(data, pos + header, end, ret);
}

/* Whether the packet has so many bytes at pos. The first piece of a segment has all headers, or its
 * receiver is to discard it (RFC 7112); one that does not may make a SYN of it. */
static __always_inline bool parse_within(const struct ipv6hdr *ip, void *pos, __u32 size)
{
	__u64 read = pos - (void *)ip;

	/* Not to be taken apart: the verifier lets no pointer be subtracted from a number. */
	__asm__ volatile("" : "+r"(read));
	return read + size <= sizeof(*ip) + bpf_ntohs(ip->payload_len);
}

static __always_inline enum parse_result parse_ip6(void *data, void *pos, void *end,
						   struct packet *ret)
{
	struct fragment_header *piece;
	struct extension *ext;
	struct ipv6hdr *ip;
	__u32 offset = 0;
	__u8 next;
	int i;

	if (!PARSE_TAKE(ip, pos, end, sizeof(*ip)))
		return PARSE_SHORT;
	if (ip->version != 6)
		return PARSE_OTHER;
	__builtin_memcpy(ret->from, &ip->saddr, 16);
	__builtin_memcpy(ret->to.addr, &ip->daddr, 16);
	next = ip->nexthdr;
	pos += sizeof(*ip);

	for (i = 0; i <= PARSE_EXTENSIONS; i++) {
		if (next == IPPROTO_TCP) {
			if (ret->piece && (offset || !parse_within(ip, pos, sizeof(struct tcphdr))))
				return parse_piece(offset, ret);
			return parse_tcp(data, pos, end, ret);
		}
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_MH:
			if (!PARSE_TAKE(ext, pos, end, sizeof(*ext)))
				goto cut;
			next = ext->next;
			pos += (ext->len + 1) * 8;
			break;
		case IPPROTO_AH:
			if (!PARSE_TAKE(ext, pos, end, sizeof(*ext)))
				goto cut;
			next = ext->next;
			pos += (ext->len + 2) * 4;
			break;
		case IPPROTO_FRAGMENT:
			/* Nobody takes a piece to pieces again. */
			if (ret->piece)
				return parse_piece(0, ret);
			if (!PARSE_TAKE(piece, pos, end, sizeof(*piece)))
				return PARSE_SHORT;
			/* Offset 0 and no more to come (RFC 6946): whole after all. */
			if (piece->offset & bpf_htons(0xfff9))
				ret->piece = true;
			ret->id = piece->id;
			offset = bpf_ntohs(piece->offset) & 0xfff8;
			/* What follows in a later piece is payload; only the protocol is known. */
			if (offset && piece->next != IPPROTO_TCP)
				return PARSE_OTHER;
			next = piece->next;
			pos += sizeof(*piece);
			break;
		default:
			if (ret->piece && !parse_within(ip, pos, 1))
				return parse_piece(0, ret);
			return PARSE_OTHER;
		}
	}
	return PARSE_DEEP;
cut:
	return ret->piece && !parse_within(ip, pos, sizeof(*ext)) ? parse_piece(0, ret)
								  : PARSE_SHORT;
}

/* *ret must be zeroed; it is meaningful only after PARSE_TCP. After PARSE_DEEP, `to` is the marker
 * of the address, or zero. */
static __always_inline enum parse_result parse_frame(void *data, void *end, struct packet *ret)
{
	struct vlan_tag *tag;
	struct ethhdr *eth;
	void *pos = data;
	__be16 proto;
	int i;

	if (!PARSE_TAKE(eth, pos, end, sizeof(*eth)))
		return PARSE_SHORT;
	proto = eth->h_proto;
	pos += sizeof(*eth);

#pragma unroll
	for (i = 0; i <= PARSE_VLAN_TAGS; i++) {
		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		if (i == PARSE_VLAN_TAGS)
			return PARSE_DEEP;
		if (!PARSE_TAKE(tag, pos, end, sizeof(*tag)))
			return PARSE_SHORT;
		proto = tag->proto;
		pos += sizeof(*tag);
	}

	ret->l3 = pos - data;
	if (proto == bpf_htons(ETH_P_IP))
		return parse_ip4(data, pos, end, ret);
	if (proto == bpf_htons(ETH_P_IPV6))
		return parse_ip6(data, pos, end, ret);
	return PARSE_OTHER;
}

/* Addresses that nothing comes from that is to be sent on or answered (RFC 1812 5.3.7, RFC 4291
 * 2.5): this network, loopback, multicast and what was never given out. */
static __always_inline bool is_martian4(__be32 addr)
{
	const __u8 first = *(const __u8 *)&addr;

	return first == 0 || first == 127 || first >= 224;
}

static __always_inline bool is_martian6(const void *addr)
{
	const __u32 *x = addr;

	return *(const __u8 *)addr == 0xff || !(x[0] | x[1] | x[2] | (x[3] & ~bpf_htonl(1)));
}

/* The headers of a segment that has neither VLAN tags nor options or extension headers before TCP.
 * The rest is left to the stack. */
struct plain {
	struct ethhdr *eth;
	void *ip;
	struct tcphdr *tcp;
	bool is4;
};

static __always_inline bool parse_plain(void *data, void *end, struct plain *ret)
{
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6;
	struct iphdr *ip4;
	__be16 proto;

	if ((void *)(eth + 1) > end)
		return false;
	ret->eth = eth;
	ret->ip = eth + 1;
	proto = *(__be16 *)(data + 2 * ETH_ALEN); /* in a packed header it is read by octets */
	if (proto == bpf_htons(ETH_P_IP)) {
		ip4 = ret->ip;
		ret->is4 = true;
		ret->tcp = (void *)(ip4 + 1);
		return (void *)(ret->tcp + 1) <= end && *(__u8 *)ip4 == 0x45 &&
		       ip4->protocol == IPPROTO_TCP;
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		ip6 = ret->ip;
		ret->is4 = false;
		ret->tcp = (void *)(ip6 + 1);
		return (void *)(ret->tcp + 1) <= end && ip6->nexthdr == IPPROTO_TCP;
	}
	return false;
}

#endif
