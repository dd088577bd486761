/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What imported lists say of addresses, all lists together: the daemon's own view of what the
 * kernel's net4 and net6 hold beside the daemon's own prefixes.
 *
 * Made once out of the entries of all lists, then read-only: any thread. The most specific entry
 * answers; of the same prefix that of the list that comes first. An exception takes addresses out
 * of one list: there stands what is left to be said, by another list or a wider prefix, or a hole:
 * GG_UNKNOWN, as if no list had named the address. 24 bytes a prefix. Pure.
 */
#ifndef CORE_IMPORTS_H
#define CORE_IMPORTS_H

#include <greygate/types.h>

#include "addr.h"

#define IMPORTS_PARENT_NONE UINT32_MAX

/* What one entry of a list says, before the lists are brought together. */
enum import_says {
	IMPORT_NEITHER = GG_UNKNOWN, /* this list says nothing of it */
	IMPORT_ALLOW = GG_ALLOW,
	IMPORT_DENY = GG_DENY,
	IMPORT_EXCEPT, /* no list of this one's rank says anything of it */
};

struct import_item {
	struct addr addr;
	uint32_t parent; /* number of the next wider one that holds it; IMPORTS_PARENT_NONE */
	uint8_t len;     /* as in struct prefix */
	uint8_t list;    /* its number; of a hole, that of the list which made it */
	uint8_t says;    /* enum import_says; made: enum gg_verdict */
	uint8_t said;    /* made: length of the prefix that says it, len but within an exception */
};
_Static_assert(sizeof(struct import_item) == 24, "a million is 24 MB");

struct imports {
	struct import_item *items; /* IPv4 first; each family by address, then length */
	size_t count, count4;
	uint8_t action[GG_LISTS]; /* enum gg_action of what a list denies */
};

/* items: n of them in any order, sorted in place, the caller's. rank: of each list number, which
 * place it has, from 0; a list that excepts has that of the list which it takes from. -ENOMEM,
 * -E2BIG (more than UINT32_MAX - 1). */
int imports_make(struct import_item *items, size_t n, const uint8_t rank[GG_LISTS],
		 struct imports **ret);
void imports_free(struct imports **in);

/* The most specific item that holds the address, a hole too; NULL: none. */
const struct import_item *imports_find(const struct imports *in, const struct addr *a);
/* That of exactly this prefix. */
const struct import_item *imports_get(const struct imports *in, const struct prefix *p);

static inline struct prefix import_prefix(const struct import_item *item)
{
	return (struct prefix){.addr = item->addr, .len = item->len};
}

#endif
