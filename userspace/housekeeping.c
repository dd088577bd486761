// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the main thread does once a second, in small steps: tell the kernel's programs that we live,
 * read back which entries they used, let go of what is over, follow this machine's addresses.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/reply.h"
#include "core/ends.h"
#include "core/log.h"
#include "core/owners.h"
#include "correspondents.h"
#include "daemon.h"
#include "ending.h"
#include "lacking.h"
#include "listeners.h"
#include "verdict.h"
#include "worker.h"

#define SWEEP_MAX 60     /* s between two read-backs, less when entries live shorter */
#define VIPS_EVERY 5     /* s */
#define ENDED_EVERY 60   /* s between two looks for limits that have ended unseen */
#define RECORD_STEPS 600 /* seconds for one round over the records */
#define EXTEND_MAX 1024  /* entries that live on by one tick; more wait for the next */
#define STEP_MS 200      /* of a tick for what the store hears of: it may hang, we must not */

struct sweeping {
	struct daemon *daemon;
	struct policy_conf lifetimes;
	uint32_t now;
	int64_t until; /* ms of reply_now */
	bool more;     /* was left for the next tick */
};

/* Entries that are to live on, the first to expire first: a walk has always the same order, and
 * would always leave out the same ones. Main thread only. */
static struct ends due;

/* When an entry that was seen then is to expire; 0: it is not time for that yet. */
static uint32_t new_end(const struct daemon *d, const struct verdict_entry *own, uint32_t seen)
{
	return daemon_slide(own->expires, seen, daemon_keep(atomic_load(&d->config), own->origin));
}

static void on_seen(const struct prefix *p, const struct gg_entry *e, uint32_t last_seen, void *arg)
{
	struct sweeping *s = arg;
	struct verdict_entry own;

	if (e->verdict != GG_ALLOW || !verdict_earned(e->origin) || !last_seen)
		return;
	if (!verdicts_get(s->daemon->verdicts, p, s->now, &own) || !verdict_earned(own.origin) ||
	    !new_end(s->daemon, &own, last_seen))
		return;
	/* Who finds no room waits for the next time, when the others are no longer due. */
	if (due.count == due.room)
		ends_grow(&due);
	ends_add(&due, p, own.expires);
}

uint32_t daemon_slide(uint32_t expires, uint32_t seen, uint32_t keep)
{
	uint32_t step = keep / 16 ? keep / 16 : 1;

	/* Small moves are not worth a write: an entry in use slides a sixteenth of its life at a
	 * time. */
	return seen + keep >= expires + step ? seen + keep : 0;
}

uint32_t daemon_keep(const struct config *c, enum gg_origin origin)
{
	return (uint32_t)((origin == GG_BY_CORRESPONDENT ? c->correspondent.life
							 : c->greylist.keep) /
			  1000);
}

/* Earned entries that were used live on, although this process never saw the connections. */
static void read_back(struct daemon *d, uint32_t now)
{
	struct sweeping s = {.daemon = d, .now = now};

	/* Those that have not had their turn are found again. */
	ends_clear(&due);
	fastpath_sweep(d->fastpath, on_seen, &s);
}

static void extend(struct daemon *d, const struct prefix *p)
{
	struct verdict_entry own;
	uint32_t to = 0;

	if (verdicts_get(d->verdicts, p, daemon_now(), &own) && verdict_earned(own.origin))
		to = new_end(d, &own, fastpath_seen(d->fastpath, p));
	if (to)
		verdict_extend(d, p, to);
}

static void extend_some(struct daemon *d)
{
	const int64_t until = reply_now() + STEP_MS;
	struct prefix p;

	for (int i = 0; i < EXTEND_MAX && ends_take(&due, UINT32_MAX, &p); i++) {
		extend(d, &p);
		if (reply_now() >= until)
			return;
	}
	if (!due.count)
		ends_free(&due);
}

static bool over(const struct cell *cell, void *arg)
{
	const struct sweeping *s = arg;
	struct record r = record_of(cell);

	if (!policy_expired(&s->lifetimes, &r, s->now))
		return false;
	if (r.state == RECORD_GREY && !r.shadow && !r.learnt)
		daemon_counted(s->daemon, r.attempts > 1 ? COUNT_gave_up : COUNT_never_retried);
	return true;
}

