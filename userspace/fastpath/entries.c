// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One address or prefix in the kernel maps, or thousands at once where there were none.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec;
}

uint64_t entries_now(void)
{
	return clock_s(CLOCK_MONOTONIC);
}

int64_t entries_offset(void)
{
	return clock_s(CLOCK_REALTIME) - clock_s(CLOCK_MONOTONIC);
}

enum map_id entries_net_key(const struct prefix *p, union entries_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is4(&p->addr)) {
		ret->net4.prefixlen = p->len - 96;
		memcpy(ret->net4.addr, p->addr.b + 12, 4);
		return MAP_OWN4;
	}
	ret->net6.prefixlen = p->len;
	memcpy(ret->net6.addr, p->addr.b, 16);
	return MAP_OWN6;
}

/* Which map holds the prefix, and under which key. */
static enum map_id locate(const struct prefix *p, union entries_key *ret)
{
	if (p->len < 128)
		return entries_net_key(p, ret);
	memset(ret, 0, sizeof(*ret));
	if (addr_is4(&p->addr)) {
		memcpy(ret->host4.addr, p->addr.b + 12, 4);
		return MAP_HOST4;
	}
	memcpy(ret->host6.addr, p->addr.b, 16);
	return MAP_HOST6;
}

_Static_assert((int)MAP_HOST4 == (int)FASTPATH_HOST4 && (int)MAP_HOST6 == (int)FASTPATH_HOST6 &&
		       (int)MAP_OWN4 == (int)FASTPATH_NET4 && (int)MAP_OWN6 == (int)FASTPATH_NET6,
	       "the same");

enum fastpath_map fastpath_map_of(const struct prefix *p)
{
	union entries_key key;

	return (enum fastpath_map)locate(p, &key);
}

unsigned fastpath_full(const struct fastpath *fp)
{
	return atomic_load_explicit(&fp->full, memory_order_relaxed);
}

/* Notes whether the map had room for a new entry. */
static void note_room(struct fastpath *fp, enum map_id id, bool had)
{
	if (had)
		atomic_fetch_and_explicit(&fp->full, ~(1u << id), memory_order_relaxed);
	else
		atomic_fetch_or_explicit(&fp->full, 1u << id, memory_order_relaxed);
}

static bool is_net(enum map_id id)
{
	return id == MAP_OWN4 || id == MAP_OWN6;
}

static struct prefix prefix4(const uint8_t addr[4], uint8_t len)
{
	struct prefix p = {.len = len + 96};

	p.addr.b[10] = p.addr.b[11] = 0xff;
	memcpy(p.addr.b + 12, addr, 4);
	return p;
}

struct prefix entries_prefix(enum map_id id, const void *key)
{
	const struct gg_net4 *net4 = key;
	const struct gg_net6 *net6 = key;
	struct prefix p = {.len = 128};

	switch (id) {
	case MAP_HOST4:
		return prefix4(key, 32);
	case MAP_OWN4:
		return prefix4(net4->addr, net4->prefixlen);
	case MAP_OWN6:
		p.len = net6->prefixlen;
		memcpy(p.addr.b, net6->addr, 16);
		return p;
	default:
		memcpy(p.addr.b, key, 16);
		return p;
	}
}

/* A trie answers with whatever holds the key; only the very prefix counts here. */
static int find_exact(struct fastpath *fp, const struct prefix *p, enum map_id id,
		      const union entries_key *key, struct gg_entry *ret)
{
	if (bpf_map_lookup_elem(fp->maps[id], key, ret))
		return -errno;
	if (id == MAP_OWN4 && ret->length != p->len - 96)
		return -ENOENT;
	if (id == MAP_OWN6 && ret->length != p->len)
		return -ENOENT;
	return 0;
}

/* What two clocks said when an entry was put, s. */
struct moment {
	uint64_t now;   /* CLOCK_MONOTONIC */
	int64_t offset; /* see entries_offset */
};

static struct moment moment_now(void)
{
	return (struct moment){entries_now(), entries_offset()};
}

static uint64_t to_monotonic(uint32_t expires, int64_t offset)
{
	int64_t s = (int64_t)expires - offset;

	if (!expires)
		return 0;
	return s > 0 ? s : 1;
}

static struct gg_entry fresh_entry(const struct prefix *p, enum map_id id,
				   const struct verdict_entry *e, const struct moment *at)
{
	return (struct gg_entry){
		.verdict = e->verdict,
		.action = e->action,
		.origin = e->origin,
		.list = e->list,
		.length = id == MAP_OWN4 || id == MAP_HOST4 ? p->len - 96 : p->len,
		.expires = to_monotonic(e->expires, at->offset),
		.added = at->now,
	};
}

