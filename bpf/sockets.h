/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the socket table holds of a tuple. It is the flow table: what is open on this host is never
 * judged again.
 */
#ifndef BPF_SOCKETS_H
#define BPF_SOCKETS_H

#include "maps.h"

#include <linux/tcp.h>

#include <stdbool.h>

/* net/tcp_states.h */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_LISTEN 10

enum holder {
	HOLDER_NONE,
	HOLDER_LISTENER,   /* bound to this very address; one bound to all of them doesn't count */
	HOLDER_CONNECTION, /* open, in handshake or in TIME_WAIT */
};

/* A tuple as a packet carries it. Addresses as in struct packet. */
struct tuple {
	const __u8 *from, *to;
	__be16 from_port, to_port;
	bool is4;
};

/* The headers of an ACK that may end a handshake of which only the SYN cookie knows. */
struct ack {
	void *ip;
	__u32 ip_size;
	void *tcp; /* its fixed part */
};

static __always_inline bool bound_to(const struct bpf_sock *sk, const struct tuple *t)
{
	const __u32 *to = (const __u32 *)t->to;
	__u32 four = sk->src_ip4, a = sk->src_ip6[0], b = sk->src_ip6[1], c = sk->src_ip6[2],
	      d = sk->src_ip6[3];

	/* Read before the branch, or clang merges the loads of both branches into one through a
	 * changed socket pointer, which the verifier refuses. */
	barrier_var(four);
	barrier_var(a);
	barrier_var(b);
	barrier_var(c);
	barrier_var(d);
	return t->is4 ? four == to[3] : a == to[0] && b == to[1] && c == to[2] && d == to[3];
}

/* The socket, to be released, or NULL. */
static __always_inline struct bpf_sock *socket_of(void *ctx, const struct tuple *t)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__u32 zero = 0, size;
	__u32 *busy;

	busy = bpf_map_lookup_elem(&asking, &zero);
	if (!busy)
		return NULL;
	if (t->is4) {
		__builtin_memcpy(&tuple.ipv4.saddr, t->from + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, t->to + 12, 4);
		tuple.ipv4.sport = t->from_port;
		tuple.ipv4.dport = t->to_port;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(&tuple.ipv6.saddr, t->from, 16);
		__builtin_memcpy(&tuple.ipv6.daddr, t->to, 16);
		tuple.ipv6.sport = t->from_port;
		tuple.ipv6.dport = t->to_port;
		size = sizeof(tuple.ipv6);
	}
	*busy = 1;
	sk = bpf_skc_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	*busy = 0;
	return sk;
}

/* net/tcp_states.h; 0: no socket. */
static __always_inline __u32 socket_state(void *ctx, const struct tuple *t)
{
	struct bpf_sock *sk = socket_of(ctx, t);
	__u32 state;

	if (!sk)
		return 0;
	state = sk->state;
	bpf_sk_release(sk);
	return state;
}

/* ack: NULL, or what to look at when there is only a listener. */
static __always_inline enum holder holder_of(void *ctx, const struct tuple *t,
					     const struct ack *ack)
{
	struct bpf_sock *sk = socket_of(ctx, t);
	enum holder holder = HOLDER_NONE;

	if (!sk)
		return HOLDER_NONE;
	if (sk->state != TCP_LISTEN)
		holder = HOLDER_CONNECTION;
	else if (bound_to(sk, t))
		holder = HOLDER_LISTENER;
	if (holder == HOLDER_LISTENER && ack &&
	    !bpf_tcp_check_syncookie(sk, ack->ip, ack->ip_size, ack->tcp, sizeof(struct tcphdr)))
		holder = HOLDER_CONNECTION;
	bpf_sk_release(sk);
	return holder;
}

#endif
