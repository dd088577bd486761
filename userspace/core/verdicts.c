// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Single addresses go straight to the table and meet no lock. Writers of shorter prefixes share a
 * mutex, which keeps the count per length and the bitmap of lengths in use true, so that a lookup
 * only asks for lengths that exist. One that makes room for an address is counted off once it is
 * gone: until then lookups ask for its length in vain.
 *
 * Bugs and limits: expired entries keep their place until somebody deletes them or takes it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "swap.h"
#include "table.h"
#include "verdicts.h"

#define HOST 128

/* One family's prefixes shorter than HOST. */
struct lengths {
	_Atomic uint64_t used[2]; /* bit n of the pair: length n exists */
	uint32_t count[HOST];     /* under nets_lock */
};

struct verdicts {
	struct table *table;
	struct swap imports;   /* struct imports; NULL: none */
	_Atomic unsigned turn; /* how often they were replaced */
	uint8_t key[HASH_KEY];
	struct lengths lengths[2]; /* [1]: IPv4 */
	pthread_mutex_t nets_lock;
};

/* cell.data. */
struct packed {
	struct addr addr;
	uint32_t expires;
	uint8_t len;
	uint8_t verdict : 2, action : 3, origin : 3;
	uint8_t list;
	uint8_t repeats;
};
_Static_assert(sizeof(struct packed) == TABLE_CELL_DATA, "an entry is a cell");
_Static_assert(GG_DENY < 1 << 2 && GG_DROP_ALL < 1 << 3 && GG_BY_CORRESPONDENT < 1 << 3,
	       "fields fit");

static uint64_t tag_of(const struct verdicts *v, const struct prefix *p)
{
	uint8_t buf[sizeof(p->addr) + 1];

	memcpy(buf, &p->addr, sizeof(p->addr));
	buf[sizeof(p->addr)] = p->len;
	return hash_bytes(v->key, buf, sizeof(buf));
}

static struct packed pack(const struct prefix *p, const struct verdict_entry *e)
{
	return (struct packed){
		.addr = p->addr,
		.expires = e->expires,
		.len = p->len,
		.verdict = e->verdict & 3,
		.action = e->action & 7,
		.origin = e->origin & 7,
		.list = e->list,
		.repeats = e->repeats,
	};
}

static struct packed packed_of(const struct cell *c)
{
	struct packed k;

	memcpy(&k, c->data, sizeof(k));
	return k;
}

static struct prefix packed_prefix(const struct packed *k)
{
	return (struct prefix){.addr = k->addr, .len = k->len};
}

static struct verdict_entry packed_entry(const struct packed *k)
{
	return (struct verdict_entry){
		.verdict = k->verdict,
		.action = k->action,
		.origin = k->origin,
		.list = k->list,
		.repeats = k->repeats,
		.expires = k->expires,
	};
}

static bool packed_is(const struct packed *k, const struct prefix *p)
{
	return k->len == p->len && addr_eq(&k->addr, &p->addr);
}

static bool expired(const struct packed *k, uint32_t now)
{
	return k->expires && k->expires <= now;
}

/* An operator's word stands. */
static uint32_t rank(const struct cell *c, void *arg)
{
	struct packed k = packed_of(c);

	(void)arg;
	return k.origin == GG_BY_OPERATOR || !k.expires ? 0 : UINT32_MAX - k.expires;
}

int verdicts_new(size_t entries, const uint8_t key[16], struct verdicts **ret)
{
	struct verdicts *v = aligned_alloc(_Alignof(struct verdicts), sizeof(*v));
	int rc;

	if (!v)
		return -ENOMEM;
	memset(v, 0, sizeof(*v));
	rc = table_new(entries, rank, NULL, &v->table);
	if (rc) {
		free(v);
		return rc;
	}
	memcpy(v->key, key, sizeof(v->key));
	pthread_mutex_init(&v->nets_lock, NULL);
	*ret = v;
	return 0;
}

void verdicts_free(struct verdicts **v)
{
	if (*v) {
		table_free(&(*v)->table);
		pthread_mutex_destroy(&(*v)->nets_lock);
		free(*v);
	}
	*v = NULL;
}

bool verdicts_get(const struct verdicts *v, const struct prefix *p, uint32_t now,
		  struct verdict_entry *ret)
{
	struct packed k;
	struct cell c;

	if (!table_get(v->table, tag_of(v, p), &c))
		return false;
	k = packed_of(&c);
	if (!packed_is(&k, p) || expired(&k, now))
		return false;
	if (ret)
		*ret = packed_entry(&k);
	return true;
}

void verdicts_expect(const struct verdicts *v, const struct prefix *p)
{
	table_expect(v->table, tag_of(v, p));
}

/* ---- imported lists ---- */

/* Whether they say more of the address than what is known from *ret_prefix: then both are set. */
static bool find_import(const struct verdicts *v, const struct addr *a, int known_len,
			struct verdict_entry *ret, struct prefix *ret_prefix)
{
	struct swap *imports = &((struct verdicts *)v)->imports;
	const struct import_item *item = NULL;
	const struct imports *in;
	unsigned side;
	bool found;

