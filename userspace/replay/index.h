/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing index from 64-bit keys (hashes; never 0) to numbers. One thread. */
#ifndef REPLAY_INDEX_H
#define REPLAY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index {
	struct index_slot {
		uint64_t key; /* 0: free */
		uint32_t value;
	} * slots;
	size_t size, used; /* size: 0 or a power of two */
};

/* The value of the key, or NULL. Good until the next index_add. */
uint32_t *index_find(const struct index *x, uint64_t key);
/* A key that is not there yet. -ENOMEM. */
int index_add(struct index *x, uint64_t key, uint32_t value);
bool index_del(struct index *x, uint64_t key);
void index_free(struct index *x);

#endif
