// SPDX-License-Identifier: GPL-2.0-or-later
/* Open addressing with linear probing, at most half full. */
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

#define SMALLEST 1024

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

static int grow(struct numbers *x)
{
	struct numbers bigger = {.size = x->size ? 2 * x->size : SMALLEST, .used = x->used};

	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
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
