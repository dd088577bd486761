// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each entry stands behind a sequence word: odd while it is written, else twice the number of the
 * entry it holds. The entry is copied as atomic words, stored with release and loaded with acquire:
 * a reader that met one word of a newer entry then also sees the newer sequence and drops its copy.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "recent.h"

#define WORDS (sizeof(struct recent_entry) / sizeof(uint64_t))
_Static_assert(sizeof(struct recent_entry) % sizeof(uint64_t) == 0, "an entry is whole words");

struct slot {
	_Atomic uint64_t sequence;
	_Atomic uint64_t word[WORDS];
};

struct recent {
	uint64_t entries;
	_Atomic uint64_t added;
	struct slot slot[];
};

int recent_new(size_t entries, struct recent **ret)
{
	struct recent *r;

	if (!entries || entries & (entries - 1) || entries > SIZE_MAX / 2 / sizeof(struct slot))
		return -EINVAL;
	r = calloc(1, sizeof(*r) + entries * sizeof(struct slot));
	if (!r)
		return -ENOMEM;
	r->entries = entries;
	*ret = r;
	return 0;
}

void recent_free(struct recent **r)
{
	free(*r);
	*r = NULL;
}

void recent_add(struct recent *r, const struct recent_entry *e)
{
	uint64_t n = atomic_load_explicit(&r->added, memory_order_relaxed) + 1;
	struct slot *s = &r->slot[(n - 1) & (r->entries - 1)];
	uint64_t words[WORDS];

	memcpy(words, e, sizeof(words));
	atomic_store_explicit(&s->sequence, 2 * n - 1, memory_order_relaxed);
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&s->word[i], words[i], memory_order_release);
	atomic_store_explicit(&s->sequence, 2 * n, memory_order_release);
	atomic_store_explicit(&r->added, n, memory_order_release);
}

static bool slot_copy(const struct slot *s, uint64_t n, struct recent_entry *ret)
{
	uint64_t words[WORDS];

	if (atomic_load_explicit(&s->sequence, memory_order_acquire) != 2 * n)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&s->word[i], memory_order_acquire);
	if (atomic_load_explicit(&s->sequence, memory_order_relaxed) != 2 * n)
		return false;
	memcpy(ret, words, sizeof(words));
	return true;
}

void recent_walk(const struct recent *r, recent_see_fn see, void *arg)
{
	uint64_t newest = atomic_load_explicit(&r->added, memory_order_acquire);
	uint64_t oldest = newest > r->entries ? newest - r->entries : 0;
	struct recent_entry e;

	for (uint64_t n = newest; n > oldest; n--)
		if (slot_copy(&r->slot[(n - 1) & (r->entries - 1)], n, &e) && !see(&e, arg))
			return;
}
