// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * By which of our addresses a client has come: trap.low_priority_mx.
 *
 * A mail server tries the MX records in their order (RFC 5321 5.1); who goes to the last one at
 * once looks for a back door. It may do so for good reason when the first ones did not serve it:
 * all that was in trouble lately, and all who have tried another address first, they or a neighbour
 * of their network, are not trapped; nor, which trapping.c sees to, whose message another host of
 * its sender has brought to the first ones. What was not known of that other host can't be known
 * later: then nobody is trapped who brings the message.
 *
 * An accepted socket that is no descriptor can't be asked for its name. The listener's own address
 * tells, or where it is a wildcard or another's, the kernel's table of sockets.
 */
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "diag.h"
#include "policy/conduct.h"
#include "worker.h"

static bool is_last(const struct config *c, const struct addr *a)
{
	for (int i = 0; i < c->trap.low_count; i++)
		if (addr_eq(&c->trap.low_priority_mx[i], a))
			return true;
	return false;
}

/* Whether there is a connection of the client to that endpoint of ours. */
static bool connected(struct worker *w, const struct session *s, const struct endpoint *local)
{
	const struct endpoint peer = {s->src, s->port};
	uint32_t unheard;
	int state;

	if (addr_is4(&s->src) != addr_is4(&local->addr))
		return false;
	state = diag_connection(w, s, local, &peer, &unheard);
	return state >= 0 && state != TCP_LISTEN;
}

/* Of all that is protected those that are the last door, or those that are not. */
static bool came_to(struct worker *w, const struct session *s, bool last)
{
	const struct config *c = w->config;

	for (int i = 0; i < c->protect_count; i++)
		if (is_last(c, &c->protect[i].addr) == last && connected(w, s, &c->protect[i]))
			return true;
	return false;
}

static bool at_last_door(struct worker *w, const struct session *s)
{
	const struct config *c = w->config;
	const struct endpoint *own = &w->listeners[s->listener].local;

	if (c->mode == GG_MODE_GATEWAY)
		return s->listener < c->protect_count && is_last(c, &c->protect[s->listener].addr);
	if (c->mode == GG_MODE_HOST)
		return !came_to(w, s, false) && came_to(w, s, true);
	if (!addr_is_any(&own->addr))
		return is_last(c, &own->addr);
	for (int i = 0; i < c->trap.low_count; i++) {
		const struct endpoint e = {c->trap.low_priority_mx[i], own->port};

		if (connected(w, s, &e))
			return true;
	}
	return false;
}

void doors_listener(struct listener *l, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	l->fd = fd;
	if (!getsockname(fd, (struct sockaddr *)&sa, &len))
		addr_from_sockaddr((struct sockaddr *)&sa, &l->local);
}

static void note(struct worker *w, const struct session *s, uint64_t tag)
{
	struct conduct_edit e = {.event = CONDUCT_VISIT,
				 .src = s->src,
				 .now = w->wall,
				 .memory = w->policy.window,
				 .row = w->policy.window};

	table_edit(w->daemon->conducts, tag, conduct_edit, &e, NULL);
}

static bool noted(struct worker *w, uint64_t tag)
{
	struct cell cell;

	return table_get(w->daemon->conducts, tag, &cell) &&
	       w->wall - conduct_of(&cell).last <= w->policy.window;
}

/* That of a sender and a recipient, as if they came from nowhere. */
static uint64_t message_tag(struct worker *w, struct session *s)
{
	const struct smtp *smtp = session_smtp(w, s);
	const struct policy_attempt a = {.sender = smtp->reverse.text,
					 .recipient = smtp->forward.text};
	struct policy_identity ids[POLICY_RUNGS];

	policy_identities(&w->policy, &a, ids);
	return ids[0].tag;
}

void doors_arrived(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	s->last_door = at_last_door(w, s);
	if (!s->last_door)
		note(w, s, policy_visit_tag(&w->policy, &s->src));
}

void doors_attempt(struct worker *w, struct session *s)
{
	if (w->config->trap.low_count && !s->last_door && evidence_missing(w, s, true))
		note(w, s, message_tag(w, s));
}

void doors_trouble(struct daemon *d)
{
	atomic_store_explicit(&d->trouble, daemon_now(), memory_order_relaxed);
}

static bool all_down(const struct worker *w)
{
	int count = w->config->backend_count, up = 0;

	for (int i = 0; i < count; i++)
		up += atomic_load_explicit(&w->daemon->backend_down[i], memory_order_relaxed) <=
		      w->now;
	return count && !up;
}

bool doors_trap(struct worker *w, struct session *s)
{
	uint32_t trouble = atomic_load_explicit(&w->daemon->trouble, memory_order_relaxed);

	if (!s->last_door || all_down(w) ||
	    w->wall - trouble < (uint32_t)(w->config->trap.low_pause / 1000))
		return false;
	return !noted(w, policy_visit_tag(&w->policy, &s->src)) && !noted(w, message_tag(w, s));
}
