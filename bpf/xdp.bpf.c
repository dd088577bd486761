// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The XDP program: drops what the lists say is to be dropped, before the stack has paid for it.
 *
 * Order: parse; protected endpoint?; what is in force for the source (the hot index, then the
 * lists themselves); verdict. A first look spares the plainest of what is met most all but the
 * index. Nothing else is ever judged. Headers must lie in the first buffer of
 * a multi-buffer frame; where they don't, the frame passes. In gateway mode what is for the mail
 * server or comes from it is sent on from here; but for that and the tarpit's answers no frame is
 * ever changed.
 */
#define GATE_CONTEXT struct xdp_md
#define GATE_LOAD bpf_xdp_load_bytes

#include "answers.h"
#include "forward.h"
#include "gate.h"
#include "heartbeat.h"
#include "hidden.h"
#include "index.h"
#include "limit.h"
#include "listed.h"
#include "lists.h"
#include "maps.h"
#include "parse.h"
#include "protected.h"
#include "sockets.h"
#include "tarpit.h"

#include <xdp/xdp_helpers.h>

/* Early in a dispatcher, and others run only after what passes here. */
struct {
	__uint(priority, 10);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(greygate_xdp);

/* What forward is told of a packet for a protected endpoint: which policy rules there are is known
 * as long as the daemon looks. */
static __always_inline __u32 routes_known(const struct gg_conf *switches, __u64 now)
{
	const __u32 flags = switches->flags;

	if (flags & GG_CONF_MAIN_ROUTES && !daemon_alive(switches, now))
		return flags & ~GG_CONF_MAIN_ROUTES;
	return flags;
}

/* Gateway mode: a packet that is for no protected endpoint may come from one. Not inlined, as
 * is_connected. */
__attribute__((noinline)) int answer(struct xdp_md *ctx, const struct packet *p)
{
	const struct gg_conf *switches;
	struct gg_vip_key from;
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !p || p->piece || !p->from_port)
		goto other;
	from = gate_source(p);
	if (!is_protected(switches, &from))
		goto other;
	if (!is_connected(ctx, p))
		return forward(ctx, switches->flags & ~GG_CONF_MAIN_ROUTES);
	count(GG_STAT_local_flow);
	return XDP_PASS;
other:
	count(GG_STAT_not_ours);
	return XDP_PASS;
}

#define LOOK_TRIES 2

/* What is known of the source: from the index alone, or an entry. */
struct standing {
	struct gg_entry *entry; /* in force; NULL: none, or the index knows enough */
	struct index_hit hit;   /* word NULL: the index doesn't know enough */
	__u32 listed;           /* of listed_find; 0: none, or an entry comes before it */
};

static __always_inline void read_entry(const struct gg_entry *e, struct gg_facts *ret)
{
	ret->verdict = e->verdict;
	ret->action = e->action;
	ret->hits = e->hits;
	ret->unjudged = ret->verdict == GG_UNKNOWN && ret->action == GG_NO_ACTION;
}

static __always_inline void read_nothing(struct gg_facts *ret)
{
	ret->verdict = GG_UNKNOWN;
	ret->action = GG_NO_ACTION;
	ret->hits = 0;
	ret->unjudged = false;
}

/* The source's host entry. One that is changed is another one, and the memory of the former is the
 * next one's at once, maybe another address's: what was read of it counts if nothing was changed
 * meanwhile. If that happens again and again, the daemon is asked. */
static __always_inline struct gg_entry *
read_host(const struct packet *p, const struct index_hit *hit, __u64 now, struct gg_facts *ret)
{
	struct gg_entry *e;
	__u64 turns;
	int i;

	for (i = 0; i < LOOK_TRIES; i++) {
		turns = index_turns(hit);
		index_order();
		e = find_host(p->from, p->is4, now);
		if (e)
			read_entry(e, ret);
		index_order();
		if (index_turns(hit) == turns)
			return e;
		read_nothing(ret);
	}
	ret->unjudged = true;
	return NULL;
}

static __always_inline void look_up(const struct gg_conf *switches, const struct packet *p,
				    __u64 now, struct standing *ret, struct gg_facts *facts)
{
	enum index_answer answer;
	__u32 addr, meaning;

	__builtin_memcpy(&addr, p->from + 12, 4);
	answer = p->is4 ? index_find4(addr, now, &ret->hit) : index_find6(p->from, now, &ret->hit);
	meaning = ret->hit.slot & GG_SLOT_MEANING;
	if (answer == INDEX_HIT && (meaning == GG_MEANS_ALLOW || ret->hit.slot & GG_SLOT_OFTEN)) {
		facts->verdict = meaning == GG_MEANS_ALLOW ? GG_ALLOW : GG_DENY;
		facts->action = meaning == GG_MEANS_ALLOW ? 0 : meaning - GG_MEANS_DENY;
		facts->hits = GG_ASKED_DROPS;
		return;
	}
	ret->hit.word = NULL;
	if (answer != INDEX_ABSENT)
		ret->entry = read_host(p, &ret->hit, now, facts);
	if (ret->entry || facts->unjudged)
		return;
	ret->listed = p->is4 ? listed_find(addr, false) : 0;
	if (ret->listed & LISTED_LIST) {
		facts->verdict = GG_DENY;
		facts->action = listed_action(ret->listed);
		facts->hits = ret->listed & LISTED_OFTEN ? GG_ASKED_DROPS : 0;
		return;
	}
	ret->entry = find_net(switches, p->from, p->is4, now);
	if (ret->entry)
		read_entry(ret->entry, facts);
}

