// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The XDP program: drops what the lists say is to be dropped, before the stack has paid for it.
 *
 * Order: parse; protected endpoint?; known flood?; entry in force for the source; verdict. Nothing
 * else is ever judged. Headers must lie in the first buffer of a multi-buffer frame; where they
 * don't, the frame passes. In gateway mode what is for the mail server or comes from it is sent on
 * from here; no other frame is ever changed.
 */
#define GATE_CONTEXT struct xdp_md

#include "flood.h"
#include "forward.h"
#include "gate.h"
#include "lists.h"
#include "maps.h"
#include "parse.h"
#include "protected.h"
#include "sockets.h"

#include <xdp/xdp_helpers.h>

/* Early in a dispatcher, and others run only after what passes here. */
struct {
	__uint(priority, 10);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(greygate_xdp);

/* Gateway mode: a packet that is for no protected endpoint may come from one. Not inlined, as
 * is_connected. */
__attribute__((noinline)) int answer(struct xdp_md *ctx, const struct packet *p)
{
	const struct gg_conf *switches;
	struct gg_vip_key from;
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !p || p->kind == GG_KIND_FRAGMENT)
		goto other;
	from = gate_source(p);
	if (!is_protected(switches, &from))
		goto other;
	if (!is_connected(ctx, p))
		return forward(ctx);
	count(GG_STAT_local_flow);
	return XDP_PASS;
other:
	count(GG_STAT_not_ours);
	return XDP_PASS;
}

static __always_inline int judge(struct xdp_md *ctx, const struct packet *p)
{
	struct gg_facts facts = {.kind = p->kind};
	const struct gg_conf *switches;
	struct flood_place place = {};
	struct gg_decision decision;
	struct gg_entry *entry;
	bool dropped, decided, gateway;
	__u32 zero = 0;
	int action = XDP_PASS;
	__u64 now;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !is_protected(switches, &p->to)) {
		if (switches && switches->mode == GG_MODE_GATEWAY)
			return answer(ctx, p);
		count(GG_STAT_not_ours);
		return XDP_PASS;
	}

	gateway = switches->mode == GG_MODE_GATEWAY;
	facts.gateway = gateway;
	now = bpf_ktime_get_coarse_ns();
	if (p->is4 && p->kind == GG_KIND_NEW) {
		place = flood_place(p, switches, now);
		if (flood_drops(&place)) {
			count(GG_STAT_drop_new);
			return XDP_DROP;
		}
	}
	entry = find_entry(switches, p->from, p->is4, now);
	if (entry) {
		facts.verdict = entry->verdict;
		facts.action = entry->action;
		facts.hits = entry->hits;
	}
	if (gg_asks_sockets(&facts))
		facts.connected =
			gateway ? gate_holder(ctx, p) == HOLDER_CONNECTION : is_connected(ctx, p);
	decision = gg_classify(&facts);
	count(decision.cause);

	dropped = decision.route == GG_TO_NOBODY;
	if (dropped)
		action = XDP_DROP;
	else if (gateway && decision.route == GG_TO_MTA)
		action = forward(ctx);
	/* A connection that passes is marked where it is decided: in host mode with the choice of
	 * its listener, in gateway mode by tc. */
	decided = dropped || (p->kind == GG_KIND_NEW && !facts.connected &&
			      (switches->mode == GG_MODE_RELAY || action == XDP_REDIRECT));
	if (entry && decided && decision.cause != GG_STAT_drop_fragment) {
		if (dropped && !entry->hits)
			report_first_drop(entry, p->from, now);
		mark_entry(entry, now);
		if (decision.cause == GG_STAT_drop_new) {
			/* As long as the socket table is asked, each SYN is a case of its own. */
			if (gg_asks_sockets(&facts))
				flood_forget(&place);
			else
				flood_remember(&place, entry);
		}
	}
	if (!dropped && decided)
		count_connection(&p->to);
	return action;
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
