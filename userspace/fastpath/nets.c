// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prefixes in the kernel: own4 and own6 hold the daemon's own, net4 and net6 what is in force of
 * those and of the imported lists together, see bpf/maps.h.
 *
 * A change of the lists is made in the spare tries, from nothing, while the ones in force go on;
 * then the programs are pointed at the others, in one step for each family, and the pins change
 * names. Own prefixes that change meanwhile are noted down, and set in the spare tries at the end.
 * For as long as the pointing takes they are set in both.
 *
 * A trie has one entry for a prefix: an own one hides an imported one, which is put back when it
 * goes. It says that it does (GG_HIDES): from its end until then the programs ask the daemon.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 4096

enum { FOUR, SIX, FAMILIES };

static const struct family {
	enum map_id own, net, spare, outer;
	size_t key_size;
} families[FAMILIES] = {
	[FOUR] = {MAP_OWN4, MAP_NET4, MAP_SPARE4, MAP_NETS4, sizeof(struct gg_net4)},
	[SIX] = {MAP_OWN6, MAP_NET6, MAP_SPARE6, MAP_NETS6, sizeof(struct gg_net6)},
};

static uint32_t *have(struct fastpath *fp, int family)
{
	return family == FOUR ? &fp->switches.have_net4 : &fp->switches.have_net6;
}

static size_t listed(const struct imports *in, int family)
{
	if (!in)
		return 0;
	return family == FOUR ? in->count4 : in->count - in->count4;
}

/* ---- one prefix ---- */

bool nets_skip(const struct nets *n, const struct import_item *item)
{
	for (int i = 0; i < n->skip_count; i++)
		if (item->len >= n->skip[i].len && prefix_holds(&n->skip[i], &item->addr))
			return true;
	return false;
}

static struct gg_entry import_entry(const struct imports *in, const struct import_item *item,
				    uint64_t now)
{
	const bool whole = item->says != GG_UNKNOWN && item->said == item->len;
	const uint8_t left = addr_is4(&item->addr) ? 96 : 0;

	return (struct gg_entry){
		.verdict = item->says,
		.action = item->says == GG_DENY ? in->action[item->list] : GG_NO_ACTION,
		.origin = whole ? GG_BY_IMPORT : GG_BY_EXCEPTION,
		.list = item->list,
		.length = item->says == GG_UNKNOWN ? 0 : item->said - left,
		.added = now,
	};
}

/* What the lists say of the very prefix, or NULL. */
static const struct import_item *listed_at(const struct nets *n, const struct prefix *p)
{
	const struct import_item *item = n->imports ? imports_get(n->imports, p) : NULL;

	return item && !nets_skip(n, item) ? item : NULL;
}

/* The entry of an own prefix that hides what an earlier start has put there. */
static bool hides_unknown(int fd, const union entries_key *key, const struct prefix *p,
			  struct gg_entry *ret)
{
	const uint8_t left = addr_is4(&p->addr) ? 96 : 0;

	return !bpf_map_lookup_elem(fd, key, ret) && ret->list & GG_HIDES &&
	       ret->length == p->len - left;
}

/* Until this process has put lists in force, what others have left may be there: too much is no
 * harm, it is made anew then. */
static bool hides(int fd, const struct nets *n, const union entries_key *key,
		  const struct prefix *p)
{
	struct gg_entry have;

	if (n->known)
		return listed_at(n, p);
	return hides_unknown(fd, key, p, &have) ||
	       (!bpf_map_lookup_elem(fd, key, &have) && gg_is_imported(&have));
}