	if (!atomic_load_explicit(&imports->value, memory_order_relaxed))
		return false;
	in = swap_enter(imports, &side);
	if (in)
		item = imports_find(in, a);
	found = item && item->says != GG_UNKNOWN && item->said > known_len;
	if (found && ret)
		*ret = (struct verdict_entry){
			.verdict = item->says,
			.action = item->says == GG_DENY ? in->action[item->list] : GG_NO_ACTION,
			.origin = GG_BY_IMPORT,
			.list = item->list,
		};
	if (found && ret_prefix)
		*ret_prefix = addr_mask(&item->addr, item->said);
	swap_leave(imports, side);
	return found;
}

struct imports *verdicts_import(struct verdicts *v, struct imports *in)
{
	in = swap_replace(&v->imports, in);
	atomic_fetch_add(&v->turn, 1);
	return in;
}

unsigned verdicts_turn(const struct verdicts *v)
{
	return atomic_load(&v->turn);
}

bool verdicts_listed(const struct verdicts *v, const struct prefix *p)
{
	struct swap *imports = &((struct verdicts *)v)->imports;
	const struct imports *in;
	unsigned side;
	bool found;

	if (!atomic_load_explicit(&imports->value, memory_order_relaxed))
		return false;
	in = swap_enter(imports, &side);
	found = in && imports_get(in, p);
	swap_leave(imports, side);
	return found;
}

/* ---- asking ---- */

bool verdicts_wider(const struct verdicts *v, const struct prefix *p, uint32_t now,
		    struct verdict_entry *ret, struct prefix *ret_prefix)
{
	const struct lengths *l = &v->lengths[addr_is4(&p->addr)];

	for (int half = 1; half >= 0; half--) {
		uint64_t used = atomic_load_explicit(&l->used[half], memory_order_acquire);

		while (used) {
			const int bit = 63 - __builtin_clzll(used);
			const uint8_t len = (uint8_t)(64 * half + bit);
			const struct prefix q = addr_mask(&p->addr, len);

			used &= ~(UINT64_C(1) << bit);
			if (len >= p->len || !verdicts_get(v, &q, now, ret))
				continue;
			*ret_prefix = q;
			return true;
		}
	}
	return false;
}

bool verdicts_find(const struct verdicts *v, const struct addr *a, uint32_t now,
		   struct verdict_entry *ret, struct prefix *ret_prefix)
{
	const struct lengths *l = &v->lengths[addr_is4(a)];
	struct prefix p = addr_host(a);
	bool found = verdicts_get(v, &p, now, ret);

	for (int half = 1; half >= 0 && !found; half--) {
		uint64_t used = atomic_load_explicit(&l->used[half], memory_order_acquire);

		while (used && !found) {
			int bit = 63 - __builtin_clzll(used);

			used &= ~(UINT64_C(1) << bit);
			p = addr_mask(a, (uint8_t)(64 * half + bit));
			found = verdicts_get(v, &p, now, ret);
		}
	}
	if (found && ret_prefix)
		*ret_prefix = p;
	/* A list can't say more of an address than an entry for itself. */
	if (found && p.len == HOST)
		return true;
	return find_import(v, a, found ? p.len : -1, ret, ret_prefix) || found;
}

/* The length of p is used once more (by = 1) or once less (-1). Under nets_lock. */
static void lengths_count(struct verdicts *v, const struct prefix *p, int by)
{
	struct lengths *l = &v->lengths[addr_is4(&p->addr)];
	uint64_t bit = UINT64_C(1) << p->len % 64;

	l->count[p->len] += (uint32_t)by;
	if (l->count[p->len])
		atomic_fetch_or_explicit(&l->used[p->len / 64], bit, memory_order_release);
	else
		atomic_fetch_and_explicit(&l->used[p->len / 64], ~bit, memory_order_release);
}

/* A prefix made room. */
static void lengths_uncount(struct verdicts *v, const struct packed *gone)
{
	struct prefix p = packed_prefix(gone);

	if (p.len >= HOST)
		return;
	pthread_mutex_lock(&v->nets_lock);
	lengths_count(v, &p, -1);
	pthread_mutex_unlock(&v->nets_lock);
}

struct put {
	struct packed entry;
	bool found;
};

static bool edit_put(struct cell *cell, bool found, void *arg)
{
	struct put *put = arg;

	memcpy(cell->data, &put->entry, sizeof(put->entry));
	put->found = found;
	return true;
}

int verdicts_put_over(struct verdicts *v, const struct prefix *p, const struct verdict_entry *e,
		      struct prefix *ret_gone, struct verdict_entry *ret_was)
{
	struct put put = {.entry = pack(p, e)};
	struct cell victim;
	struct packed gone;
	int rc;

