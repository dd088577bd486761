/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hot index over host4 and host6: one cache line tells what a million entries of a hash say.
 *
 * host4 and host6 are the truth, and every answer that the index can't give is asked of them: "ask
 * the truth" is always right, only slower. Element 0 of index4 and index6 is the head, the others
 * are buckets. The daemon is the only writer of keys and of what they mean; the kernel programs
 * mark slots.
 *
 * An address is hashed, keyed, and the hash times the number of buckets is, in its upper half, its
 * own bucket; the eighteen bits after that are what the slot holds: sixteen in its key, two in its
 * byte. In index4 the hash is a permutation and there are GG_EXACT_BUCKETS at least, so what the
 * slot holds and where it stands name one address and no other; its byte says what is to be done.
 * In index6 it is a tag, and a hit is confirmed in host6. Three octets instead of the address and
 * its byte: a million hosts in 5 MB, which a processor's cache keeps where twice that comes from
 * memory each time.
 *
 * A bucket without room for all its addresses has GG_BUCKET_FULL: who isn't found in it stands in
 * another one, which its bucket and key tell, with GG_SLOT_AWAY. If that one had no room either it
 * has GG_BUCKET_FULL as well: who isn't found in the two may be in the truth.
 *
 * A change of an entry: the turns of its two buckets are made odd; the truth changes; the slot
 * follows; the turns are made even. A reader who meets an odd turn, or another one after reading
 * than before, asks the truth. A change of the head (rebuilding in another size) is noticed in the
 * same way. Whatever moment the writer dies at, no slot contradicts the truth.
 */
#ifndef GREYGATE_INDEX_H
#define GREYGATE_INDEX_H

#include <greygate/types.h>

#define GG_BUCKET_SLOTS 20
#define GG_BUCKET_HALF 8 /* twice that, and the others */
#define GG_EXACT_BUCKETS 16384

struct gg_bucket {
	__u16 key[GG_BUCKET_SLOTS]; /* gg_index_key */
	__u8 slot[GG_BUCKET_SLOTS]; /* GG_SLOT_*, at gg_index_slot(); 0: free, whatever the key */
	__u32 state;                /* GG_BUCKET_* */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct gg_bucket) == 64, "a bucket is a cache line");

/* Where the byte of the n-th key stands: so that flags of two words of four keys, one shifted, lie
 * as those of a word of eight bytes do, and all of a bucket is compared without a branch. */
static inline __u32 gg_index_slot(__u32 n)
{
	if (n >= 16)
		return 16 + ((n & 1) << 1 | (n >> 1 & 1));
	return (n & 8) | (n & 3) << 1 | (n >> 2 & 1);
}

/* geometry: the number of buckets in use in the lower half, 0: the index isn't in force; the key of
 * the hash in the upper. Both are read and written as one word. */
struct gg_index_head {
	__u64 geometry;
	__u32 layout; /* GG_INDEX_LAYOUT: an index of another one is made anew, never read */
	/* Of index4: the element that is the first line of listed.h, behind all buckets, and their
	 * geometry, as above. */
	__u32 listed_first;
	__u64 listed;
};

/* To be raised when anything below changes its meaning. */
#define GG_INDEX_LAYOUT 4

/* A slot's byte: what its entry means, from here on. */
#define GG_SLOT_MEANING 0x07
#define GG_SLOT_AWAY 0x08 /* its own bucket had no room */
#define GG_SLOT_REST 0x30 /* gg_index_rest */
#define GG_SLOT_PLACE (GG_SLOT_REST | GG_SLOT_AWAY)
#define GG_SLOT_OFTEN 0x40 /* used often enough to be decided and marked here alone */
#define GG_SLOT_SEEN 0x80  /* used since the daemon looked last */

enum gg_meaning {
	GG_MEANS_NOTHING = 0,
	GG_MEANS_ASK = 1, /* the byte can't say it: ask the truth */
	GG_MEANS_ALLOW = 2,
	GG_MEANS_DENY = 2, /* plus enum gg_action but GG_NO_ACTION: 3 to 7 */
};

