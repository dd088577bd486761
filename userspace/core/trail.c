// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each entry stands behind a sequence word: odd while it is written, else twice the number of the
 * entry it holds. The entry is copied as atomic words, stored with release and loaded with acquire:
 * a reader that met one word of a newer entry then also sees the newer sequence and drops its copy.
 */
#include "trail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct trail {
	size_t entries, words; /* words: of one entry, without its sequence */
	_Atomic uint64_t added;
	_Atomic uint64_t slot[];
};

int trail_new(size_t entries, size_t size, struct trail **ret)
{
	const size_t word = sizeof(uint64_t);
	struct trail *t;

	if (!entries || entries & (entries - 1) || !size || size % word ||
	    size > SIZE_MAX / 4 - word || entries > SIZE_MAX / 2 / (size + word))
		return -EINVAL;
	t = calloc(1, sizeof(*t) + entries * (size + word));
	if (!t)
		return -ENOMEM;
	t->entries = entries;
	t->words = size / word;
	*ret = t;
	return 0;
}

void trail_free(struct trail **t)
{
	free(*t);
	*t = NULL;
}

static size_t slot_of(const struct trail *t, uint64_t number)
{
	return ((number - 1) & (t->entries - 1)) * (t->words + 1);
}

uint64_t trail_add(struct trail *t, const void *entry)
{
	uint64_t n = atomic_load_explicit(&t->added, memory_order_relaxed) + 1, word;
	_Atomic uint64_t *s = &t->slot[slot_of(t, n)];

	atomic_store_explicit(s, 2 * n - 1, memory_order_relaxed);
	for (size_t i = 0; i < t->words; i++) {
		memcpy(&word, (const char *)entry + i * sizeof(word), sizeof(word));
		atomic_store_explicit(s + 1 + i, word, memory_order_release);
	}
	atomic_store_explicit(s, 2 * n, memory_order_release);
	atomic_store_explicit(&t->added, n, memory_order_release);
	return n;
}

bool trail_get(const struct trail *t, uint64_t number, void *buf)
{
	const _Atomic uint64_t *s = &t->slot[slot_of(t, number)];
	uint64_t word;

	if (!number || atomic_load_explicit(s, memory_order_acquire) != 2 * number)
		return false;
	for (size_t i = 0; i < t->words; i++) {
		word = atomic_load_explicit(s + 1 + i, memory_order_acquire);
		memcpy((char *)buf + i * sizeof(word), &word, sizeof(word));
	}
	return atomic_load_explicit(s, memory_order_relaxed) == 2 * number;
}

uint64_t trail_newest(const struct trail *t)
{
	return atomic_load_explicit(&t->added, memory_order_acquire);
}
