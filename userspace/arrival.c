// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From accept to the banner: who the client is, also where a load balancer has to say it first, and
 * how it is received.
 */
#include <string.h>

#include "proxy/header.h"
#include "worker.h"

/* Lets a client in, whose address is known now. */
static void admit(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	const struct config *c = w->config;
	struct log_line l;

	s->phase = PHASE_BANNER;
	if (s->local)
		s->allowed = true;
	else
		judge_source(w, s);
	judge_log(w, s, &l, LOG_CONNECT);
	log_str(&l, "verdict", s->allowed ? "allow" : s->denied ? "deny" : "grey");
	log_end(&l);

	s->admitted = shared_take(&w->daemon->sessions, c->limit.sessions);
	if (w->draining || !s->admitted || !judge_enter(w, s)) {
		enum counter which = s->admitted ? COUNT_limit_source : COUNT_limit_sessions;

		if (!w->draining) {
			counter_add(&w->counters, which, 1);
			judge_log(w, s, &l, LOG_LIMIT);
			log_str(&l, "reason",
				which == COUNT_limit_sessions ? "sessions" : "per_source");
			log_end(&l);
		}
		session_reply(w, s, REPLY_SERVICE_DOWN, NULL);
		s->hangup = true;
		worker_timer(w, n, w->now + c->limit.state_time);
		session_continue(w, n);
		return;
	}
	/* The other half of the time is for the replies: whoever sits out the banner is still held.
	 */
	if (s->denied && (s->action == GG_STUTTER || s->action == GG_TARPIT) &&
	    stutter_begin(w, n, c->stutter.deny_limit / 2))
		return;
	if (!s->allowed && !s->denied) {
		bool held = stutter_begin(w, n, c->stutter.first);

		evidence_begin(w, n);
		if (held)
			return;
	}
	session_banner(w, n, w->banner_len - w->banner_line);
}

/* ---- the header of a load balancer ---- */

static bool from_balancer(const struct config *c, const struct addr *a)
{
	for (int i = 0; i < c->balancer_count; i++)
		if (prefix_holds(&c->balancers[i], a))
			return true;
	return false;
}

static void await_header(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	s->phase = PHASE_PROXY;
	session_read(w, n);
	if (!wheel_add(w->timeouts, n | LINGER_TIMER, s->generation, w->now + PROXY_MS))
		session_end(w, n);
}

static void refuse_header(struct worker *w, uint32_t n, const char *why)
{
	struct session *s = worker_session(w, n);
	struct log_line l;

	counter_add(&w->counters, COUNT_proxy_refused, 1);
	judge_log(w, s, &l, LOG_CONNECT);
	log_str(&l, "verdict", "refused");
	log_str(&l, "reason", "proxy_header");
	log_str(&l, "message", why);
	log_end(&l);
	session_end(w, n);
}

void session_header(struct worker *w, uint32_t n, const char *buf, size_t len)
{
	struct session *s = worker_session(w, n);
	struct endpoint client;
	enum proxy_result result;
	size_t used;
	char *all;

	session_push_back(w, s, buf, len);
	if (s->hangup) { /* no room to keep it */
		session_end(w, n);
		return;
	}
	all = pool_at(&w->ins, s->in);
	result = proxy_header(all, s->in_len, &client, &used);
	if (result == PROXY_BAD) {
		refuse_header(w, n, "malformed");
		return;
	}
	if (result == PROXY_MORE) {
		session_read(w, n);
		return;
	}
	s->local = result == PROXY_LOCAL;
	counter_add(&w->counters, s->local ? COUNT_proxy_local : COUNT_proxy_clients, 1);
	if (!s->local) {
		s->src = client.addr;
		s->port = client.port;
	}
	s->in_len -= (uint32_t)used;
	if (s->in_len)
		memmove(all, all + used, s->in_len);
	else
		session_in_drop(w, s);
	s->touched = w->now;
	admit(w, n);
	/* What came behind the header the client said before it was greeted. */
	if (s->in != POOL_NONE)
		sanity_note(w, s, SANITY_EARLY_TALK);
}

void session_header_late(struct worker *w, uint32_t n)
{
	refuse_header(w, n, "timeout");
}

/* ---- accept ---- */

void session_accepted(struct worker *w, uint32_t n, const struct endpoint *peer, uint16_t listener)
{
	struct session *s = worker_session(w, n);
	uint16_t generation = s->generation;

	memset(s, 0, sizeof(*s));
	s->generation = generation;
	s->dialog = s->delivery = s->evidence = s->in = s->out = s->tls = POOL_NONE;
	s->src = peer->addr;
	s->port = peer->port;
	s->listener = (uint8_t)listener;
	s->started = s->touched = w->now;
	s->id = (uint64_t)w->number << 48 | ++w->next_id;
	w->open++;
	counter_add(&w->counters, COUNT_connections, 1);
	counter_add(&w->counters, COUNT_sessions, 1);
	if (from_balancer(w->config, &peer->addr)) {
		await_header(w, n);
		return;
	}
	if (w->config->trap.low_count)
		doors_arrived(w, n);
	admit(w, n);
}
