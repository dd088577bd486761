/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing index from 64-bit keys (hashes; never 0) to numbers. One thread. */
#ifndef CORE_NUMBERS_H
#define CORE_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numbers {
	struct numbers_slot {
		uint64_t key; /* 0: free */
		uint32_t value;
	} * slots;
	size_t size, used; /* size: 0 or a power of two */
};

/* The value of the key, or NULL. Good until the next numbers_add. */
uint32_t *numbers_find(const struct numbers *x, uint64_t key);
/* A numbers_find of this key is about to come: memory may begin to look. */
void numbers_expect(const struct numbers *x, uint64_t key);
/* A key that is not there yet. -ENOMEM. */
int numbers_add(struct numbers *x, uint64_t key, uint32_t value);
bool numbers_del(struct numbers *x, uint64_t key);
void numbers_free(struct numbers *x);

#endif
