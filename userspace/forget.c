// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Forgetting is all verdicts and records of a source, or of all that lie in a prefix. Greytraps
 * stay: they are of recipients.
 */
#include <string.h>

#include "daemon.h"
#include "policy/conduct.h"
#include "source.h"
#include "verdict.h"

#define SWEEP_BUCKETS 4096

struct forgetting {
	struct daemon *daemon;
	const struct prefix *prefix;
	size_t count;
};

static bool source_in(const struct prefix *p, bool is4, const uint8_t net[8])
{
	struct addr a = {{0}};

	if (is4) {
		a.b[10] = a.b[11] = 0xff;
		memcpy(a.b + 12, net, 4);
		return prefix_holds(p, &a);
	}
	memcpy(a.b, net, 8);
	if (p->len <= 64)
		return prefix_holds(p, &a);
	/* The record only knows the /64 of its source: an address in it takes the whole. */
	return memcmp(p->addr.b, a.b, 8) == 0;
}

static bool forget_record(const struct cell *cell, void *arg)
{
	struct forgetting *f = arg;
	struct record r = record_of(cell);

	if (r.state == RECORD_TRAP || !source_in(f->prefix, r.is4, r.net))
		return false;
	f->count++;
	daemon_record_gone(f->daemon, &r);
	return true;
}

static bool forget_conduct(const struct cell *cell, void *arg)
{
	struct forgetting *f = arg;
	struct conduct c = conduct_of(cell);

	return source_in(f->prefix, c.is4, c.net);
}

static bool forget_verdict(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct forgetting *f = arg;

	(void)e;
	f->count += verdict_forget(f->daemon, p);
	return false;
}

size_t daemon_forget(struct daemon *d, const struct prefix *p)
{
	struct forgetting f = {d, p, 0};
	size_t cursor = 0;

	verdicts_within(d->verdicts, p, daemon_now(), forget_verdict, &f);
	/* A network that is allowed, or denied, for what this source did, too, would go on being
	 * so.
	 */
	if (p->len > addr_network(&p->addr).len) {
		daemon_demote(d, &p->addr, "operator");
		f.count += source_release(d, &p->addr);
	}
	while (table_sweep(d->records, &cursor, SWEEP_BUCKETS, forget_record, &f))
		;
	while (table_sweep(d->conducts, &cursor, SWEEP_BUCKETS, forget_conduct, &f))
		;
	/* Nothing to delete any more, but its notice closes the queue behind the records. */
	pthread_mutex_lock(&d->verdict_lock);
	verdict_store(d, p, NULL, "");
	pthread_mutex_unlock(&d->verdict_lock);
	return f.count;
}