static bool drop_expired(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct sweeping *s = arg;

	if (!e->expires || e->expires > s->now)
		return false;
	s->more = reply_now() >= s->until;
	if (!s->more)
		verdict_expire(s->daemon, p);
	return false;
}

/* A source that goes on and on above its limit is dropped for a while without being counted.
 * Addresses of SYNs can be forged, so that who is allowed keeps its place, and the while is short.
 * False: no entry was made, for another verdict holds or there shall be none. The source is told of
 * again as long as it goes on.
 */
static bool deny_offender(struct daemon *d, const struct addr *a)
{
	const struct config *c = atomic_load(&d->config);
	struct verdict_entry e;
	struct prefix p = addr_mask(a, addr_is4(a) ? 128 : 64);

	if (!c->limit.offender_life || verdicts_find(d->verdicts, a, daemon_now(), &e, NULL))
		return false;
	e = (struct verdict_entry){
		.verdict = GG_DENY,
		.action = GG_DROP_NEW,
		.origin = GG_BY_LIMIT,
		.expires = daemon_now() + (uint32_t)(c->limit.offender_life / 1000),
	};
	return !daemon_verdict_put(d, &p, &e, NULL);
}

/* The protected side has written to a host: its answers need not wait. */
static void note_correspondent(struct daemon *d, const struct addr *a)
{
	struct correspondent c = {.host = true, .prefix = addr_host(a)};

	addr_text(a, c.name);
	correspondent_add(d, &c, daemon_keep(atomic_load(&d->config), GG_BY_CORRESPONDENT));
}

static const struct {
	enum log_event event;
	const char *verdict, *reason;
} edges[] = {
	[GG_EVENT_FIRST_DROP] = {LOG_LIST, "deny", "first_drop"},
	[GG_EVENT_LIMIT_BEGIN] = {LOG_LIMIT, "deny", "new_per_source"},
	[GG_EVENT_LIMIT_LASTING] = {LOG_LIMIT, "deny", "lasting"},
	[GG_EVENT_LIMIT_END] = {LOG_LIMIT, "allow", "new_per_source"},
	[GG_EVENT_BUDGET_BEGIN] = {LOG_LIMIT, "deny", "new_per_cpu"},
	[GG_EVENT_BUDGET_END] = {LOG_LIMIT, "allow", "new_per_cpu"},
};

/* Of IPv6 it is a /64 that has a limit. */
static void say_source(struct log_line *l, const struct gg_event *e, const struct addr *a)
{
	const struct prefix p = addr_mask(a, 64);
	char text[PREFIX_TEXT];

	if (e->kind == GG_EVENT_FIRST_DROP || addr_is4(a))
		log_addr(l, "src", a);
	else
		log_str(l, "src", prefix_text(&p, text));
}

static void on_event(const struct gg_event *e, void *arg)
{
	const bool budget = e->kind == GG_EVENT_BUDGET_BEGIN || e->kind == GG_EVENT_BUDGET_END;
	bool denied = false;
	struct log_line l;
	struct addr a;

	memcpy(a.b, e->addr, sizeof(a.b));
	if (e->kind == GG_EVENT_CORRESPONDENT)
		note_correspondent(arg, &a);
	if (e->kind < GG_EVENT_FIRST_DROP || e->kind > GG_EVENT_BUDGET_END)
		return;
	if (e->kind == GG_EVENT_LIMIT_LASTING)
		denied = deny_offender(arg, &a);
	log_begin(&l, edges[e->kind].event);
	if (!budget)
		say_source(&l, e, &a);
	log_str(&l, "verdict", edges[e->kind].verdict);
	log_str(&l, "reason", denied ? "offender" : edges[e->kind].reason);
	if (e->kind == GG_EVENT_FIRST_DROP)
		log_str(&l, "action", config_action_text(e->action));
	else
		log_int(&l, "dropped", (int64_t)e->dropped);
	if (budget)
		log_int(&l, "cpu", e->cpu);
	log_end(&l);
}

/* A source that has not come again. One that is denied for it is not done with before that is over.
 */
static bool on_ended(const struct gg_event *e, void *arg)
{
	const struct daemon *d = arg;
	struct verdict_entry v;
	struct addr a;

	memcpy(a.b, e->addr, sizeof(a.b));
	if (verdicts_find(d->verdicts, &a, daemon_now(), &v, NULL) && v.origin == GG_BY_LIMIT)
		return false;
	on_event(e, arg);
	return true;
}

