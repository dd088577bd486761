/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ring in memory of the last entries that one thread wrote, for any thread to read: each has a
 * number for ever, and its bytes until the ring has come round. A reader may miss an entry that is
 * being overwritten, never see half of it. Nothing is allocated or locked after trail_new.
 */
#ifndef CORE_TRAIL_H
#define CORE_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trail;

/* entries: a power of two. size: of one, in bytes, a multiple of 8. -EINVAL, -ENOMEM. */
int trail_new(size_t entries, size_t size, struct trail **ret);
void trail_free(struct trail **t);
/* The owner only; returns the entry's number, 1 for the first one ever. */
uint64_t trail_add(struct trail *t, const void *entry);
/* Any thread. False: it is no longer there, and what buf holds then means nothing. */
bool trail_get(const struct trail *t, uint64_t number, void *buf);
/* Number of the last entry, 0: there is none. Any thread. */
uint64_t trail_newest(const struct trail *t);

#endif
