// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who may have a connection to the mail server. The last ones are kept for sources that are
 * allowed: however many strangers have been let through and stay, known good senders find room.
 */
#include "quota.h"

#include <string.h>

#include "journal.h"

static const struct {
	enum counter which;
	enum smtp_reply reply;
	const char *reason;
} refusals[QUOTAS] = {
	[QUOTA_CONNECTIONS] = {COUNT_limit_backend, REPLY_BACKEND_BUSY, "connections"},
	[QUOTA_RESERVE] = {COUNT_limit_reserve, REPLY_BACKEND_BUSY, "reserve"},
	[QUOTA_SOURCE] = {COUNT_limit_held, REPLY_SOURCE_BUSY, "held"},
};

uint32_t quota_strangers(const struct config *c)
{
	return shared_limit(c->upstream.connections, c->upstream.reserve, false);
}

static int64_t in_use(const struct daemon *d)
{
	return atomic_load_explicit(&d->backends.value, memory_order_relaxed);
}

static uint32_t limit_of(const struct worker *w, const struct session *s)
{
	return shared_limit(w->config->upstream.connections, w->config->upstream.reserve,
			    s->allowed);
}

bool quota_take(struct worker *w, const struct session *s)
{
	return shared_take(&w->daemon->backends, limit_of(w, s));
}

void quota_give(struct worker *w)
{
	shared_give(&w->daemon->backends);
}

bool quota_reuses(const struct worker *w, const struct session *s)
{
	return in_use(w->daemon) <= limit_of(w, s);
}

bool quota_spares(const struct worker *w)
{
	return in_use(w->daemon) <= quota_strangers(w->config);
}

enum quota quota_short(const struct worker *w)
{
	return in_use(w->daemon) < w->config->upstream.connections ? QUOTA_RESERVE
								   : QUOTA_CONNECTIONS;
}

void quota_refuse(struct worker *w, uint32_t n, enum quota why)
{
	struct session *s = worker_session(w, n);
	struct log_line l;

	counter_add(&w->counters, refusals[why].which, 1);
	journal_mail(w, s, &l, LOG_LIMIT);
	log_str(&l, "reason", refusals[why].reason);
	log_int(&l, "reply", smtp_reply_code(refusals[why].reply));
	log_end(&l);
	session_reply(w, s, refusals[why].reply, NULL);
	smtp_rcpt_done(session_smtp(w, s), false);
}
