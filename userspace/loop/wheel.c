// SPDX-License-Identifier: GPL-2.0-or-later
#include "wheel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "pool.h"

#define BLOCK_ENTRIES 31

struct entry {
	uint32_t number;
	uint16_t generation;
	uint16_t laps; /* turns of the wheel still to wait */
};

/* 256 bytes: four lines, read in order. */
struct block {
	uint32_t next;
	uint32_t used;
	struct entry entries[BLOCK_ENTRIES];
};
_Static_assert(sizeof(struct block) == 256, "a block is four cache lines");

struct wheel {
	uint32_t mask, tick;
	uint64_t now; /* number of the last tick that was run to its end */
	size_t waiting, limit;
	struct pool blocks;
	uint32_t *head;  /* by slot: chain of blocks, newest first */
	uint32_t firing; /* chain of the tick being fired */
	bool in_tick;
	uint64_t *occupied; /* one bit a slot */
};

int wheel_new(uint32_t slots, uint32_t tick, uint32_t entries, uint64_t start, struct wheel **ret)
{
	struct wheel *w;
	int err;

	if (slots < 64 || (slots & (slots - 1)) || !tick || !entries)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->mask = slots - 1;
	w->tick = tick;
	w->now = start / tick;
	w->limit = entries;
	w->firing = POOL_NONE;
	w->head = malloc(slots * sizeof(*w->head));
	w->occupied = calloc(slots / 64, sizeof(*w->occupied));
	/* Each slot may hold one partly filled block, and so may the chain in the works. */
	err = pool_new(&w->blocks, entries / BLOCK_ENTRIES + 2 * slots + 2, sizeof(struct block));
	if (!w->head || !w->occupied || err) {
		wheel_free(&w);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < slots; i++)
		w->head[i] = POOL_NONE;
	*ret = w;
	return 0;
}

void wheel_free(struct wheel **wp)
{
	struct wheel *w = *wp;

	if (!w)
		return;
	pool_free(&w->blocks);
	free(w->head);
	free(w->occupied);
	free(w);
	*wp = NULL;
}

static void put(struct wheel *w, uint32_t slot, struct entry e)
{
	uint32_t n = w->head[slot];
	struct block *b = n == POOL_NONE ? NULL : pool_at(&w->blocks, n);

	if (!b || b->used == BLOCK_ENTRIES) {
		uint32_t fresh = pool_take(&w->blocks);

		assert(fresh != POOL_NONE); /* wheel_new made enough for `limit` entries */
		b = pool_at(&w->blocks, fresh);
		b->next = n;
		b->used = 0;
		w->head[slot] = fresh;
		w->occupied[slot / 64] |= 1ull << (slot % 64);
	}
	b->entries[b->used++] = e;
}

bool wheel_add(struct wheel *w, uint32_t number, uint16_t generation, uint64_t due)
{
	uint64_t tick = (due + w->tick - 1) / w->tick;
	uint64_t ahead;

	if (w->waiting == w->limit)
		return false;
	if (tick <= w->now)
		tick = w->now + 1;
	/* While a tick is being fired its slot is that of now + 1: an entry for it waits one more.
	 */
	if (w->in_tick && tick == w->now + 1)
		tick++;
	ahead = tick - w->now - 1;
	if (ahead / (w->mask + 1) > UINT16_MAX)
		ahead = (uint64_t)UINT16_MAX * (w->mask + 1);
	put(w, (uint32_t)(tick & w->mask),
	    (struct entry){number, generation, (uint16_t)(ahead / (w->mask + 1))});
	w->waiting++;
	return true;
}

/* Begins the tick after now: its chain is taken off the wheel. */
static void begin_tick(struct wheel *w)
{
	uint32_t slot = (uint32_t)((w->now + 1) & w->mask);

	w->firing = w->head[slot];
	w->head[slot] = POOL_NONE;
	w->occupied[slot / 64] &= ~(1ull << (slot % 64));
	w->in_tick = true;
}

size_t wheel_run(struct wheel *w, uint64_t now, size_t budget, wheel_fire_fn fire, void *arg)
{
	uint64_t last = now / w->tick;
	size_t fired = 0;

	if (!w->waiting && !w->in_tick) {
		if (last > w->now)
			w->now = last;
		return 0;
	}
	while (w->in_tick || w->now < last) {
		if (!w->in_tick)
			begin_tick(w);
		while (w->firing != POOL_NONE) {
			struct block *b = pool_at(&w->blocks, w->firing);

			while (b->used) {
				struct entry e = b->entries[b->used - 1];

				if (e.laps) {
					b->used--;
					e.laps--;
					put(w, (uint32_t)((w->now + 1) & w->mask), e);
					continue;
				}
				if (fired == budget)
					return fired;
				b->used--;
				w->waiting--;
				fired++;
				fire(e.number, e.generation, arg);
			}
			uint32_t next = b->next;

			pool_give(&w->blocks, w->firing);
			w->firing = next;
		}
		w->in_tick = false;
		w->now++;
	}
	return fired;
}

uint64_t wheel_next(const struct wheel *w, uint64_t now, uint64_t limit)
{
	uint32_t slots = w->mask + 1;

	if (w->in_tick)
		return 0;
	for (uint32_t i = 1; i <= slots; i++) {
		uint32_t slot = (uint32_t)((w->now + i) & w->mask);
		uint64_t word = w->occupied[slot / 64] >> (slot % 64);
		uint64_t at;

		if (!word) {
			i += 63 - slot % 64; /* the rest of this word is empty */
			continue;
		}
		i += (uint32_t)__builtin_ctzll(word);
		at = (w->now + i) * w->tick;
		if (at <= now)
			return 0;
		return at - now < limit ? at - now : limit;
	}
	return limit;
}

size_t wheel_waiting(const struct wheel *w)
{
	return w->waiting;
}
