/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What several threads hand to one: a queue of spsc.h for each of them, emptied in turn, so that
 * nobody waits behind another's flood.
 */
#ifndef CORE_FUNNEL_H
#define CORE_FUNNEL_H

#include <stdbool.h>
#include <stddef.h>

struct funnel;

/* `items`: of each producer, rounded up to a power of two. -ENOMEM, -EINVAL. */
int funnel_new(int producers, size_t items, size_t item_size, struct funnel **ret);
void funnel_free(struct funnel **f);

/* Producer, by its number from 0 on: as spsc_slot and spsc_push. */
void *funnel_slot(struct funnel *f, int producer);
void funnel_push(struct funnel *f, int producer);

/* Consumer: takes the next item out; false when there is none. */
bool funnel_next(struct funnel *f, void *ret);

#endif
