/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verdict on a packet or a connection to a protected endpoint: facts in, decision out.
 *
 * Pure, and the only place that knows what an action means in the kernel. The XDP program asks it
 * per packet, the socket lookup program per new connection, the tests in userspace. Each caller
 * gathers the facts its own way and carries the decision out its own way: in XDP both GG_TO_MTA and
 * GG_TO_DAEMON are XDP_PASS, and only XDP has a tarpit.
 */
#ifndef BPF_CLASSIFY_H
#define BPF_CLASSIFY_H

#include <stdbool.h>

#include <greygate/types.h>

enum gg_kind {
	GG_KIND_NEW,      /* SYN without ACK */
	GG_KIND_OTHER,    /* any other TCP segment, or the piece of one that has its header */
	GG_KIND_PIECE,    /* of a TCP segment, a later piece: whose it is, the first one says */
	GG_KIND_FRAGMENT, /* a SYN in pieces, or a piece that hides the header or lies about it */
};

/* What limit.h says of a new connection. */
enum gg_limit {
	GG_WITHIN = 0,
	GG_OVER_BUDGET,
	GG_OVER_SOURCE,
};

struct gg_facts {
	enum gg_kind kind;
	enum gg_verdict verdict; /* of the entry in force; GG_UNKNOWN when there is none */
	enum gg_action action;
	__u64 hits;     /* of the entry, so far */
	bool connected; /* a local socket that doesn't listen holds the tuple; see gg_asks_sockets
			 */
	bool unjudged;  /* the entry in force has no verdict: a load balancer's, or an allowed
			   prefix that is left to the daemon; a denied one has its action */
	enum gg_limit limit; /* see gg_asks_limit */
	bool pit;            /* the tarpit would take the segment: the caller can answer it */
	bool sampled;        /* of an allowed source: the daemon shall have a look */
	bool self;          /* this host talks to itself: from an address to the same address, or as
			       lookup.bpf.c knows more */
	bool gateway;       /* the mail server is behind this host: what is local is the daemon's */
	bool openings_only; /* no entry concerns more than what opens a connection */
};

enum gg_route {
	GG_TO_MTA,    /* left alone */
	GG_TO_DAEMON, /* to the daemon's listener, where there is a choice */
	GG_TO_NOBODY, /* dropped */
	GG_TO_TARPIT, /* answered where it is */
};

struct gg_decision {
	enum gg_route route;
	enum gg_stat cause;
};

/*
 * Drops of an entry after which its SYNs are no longer looked up in the socket table.
 *
 * A SYN never belongs to an open connection, but its tuple may be taken: by a handshake that was
 * under way when the entry came, or by a connection whose owner answers (RFC 5961 4.2). The few
 * SYNs that such a source sends are within the first ones. What goes on after that is a flood, and
 * the lookup would be a third of its cost. GG_ASKED_DROPS: a SYN and its six retransmissions.
 */

/* Whether an entry can change the decision; else looking one up is wasted. */
static inline bool gg_asks_lists(const struct gg_facts *f)
{
	return f->kind == GG_KIND_NEW || f->gateway || !f->openings_only;
}

static inline bool gg_is_for_tarpit(const struct gg_facts *f)
{
	return f->pit && f->verdict == GG_DENY && f->action == GG_TARPIT &&
	       (f->kind == GG_KIND_NEW || f->kind == GG_KIND_OTHER);
}

/* Whether the new connection counts towards limits: allowed sources are exempt, and so are load
 * balancers and this host itself; what is dropped anyway costs nobody a token. Whom the daemon
 * denies for the kernel, as that has no room, counts as a stranger does. */
static inline bool gg_asks_limit(const struct gg_facts *f)
{
	if (f->kind != GG_KIND_NEW || f->verdict == GG_ALLOW || f->unjudged || f->self)
		return false;
	return f->verdict != GG_DENY || (f->action != GG_DROP_NEW && f->action != GG_DROP_ALL);
}

static inline bool gg_is_over_limit(const struct gg_facts *f)
{
	return f->limit != GG_WITHIN && gg_asks_limit(f);
}

/* Whether `connected` can change the decision; else asking the socket table is wasted. */
static inline bool gg_asks_sockets(const struct gg_facts *f)
{
	if (gg_is_for_tarpit(f))
		return !gg_is_over_limit(f);
	if (f->gateway)
		return f->kind != GG_KIND_FRAGMENT && !gg_is_over_limit(f) &&
		       !(f->verdict == GG_DENY &&
			 (f->action == GG_DROP_ALL ||
			  (f->action == GG_DROP_NEW && f->kind == GG_KIND_NEW &&
			   f->hits >= GG_ASKED_DROPS)));
	return f->kind == GG_KIND_NEW && f->verdict == GG_DENY && f->action == GG_DROP_NEW &&
	       f->hits < GG_ASKED_DROPS;
}

static inline struct gg_decision gg_decide(enum gg_route route, enum gg_stat cause)
{
	struct gg_decision d = {route, cause};

	return d;
}

static inline struct gg_decision gg_classify(const struct gg_facts *f)
{
	if (f->verdict == GG_DENY && f->action == GG_DROP_ALL)
		return gg_decide(GG_TO_NOBODY, GG_STAT_drop_all);

	/* Paths that clear DF fragment what is large. A SYN is not: whoever fragments it, or a
	 * header (RFC 1858), wants to get past a filter. */
	if (f->kind == GG_KIND_FRAGMENT)
		return gg_decide(GG_TO_NOBODY, GG_STAT_drop_fragment);

	if (gg_is_over_limit(f))
		return gg_decide(GG_TO_NOBODY, f->limit == GG_OVER_BUDGET ? GG_STAT_flood_budget
									  : GG_STAT_flood_source);

	if (f->gateway && f->connected)
		return gg_decide(GG_TO_DAEMON, GG_STAT_local_flow);

	/* Open connections live on whatever the lists say; a stray segment earns its RST from the
	 * stack. */
	if (f->kind == GG_KIND_OTHER || f->kind == GG_KIND_PIECE) {
		if (gg_is_for_tarpit(f) && !f->connected)
			return gg_decide(GG_TO_TARPIT, GG_STAT_tarpit_held);
		return gg_decide(GG_TO_MTA, GG_STAT_not_new);
	}

	if (f->verdict == GG_ALLOW)
		return gg_decide(f->sampled ? GG_TO_DAEMON : GG_TO_MTA, GG_STAT_allow_syn);

	if (f->verdict != GG_DENY)
		return gg_decide(f->self ? GG_TO_MTA : GG_TO_DAEMON, GG_STAT_unknown_syn);

	switch (f->action) {
	case GG_DROP_NEW:
		/* The tuple is taken: a retransmitted SYN of a handshake under way, or a TIME_WAIT
		 * that only its owner can judge. */
		if (f->connected)
			return gg_decide(GG_TO_MTA, GG_STAT_established);
		return gg_decide(GG_TO_NOBODY, GG_STAT_drop_new);
	case GG_TARPIT:
		if (gg_is_for_tarpit(f))
			return f->connected ? gg_decide(GG_TO_MTA, GG_STAT_established)
					    : gg_decide(GG_TO_TARPIT, GG_STAT_tarpit_syn);
		return gg_decide(GG_TO_DAEMON, GG_STAT_stutter_syn);
	case GG_STUTTER:
		return gg_decide(GG_TO_DAEMON, GG_STAT_stutter_syn);
	default:
		/* Also what this version doesn't know: the daemon can say why, a drop can't. */
		return gg_decide(GG_TO_DAEMON, GG_STAT_reject_syn);
	}
}

#endif
