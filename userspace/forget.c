// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Forgetting is all verdicts and records of a source, or of all that lie in a prefix. Greytraps
 * stay: they are of recipients.
 */
#include "forget.h"

#include "core/owners.h"
#include "policy/conduct.h"
#include "source.h"
#include "verdict.h"

#include <string.h>

#define SWEEP_BUCKETS 4096
#define SOURCES 16 /* that are looked for one by one: beyond, a walk is as fast */

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
	/* The record only knows the /64 of its source: an address in it takes the whole. IPv4 is in
	 * none, although ::1 has the same first bits. */
	return !addr_is4(&p->addr) && memcmp(p->addr.b, a.b, 8) == 0;
}

/* ---- whose is what ---- */

static uint64_t owner_of(bool is4, const uint8_t *net)
{
	uint64_t n = 0;

	memcpy(&n, net, is4 ? 4 : 8);
	return is4 ? ~n : n;
}

static bool record_owner(const struct cell *cell, uint64_t *ret)
{
	struct record r = record_of(cell);

	if (r.state == RECORD_TRAP)
		return false;
	*ret = owner_of(r.is4, r.net);
	return true;
}

static bool conduct_owner(const struct cell *cell, uint64_t *ret)
{
	struct conduct c = conduct_of(cell);

	*ret = owner_of(c.is4, c.net);
	return true;
}

int forget_new(struct daemon *d)
{
	int rc = owners_new(d->records, record_owner, &d->record_owners);

	return rc ? rc : owners_new(d->conducts, conduct_owner, &d->conduct_owners);
}

void forget_free(struct daemon *d)
{
	owners_free(&d->record_owners);
	owners_free(&d->conduct_owners);
}

/* ---- forgetting ---- */

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

	if (e->expires && e->expires <= daemon_now())
		verdict_expire(f->daemon, p);
	else
		f->count += verdict_forget(f->daemon, p);
	return false;
}

/* How many sources lie in a prefix, as records know them. */
static uint64_t sources_in(const struct prefix *p)
{
	const int bits = (addr_is4(&p->addr) ? 128 : 64) - p->len;

	return bits <= 0 ? 1 : bits < 64 ? UINT64_C(1) << bits : UINT64_MAX;
}

static void sweep(struct forgetting *f, struct table *t, struct owners *o, table_see_fn see)
{
	const uint64_t sources = sources_in(f->prefix);
	size_t cursor = 0;

	for (uint8_t i = 0; sources <= SOURCES && i < sources; i++) {
		struct addr a = f->prefix->addr;

		a.b[addr_is4(&a) ? 15 : 7] |= i;
		owners_sweep(o, owner_of(addr_is4(&a), addr_is4(&a) ? a.b + 12 : a.b), see, f);
	}
	while (sources > SOURCES && table_sweep(t, &cursor, SWEEP_BUCKETS, see, f))
		;
}

size_t daemon_forget(struct daemon *d, const struct prefix *p)
{
	struct forgetting f = {d, p, 0};

	/* At 0 s nothing is over yet: what is, and still in the kernel, goes too. */
	verdicts_within(d->verdicts, p, 0, forget_verdict, &f);
	/* A network that is allowed, or denied, for what this source did, too, would go on being
	 * so.
	 */
	if (p->len > addr_network(&p->addr).len) {
		daemon_demote(d, &p->addr, "operator");
		f.count += source_release(d, &p->addr);
	}
	sweep(&f, d->records, d->record_owners, forget_record);
	sweep(&f, d->conducts, d->conduct_owners, forget_conduct);
	/* Nothing to delete any more, but its notice closes the queue behind the records. */
	pthread_mutex_lock(&d->verdict_lock);
	verdict_store(d, p, NULL, "");
	pthread_mutex_unlock(&d->verdict_lock);
	return f.count;
}
