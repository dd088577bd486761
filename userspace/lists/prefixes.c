// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sorted by address and length, prefixes that lie within each other stand behind each other: the
 * last one at or before an address is the narrowest that holds it, or has it among its parents.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "prefixes.h"

_Static_assert(sizeof(struct list_prefix) == 32, "two in a cache line");

int list_prefixes_add(struct list_prefixes *l, const struct prefix *p, enum list_says says,
		      uint32_t line, uint32_t message)
{
	if (l->count == LIST_NO_PARENT)
		return -ENOSPC;
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		void *grown = realloc(l->list, room * sizeof(*l->list));

		if (!grown)
			return -ENOMEM;
		l->list = grown;
		l->room = room;
	}
	/* Until they are sorted, parent is where it stood in the file. */
	l->list[l->count] = (struct list_prefix){.addr = p->addr,
						 .parent = (uint32_t)l->count,
						 .line = line,
						 .message = message,
						 .len = p->len,
						 .says = (uint8_t)says};
	l->count++;
	return 0;
}

/* The families apart: ::/0 holds no IPv4 address, though their bytes lie in it. */
static int order(const struct addr *a, const struct addr *b)
{
	bool four = addr_is4(a);

	return four == addr_is4(b) ? memcmp(a, b, sizeof(*a)) : four ? -1 : 1;
}

static int compare(const void *x, const void *y)
{
	const struct list_prefix *a = x, *b = y;
	int diff = order(&a->addr, &b->addr);

	if (diff)
		return diff;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->parent < b->parent ? -1 : a->parent > b->parent;
}

static bool holds(const struct list_prefix *wide, const struct addr *a)
{
	const struct prefix p = {.addr = wide->addr, .len = wide->len};

	return prefix_holds(&p, a);
}

/* From a number on upwards: the first that holds the address. */
static uint32_t holder(const struct list_prefixes *l, uint32_t from, const struct addr *a)
{
	while (from != LIST_NO_PARENT && !holds(&l->list[from], a))
		from = l->list[from].parent;
	return from;
}

int list_prefixes_make(struct list_prefixes *l, bool in_order)
{
	/* Of each one kept: the earliest place in the file of itself and what it lies in. */
	uint32_t *first = l->count ? malloc(l->count * sizeof(*first)) : NULL;
	size_t kept = 0;

	if (!l->count)
		return 0;
	if (!first)
		return -ENOMEM;
	qsort(l->list, l->count, sizeof(*l->list), compare);
	for (size_t i = 0; i < l->count; i++) {
		struct list_prefix p = l->list[i];
		uint32_t place = p.parent;
		const struct list_prefix *last = kept ? &l->list[kept - 1] : NULL;

		p.parent = holder(l, kept ? (uint32_t)(kept - 1) : LIST_NO_PARENT, &p.addr);
		if (last && last->len == p.len && addr_eq(&last->addr, &p.addr))
			continue;
		if (in_order && p.parent != LIST_NO_PARENT && first[p.parent] < place)
			continue;
		first[kept] = place;
		if (p.parent != LIST_NO_PARENT && first[p.parent] < place)
			first[kept] = first[p.parent];
		l->list[kept++] = p;
	}
	l->count = kept;
	free(first);
	return 0;
}

void list_prefixes_free(struct list_prefixes *l)
{
	free(l->list);
	*l = (struct list_prefixes){0};
}

const struct list_prefix *list_prefixes_find(const struct list_prefixes *l, const struct addr *a)
{
	size_t low = 0, high = l->count;
	uint32_t at;

	/* The number of those at or before the address. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (order(&l->list[mid].addr, a) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	at = holder(l, low ? (uint32_t)(low - 1) : LIST_NO_PARENT, a);
	return at == LIST_NO_PARENT ? NULL : &l->list[at];
}