/* A bucket's state: flag, turn, and the earliest end of an entry in it, so that after that time
 * hits are asked of the truth. Units of 16 s, rounded down; 0: none ends. */
#define GG_BUCKET_FULL 0x00000001u
#define GG_BUCKET_BUSY 0x00000002u /* the turn is odd */
#define GG_BUCKET_TURN 0x000000feu
#define GG_BUCKET_ENDS_SHIFT 8
#define GG_BUCKET_ENDS_UNIT 16

#define GG_INDEX_FIRST 0x9e3779b1u
#define GG_INDEX_SECOND 0xd6e8feb9u

static inline __u32 gg_index_mix(__u64 x)
{
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x >> 32;
}

/* Elements, so 1 is the first bucket. buckets > 0. */
static inline __u32 gg_index_bucket(__u32 hash, __u32 buckets)
{
	return 1 + (__u32)((__u64)hash * buckets >> 32);
}

/* Hashes of one bucket are neighbours, their products lie as far apart as there are buckets: at
 * least by the lowest of these eighteen bits. */
static inline __u16 gg_index_key(__u32 hash, __u32 buckets)
{
	return (__u16)((__u64)hash * buckets >> 16);
}

static inline __u8 gg_index_rest(__u32 hash, __u32 buckets)
{
	return (__u8)((__u64)hash * buckets >> 10) & GG_SLOT_REST;
}

/* How far from its own bucket an address stands that found no room there. */
static inline __u32 gg_index_step(__u16 key, __u32 buckets)
{
	return 1 + (__u32)((__u64)(key * GG_INDEX_FIRST) * (buckets - 1) >> 32);
}

/* From its own bucket to that one, and back. buckets: 2 to 2^31. */
static inline __u32 gg_index_away(__u32 at, __u16 key, __u32 buckets)
{
	at += gg_index_step(key, buckets);
	return at > buckets ? at - buckets : at;
}

static inline __u32 gg_index_own(__u32 at, __u16 key, __u32 buckets)
{
	const __u32 step = gg_index_step(key, buckets);

	return at > step ? at - step : at + buckets - step;
}

/* In which half of its bucket an address stands as long as there is room in it. */
static inline __u32 gg_index_half(__u16 key)
{
	return key & 1;
}

static inline int gg_is_imported(const struct gg_entry *e)
{
	return e->origin == GG_BY_IMPORT || e->origin == GG_BY_EXCEPTION;
}

/* Whether the index alone may decide on the host, and mark it: what has been used so often needs no
 * exact figure. An allowed one of a list counts for the list each time. */
static inline int gg_index_often(const struct gg_entry *e)
{
	return e->hits >= GG_ASKED_DROPS &&
	       (e->verdict == GG_DENY || (e->verdict == GG_ALLOW && !gg_is_imported(e)));
}

/* Whether a slot's byte is of an allowed host that comes often. */
static inline int gg_index_regular(__u8 slot)
{
	return (slot & (GG_SLOT_MEANING | GG_SLOT_OFTEN)) == (GG_MEANS_ALLOW | GG_SLOT_OFTEN);
}

/* Each step can be undone: no two addresses have the same hash. */
static inline __u32 gg_index_hash4(__u32 addr, __u32 key)
{
	addr ^= key;
	addr *= GG_INDEX_FIRST;
	addr ^= addr >> 16;
	addr += key;
	addr *= GG_INDEX_SECOND;
	addr ^= addr >> 15;
	return addr * GG_INDEX_FIRST;
}

static inline __u32 gg_index_hash6(const __u32 addr[4], __u32 key)
{
	__u64 h = 0x9e3779b97f4a7c15ull ^ key;
	int i;

	for (i = 0; i < 4; i += 2) {
		h ^= addr[i] | (__u64)addr[i + 1] << 32;
		h *= 0xd6e8feb86659fd93ull;
		h ^= h >> 32;
	}
	return gg_index_mix(h);
}

#endif
