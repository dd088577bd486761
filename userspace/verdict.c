// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One verdict in its three places. What an operator says is in all of them or in none, and the
 * daemon's own entries make room for it; what the daemon has learned may be in memory alone as
 * long as the kernel has no room: the kernel then leaves the source to the daemon.
 */
#include "verdict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ending.h"
#include "lacking.h"
#include "reasons.h"

#define ROOM_AT_ONCE 16 /* entries that go when one needs room: the search costs more than they */

/* ---- the store ---- */

void verdict_store(struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
		   const char *reason)
{
	struct store_item *item = daemon_store_slot(d);

	if (!item)
		return;
	item->kind = STORE_VERDICT;
	item->del = !e;
	item->prefix = *p;
	if (e)
		item->entry = *e;
	if (reason) {
		item->added = daemon_now();
		snprintf(item->text, sizeof(item->text), "%s", reason);
	}
	daemon_store_push(d, item, true);
}

/* ---- the kernel ---- */

static int put_noting(struct daemon *d, const struct prefix *p, const struct verdict_entry *e)
{
	int rc = lacking_within(d, p, e) ? fastpath_put_asking(d->fastpath, p, e)
					 : fastpath_put(d->fastpath, p, e);

	if (rc == -ENOSPC)
		lacking_note(d, p, e);
	return rc;
}

/* The kernel must not act on what a load balancer's address or a part of its network is to
 * userspace: behind one address come all clients. */
static int kernel_put(struct daemon *d, const struct prefix *p, const struct verdict_entry *e)
{
	if (!d->fastpath || d->lent || config_balancer(atomic_load(&d->config), p))
		return 0;
	return put_noting(d, p, e);
}

int verdict_kernel_put(struct daemon *d, const struct prefix *p)
{
	struct verdict_entry e;
	int rc = -ENOENT;

	pthread_mutex_lock(&d->verdict_lock);
	if (verdicts_get(d->verdicts, p, daemon_now(), &e))
		rc = kernel_put(d, p, &e);
	pthread_mutex_unlock(&d->verdict_lock);
	return rc;
}

void verdict_kernel_del(struct daemon *d, const struct prefix *p)
{
	if (d->fastpath && !d->lent && !config_balancer(atomic_load(&d->config), p))
		fastpath_del(d->fastpath, p);
}

struct handover {
	struct daemon *daemon;
	const struct config *from, *to;
};

static bool hand_over(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct handover *h = arg;

	if (config_balancer(h->to, p))
		fastpath_del(h->daemon->fastpath, p);
	else if (config_balancer(h->from, p))
		put_noting(h->daemon, p, e);
	return false;
}

void verdict_balancers(struct daemon *d, const struct config *from, const struct config *to)
{
	/* In host mode "allowed" would lead past the daemon, which alone reads the header. */
	const struct verdict_entry pass = {.verdict = to->mode == GG_MODE_RELAY ? GG_ALLOW
										: GG_UNKNOWN,
					   .origin = GG_BY_OPERATOR,
					   .list = VERDICT_OF_CONFIG};
	struct handover h = {d, from, to};

	if (!d->fastpath)
		return;
	for (int i = 0; from && i < from->balancer_count; i++)
		fastpath_del(d->fastpath, &from->balancers[i]);
	verdicts_walk(d->verdicts, daemon_now(), hand_over, &h);
	for (int i = 0; i < to->balancer_count; i++)
		fastpath_put(d->fastpath, &to->balancers[i], &pass);
}

/* ---- verdicts ---- */

const struct verdict_entry verdict_of_config = {
	.verdict = GG_ALLOW, .origin = GG_BY_OPERATOR, .list = VERDICT_OF_CONFIG};

/* A source has lost its place; nothing is said of one that had none. */
static void say_demoted(struct daemon *d, const struct prefix *p, const struct verdict_entry *was,
			const char *reason)
{
	char text[PREFIX_TEXT];
	struct log_line l;

	if (was->verdict != GG_ALLOW)
		return;
	daemon_counted(d, COUNT_demoted);
	log_begin(&l, LOG_DEMOTE);
	log_str(&l, "src", prefix_text(p, text));
	log_str(&l, "reason", reason);
	log_end(&l);
}

static const char *demote_reason(const struct verdict_entry *now)
{
	return now->origin == GG_BY_TRAP ? "trap" : "operator";
}

