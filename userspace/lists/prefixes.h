/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of one list, as a lookup wants them: sorted, each prefix once, the most specific
 * one answers. Built once, then read-only: any thread. 32 bytes a prefix.
 *
 * Where the first match of a file decides instead, prefixes that an earlier line covers are left
 * out when it is made; what is left says the same by the most specific match.
 */
#ifndef LISTS_PREFIXES_H
#define LISTS_PREFIXES_H

#include "reader.h"

struct list_prefix {
	struct addr addr;
	uint32_t parent; /* number of the next wider one that holds it; LIST_NO_PARENT */
	uint32_t line;
	uint32_t message; /* of the caller's */
	uint8_t len;      /* as in struct prefix */
	uint8_t says;     /* enum list_says */
};
#define LIST_NO_PARENT UINT32_MAX

struct list_prefixes {
	struct list_prefix *list; /* sorted by address, then length */
	size_t count, room;
};

/* One more, in the order of the file. -ENOMEM; -ENOSPC: UINT32_MAX - 1 are the most. */
int list_prefixes_add(struct list_prefixes *l, const struct prefix *p, enum list_says says,
		      uint32_t line, uint32_t message);
/* Sorts; of the same prefix the first one stays. After it nothing is added any more. */
int list_prefixes_make(struct list_prefixes *l, bool in_order);
void list_prefixes_free(struct list_prefixes *l);

/* The most specific one that holds the address, or NULL. */
const struct list_prefix *list_prefixes_find(const struct list_prefixes *l, const struct addr *a);

#endif
