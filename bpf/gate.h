/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet as the XDP and the tc program see it, and gateway mode: the mail server is behind this
 * machine, and the daemon's sockets hold the mail server's address towards the client and the
 * client's towards the mail server.
 *
 * A packet whose connection is one of the daemon's goes to it whatever the lists say; a valid SYN
 * cookie is a connection too. All others are forwarded, and only a SYN is judged.
 *
 * GATE_CONTEXT is the program's context, struct xdp_md or struct __sk_buff.
 */
#ifndef BPF_GATE_H
#define BPF_GATE_H

#include "lists.h"
#include "parse.h"
#include "sockets.h"

/* enum parse_result, of what lies in the program's sight. Not inlined, and not static: so the
 * verifier walks it once and not on each of its callers' ways. */
__attribute__((noinline)) int parse(GATE_CONTEXT *ctx, struct packet *ret)
{
	if (!ret)
		return PARSE_OTHER;
	return parse_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, ret);
}

/* Whether a socket that doesn't listen holds the packet's tuple. Not inlined, as parse. */
__attribute__((noinline)) int is_connected(GATE_CONTEXT *ctx, const struct packet *p)
{
	struct tuple t = {};

	if (!p)
		return false;
	t = (struct tuple){p->from, p->to.addr, p->from_port, bpf_htons(p->to.port), p->is4};
	return holder_of(ctx, &t, NULL) == HOLDER_CONNECTION;
}

/* The verifier wants to see that an offset is bounded; six extension headers are shorter. */
#define GATE_OFFSETS 0x3fff

/*
 * A packet of a client to a protected endpoint: enum holder. Not inlined, as
 * is_connected.
 */
__attribute__((noinline)) int gate_holder(GATE_CONTEXT *ctx, const struct packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tuple t = {};
	struct ack ack = {};
	enum holder holder;

	if (!p)
		return HOLDER_NONE;
	t = (struct tuple){p->from, p->to.addr, p->from_port, bpf_htons(p->to.port), p->is4};
	ack.ip = data + (p->l3 & GATE_OFFSETS);
	ack.tcp = data + (p->l4 & GATE_OFFSETS);
	if (p->kind == GG_KIND_OTHER && ack.tcp + sizeof(struct tcphdr) <= end) {
		if (p->is4 && ack.ip + sizeof(struct iphdr) <= end) {
			ack.ip_size = sizeof(struct iphdr);
			return holder_of(ctx, &t, &ack);
		}
		if (!p->is4 && ack.ip + sizeof(struct ipv6hdr) <= end) {
			ack.ip_size = sizeof(struct ipv6hdr);
			return holder_of(ctx, &t, &ack);
		}
	}
	holder = holder_of(ctx, &t, NULL);
	if (p->kind != GG_KIND_NEW || holder == HOLDER_CONNECTION)
		return holder;
	/* A connection of the daemon to the mail server in this client's name has the tuple over
	 * there, maybe in TIME_WAIT: the answers to a forwarded SYN would be taken for its own. */
	t = (struct tuple){p->to.addr, p->from, bpf_htons(p->to.port), p->from_port, p->is4};
	return holder_of(ctx, &t, NULL) == HOLDER_CONNECTION ? HOLDER_CONNECTION : holder;
}

/* The endpoint that a packet comes from, as a key of vip. */
static __always_inline struct gg_vip_key gate_source(const struct packet *p)
{
	struct gg_vip_key key = {.port = bpf_ntohs(p->from_port)};

	__builtin_memcpy(key.addr, p->from, 16);
	return key;
}

#endif