static bool is_operators(const struct verdict_entry *e)
{
	return e->origin == GG_BY_OPERATOR;
}

static bool is_of_config(const struct verdict_entry *e)
{
	return e->list == VERDICT_OF_CONFIG;
}

/* What an operator is told is done must be so; settings are in force whatever comes of them. */
static bool must_be_whole(const struct verdict_entry *e)
{
	return is_operators(e) && !is_of_config(e);
}

/* What a put found. */
struct putting {
	struct verdict_entry was; /* zero: nothing */
	struct prefix gone;       /* made room in memory */
	struct verdict_entry gone_was;
	bool evicted;
	int memory, kernel; /* 0 or -errno */
};

/* Under verdict_lock. */
static void put_everywhere(struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
			   const char *reason, struct putting *ret)
{
	*ret = (struct putting){0};
	verdicts_get(d->verdicts, p, 0, &ret->was);
	ret->memory = verdicts_put_over(d->verdicts, p, e, &ret->gone, &ret->gone_was);
	if (ret->memory < 0)
		return;
	ret->evicted = ret->memory > 0;
	ret->memory = 0;
	if (ret->evicted) {
		verdict_kernel_del(d, &ret->gone);
		verdict_store(d, &ret->gone, NULL, "");
	}
	ret->kernel = kernel_put(d, p, e);
	if (ret->kernel && must_be_whole(e)) {
		if (ret->was.verdict)
			verdicts_put(d->verdicts, p, &ret->was);
		else
			verdicts_del(d->verdicts, p);
		return;
	}
	if (e->list != VERDICT_OF_CONFIG)
		verdict_store(d, p, e, reason);
	else if (ret->was.verdict && !is_of_config(&ret->was))
		verdict_store(d, p, NULL, "");
	ending_note(d, p, e);
}

/* What greylist.exempt says is in force as soon as nobody says otherwise; nothing was lost by it.
 * Under verdict_lock. */
static bool exempt_instead(struct daemon *d, const struct prefix *p, struct verdict_entry *ret_was)
{
	struct putting got;

	put_everywhere(d, p, &verdict_of_config, NULL, &got);
	if (got.was.verdict == GG_ALLOW)
		*ret_was = (struct verdict_entry){0};
	return got.was.verdict != GG_UNKNOWN;
}

/* Under verdict_lock. */
static bool del_everywhere(struct daemon *d, const struct prefix *p, struct verdict_entry *ret_was)
{
	bool there;

	*ret_was = (struct verdict_entry){0};
	verdicts_get(d->verdicts, p, 0, ret_was);
	if (is_operators(ret_was) && config_exempt(atomic_load(&d->config), p))
		return exempt_instead(d, p, ret_was);
	there = verdicts_del(d->verdicts, p);
	verdict_kernel_del(d, p);
	if (there)
		verdict_store(d, p, NULL, "");
	return there;
}

int verdict_del(struct daemon *d, const struct prefix *p, const char *reason)
{
	struct verdict_entry was;
	bool there;

	pthread_mutex_lock(&d->verdict_lock);
	there = del_everywhere(d, p, &was);
	pthread_mutex_unlock(&d->verdict_lock);
	say_demoted(d, p, &was, was.expires && was.expires <= daemon_now() ? "idle" : reason);
	return there ? 0 : -ENOENT;
}

int daemon_verdict_del(struct daemon *d, const struct prefix *p)
{
	return verdict_del(d, p, "operator");
}

/* What one looked at is not what is there when it acts: somebody may have changed it meanwhile, and
 * then it stays. False: it does. */
static bool del_unless(struct daemon *d, const struct prefix *p,
		       bool (*stays)(const struct verdict_entry *e), const char *reason)
{
	struct verdict_entry was = {0};
	bool goes;

	pthread_mutex_lock(&d->verdict_lock);
	goes = !verdicts_get(d->verdicts, p, 0, &was) || !stays(&was);
	if (goes)
		del_everywhere(d, p, &was);
	pthread_mutex_unlock(&d->verdict_lock);
	if (goes)
		say_demoted(d, p, &was, reason);
	return goes;
}

static bool is_in_force(const struct verdict_entry *e)
{
	return !e->expires || e->expires > daemon_now();
}

