/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long mail waited, by name (a domain, a class): how many, how many never passed, percentiles.
 * Exact; a name and a delay that were seen together before cost no more memory. One thread.
 */
#ifndef CORE_SPREAD_H
#define CORE_SPREAD_H

#include "numbers.h"

#define SPREAD_NEVER UINT32_MAX

struct spread {
	struct numbers by_name, by_cell;
	struct spread_named {
		char *name;
		uint64_t never; /* mails that have not passed */
	} * names;
	size_t name_count, name_room;
	struct spread_cell {
		uint32_t name, delay;
		uint64_t count;
	} * cells;
	size_t cell_count, cell_room;
};

struct spread_row {
	const char *name;
	uint64_t mails, never;
	uint32_t p50, p90, p99, max; /* s, nearest rank, of those that passed; 0 when none did */
};

/* A spread_tagged of this name is about to come, with the tag that this returns. key: names may
 * come from outside. */
uint64_t spread_expect(const struct spread *s, const uint8_t key[16], const char *name);
/* The number of a name, which is new or known. -ENOMEM. */
int spread_tagged(struct spread *s, uint64_t tag, const char *name, uint32_t *ret);
int spread_name(struct spread *s, const uint8_t key[16], const char *name, uint32_t *ret);
/* One mail of that name, which waited so many s, or SPREAD_NEVER: has not passed. -ENOMEM. */
int spread_add(struct spread *s, uint32_t name, uint32_t delay);
/* Rows by number of mails, most first, then by name. -ENOMEM. */
typedef void (*spread_see_fn)(const struct spread_row *row, void *arg);
int spread_each(const struct spread *s, spread_see_fn see, void *arg);
/* Forgets the mails, not the names. */
void spread_clear(struct spread *s);
void spread_free(struct spread *s);

/* Room for one more element of an array. -ENOMEM. */
int room_for_one(void *array, size_t count, size_t *room, size_t size);

#endif
