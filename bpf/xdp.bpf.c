// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The XDP program: drops what the lists say is to be dropped, before the stack has paid for it.
 *
 * Order: parse; protected endpoint?; what is in force for the source (the hot index, then the
 * lists themselves); verdict. Nothing else is ever judged, and only the tarpit changes a frame.
 * Headers must lie in the first buffer of a multi-buffer frame; where they don't, the frame passes.
 */
#include "index.h"
#include "limit.h"
#include "lists.h"
#include "maps.h"
#include "parse.h"
#include "tarpit.h"

#include <xdp/xdp_helpers.h>

/* Early in a dispatcher, and others run only after what passes here. */
struct {
	__uint(priority, 10);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(greygate_xdp);

#define TCP_LISTEN 10 /* net/tcp_states.h */

/* Whether a socket that doesn't listen holds the tuple: open, in handshake or in TIME_WAIT. */
static __always_inline bool is_connected(struct xdp_md *ctx, const struct packet *p)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__u32 zero = 0, size;
	bool found;
	__u32 *busy;

	busy = bpf_map_lookup_elem(&asking, &zero);
	if (!busy)
		return false;
	if (p->is4) {
		__builtin_memcpy(&tuple.ipv4.saddr, p->from + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, p->to.addr + 12, 4);
		tuple.ipv4.sport = p->from_port;
		tuple.ipv4.dport = bpf_htons(p->to.port);
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, p->from, 16);
		__builtin_memcpy(tuple.ipv6.daddr, p->to.addr, 16);
		tuple.ipv6.sport = p->from_port;
		tuple.ipv6.dport = bpf_htons(p->to.port);
		size = sizeof(tuple.ipv6);
	}
	*busy = 1;
	sk = bpf_skc_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	*busy = 0;
	if (!sk)
		return false;
	found = sk->state != TCP_LISTEN;
	bpf_sk_release(sk);
	return found;
}

static __always_inline bool same_endpoint(const struct gg_vip_key *a, const struct gg_vip_key *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	/* The port first: it differs most often. */
	return x[4] == y[4] && x[3] == y[3] && x[2] == y[2] && x[1] == y[1] && x[0] == y[0];
}

/* A third of the cost of a drop would be the hash lookup. */
static __always_inline bool is_protected(const struct gg_conf *switches,
					 const struct gg_vip_key *to)
{
	if (switches->first.port && same_endpoint(&switches->first, to))
		return true;
	return bpf_map_lookup_elem(&vip, to) != NULL;
}

static __always_inline void count_connection(const struct gg_vip_key *to)
{
	struct gg_vip *endpoint = bpf_map_lookup_elem(&vip, to);

	if (endpoint)
		endpoint->connections++;
}

/* What is known of the source: from the index alone, or an entry. */
struct standing {
	struct gg_entry *entry; /* in force; NULL: none, or the index knows enough */
	struct index_hit hit;   /* word NULL: the index doesn't answer */
};

static __always_inline void look_up(const struct gg_conf *switches, const struct packet *p,
				    __u64 now, struct standing *ret, struct gg_facts *facts)
{
	enum index_answer answer;
	__u32 addr, meaning;

	__builtin_memcpy(&addr, p->from + 12, 4);
	answer = p->is4 ? index_find4(addr, now, &ret->hit) : index_find6(p->from, now);
	if (answer == INDEX_HIT) {
		meaning = ret->hit.slot & GG_SLOT_MEANING;
		facts->verdict = meaning == GG_MEANS_ALLOW ? GG_ALLOW : GG_DENY;
		facts->action = meaning == GG_MEANS_ALLOW ? 0 : meaning - GG_MEANS_DENY;
		facts->hits = index_drops(&ret->hit);
		return;
	}
	ret->hit.word = NULL;
	ret->entry = answer == INDEX_ASK ? find_entry(switches, p->from, p->is4, now)
					 : find_net(switches, p->from, p->is4, now);
	if (ret->entry) {
		facts->verdict = ret->entry->verdict;
		facts->action = ret->entry->action;
		facts->hits = ret->entry->hits;
	}
}

