/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One bucket of the hot index (include/greygate/index.h), as its only writer sees it.
 *
 * Pure: nothing is asked but the bucket. Of what the kernel programs do, only marks change under
 * the writer's hands, so bytes are written one at a time and atomically.
 */
#ifndef FASTPATH_BUCKET_H
#define FASTPATH_BUCKET_H

#include <greygate/index.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the slots of an index stand: how many buckets are in use, > 0, and the key of the hash. */
struct bucket_geometry {
	uint32_t buckets;
	uint32_t hash_key;
};

/* What an address is known by: a bucket, 1 to buckets, and what its slot holds. */
struct bucket_place {
	uint32_t at;
	uint16_t key;
	uint8_t rest; /* GG_SLOT_PLACE */
};
/* Addresses are in network order. */
struct bucket_place bucket_place4(struct bucket_geometry g, uint32_t addr);
struct bucket_place bucket_place6(struct bucket_geometry g, const uint32_t addr[4]);
/* Where it stands if there is no room in its own bucket. own: one of the above. */
struct bucket_place bucket_away(struct bucket_geometry g, struct bucket_place own);

/* Back from either place to the address, in an index of GG_EXACT_BUCKETS or more. */
uint32_t bucket_address4(struct bucket_geometry g, struct bucket_place p);

/* Which slot holds it; GG_BUCKET_SLOTS: none. */
int bucket_find(const struct gg_bucket *b, struct bucket_place p);
/* Which slot is the best of those that are free; GG_BUCKET_SLOTS: none. */
int bucket_free(const struct gg_bucket *b, struct bucket_place p);
uint8_t bucket_byte(const struct gg_bucket *b, int slot);
/* In a bucket that is busy. meaning: GG_SLOT_* without GG_SLOT_PLACE; 0 frees it. */
void bucket_set(struct gg_bucket *b, int slot, struct bucket_place p, uint8_t meaning);

/* Busy, or not any more: readers are turned away until the next turn. */
void bucket_turn(struct gg_bucket *b);

/* The earliest end of an entry in it: s, rounded down to GG_BUCKET_ENDS_UNIT; 0: none ends. */
uint64_t bucket_end(const struct gg_bucket *b);
/* In a bucket that is busy. An entry ends, s; 0: it doesn't. */
void bucket_add_end(struct gg_bucket *b, uint64_t expires);
void bucket_clear_end(struct gg_bucket *b);

/* Takes the mark of a slot; whether there was one. */
bool bucket_take_mark(struct gg_bucket *b, int slot);

#endif