int fastpath_put(struct fastpath *fp, const struct prefix *p, const struct verdict_entry *e)
{
	union entries_key key;
	enum map_id id = locate(p, &key);
	const struct moment at = moment_now();
	struct gg_entry old, entry = fresh_entry(p, id, e, &at);
	struct index_edit edit;
	bool known;
	int code;

	pthread_mutex_lock(&fp->lock);
	known = !find_exact(fp, p, id, &key, &old);
	if (known && old.verdict == entry.verdict && old.action == entry.action) {
		entry.hits = old.hits;
		entry.last_seen = old.last_seen;
		entry.added = old.added;
	}
	code = switches_expect(fp, entry.verdict, entry.action);
	edit = index_begin(fp, id, &key);
	if (!code && bpf_map_update_elem(fp->maps[id], &key, &entry, BPF_ANY))
		code = -errno;
	if (!code)
		index_put(&edit, &entry, known);
	index_end(&edit);
	if (!code && is_net(id)) {
		code = nets_changed(fp, p, !known);
		if (code && !known && !bpf_map_delete_elem(fp->maps[id], &key))
			nets_changed(fp, p, 0);
	}
	pthread_mutex_unlock(&fp->lock);
	/* A full hash says E2BIG, a full trie ENOSPC. */
	if (code == -E2BIG)
		code = -ENOSPC;
	if (code == -ENOSPC || (!code && !known))
		note_room(fp, id, !code);
	return code;
}

int fastpath_put_asking(struct fastpath *fp, const struct prefix *p, const struct verdict_entry *e)
{
	const struct verdict_entry asking = entries_asking(e);

	return fastpath_put(fp, p, &asking);
}

bool fastpath_alone(const struct verdict_entry *e)
{
	return e->verdict == GG_ALLOW ||
	       (e->verdict == GG_DENY && e->action != GG_REJECT && e->action != GG_STUTTER);
}

struct verdict_entry entries_asking(const struct verdict_entry *e)
{
	struct verdict_entry asking = *e;

	/* The action stays: without one the entry would be taken for a load balancer's. */
	asking.verdict = GG_UNKNOWN;
	return asking;
}

static int delete_locked(struct fastpath *fp, const struct prefix *p, enum map_id id,
			 const union entries_key *key)
{
	struct index_edit edit = index_begin(fp, id, key);
	int code = bpf_map_delete_elem(fp->maps[id], key) ? -errno : 0;

	if (!code) {
		index_del(&edit);
		note_room(fp, id, true);
	}
	index_end(&edit);
	return code || !is_net(id) ? code : nets_changed(fp, p, -1);
}

int fastpath_del(struct fastpath *fp, const struct prefix *p)
{
	union entries_key key;
	enum map_id id = locate(p, &key);
	int code;

	pthread_mutex_lock(&fp->lock);
	code = delete_locked(fp, p, id, &key);
	pthread_mutex_unlock(&fp->lock);
	return code;
}

int entries_expire(struct fastpath *fp, const struct prefix *p, uint64_t since)
{
	struct gg_entry e;
	union entries_key key;
	enum map_id id = locate(p, &key);
	int code;

	pthread_mutex_lock(&fp->lock);
	code = find_exact(fp, p, id, &key, &e);
	if (!code && e.expires && e.expires < since)
		code = delete_locked(fp, p, id, &key);
	pthread_mutex_unlock(&fp->lock);
	return code;
}

int fastpath_get(struct fastpath *fp, const struct prefix *p, struct gg_entry *ret)
{
	struct gg_entry e;
	union entries_key key;
	enum map_id id = locate(p, &key);
	int code = find_exact(fp, p, id, &key, &e);

	if (!code)
		*ret = e;
	return code;
}

uint32_t fastpath_seen(struct fastpath *fp, const struct prefix *p)
{
	struct gg_entry e;

	return fastpath_get(fp, p, &e) || !e.last_seen
		       ? 0
		       : (uint32_t)((int64_t)e.last_seen + entries_offset());
}

static bool is_over(const struct gg_entry *e, uint64_t now)
{
	return e->expires && e->expires <= now;
}

/* The longest prefix in a trie that holds the address and has not expired. */
static int find_in(struct fastpath *fp, enum map_id id, const struct addr *a, uint64_t now,
		   struct gg_entry *ret)
{
	const uint8_t left = addr_is4(a) ? 96 : 0;
	struct prefix p = addr_host(a);
	union entries_key key;

