// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From accept to the banner: who the client is, also where a load balancer has to say it first, and
 * how it is received.
 */
#include <string.h>

#include "journal.h"
#include "proxy/header.h"
#include "relief.h"
#include "worker.h"

/* ---- whether there is room ---- */

/* Who keeps a client out. */
enum keeper { KEEPER_NONE, KEEPER_SESSIONS, KEEPER_SOURCE, KEEPER_RELIEF, KEEPERS };

static const struct {
	enum counter which;
	const char *reason;
} keepers[KEEPERS] = {
	[KEEPER_SESSIONS] = {COUNT_limit_sessions, "sessions"},
	[KEEPER_SOURCE] = {COUNT_limit_source, "per_source"},
	[KEEPER_RELIEF] = {COUNT_relief_refused, "relief"},
};

/* Takes its place among the sessions. */
static enum keeper enter(struct worker *w, struct session *s)
{
	bool relief = relief_now(w->daemon) == RELIEF_REFUSE && !s->allowed;

	s->admitted = shared_take(&w->daemon->sessions, w->config->limit.sessions);
	if (!s->admitted)
		return KEEPER_SESSIONS;
	if (relief) {
		/* Those who are only told so are no load. */
		s->admitted = false;
		shared_give(&w->daemon->sessions);
		return KEEPER_RELIEF;
	}
	relief_look(w->daemon, w->config);
	return headcount_enter(w, s) ? KEEPER_NONE : KEEPER_SOURCE;
}

static void note_full(struct worker *w, const struct session *s, enum keeper keeper)
{
	struct log_line l;

	counter_add(&w->counters, keepers[keeper].which, 1);
	journal_line(w, s, &l, LOG_LIMIT);
	log_str(&l, "reason", keepers[keeper].reason);
	log_end(&l);
}

/* ---- who it is ---- */

/* Lets a client in, whose address is known now. */
static void admit(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	const struct config *c = w->config;
	enum keeper keeper;
	struct log_line l;

	s->phase = PHASE_BANNER;
	if (s->local)
		s->allowed = true;
	else
		judge_source(w, s);
	journal_line(w, s, &l, LOG_CONNECT);
	log_str(&l, "verdict", s->allowed ? "allow" : s->denied ? "deny" : "grey");
	log_end(&l);

	keeper = enter(w, s);
	if (w->draining || keeper != KEEPER_NONE) {
		if (!w->draining)
			note_full(w, s, keeper);
		session_reply(w, s, REPLY_SERVICE_DOWN, NULL);
		s->hangup = true;
		worker_timer(w, n, w->now + c->limit.state_time);
		session_continue(w, n);
		return;
	}
	/* The other half of the time is for the replies: whoever sits out the banner is still held.
	 */
	if (stutter_denied(w, s) && stutter_begin(w, n, c->stutter.deny_limit / 2))
		return;
	if (!s->allowed && !s->denied) {
		bool held = stutter_begin(w, n, stutter_first(w, s));

		evidence_begin(w, n);
		if (held)
			return;
	}
	session_banner(w, n, w->banner_len - w->banner_line);
}

/* ---- the header of a load balancer ---- */

static bool of_balancer(const struct config *c, const struct addr *a)
{
	struct prefix p = addr_host(a);

	return config_balancer(c, &p);
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
	journal_line(w, s, &l, LOG_CONNECT);
	log_str(&l, "verdict", "refused");
	log_str(&l, "reason", "proxy_header");
	log_str(&l, "message", why);
	log_end(&l);
	session_end(w, n);
}

void session_header(struct worker *w, uint32_t n, const char *buf, size_t len)
{
	struct session *s = worker_session(w, n);
	struct endpoint client, here;
	enum proxy_result result;
	size_t used;
	char *all;

	session_push_back(w, s, buf, len);
	if (s->hangup) { /* no room to keep it */
		session_end(w, n);
		return;
	}
	all = pool_at(&w->ins, s->in);
	result = proxy_header(all, s->in_len, &client, &here, &used);
	if (result == PROXY_BAD) {
		refuse_header(w, n, proxy_fault(all, s->in_len));
		return;
	}
	if (result == PROXY_MORE) {
		session_read(w, n);
		return;
	}
	/* A balancer that names itself, or another one, brings nobody: its health check, or mail of
	 * that machine. */
	s->local = result == PROXY_LOCAL || of_balancer(w->config, &client.addr);
	counter_add(&w->counters, s->local ? COUNT_proxy_local : COUNT_proxy_clients, 1);
	if (!s->local) {
		s->src = client.addr;
		s->port = client.port;
		s->forwarded = here.port;
		w->reached[n] = here;
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

_Static_assert(PROXY_HEADER + RECV_BUFFER <= IN_CHUNK, "a header and what came with its end");

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
	if (of_balancer(w->config, &peer->addr)) {
		await_header(w, n);
		return;
	}
	if (w->config->trap.low_count)
		doors_arrived(w, n);
	admit(w, n);
}
