/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host mode: whom this machine writes to, as what comes in shows it.
 *
 * A program on the way out would be run for each packet of every connection; here only those meet
 * it that come from somebody's port 25 and are for no protected endpoint.
 *
 * Nobody outside can make it say anything. A SYN that acknowledges one counts for a socket that has
 * sent one, and only the kernel knows whether the number is right: it makes a connection of that
 * socket, or leaves it as it is. The next segment finds which.
 */
#ifndef BPF_ANSWERS_H
#define BPF_ANSWERS_H

#include "correspondents.h"
#include "gate.h"
#include "sockets.h"

/* Not inlined, as is_connected. */
__attribute__((noinline)) int watch_answers(struct xdp_md *ctx, const struct packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct opening_key key = {};
	struct tcphdr *tcp;
	struct tuple t;
	__u32 none = 0;

	if (!p || p->piece || p->from_port != bpf_htons(SMTP))
		return 0;
	tcp = data + (p->l4 & GATE_OFFSETS);
	if ((void *)(tcp + 1) > end || !tcp->ack || tcp->rst)
		return 0;
	t = (struct tuple){p->from, p->to.addr, p->from_port, bpf_htons(p->to.port), p->is4};
	__builtin_memcpy(key.from, p->to.addr, 16);
	__builtin_memcpy(key.to, p->from, 16);
	key.from_port = t.to_port;
	if (tcp->syn) {
		if (!is_protected_address(key.to) && socket_state(ctx, &t) == TCP_SYN_SENT)
			bpf_map_update_elem(&opening, &key, &none, BPF_ANY);
	} else if (bpf_map_lookup_elem(&opening, &key) &&
		   socket_state(ctx, &t) == TCP_ESTABLISHED) {
		name_correspondent(&key);
	}
	return 0;
}

#endif