	for (;;) {
		entries_net_key(&p, &key);
		if (bpf_map_lookup_elem(fp->maps[id], &key, ret))
			return -errno;
		if (!is_over(ret, now))
			return 0;
		if (!ret->length || ret->list & GG_HIDES)
			return -ENOENT;
		p = addr_mask(a, (uint8_t)(ret->length - 1 + left));
	}
}

/* As bpf/lists.h. */
int fastpath_find(struct fastpath *fp, const struct addr *a, struct prefix *ret_prefix,
		  struct gg_entry *ret)
{
	const bool four = addr_is4(a);
	const uint64_t now = entries_now();
	struct prefix p = addr_host(a);
	struct gg_entry e, own;
	int code = fastpath_get(fp, &p, &e);

	if (code || is_over(&e, now)) {
		pthread_mutex_lock(&fp->lock);
		code = find_in(fp, four ? MAP_NET4 : MAP_NET6, a, now, &e);
		if (!code && e.origin == GG_BY_EXCEPTION &&
		    !find_in(fp, four ? MAP_OWN4 : MAP_OWN6, a, now, &own) &&
		    own.length >= e.length)
			e = own;
		pthread_mutex_unlock(&fp->lock);
	}
	if (!code && e.verdict == GG_UNKNOWN)
		code = -ENOENT;
	if (code)
		return code;
	*ret_prefix = addr_mask(a, (uint8_t)(e.length + (four ? 96 : 0)));
	*ret = e;
	return 0;
}

#define BULK 4096

struct entries_bulk {
	struct fastpath *fp;
	struct moment at;
	uint32_t count4, count6;
	struct gg_key4 keys4[BULK];
	struct gg_key6 keys6[BULK];
	struct gg_entry entries4[BULK], entries6[BULK];
};

static int expect_each(struct fastpath *fp, const struct gg_entry *entries, __u32 n)
{
	int code = 0;

	pthread_mutex_lock(&fp->lock);
	for (__u32 i = 0; i < n && !code; i++)
		code = switches_expect(fp, entries[i].verdict, entries[i].action);
	pthread_mutex_unlock(&fp->lock);
	return code;
}

/* A batch ends at the first entry that doesn't fit, and then none of the rest does. */
static int bulk_write(struct fastpath *fp, enum map_id id, const void *keys,
		      const struct gg_entry *entries, uint32_t *count)
{
	__u32 n = *count;
	int code;

	*count = 0;
	if (!n)
		return 0;
	code = expect_each(fp, entries, n);
	if (code)
		return code;
	if (bpf_map_update_batch(fp->maps[id], keys, entries, &n, NULL)) {
		if (errno != E2BIG)
			return -errno;
		note_room(fp, id, false);
		return -ENOSPC;
	}
	pthread_mutex_lock(&fp->lock);
	index_add(fp, id, keys, entries, n);
	pthread_mutex_unlock(&fp->lock);
	return 0;
}

static int write4(struct entries_bulk *b)
{
	return bulk_write(b->fp, MAP_HOST4, b->keys4, b->entries4, &b->count4);
}

static int write6(struct entries_bulk *b)
{
	return bulk_write(b->fp, MAP_HOST6, b->keys6, b->entries6, &b->count6);
}

struct entries_bulk *entries_bulk_new(struct fastpath *fp)
{
	struct entries_bulk *b = calloc(1, sizeof(*b));

	if (b) {
		b->fp = fp;
		b->at = moment_now();
	}
	return b;
}

int entries_bulk_put(struct entries_bulk *b, const struct prefix *p, const struct verdict_entry *e)
{
	union entries_key key;
	enum map_id id = locate(p, &key);

	if (id == MAP_HOST4) {
		b->keys4[b->count4] = key.host4;
		b->entries4[b->count4++] = fresh_entry(p, id, e, &b->at);
		return b->count4 == BULK ? write4(b) : 0;
	}
	if (id == MAP_HOST6) {
		b->keys6[b->count6] = key.host6;
		b->entries6[b->count6++] = fresh_entry(p, id, e, &b->at);
		return b->count6 == BULK ? write6(b) : 0;
	}
	return fastpath_put(b->fp, p, e);
}

int entries_bulk_end(struct entries_bulk **b)
{
	int four = write4(*b), six = write6(*b);

	free(*b);
	*b = NULL;
	return four ? four : six;
}