void daemon_endpoints(struct daemon *d)
{
	struct endpoint *now = NULL;
	int before, after, n;
	bool lent;

	pthread_mutex_lock(&d->verdict_lock);
	lent = d->lent;
	pthread_mutex_unlock(&d->verdict_lock);
	if (!d->fastpath || lent)
		return;
	before = fastpath_unguarded(d->fastpath);
	n = listeners_vips(atomic_load(&d->config), &now);
	if (n >= 0)
		n = fastpath_vips(d->fastpath, now, n);
	free(now);
	if (n < 0)
		log_message(LOG_ERROR, "protected addresses: %s", strerror(-n));
	after = fastpath_unguarded(d->fastpath);
	if (after && after != before)
		log_message(LOG_ERROR, DAEMON_UNGUARDED, after);
}

/* This machine's addresses come and go. A reload, which may take its time, sees to it by itself. */
static void follow_addresses(struct daemon *d)
{
	if (pthread_mutex_trylock(&d->config_lock))
		return;
	daemon_endpoints(d);
	pthread_mutex_unlock(&d->config_lock);
}

/* Whether a client was told to come again for want of something of ours since the last look. */
static void look_for_trouble(struct daemon *d)
{
	static const enum counter wants[] = {COUNT_backend_failed, COUNT_limit_sessions,
					     COUNT_limit_backend,  COUNT_limit_reserve,
					     COUNT_limit_held,     COUNT_queue_full};
	static uint64_t seen; /* main thread only */
	uint64_t kernel[GG_STAT_MAX] = {0}, sum;

	/* Not by the edges of it, for a flood may be long. */
	if (d->fastpath)
		fastpath_stats(d->fastpath, kernel);
	sum = kernel[GG_STAT_flood_budget];
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
		sum += daemon_count(d, wants[i]);
	if (sum != seen)
		doors_trouble(d);
	seen = sum;
}

static void tell_of_stack(const struct daemon *d)
{
	static const char *told; /* main thread only */
	const char *why = fastpath_stack_forwards(d->fastpath);
	struct log_line line;
	char text[160];

	if (why == told)
		return;
	told = why;
	snprintf(text, sizeof(text), "there are %s, which XDP can't obey: %s", why ? why : "",
		 "what is to be sent on goes through the stack");
	log_begin(&line, LOG_KERNEL);
	log_str(&line, "verdict", why ? "slower" : "as_before");
	log_str(&line, "message", why ? text : "XDP sends on by itself again");
	log_end(&line);
}

void daemon_tick(struct daemon *d)
{
	static uint32_t ticks;
	static bool more; /* has expired */
	const struct config *c = atomic_load(&d->config);
	uint32_t learned = daemon_keep(c, GG_BY_LEARNING);
	uint32_t written = daemon_keep(c, GG_BY_CORRESPONDENT);
	uint32_t keep = learned < written ? learned : written;
	uint32_t every = keep / 8 < SWEEP_MAX ? keep / 8 : SWEEP_MAX;
	struct sweeping s = {.daemon = d, .now = daemon_now(), .lifetimes = daemon_lifetimes(d, c)};

	ticks++;
	look_for_trouble(d);
	correspondents_sweep(d);
	if (d->fastpath) {
		fastpath_heartbeat(d->fastpath);
		tell_of_stack(d);
	}
	if (d->fastpath && !d->lent) {
		fastpath_tidy(d->fastpath);
		fastpath_events(d->fastpath, on_event, d);
		if (ticks % (every ? every : 1) == 0)
			read_back(d, s.now);
		extend_some(d);
		if (ticks % ENDED_EVERY == 0)
			fastpath_limits_ended(d->fastpath, on_ended, d);
		lacking_step(d);
		if (ticks % VIPS_EVERY == 0)
			follow_addresses(d);
	}
	ending_step(d);
	/* A successor knows of renewals that we don't. At 0 s nothing is over yet: all are seen. */
	if (!d->lent && (more || ticks % (every ? every : 1) == 0)) {
		s.until = reply_now() + STEP_MS;
		verdicts_walk(d->verdicts, 0, drop_expired, &s);
		more = s.more;
	}
	owners_renew(d->record_owners, RECORD_STEPS, over, &s);
	owners_renew(d->conduct_owners, RECORD_STEPS, NULL, NULL);
}
