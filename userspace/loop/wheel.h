/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A timing wheel of numbers. An entry is a number and a generation, eight bytes; a slot is a
 * chain of small blocks of entries, so that firing walks contiguous memory and touches no
 * stranger's cache line. There is no removal: whoever ends an object changes its generation, and
 * the entry is recognised as stale when it fires.
 *
 * Two of them serve a worker: 10 ms ticks for the stutter, one second for the timeouts. Nothing is
 * allocated after wheel_new; one thread. Time is in ms of any clock that does not go back.
 */
#ifndef LOOP_WHEEL_H
#define LOOP_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wheel;

/* slots: power of two. tick: ms. entries: most entries at once. start: now. -ENOMEM, -EINVAL. */
int wheel_new(uint32_t slots, uint32_t tick, uint32_t entries, uint64_t start, struct wheel **ret);
void wheel_free(struct wheel **w);

/* Fires at the first tick at or after due (at the next one when that is over), up to 65535 turns of
 * the wheel ahead. False when `entries` are waiting already. */
bool wheel_add(struct wheel *w, uint32_t number, uint16_t generation, uint64_t due);

/* Fires what is due at `now`, at most `budget` entries: the rest fires in the next call, in order.
 * fire may add, and its entries are not fired before the next tick. Returns how many fired. */
typedef void (*wheel_fire_fn)(uint32_t number, uint16_t generation, void *arg);
size_t wheel_run(struct wheel *w, uint64_t now, size_t budget, wheel_fire_fn fire, void *arg);

/* ms until the next occupied slot, 0 when one is due, `limit` when none comes before that. */
uint64_t wheel_next(const struct wheel *w, uint64_t now, uint64_t limit);
size_t wheel_waiting(const struct wheel *w);

#endif