	if (p->len >= HOST) {
		rc = table_edit(v->table, tag_of(v, p), edit_put, &put, &victim);
	} else {
		pthread_mutex_lock(&v->nets_lock);
		/* Counted before it stands there: whoever finds it is told the length. */
		lengths_count(v, p, 1);
		rc = table_edit(v->table, tag_of(v, p), edit_put, &put, &victim);
		if (rc < 0 || put.found)
			lengths_count(v, p, -1);
		pthread_mutex_unlock(&v->nets_lock);
	}
	if (rc > 0) {
		gone = packed_of(&victim);
		lengths_uncount(v, &gone);
		*ret_gone = packed_prefix(&gone);
		*ret_was = packed_entry(&gone);
	}
	return rc;
}

bool verdicts_del(struct verdicts *v, const struct prefix *p)
{
	bool removed;

	if (p->len >= HOST)
		return table_del(v->table, tag_of(v, p), NULL);
	pthread_mutex_lock(&v->nets_lock);
	removed = table_del(v->table, tag_of(v, p), NULL);
	if (removed)
		lengths_count(v, p, -1);
	pthread_mutex_unlock(&v->nets_lock);
	return removed;
}

size_t verdicts_count(const struct verdicts *v)
{
	return table_count(v->table);
}

struct walk {
	struct verdicts *v;
	uint32_t now;
	verdicts_see_fn see;
	void *arg;
};

/* A walk of which only what lies in a prefix is seen. */
struct within {
	const struct prefix *prefix;
	verdicts_see_fn see;
	void *arg;
};

static bool walk_cell(const struct cell *c, void *arg)
{
	struct walk *w = arg;
	struct packed k = packed_of(c);
	struct prefix p = packed_prefix(&k);
	struct verdict_entry e = packed_entry(&k);

	if (expired(&k, w->now) || !w->see(&p, &e, w->arg))
		return false;
	if (p.len >= HOST)
		return true;
	pthread_mutex_lock(&w->v->nets_lock);
	/* An address that needs room meets no lock. */
	if (table_del_same(w->v->table, c))
		lengths_count(w->v, &p, -1);
	pthread_mutex_unlock(&w->v->nets_lock);
	return false;
}

void verdicts_walk_part(struct verdicts *v, unsigned part, unsigned parts, uint32_t now,
			verdicts_see_fn see, void *arg)
{
	struct walk w = {.v = v, .now = now, .see = see, .arg = arg};
	const size_t buckets = table_buckets(v->table), end = buckets * (part + 1) / parts;
	size_t cursor = buckets * part / parts;

	if (cursor < end)
		table_sweep(v->table, &cursor, end - cursor, walk_cell, &w);
}

void verdicts_walk(struct verdicts *v, uint32_t now, verdicts_see_fn see, void *arg)
{
	verdicts_walk_part(v, 0, 1, now, see, arg);
}

/* ---- within a prefix ---- */

#define PLACES_MAX 40       /* bits; more than any table has buckets */
#define BUCKETS_PER_PLACE 4 /* that a walk passes in the time of one lookup */

/* How many prefixes of length len lie in p. */
static uint64_t places(const struct prefix *p, int len)
{
	return UINT64_C(1) << (len - p->len < PLACES_MAX ? len - p->len : PLACES_MAX);
}

static struct prefix place(const struct prefix *p, int len, uint64_t n)
{
	struct prefix q = {.addr = p->addr, .len = (uint8_t)len};
	uint64_t bits = n << (HOST - len) % 8;

	for (int i = (len - 1) / 8; bits; bits >>= 8)
		q.addr.b[i--] |= (uint8_t)bits;
	return q;
}

static void look_up(struct walk *w, const struct prefix *p, int len)
{
	const uint64_t n = places(p, len);
	struct packed k;
	struct cell c;

	for (uint64_t i = 0; i < n; i++) {
		const struct prefix q = place(p, len, i);

		if (!table_get(w->v->table, tag_of(w->v, &q), &c))
			continue;
		k = packed_of(&c);
		if (packed_is(&k, &q) && walk_cell(&c, w))
			table_del_same(w->v->table, &c);
	}
}

static bool walk_within(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	const struct within *in = arg;

	return p->len >= in->prefix->len && prefix_holds(in->prefix, &p->addr) &&
	       in->see(p, e, in->arg);
}

void verdicts_within(struct verdicts *v, const struct prefix *p, uint32_t now, verdicts_see_fn see,
		     void *arg)
{
	const struct lengths *l = &v->lengths[addr_is4(&p->addr)];
	struct walk w = {.v = v, .now = now, .see = see, .arg = arg};
	struct within in = {.prefix = p, .see = see, .arg = arg};
	uint64_t sum = places(p, HOST);
	bool used[HOST + 1] = {[HOST] = true};

	for (int len = p->len; len < HOST; len++) {
		used[len] =
			atomic_load_explicit(&l->used[len / 64], memory_order_acquire) >> len % 64 &
			1;
		sum += used[len] ? places(p, len) : 0;
	}
	if (sum > table_buckets(v->table) / BUCKETS_PER_PLACE) {
		verdicts_walk(v, now, walk_within, &in);
		return;
	}
	for (int len = p->len; len <= HOST; len++) {
		if (used[len])
			look_up(&w, p, len);
	}
}
