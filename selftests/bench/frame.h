/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame that the generators of the kernel path send: a SYN over IPv4, without checksums, which
 * XDP does not look at.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	char padding[6]; /* an Ethernet frame has 60 bytes at least */
} __attribute__((packed));

/* To everybody's station; address and port in network order. */
static inline struct frame frame_syn(in_addr_t to, in_port_t port)
{
	return (struct frame){
		.eth = {.h_dest = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .h_proto = htons(ETH_P_IP)},
		.ip = {.version = 4,
		       .ihl = 5,
		       .tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr)),
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .daddr = to},
		.tcp = {.dest = port, .doff = 5, .syn = 1, .window = htons(1024)},
	};
}

#endif
