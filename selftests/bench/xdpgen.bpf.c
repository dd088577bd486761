// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The flood: turns the frame under BPF_F_TEST_XDP_LIVE_FRAMES into a SYN from a random one of the
 * denied hosts and sends it out of the interface it stands on. The ends that the peers need are
 * those of frames.bpf.c.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

#include "selftests/bench/xdpgen.h"

volatile const __u32 hosts = 1;

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 random = bpf_get_prandom_u32();

	if ((void *)(tcp + 1) > end)
		return XDP_ABORTED;
	/* No division: a random 32-bit fraction of hosts. */
	ip->saddr = xdpgen_host((__u64)random * hosts >> 32);
	tcp->source = random;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