void verdict_expire(struct daemon *d, const struct prefix *p)
{
	del_unless(d, p, is_in_force, "idle");
}

bool verdict_forget(struct daemon *d, const struct prefix *p)
{
	return del_unless(d, p, is_of_config, "operator");
}

void verdict_unexempt(struct daemon *d, const struct prefix *p)
{
	struct verdict_entry was;

	pthread_mutex_lock(&d->verdict_lock);
	if (verdicts_get(d->verdicts, p, 0, &was) && is_of_config(&was))
		del_everywhere(d, p, &was);
	pthread_mutex_unlock(&d->verdict_lock);
}

static bool evict(struct daemon *d, const struct prefix *p)
{
	if (!del_unless(d, p, is_operators, "room"))
		return false;
	daemon_counted(d, COUNT_verdicts_evicted);
	return true;
}

/* Those that would go first anyway. */
bool verdict_make_room(struct daemon *d, const struct prefix *p)
{
	struct prefix old[ROOM_AT_ONCE];
	int n = fastpath_oldest(d->fastpath, p, old, ROOM_AT_ONCE), made = 0;

	for (int i = 0; i < n; i++)
		made += evict(d, &old[i]);
	return made;
}

void verdict_extend(struct daemon *d, const struct prefix *p, uint32_t expires)
{
	struct verdict_entry e;
	struct putting got;

	pthread_mutex_lock(&d->verdict_lock);
	if (verdicts_get(d->verdicts, p, daemon_now(), &e) && verdict_earned(e.origin) &&
	    e.expires < expires) {
		e.expires = expires;
		put_everywhere(d, p, &e, NULL, &got);
	}
	pthread_mutex_unlock(&d->verdict_lock);
}

static void complain(const struct prefix *p, const char *what, int err)
{
	char text[PREFIX_TEXT];

	log_message(LOG_ERROR, "%s: %s %s; raise limit %s", prefix_text(p, text), what,
		    strerror(-err), p->len == 128 ? "hosts" : "nets");
}

static void say_put(struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
		    const struct putting *got, bool was_full)
{
	if (got->kernel == -ENOSPC)
		daemon_counted(d, COUNT_kernel_full);
	if (got->memory)
		complain(p, "verdict table:", got->memory);
	/* Once, not for each of a crowd: status has it as long as it lasts. */
	else if (got->kernel && !(was_full && got->kernel == -ENOSPC))
		complain(p, "kernel map:", got->kernel);
	if (!got->memory && e->verdict == GG_DENY && !(got->kernel && must_be_whole(e)))
		say_demoted(d, p, &got->was, demote_reason(e));
}

/* Of a prefix of greylist.exempt only operators say otherwise, and what they say stands. Under
 * verdict_lock. */
static bool is_settled(struct daemon *d, const struct prefix *p, const struct verdict_entry *e)
{
	struct verdict_entry have;

	if (is_of_config(e))
		return verdicts_get(d->verdicts, p, daemon_now(), &have) && must_be_whole(&have);
	return !is_operators(e) && config_exempt(atomic_load(&d->config), p);
}

int daemon_verdict_put(struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
		       const char *reason)
{
	struct verdict_entry put = *e;
	struct putting got;
	bool was_full;

	if (e->verdict == GG_DENY && config_balancer(atomic_load(&d->config), p))
		return -EPERM;
	if (reason && must_be_whole(e))
		put.list = reasons_number(reason);
	for (int i = 0;; i++) {
		pthread_mutex_lock(&d->verdict_lock);
		if (is_settled(d, p, e)) {
			pthread_mutex_unlock(&d->verdict_lock);
			return -EEXIST;
		}
		was_full = d->fastpath && fastpath_full(d->fastpath) >> fastpath_map_of(p) & 1;
		put_everywhere(d, p, &put, reason, &got);
		pthread_mutex_unlock(&d->verdict_lock);
		if (got.evicted) {
			daemon_counted(d, COUNT_verdicts_evicted);
			say_demoted(d, &got.gone, &got.gone_was, "room");
		}
		if (e->origin != GG_BY_OPERATOR || got.kernel != -ENOSPC ||
		    i == VERDICT_ROOM_TRIES || !verdict_make_room(d, p))
			break;
	}
	say_put(d, p, e, &got, was_full);
	return got.memory ? got.memory : must_be_whole(e) ? got.kernel : 0;
}