/* What a trie is to hold of a prefix: the daemon's own, else what the lists say, else nothing. */
static int set_in(struct fastpath *fp, int fd, const struct nets *n, const struct prefix *p)
{
	const struct import_item *item = listed_at(n, p);
	struct gg_entry entry;
	union entries_key key;
	int code = 0;

	entries_net_key(p, &key);
	if (!fastpath_get(fp, p, &entry)) {
		if (hides(fd, n, &key, p))
			entry.list |= GG_HIDES;
		code = bpf_map_update_elem(fd, &key, &entry, BPF_ANY);
	} else if (item) {
		entry = import_entry(n->imports, item, entries_now());
		code = bpf_map_update_elem(fd, &key, &entry, BPF_ANY);
	} else if (!n->known && hides_unknown(fd, &key, p, &entry)) {
		entry.expires = 1; /* what is behind it comes with the lists */
		code = bpf_map_update_elem(fd, &key, &entry, BPF_ANY);
	} else if (bpf_map_delete_elem(fd, &key) && errno != ENOENT) {
		code = -1;
	}
	return code ? -errno : 0;
}

static void note(struct nets *n, const struct prefix *p)
{
	struct prefix *list;
	size_t room;

	if (n->changed_count == n->changed_room) {
		room = n->changed_room ? 2 * n->changed_room : 64;
		list = realloc(n->changed, room * sizeof(*list));
		if (!list) {
			n->failed = -ENOMEM;
			return;
		}
		n->changed = list;
		n->changed_room = room;
	}
	n->changed[n->changed_count++] = *p;
}

int nets_changed(struct fastpath *fp, const struct prefix *p, int by)
{
	struct nets *n = &fp->nets;
	int family = addr_is4(&p->addr) ? FOUR : SIX, code;

	code = set_in(fp, fp->maps[families[family].net], n, p);
	if (!code && n->state == NETS_TWIN)
		code = set_in(fp, fp->maps[families[family].spare], n->next, p);
	if (code)
		return code;
	if (n->state == NETS_FILLING)
		note(n, p);
	*have(fp, family) += by;
	return by ? switches_write(fp) : 0;
}

/* ---- all of them ---- */

int nets_count(struct fastpath *fp, const struct gg_conf *before)
{
	int code = 0;

	for (int f = 0; f < FAMILIES && !code; f++) {
		size_t own = 0, all = 0;

		code = walk_count(fp->maps[families[f].own], &own);
		if (!code && !before)
			code = walk_count(fp->maps[families[f].net], &all);
		if (before)
			all = f == FOUR ? before->have_net4 : before->have_net6;
		fp->nets.listed[f] = all > own ? all - own : 0;
		*have(fp, f) = (uint32_t)(own + fp->nets.listed[f]);
	}
	return code;
}

/* Deletes at most `most` entries; *ret_left: there are more. */
static int empty(int fd, size_t key_size, size_t most, bool *ret_left)
{
	char *keys = malloc(BATCH * key_size);
	struct gg_entry *values = malloc(BATCH * sizeof(*values));
	char where[64];
	bool left = true;
	__u32 n;
	int code = keys && values ? 0 : -ENOMEM;

	for (size_t done = 0; !code && left && done < most; done += n) {
		n = BATCH;
		if (bpf_map_lookup_batch(fd, NULL, where, keys, values, &n, NULL) &&
		    errno != ENOENT)
			code = -errno;
		left = n == BATCH;
		if (!code && n && bpf_map_delete_batch(fd, keys, &n, NULL))
			code = -errno;
	}
	free(keys);
	free(values);
	if (!code)
		*ret_left = left;
	return code;
}

static int empty_spares(struct fastpath *fp, size_t most)
{
	int code = 0;

	for (int f = 0; f < FAMILIES && !code; f++)
		if (fp->nets.used[f])
			code = empty(fp->maps[families[f].spare], families[f].key_size, most,
				     &fp->nets.used[f]);
	return code;
}

int nets_tidy(struct fastpath *fp, size_t most)
{
	int code;

	if (pthread_mutex_trylock(&fp->nets.lock))
		return 0;
	code = empty_spares(fp, most);
	pthread_mutex_unlock(&fp->nets.lock);
	return code;
}