/* Drops beyond the first few cost the index's cache line and nothing else; the daemon turns the
 * mark into last_seen. */
static __always_inline void mark(struct standing *s, const struct packet *p, bool dropped,
				 __u64 now)
{
	struct index_hit *hit = &s->hit;

	if (hit->word) {
		if (dropped && index_drops(hit) >= GG_ASKED_DROPS) {
			if (!(hit->slot & GG_SLOT_SEEN))
				index_mark(hit, hit->slot | GG_SLOT_SEEN);
			return;
		}
		if (dropped)
			index_mark(hit, hit->slot + GG_SLOT_DROP);
		s->entry = bpf_map_lookup_elem(&host4, p->from + 12);
	}
	if (!s->entry)
		return;
	if (dropped && !s->entry->hits)
		report_first_drop(s->entry, p->from, now);
	mark_entry(s->entry, now);
}

/* A function of its own, so that the verifier walks through it once and not once for each way
 * through the parser. The packet is copied because older kernels take map keys from the stack only.
 */
__noinline int judge(struct xdp_md *ctx, const struct packet *parsed)
{
	struct packet own, *p = &own;
	struct gg_facts facts = {};
	const struct gg_conf *switches;
	struct gg_decision decision;
	struct standing source = {};
	struct tarpit pit = {};
	bool dropped, decided;
	__u32 zero = 0;
	__u64 now;

	if (!parsed)
		return XDP_PASS;
	own = *parsed;
	facts.kind = p->kind;
	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !is_protected(switches, &p->to)) {
		count(GG_STAT_not_ours);
		return XDP_PASS;
	}

	now = bpf_ktime_get_coarse_ns();
	look_up(switches, p, now, &source, &facts);
	facts.self = same_address(p->from, p->to.addr);
	if (gg_asks_limit(&facts))
		facts.limit = limit_new(switches, p, now);
	if (facts.action == GG_TARPIT)
		facts.pit = tarpit_takes(ctx, switches, p, &pit);
	if (gg_asks_sockets(&facts))
		facts.connected = is_connected(ctx, p);
	decision = gg_classify(&facts);
	count(decision.cause);

	dropped = decision.route == GG_TO_NOBODY;
	/* In host mode a connection that passes is marked where its listener is chosen. */
	decided = dropped || decision.cause == GG_STAT_tarpit_syn ||
		  (p->kind == GG_KIND_NEW && !facts.connected && switches->mode != GG_MODE_HOST);
	if (decided && decision.cause != GG_STAT_drop_fragment && facts.limit == GG_WITHIN)
		mark(&source, p, dropped, now);
	if (decision.route == GG_TO_TARPIT)
		return tarpit_answer(ctx, p, &pit);
	if (!dropped && decided)
		count_connection(&p->to);
	return dropped ? XDP_DROP : XDP_PASS;
}

_Static_assert(GG_ASKED_DROPS == GG_SLOT_DROPS / GG_SLOT_DROP,
	       "a slot that counts no further is not asked for");

/* What judge would answer with the same result and more effort. */
static __always_inline bool is_flood(const struct packet *p)
{
	const struct gg_conf *switches;
	__u32 zero = 0, addr;

	if (!p->is4 || p->kind != GG_KIND_NEW)
		return false;
	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !switches->first.port || !same_endpoint(&switches->first, &p->to))
		return false;
	__builtin_memcpy(&addr, p->from + 12, 4);
	return index_is_flood(addr);
}

SEC("xdp.frags")
int greygate_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct packet packet = {};

	count(GG_STAT_packets);
	switch (parse_frame(data, end, &packet)) {
	case PARSE_TCP:
		if (is_flood(&packet)) {
			count(GG_STAT_drop_new);
			return XDP_DROP;
		}
		return judge(ctx, &packet);
	case PARSE_OTHER:
		count(GG_STAT_not_ours);
		return XDP_PASS;
	case PARSE_SHORT:
		count(GG_STAT_short_packet);
		return XDP_PASS;
	case PARSE_DEEP:
		count(GG_STAT_deep_headers);
		return XDP_PASS;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
