// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bringing lists together. In the order of addresses a prefix comes before those within it, so one
 * pass with a stack of the prefixes around the one at hand knows all that may be said of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imports.h"

#define DEPTH 130 /* prefixes within each other: lengths 0 to 128, and the root */

static bool is4(const struct import_item *i)
{
	return addr_is4(&i->addr);
}

/* ---- order ---- */

static int by_place(const struct import_item *a, const struct import_item *b)
{
	int c = is4(b) - is4(a);

	if (!c)
		c = memcmp(&a->addr, &b->addr, sizeof(a->addr));
	return c ? c : a->len - b->len;
}

static int by_place_and_rank(const void *left, const void *right, void *rank)
{
	const struct import_item *a = left, *b = right;
	const uint8_t *of = rank;
	int c = by_place(a, b);

	if (!c)
		c = of[a->list] - of[b->list];
	return c ? c : a->says - b->says;
}

/* Lists come sorted more often than not. */
static void sort(struct import_item *items, size_t n, const uint8_t *rank)
{
	for (size_t i = 1; i < n; i++) {
		if (by_place_and_rank(&items[i - 1], &items[i], (void *)rank) > 0) {
			qsort_r(items, n, sizeof(*items), by_place_and_rank, (void *)rank);
			return;
		}
	}
}

/* ---- one prefix within others ---- */

/* A prefix that some lists name, and what holds within it. */
struct level {
	const struct import_item *first; /* of those lists, by rank */
	size_t count;
	uint64_t out[GG_LISTS / 64];      /* ranks that are excepted, bits */
	const struct import_item *answer; /* NULL: nothing is said */
	uint32_t made;                    /* what stands for it; IMPORTS_PARENT_NONE */
};

struct making {
	const uint8_t *rank;
	struct level stack[DEPTH];
	int depth; /* stack[0] is the root, which no list names */
	struct import_item *made;
	uint32_t count;
};

static bool has(const uint64_t bits[GG_LISTS / 64], uint8_t n)
{
	return bits[n / 64] >> n % 64 & 1;
}

static void add(uint64_t bits[GG_LISTS / 64], uint8_t n)
{
	bits[n / 64] |= UINT64_C(1) << n % 64;
}

/* From the innermost prefix outwards, the first list that says something and is neither excepted
 * nor has said within that it says nothing. */
static const struct import_item *answer(const struct making *m)
{
	uint64_t silent[GG_LISTS / 64] = {0};
	const uint64_t *out = m->stack[m->depth].out;

	for (int d = m->depth; d > 0; d--) {
		const struct level *l = &m->stack[d];

		for (size_t i = 0; i < l->count; i++) {
			const struct import_item *item = &l->first[i];

			if (has(out, m->rank[item->list]) || has(silent, item->list))
				continue;
			if (item->says == IMPORT_ALLOW || item->says == IMPORT_DENY)
				return item;
			add(silent, item->list);
		}
	}
	return NULL;
}

static void enter(struct making *m, const struct import_item *first, size_t count)
{
	const struct level *out = &m->stack[m->depth];
	struct level *l = &m->stack[++m->depth];
	struct import_item *made;

	*l = (struct level){.first = first, .count = count, .made = out->made};
	memcpy(l->out, out->out, sizeof(l->out));
	for (size_t i = 0; i < count; i++)
		if (first[i].says == IMPORT_EXCEPT)
			add(l->out, m->rank[first[i].list]);
	l->answer = answer(m);
	if (l->answer == out->answer)
		return; /* what holds around it holds here */
	made = &m->made[m->count];
	*made = l->answer ? *l->answer : first[count - 1];
	made->addr = first->addr;
	made->len = first->len;
	made->parent = out->made;
	made->said = l->answer ? l->answer->len : 0;
	if (!l->answer)
		made->says = GG_UNKNOWN;
	l->made = m->count++;
}

static void leave_until_held(struct making *m, const struct import_item *item)
{
	while (m->depth > 0) {
		struct prefix p = import_prefix(m->stack[m->depth].first);

		if (p.len < item->len && prefix_holds(&p, &item->addr))
			return;
		m->depth--;
	}
}

static void bring_together(struct making *m, const struct import_item *items, size_t n)
{
	for (size_t i = 0, count; i < n; i += count) {
		for (count = 1; i + count < n && !by_place(&items[i], &items[i + count]); count++)
			;
		leave_until_held(m, &items[i]);
		enter(m, &items[i], count);
	}
}

int imports_make(struct import_item *items, size_t n, const uint8_t rank[GG_LISTS],
		 struct imports **ret)
{
	struct making m = {.rank = rank, .stack[0].made = IMPORTS_PARENT_NONE};
	struct imports *in;

	if (n >= UINT32_MAX)
		return -E2BIG;
	in = calloc(1, sizeof(*in));
	m.made = malloc((n ? n : 1) * sizeof(*m.made));
	if (!in || !m.made) {
		free(in);
		free(m.made);
		return -ENOMEM;
	}
	sort(items, n, rank);
	bring_together(&m, items, n);
	in->items = m.made;
	in->count = m.count;
	while (in->count4 < in->count && is4(&in->items[in->count4]))
		in->count4++;
	*ret = in;
	return 0;
}

void imports_free(struct imports **in)
{
	if (*in)
		free((*in)->items);
	free(*in);
	*in = NULL;
}

/* ---- asking ---- */

/* The last item that doesn't come after key, within its family; NULL: none. */
static const struct import_item *last_before(const struct imports *in,
					     const struct import_item *key)
{
	size_t begin = is4(key) ? 0 : in->count4, low = begin;
	size_t high = is4(key) ? in->count4 : in->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_place(&in->items[middle], key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > begin ? &in->items[low - 1] : NULL;
}

const struct import_item *imports_find(const struct imports *in, const struct addr *a)
{
	const struct import_item key = {.addr = *a, .len = 128};
	const struct import_item *item = last_before(in, &key);

	/* What holds the address holds all between it and itself, so it is around this one. */
	while (item) {
		struct prefix p = import_prefix(item);

		if (prefix_holds(&p, a))
			return item;
		item = item->parent == IMPORTS_PARENT_NONE ? NULL : &in->items[item->parent];
	}
	return NULL;
}

const struct import_item *imports_get(const struct imports *in, const struct prefix *p)
{
	const struct import_item key = {.addr = p->addr, .len = p->len};
	const struct import_item *item = last_before(in, &key);

	return item && !by_place(item, &key) ? item : NULL;
}