/* Keys and entries on their way into a trie. */
struct filling {
	int fd;
	enum map_id own;
	const struct nets *nets;
	size_t key_size, count, taken;
	char *keys;
	struct gg_entry *entries;
	int failed;
};

static int flush(struct filling *w)
{
	__u32 n = w->count;

	if (n && !w->failed && bpf_map_update_batch(w->fd, w->keys, w->entries, &n, NULL))
		w->failed = errno == E2BIG ? -ENOSPC : -errno;
	else if (n)
		w->taken += n;
	w->count = 0;
	return w->failed;
}

static int fill_one(struct filling *w, const void *key, const struct gg_entry *entry)
{
	memcpy(w->keys + w->count * w->key_size, key, w->key_size);
	w->entries[w->count] = *entry;
	return ++w->count == BATCH ? flush(w) : w->failed;
}

static int fill_own(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_entry *entries = values;
	struct filling *w = arg;

	for (uint32_t i = 0; i < n && !w->failed; i++) {
		const char *key = (const char *)keys + i * w->key_size;
		const struct prefix p = entries_prefix(w->own, key);
		struct gg_entry entry = entries[i];

		if (listed_at(w->nets, &p))
			entry.list |= GG_HIDES;
		fill_one(w, key, &entry);
	}
	return w->failed;
}

static int fill_listed(struct filling *w, const struct nets *n, int family, size_t *ret_wanted,
		       const struct fastpath_progress *progress)
{
	const struct imports *in = n->imports;
	size_t i = family == FOUR ? 0 : in->count4, end = i + listed(in, family);
	uint64_t now = entries_now();

	for (; i < end && !w->failed; i++) {
		struct prefix p = import_prefix(&in->items[i]);
		struct gg_entry entry;
		union entries_key key;

		if (nets_skip(n, &in->items[i]))
			continue;
		entries_net_key(&p, &key);
		entry = import_entry(in, &in->items[i], now);
		fill_one(w, &key, &entry);
		++*ret_wanted;
		if (progress->tell && i % (16 * BATCH) == 0)
			progress->tell(i, in->count, progress->arg);
	}
	return flush(w);
}

static int fill(struct fastpath *fp, const struct nets *n, int family,
		const struct fastpath_progress *progress)
{
	const struct family *f = &families[family];
	struct filling w = {
		.fd = fp->maps[f->spare], .own = f->own, .nets = n, .key_size = f->key_size};
	size_t wanted = 0;
	int code;

	w.keys = malloc(BATCH * f->key_size);
	w.entries = malloc(BATCH * sizeof(*w.entries));
	code = w.keys && w.entries ? 0 : -ENOMEM;
	if (!code && n->imports)
		code = fill_listed(&w, n, family, &wanted, progress);
	/* The rest of the trie is for entries of the daemon's own. */
	if (!code && wanted > fp->imported)
		code = -ENOSPC;
	/* Fewer than there should be are not a list to be put in force. */
	if (!code && w.taken != wanted)
		code = -EIO;
	if (!code)
		code = walk_map(fp->maps[f->own], fill_own, &w);
	if (!code)
		code = flush(&w);
	free(w.keys);
	free(w.entries);
	return code;
}

static int point(struct fastpath *fp, int family, enum map_id at)
{
	__u32 zero = 0;

	return bpf_map_update_elem(fp->maps[families[family].outer], &zero, &fp->maps[at], BPF_ANY)
		       ? -errno
		       : 0;
}

/* Own prefixes that have changed while the tries were filled. Under fp->lock. */
static int catch_up(struct fastpath *fp, const struct nets *next)
{
	struct nets *n = &fp->nets;
	int code = n->failed;

	for (size_t i = 0; i < n->changed_count && !code; i++) {
		int family = addr_is4(&n->changed[i].addr) ? FOUR : SIX;

		code = set_in(fp, fp->maps[families[family].spare], next, &n->changed[i]);
	}
	return code;
}

