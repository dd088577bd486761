// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames for the rows of the kernel path, made by the thousand under BPF_F_TEST_XDP_LIVE_FRAMES:
 * here each is filled in and leaves by the interface it stands on. Filled in whole: the kernel
 * hands out the same pages again and again, with what a router wrote into them. Beside it the ends
 * that the frames need: one that takes the part of a client in a handshake, one that counts and
 * drops, one that looks at memory before it does, and one that only lets pass, without which a veth
 * end has no room for frames.
 *
 * IPv4 with no options, one frame a packet.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

volatile const __u32 network, hosts; /* host order; hosts: the mask of what varies */
/* Without source address and port, not folded. */
volatile const __u32 header_sum, segment_sum;
volatile const __u16 first_port = 1024;

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

__u8 form[sizeof(struct headers)]; /* what all frames have alike */

/* One CPU counts in each of them: no races. */
__u64 made, opened, sunk;

static __always_inline struct headers *headers_of(struct xdp_md *ctx)
{
	struct headers *h = (void *)(long)ctx->data;

	return (void *)(h + 1) > (void *)(long)ctx->data_end ? NULL : h;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16) ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline void fill_in(struct headers *h, __u32 host, __u16 port)
{
	__be32 from = bpf_htonl(network | (host & hosts));

	__builtin_memcpy(h, form, sizeof(*h));
	h->ip.saddr = from;
	h->ip.check = fold(header_sum + (from & 0xffff) + (from >> 16));
	h->tcp.source = bpf_htons(port);
	h->tcp.check = fold(segment_sum + (from & 0xffff) + (from >> 16) + (__u16)h->tcp.source);
}

/* Sources and ports at random. */
SEC("xdp")
int flood(struct xdp_md *ctx)
{
	struct headers *h = headers_of(ctx);
	__u32 random = bpf_get_prandom_u32();

	if (!h)
		return XDP_ABORTED;
	fill_in(h, random, first_port + (random >> 20));
	made++;
	return XDP_TX;
}

/* One after the other, no pair of source and port twice. */
SEC("xdp")
int dial(struct xdp_md *ctx)
{
	struct headers *h = headers_of(ctx);
	__u64 n = made;

	if (!h)
		return XDP_ABORTED;
	fill_in(h, n, first_port + n / ((__u64)hosts + 1));
	made++;
	return XDP_TX;
}

/* The client's end: a SYN-ACK is acknowledged. */
SEC("xdp")
int client(struct xdp_md *ctx)
{
	struct headers *h = headers_of(ctx);
	__u8 mac[ETH_ALEN];
	__be32 seq;
	__be16 port;

	if (!h || h->eth.h_proto != bpf_htons(ETH_P_IP) || h->ip.protocol != IPPROTO_TCP ||
	    h->ip.ihl != 5 || !h->tcp.syn || !h->tcp.ack)
		return XDP_PASS;
	__builtin_memcpy(mac, h->eth.h_source, ETH_ALEN);
	__builtin_memcpy(h->eth.h_source, h->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(h->eth.h_dest, mac, ETH_ALEN);
	seq = h->ip.saddr; /* the sum stays what it was */
	h->ip.saddr = h->ip.daddr;
	h->ip.daddr = seq;
	port = h->tcp.source;
	h->tcp.source = h->tcp.dest;
	h->tcp.dest = port;
	seq = h->tcp.ack_seq;
	h->tcp.ack_seq = bpf_htonl(bpf_ntohl(h->tcp.seq) + 1);
	h->tcp.seq = seq;
	h->tcp.syn = 0;
	opened++;
	return XDP_TX;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	(void)ctx;
	sunk++;
	return XDP_DROP;
}

/* A cache line for each of so many groups of sources, as a list of them would have. */
struct line {
	__u64 word[8];
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 18);
	__type(key, __u32);
	__type(value, struct line);
} lines SEC(".maps");

__u32 lines_used;  /* of them: as many as the index has */
__u32 least_lines; /* as few as an exact list can have */

static __always_inline int look_at_one_of(__u32 count, struct xdp_md *ctx)
{
	struct headers *h = headers_of(ctx);
	struct line *l;
	__u32 at;

	if (!h)
		return XDP_PASS;
	at = (__u64)(h->ip.saddr * 0x9e3779b1u) * count >> 32;
	l = bpf_map_lookup_elem(&lines, &at);
	if (!l || *(volatile __u64 *)l->word)
		return XDP_PASS;
	sunk++;
	return XDP_DROP;
}

/* The least that any list costs whose lines don't all lie in a cache: one of them. */
SEC("xdp")
int look(struct xdp_md *ctx)
{
	return look_at_one_of(lines_used, ctx);
}

SEC("xdp")
int look_least(struct xdp_md *ctx)
{
	return look_at_one_of(least_lines, ctx);
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
