/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random lists of every kind, and what they say of an address by the words of imports.h alone. */
#ifndef UNIT_CORE_LISTS_H
#define UNIT_CORE_LISTS_H

#include <string.h>

#include "core/imports.h"
#include "selftests/unit/random.h"

#define LISTS 6 /* numbers 1 to 6 */

struct lists {
	struct import_item items[4000];
	size_t count;
	uint8_t rank[GG_LISTS];
};

/* Few bits vary, so that prefixes lie within each other, beside each other and on each other. */
static inline struct addr lists_addr(uint64_t *seed, bool is4)
{
	struct addr a = {.b = {0x20, 0x01, 0x0d, 0xb8}};
	uint32_t bits = random_below(seed, 4096);

	if (is4)
		a = (struct addr){.b = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51}};
	a.b[14] = bits >> 8;
	a.b[15] = bits;
	return a;
}

static inline bool lists_has(const struct lists *l, const struct import_item *item)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].list == item->list && l->items[i].len == item->len &&
		    addr_eq(&l->items[i].addr, &item->addr))
			return true;
	return false;
}

static inline void lists_random(struct lists *l, uint64_t *seed, size_t count)
{
	/* The last number comes first; two that only except take from the first and from the third.
	 */
	static const uint8_t rank[LISTS + 1] = {6, 5, 3, 3, 2, 0, 0};

	l->count = 0;
	memcpy(l->rank, rank, sizeof(rank));
	while (l->count < count) {
		struct addr a = lists_addr(seed, random_below(seed, 2));
		struct prefix p = addr_mask(&a, (uint8_t)(112 + random_below(seed, 17)));
		struct import_item item = {.addr = p.addr,
					   .len = p.len,
					   .list = (uint8_t)(1 + random_below(seed, LISTS))};

		item.says = random_below(seed, 3) ? IMPORT_DENY : random_below(seed, 4);
		if (item.list == 2 || item.list == 5)
			item.says = random_below(seed, 3) ? IMPORT_NEITHER : IMPORT_EXCEPT;
		if (!random_below(seed, 200))
			item.len = addr_is4(&p.addr) ? 96 : 0;
		if (!random_below(seed, 200))
			item.len = addr_is4(&p.addr) ? 104 : 32;
		item.addr = addr_mask(&item.addr, item.len).addr;
		if (!lists_has(l, &item))
			l->items[l->count++] = item;
	}
}

/* NULL: nothing. */
static inline const struct import_item *lists_say(const struct lists *l, const struct addr *a)
{
	const struct import_item *of[LISTS + 1] = {NULL}, *best = NULL;
	bool out[LISTS + 1] = {false}; /* by rank */

	for (size_t i = 0; i < l->count; i++) {
		const struct import_item *item = &l->items[i];
		struct prefix p = import_prefix(item);

		if (!prefix_holds(&p, a))
			continue;
		if (!of[item->list] || item->len > of[item->list]->len)
			of[item->list] = item;
		if (item->says == IMPORT_EXCEPT)
			out[l->rank[item->list]] = true;
	}
	for (int n = 1; n <= LISTS; n++) {
		if (!of[n] || out[l->rank[n]] ||
		    (of[n]->says != IMPORT_ALLOW && of[n]->says != IMPORT_DENY))
			continue;
		if (!best || of[n]->len > best->len ||
		    (of[n]->len == best->len && l->rank[n] < l->rank[best->list]))
			best = of[n];
	}
	return best;
}

#endif