/* Beyond the first few, drops and connections of allowed sources cost the index's cache line and
 * nothing else; the daemon turns the mark into last_seen. */
static __always_inline void mark(struct standing *s, const struct packet *p, bool dropped,
				 bool alone, __u64 now)
{
	struct index_hit *hit = &s->hit;
	__u32 addr;

	if (hit->word) {
		if (dropped || gg_index_regular(hit->slot)) {
			index_seen(hit);
			return;
		}
		s->entry = bpf_map_lookup_elem(&host4, p->from + 12);
	}
	if (s->listed & LISTED_LIST) {
		__builtin_memcpy(&addr, p->from + 12, 4);
		listed_mark(s->listed, addr, dropped, alone);
		return;
	}
	if (!s->entry)
		return;
	if (dropped && !s->entry->hits)
		report_first_drop(s->entry, p->from, now);
	mark_entry(s->entry, p->from, p->is4, alone, now);
	if (p->is4 && s->entry->length >= 32 && (dropped || s->entry->verdict == GG_ALLOW) &&
	    gg_index_often(s->entry)) {
		__builtin_memcpy(&addr, p->from + 12, 4);
		index_often(addr, now);
	}
}

/* enum gg_route, and above it enum gg_stat. A function of its own, so that the verifier forgets
 * which facts it was that led there. */
__noinline int decide(const struct gg_facts *f)
{
	struct gg_decision d;

	if (!f)
		return GG_TO_MTA;
	d = gg_classify(f);
	return d.route | d.cause << 8;
}

/* What is no TCP, or hides it. */
#define JUDGE_HIDDEN (-1)

static __always_inline int judge_other(enum parse_result found)
{
	if (found == PARSE_DEEP)
		return JUDGE_HIDDEN;
	count(found == PARSE_SHORT ? GG_STAT_short_packet : GG_STAT_not_ours);
	return XDP_PASS;
}

/* What isn't plain, or of which the index knows too little. A function of its own, as is the
 * parser, so that the verifier walks through it once and not once for each way through that; and
 * the packet is on its stack because there is little: what it calls may take 512 bytes with it and
 * all that it was called by, each rounded up to 32 (Linux 6.1). */
__noinline int judge(struct xdp_md *ctx)
{
	struct packet own = {}, *p = &own;
	enum parse_result found;
	struct gg_facts facts = {};
	const struct gg_conf *switches;
	struct gg_decision decision;
	struct standing source = {};
	struct tarpit pit = {};
	bool dropped, decided, gateway;
	__u32 zero = 0, answered;
	int action = XDP_PASS;
	__u64 now;

	found = parse(ctx, p);
	if (found != PARSE_TCP)
		return judge_other(found);
	facts.kind = p->kind;
	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !is_protected(switches, &p->to)) {
		if (switches && switches->mode == GG_MODE_GATEWAY)
			return answer(ctx, p);
		if (switches && switches->flags & GG_CONF_OBSERVE)
			watch_answers(ctx, p);
		count(GG_STAT_not_ours);
		return XDP_PASS;
	}

	gateway = switches->mode == GG_MODE_GATEWAY;
	facts.gateway = gateway;
	facts.openings_only = switches->flags & GG_CONF_OPENINGS_ONLY;
	now = bpf_ktime_get_coarse_ns();
	if (gg_asks_lists(&facts))
		look_up(switches, p, now, &source, &facts);
	/* On a gate the address is the mail server's: whoever sends from it to it lies. */
	facts.self = !gateway && same_address(p->from, p->to.addr);
	if (gg_asks_limit(&facts))
		facts.limit = limit_new(switches, p, now);
	if (facts.action == GG_TARPIT && !p->piece)
		facts.pit = tarpit_takes(ctx, switches, p, &pit);
	/* Of a later piece of a segment tc knows whose it is. */
	if (p->kind != GG_KIND_PIECE && gg_asks_sockets(&facts))
		facts.connected =
			gateway ? gate_holder(ctx, p) == HOLDER_CONNECTION : is_connected(ctx, p);
	answered = decide(&facts);
	decision = gg_decide(answered & 0xff, answered >> 8);
	count(decision.cause);

	dropped = decision.route == GG_TO_NOBODY;
	if (dropped)
		action = XDP_DROP;
	else if (gateway && decision.route == GG_TO_MTA && !p->piece &&
		 !(decision.cause == GG_STAT_allow_syn &&
		   is_nth(switches, p->from, p->from_port, p->to.port, now)))
		/* of every Nth tc knows whether the daemon gets it */
		action = forward(ctx, routes_known(switches, now));
	/* A connection that passes is marked where it is decided: in host mode with the choice of
	 * its listener, in gateway mode by tc. */
	decided = dropped || decision.cause == GG_STAT_tarpit_syn ||
		  (p->kind == GG_KIND_NEW && !facts.connected &&
		   (switches->mode == GG_MODE_RELAY || action == XDP_REDIRECT));
	if (decided && decision.cause != GG_STAT_drop_fragment && facts.limit == GG_WITHIN)
		mark(&source, p, dropped, action != XDP_PASS || decision.route == GG_TO_TARPIT,
		     now);
	if (decision.route == GG_TO_TARPIT)
		return tarpit_answer(ctx, p, &pit);
	return action;
}

