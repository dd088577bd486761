// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The flood: turns the frame under BPF_F_TEST_XDP_LIVE_FRAMES into a SYN from one of the denied
 * hosts, a random one or each in its turn, and sends it out of the interface it stands on. The ends
 * that the peers need are those of frames.bpf.c.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

#include "selftests/bench/xdpgen.h"

volatile const __u32 hosts = 1;

__u32 next; /* whose turn it is; one CPU sends */

static __always_inline int send_from(struct xdp_md *ctx, __u32 host, __u16 port)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > end)
		return XDP_ABORTED;
	ip->saddr = xdpgen_host(host);
	tcp->source = port;
	return XDP_TX;
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	__u32 random = bpf_get_prandom_u32();

	/* No division: a random 32-bit fraction of hosts. */
	return send_from(ctx, (__u64)random * hosts >> 32, random);
}

SEC("xdp")
int turns(struct xdp_md *ctx)
{
	__u32 host = next;

	next = host + 1 < hosts ? host + 1 : 0;
	return send_from(ctx, host, bpf_get_prandom_u32());
}

char LICENSE[] SEC("license") = "GPL";
