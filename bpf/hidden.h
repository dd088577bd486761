/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands behind more VLAN tags, or extension headers of IPv6, than the parser follows
 * (PARSE_DEEP). The stack follows any number, so nobody may get past a verdict by them; but what is
 * no TCP for a protected address is none of our business here either.
 *
 * Nobody has a use for such a segment, and it is dropped. A way of its own, as far as frames go,
 * which the verifier walks through apart from all others.
 *
 * GATE_CONTEXT is the program's context, GATE_LOAD how it reads bytes.
 */
#ifndef BPF_HIDDEN_H
#define BPF_HIDDEN_H

#include "gate.h"
#include "protected.h"

#define HIDDEN_STEPS 2048 /* tags, then headers: those of the longest frame */

struct hidden {
	GATE_CONTEXT *ctx;
	__u32 at;  /* of the next tag or header */
	__u32 end; /* of the packet by its own words; a frame that is cut before is the stack's */
	__be16 proto;
	__u8 next;
	bool piece; /* there was a fragment header */
	bool ended; /* the packet, not the chain */
};

/* Of VLAN 0, which is none. */
static long hidden_tag(__u32 step, void *arg)
{
	struct hidden *h = arg;
	struct vlan_tag tag;

	(void)step;
	if (h->proto != bpf_htons(ETH_P_8021Q) && h->proto != bpf_htons(ETH_P_8021AD))
		return 1;
	if (GATE_LOAD(h->ctx, h->at, &tag, sizeof(tag)) || tag.tci & bpf_htons(VLAN_NUMBER)) {
		h->proto = 0;
		return 1;
	}
	h->proto = tag.proto;
	h->at += sizeof(tag);
	return 0;
}

static long hidden_header(__u32 step, void *arg)
{
	struct fragment_header ext = {};
	struct hidden *h = arg;
	__u32 size = 0;

	(void)step;
	switch (h->next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case IPPROTO_AH:
	case IPPROTO_FRAGMENT:
		break;
	default:
		return 1;
	}
	/* The shortest is as long as this. */
	if (h->at + sizeof(ext) > h->end) {
		h->ended = true;
		return 1;
	}
	if (GATE_LOAD(h->ctx, h->at, &ext, sizeof(ext))) {
		h->next = IPPROTO_NONE;
		return 1;
	}
	if (h->next == IPPROTO_FRAGMENT) {
		/* What follows in a later piece is payload: it needs the first one. */
		if (ext.offset & bpf_htons(0xfff8)) {
			h->next = IPPROTO_NONE;
			return 1;
		}
		h->piece = h->piece || ext.offset & bpf_htons(1);
		size = sizeof(ext);
	} else {
		size = h->next == IPPROTO_AH ? (ext.reserved + 2) * 4 : (ext.reserved + 1) * 8;
	}
	h->next = ext.next;
	h->at += size;
	return 0;
}

/* A TCP segment to a protected address, or a piece that hides whether it is one. Not inlined, as
 * parse. */
__attribute__((noinline)) int hides_tcp(GATE_CONTEXT *ctx)
{
	const struct gg_conf *switches;
	struct gg_vip_key to = {};
	struct hidden h = {.ctx = ctx, .at = sizeof(struct ethhdr)};
	struct ipv6hdr ip6;
	struct iphdr ip4;
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches ||
	    GATE_LOAD(ctx, offsetof(struct ethhdr, h_proto), &h.proto, sizeof(h.proto)))
		return false;
	bpf_loop(HIDDEN_STEPS, hidden_tag, &h, 0);
	if (h.proto == bpf_htons(ETH_P_IP)) {
		if (GATE_LOAD(ctx, h.at, &ip4, sizeof(ip4)) || ip4.protocol != IPPROTO_TCP)
			return false;
		to.addr[10] = to.addr[11] = 0xff;
		__builtin_memcpy(to.addr + 12, &ip4.daddr, 4);
		return is_protected(switches, &to);
	}
	if (h.proto != bpf_htons(ETH_P_IPV6) || GATE_LOAD(ctx, h.at, &ip6, sizeof(ip6)))
		return false;
	__builtin_memcpy(to.addr, &ip6.daddr, 16);
	if (!is_protected(switches, &to))
		return false;
	h.at += sizeof(ip6);
	h.end = h.at + bpf_ntohs(ip6.payload_len);
	h.next = ip6.nexthdr;
	bpf_loop(HIDDEN_STEPS, hidden_header, &h, 0);
	if (h.next == IPPROTO_TCP || h.ended)
		return h.next == IPPROTO_TCP || h.piece;
	/* The first piece has all headers, and a byte of what they lead to (RFC 7112). */
	return h.piece && h.next != IPPROTO_NONE && h.at >= h.end;
}

#endif