/* The names first: they can be put back without a packet noticing. */
static int swap(struct fastpath *fp)
{
	int code = pins_exchange(fp);

	if (code)
		return code;
	code = point(fp, FOUR, MAP_SPARE4);
	if (!code) {
		code = point(fp, SIX, MAP_SPARE6);
		if (code)
			point(fp, FOUR, MAP_NET4);
	}
	if (code)
		pins_exchange(fp);
	return code;
}

static void settle(struct fastpath *fp, const struct nets *next)
{
	struct nets *n = &fp->nets;

	for (int f = 0; f < FAMILIES; f++) {
		int fd = fp->maps[families[f].net];

		fp->maps[families[f].net] = fp->maps[families[f].spare];
		fp->maps[families[f].spare] = fd;
		*have(fp, f) += listed(next->imports, f) - n->listed[f];
		n->listed[f] = listed(next->imports, f);
		n->used[f] = true;
	}
	n->known = true;
	n->imports = next->imports;
	n->skip = next->skip;
	n->skip_count = next->skip_count;
}

int fastpath_import(struct fastpath *fp, const struct imports *in, const struct prefix *skip,
		    int skip_count, const struct fastpath_progress *progress)
{
	const struct fastpath_progress silent = {NULL, NULL};
	struct nets next = {.known = true, .imports = in, .skip = skip, .skip_count = skip_count};
	struct nets *n = &fp->nets;
	int code;

	pthread_mutex_lock(&n->lock);
	code = empty_spares(fp, SIZE_MAX);
	pthread_mutex_lock(&fp->lock);
	n->state = NETS_FILLING;
	n->changed_count = 0;
	n->failed = 0;
	for (int list = 0; in && list < GG_LISTS && !code; list++)
		code = switches_expect(fp, GG_DENY, in->action[list]);
	pthread_mutex_unlock(&fp->lock);
	for (int f = 0; f < FAMILIES && !code; f++) {
		n->used[f] = true;
		code = fill(fp, &next, f, progress ? progress : &silent);
	}

	pthread_mutex_lock(&fp->lock);
	if (!code)
		code = catch_up(fp, &next);
	n->next = &next;
	n->state = code ? NETS_STILL : NETS_TWIN;
	pthread_mutex_unlock(&fp->lock);
	/* Waits for every program that runs: milliseconds in which entries must not wait too. */
	if (!code) {
		listed_off(fp);
		code = swap(fp);
		if (code)
			listed_again(fp);
	}
	pthread_mutex_lock(&fp->lock);
	n->state = NETS_STILL;
	n->next = NULL;
	/* From here on it is done, and the lists are in use: nothing may say otherwise. */
	if (!code) {
		settle(fp, &next);
		switches_write(fp);
	}
	pthread_mutex_unlock(&fp->lock);
	if (!code)
		listed_build(fp);
	pthread_mutex_unlock(&n->lock);
	return code;
}

void nets_open(struct fastpath *fp)
{
	pthread_mutex_init(&fp->nets.lock, NULL);
	fp->nets.used[FOUR] = fp->nets.used[SIX] = true;
}

void nets_again(struct fastpath *fp)
{
	for (int f = 0; f < FAMILIES; f++) {
		int *net = &fp->maps[families[f].net], *spare = &fp->maps[families[f].spare], fd;
		struct bpf_map_info info = {};
		__u32 size = sizeof(info), zero = 0, inner;

		fp->nets.used[f] = true;
		if (bpf_obj_get_info_by_fd(*spare, &info, &size) ||
		    bpf_map_lookup_elem(fp->maps[families[f].outer], &zero, &inner) ||
		    inner != info.id)
			continue;
		fd = *net;
		*net = *spare;
		*spare = fd;
	}
}

void nets_close(struct fastpath *fp)
{
	pthread_mutex_destroy(&fp->nets.lock);
	free(fp->nets.changed);
}
