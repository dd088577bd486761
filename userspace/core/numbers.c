// SPDX-License-Identifier: GPL-2.0-or-later
/* Open addressing with linear probing, at most half full. */
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALLEST 1024
#define HUGE_PAGES (8u << 20) /* bytes from which on they waste little */

static struct numbers_slot *slot_of(const struct numbers *x, uint64_t key)
{
	size_t i = key & (x->size - 1);

	while (x->slots[i].key && x->slots[i].key != key)
		i = (i + 1) & (x->size - 1);
	return &x->slots[i];
}

uint32_t *numbers_find(const struct numbers *x, uint64_t key)
{
	struct numbers_slot *s = x->size ? slot_of(x, key) : NULL;

	return s && s->key ? &s->value : NULL;
}

void numbers_expect(const struct numbers *x, uint64_t key)
{
	if (x->size)
		__builtin_prefetch(&x->slots[key & (x->size - 1)]);
}

/* Searches are random: with small pages nearly each one misses the TLB too. */
static struct numbers_slot *new_slots(size_t n)
{
	struct numbers_slot *slots = calloc(n, sizeof(*slots));
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = n * sizeof(*slots);

	if (slots && bytes >= HUGE_PAGES)
		madvise((void *)(((uintptr_t)slots + page - 1) & ~(page - 1)), bytes - page,
			MADV_HUGEPAGE);
	return slots;
}

static int grow(struct numbers *x)
{
	struct numbers bigger = {.size = x->size ? 2 * x->size : SMALLEST, .used = x->used};

	bigger.slots = new_slots(bigger.size);
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < x->size; i++)
		if (x->slots[i].key)
			*slot_of(&bigger, x->slots[i].key) = x->slots[i];
	free(x->slots);
	*x = bigger;
	return 0;
}

int numbers_add(struct numbers *x, uint64_t key, uint32_t value)
{
	if (2 * x->used >= x->size && grow(x))
		return -ENOMEM;
	*slot_of(x, key) = (struct numbers_slot){key, value};
	x->used++;
	return 0;
}

bool numbers_del(struct numbers *x, uint64_t key)
{
	struct numbers_slot *s = x->size ? slot_of(x, key) : NULL;
	size_t hole, i, mask = x->size - 1;

	if (!s || !s->key)
		return false;
	/* What was pushed on by the hole moves back, so that no search ends in it. */
	hole = i = (size_t)(s - x->slots);
	for (;;) {
		size_t home;

		i = (i + 1) & mask;
		if (!x->slots[i].key)
			break;
		home = x->slots[i].key & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			x->slots[hole] = x->slots[i];
			hole = i;
		}
	}
	x->slots[hole].key = 0;
	x->used--;
	return true;
}

void numbers_free(struct numbers *x)
{
	free(x->slots);
	*x = (struct numbers){0};
}