/* The switches, if the frame is a plain one over IPv4 to the endpoint that most are for. Read where
 * it lies: what is stored in parts and loaded whole, as a packet's addresses are, waits for all
 * that the processor has begun before it. */
static __always_inline const struct gg_conf *plain_to_first(struct xdp_md *ctx, struct plain *ret)
{
	const struct gg_conf *switches;
	const struct iphdr *ip;
	__u32 zero = 0;

	if (!parse_plain((void *)(long)ctx->data, (void *)(long)ctx->data_end, ret) || !ret->is4)
		return NULL;
	ip = ret->ip;
	if (ip->frag_off & bpf_htons(PARSE_FRAGMENT) ||
	    bpf_ntohs(ip->tot_len) < sizeof(*ip) + sizeof(*ret->tcp))
		return NULL;
	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || !is_first4(switches, ip->daddr, bpf_ntohs(ret->tcp->dest)))
		return NULL;
	return switches;
}

static __always_inline bool is_new(const struct plain *p)
{
	return p->tcp->syn && !p->tcp->ack;
}

/* What judge would say with more effort of a flood, of an allowed source's connection, and of what
 * no entry concerns: the cause, or GG_STAT_packets for what is not as plain. */
static __always_inline enum gg_stat at_first_look(struct xdp_md *ctx)
{
	const struct gg_conf *switches;
	struct gg_facts facts = {};
	enum index_glance told;
	struct plain p;
	__u32 list;

	switches = plain_to_first(ctx, &p);
	if (!switches)
		return GG_STAT_packets;
	facts.kind = is_new(&p) ? GG_KIND_NEW : GG_KIND_OTHER;
	facts.gateway = switches->mode == GG_MODE_GATEWAY;
	facts.openings_only = switches->flags & GG_CONF_OPENINGS_ONLY;
	if (!gg_asks_lists(&facts))
		return GG_STAT_not_new;
	told = index_glance(((struct iphdr *)p.ip)->saddr);
	if (told == INDEX_FLOODS && facts.kind == GG_KIND_NEW)
		return GG_STAT_drop_new;
	if (told == INDEX_NOBODY && facts.kind == GG_KIND_NEW) {
		list = listed_floods(((struct iphdr *)p.ip)->saddr);
		if (list) {
			count_list(list);
			return GG_STAT_drop_new;
		}
	}
	if (told != INDEX_ALLOWED)
		return GG_STAT_packets;
	if (facts.kind != GG_KIND_NEW)
		return facts.gateway ? GG_STAT_forwarded : GG_STAT_not_new;
	/* Elsewhere an entry is marked here when a connection opens. */
	return switches->mode == GG_MODE_HOST ? GG_STAT_allow_syn : GG_STAT_packets;
}

/* Gateway mode: a segment of an allowed source that opens nothing goes on to the mail server,
 * unless the connection is the daemon's. A function of its own, as judge. */
__noinline int send_on(struct xdp_md *ctx)
{
	const struct gg_conf *switches;
	struct packet packet = {};
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (!switches || parse(ctx, &packet) != PARSE_TCP ||
	    gate_holder(ctx, &packet) == HOLDER_CONNECTION) {
		count(GG_STAT_local_flow);
		return XDP_PASS;
	}
	count(GG_STAT_not_new);
	return forward(ctx, routes_known(switches, bpf_ktime_get_coarse_ns()));
}

/* On a gate tc has the last word on what hides. */
static __always_inline int judge_hidden(struct xdp_md *ctx)
{
	const struct gg_conf *switches;
	__u32 zero = 0;

	switches = bpf_map_lookup_elem(&conf, &zero);
	if (switches && switches->mode != GG_MODE_GATEWAY && hides_tcp(ctx)) {
		count(GG_STAT_drop_fragment);
		return XDP_DROP;
	}
	count(GG_STAT_deep_headers);
	return XDP_PASS;
}

SEC("xdp.frags")
int greygate_xdp(struct xdp_md *ctx)
{
	enum gg_stat cause;
	int action;

	count(GG_STAT_packets);
	cause = at_first_look(ctx);
	if (cause == GG_STAT_drop_new) {
		count(GG_STAT_drop_new);
		return XDP_DROP;
	}
	if (cause == GG_STAT_forwarded)
		return send_on(ctx);
	if (cause != GG_STAT_packets) {
		count(cause);
		return XDP_PASS;
	}
	action = judge(ctx);
	return action == JUDGE_HIDDEN ? judge_hidden(ctx) : action;
}

char LICENSE[] SEC("license") = "GPL";
