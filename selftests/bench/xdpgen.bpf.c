// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The flood: turns the frame under BPF_F_TEST_XDP_LIVE_FRAMES into a SYN from one of the denied
 * hosts, a random one or each in its turn. It goes out of the interface it stands on, to the other
 * end of the pair; or, as if the interface had received it, to the program that stands there. The
 * ends that the peers need are those of frames.bpf.c.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "selftests/bench/xdpgen.h"

volatile const __u32 hosts = 1;

__u32 next; /* whose turn it is; one CPU sends */

/* The program of the interface. A map takes programs of one kind: for whole frames, or for frags.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} whole SEC(".maps"), frags SEC(".maps");

static __always_inline bool come_from(struct xdp_md *ctx, __u32 host, __u16 port)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > end)
		return false;
	ip->saddr = xdpgen_host(host);
	tcp->source = port;
	return true;
}

/* No division: a random 32-bit fraction of hosts. */
static __always_inline bool come_from_any(struct xdp_md *ctx)
{
	__u32 random = bpf_get_prandom_u32();

	return come_from(ctx, (__u64)random * hosts >> 32, random);
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	return come_from_any(ctx) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int turns(struct xdp_md *ctx)
{
	__u32 host = next;

	next = host + 1 < hosts ? host + 1 : 0;
	return come_from(ctx, host, bpf_get_prandom_u32()) ? XDP_TX : XDP_ABORTED;
}

/* Whoever isn't there aborts, and then nobody counts. */
SEC("xdp")
int arrive_whole(struct xdp_md *ctx)
{
	if (come_from_any(ctx))
		bpf_tail_call_static(ctx, &whole, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int arrive_frags(struct xdp_md *ctx)
{
	if (come_from_any(ctx))
		bpf_tail_call_static(ctx, &frags, 0);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
