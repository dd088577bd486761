/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded queue between exactly one producing and one consuming thread: fixed-size items, no
 * lock, no allocation after spsc_new. Producer and consumer indexes live on lines of their own.
 */
#ifndef CORE_SPSC_H
#define CORE_SPSC_H

#include <stdbool.h>
#include <stddef.h>

struct spsc;

/* `items` is rounded up to a power of two. -ENOMEM, -EINVAL. */
int spsc_new(size_t items, size_t item_size, struct spsc **ret);
void spsc_free(struct spsc **q);

/* Producer: the next free place to fill in, or NULL when full; spsc_push publishes it. */
void *spsc_slot(struct spsc *q);
void spsc_push(struct spsc *q);

/* Consumer: the i-th waiting item (0 is the oldest) or NULL; spsc_pop gives n of them back. */
const void *spsc_peek(struct spsc *q, size_t i);
void spsc_pop(struct spsc *q, size_t n);
size_t spsc_waiting(const struct spsc *q); /* either thread */

#endif
