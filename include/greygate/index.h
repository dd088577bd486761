/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hot index over host4 and host6: one cache line tells what a million entries of a hash say.
 *
 * host4 and host6 are the truth, and every answer that the index can't give is asked of them: "ask
 * the truth" is always right, only slower. Element 0 of index4 and index6 is the head, the others
 * are buckets. The daemon is the only writer of keys and of what they mean; the kernel programs
 * mark slots.
 *
 * An address has its bucket by a keyed hash. In index4 a slot holds the address itself and its byte
 * says what is to be done. In index6 it holds a tag, and a hit is confirmed in host6. A bucket
 * without room for all its addresses has GG_BUCKET_FULL: who isn't found in it may be in the truth.
 *
 * A change of an entry: the bucket's turn is made odd; the truth changes; the slot follows; the
 * turn is made even. A reader who meets an odd turn, or another one after reading than before, asks
 * the truth. A change of the head (rebuilding in another size) is noticed in the same way. Whatever
 * moment the writer dies at, no slot contradicts the truth.
 */
#ifndef GREYGATE_INDEX_H
#define GREYGATE_INDEX_H

#include <greygate/types.h>

#define GG_BUCKET_SLOTS 12

struct gg_bucket {
	__u32 key[GG_BUCKET_SLOTS]; /* IPv4 address in network order, or tag; 0: free */
	__u8 slot[GG_BUCKET_SLOTS]; /* GG_SLOT_*; 0: free */
	__u32 state;                /* GG_BUCKET_* */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct gg_bucket) == 64, "a bucket is a cache line");

/* Head: key[0] is the number of buckets in use, 0: the index isn't in force. key[1] is the key of
 * the hash. Both are read and written as one word. */

/* A slot's byte: what its entry means, from here on. */
#define GG_SLOT_MEANING 0x0f
#define GG_SLOT_DROPS 0x70 /* drops so far, up to seven, so that most are decided here alone */
#define GG_SLOT_DROP 0x10  /* one of them */
#define GG_SLOT_SEEN 0x80  /* used since the daemon looked last */

enum gg_meaning {
	GG_MEANS_NOTHING = 0,
	GG_MEANS_ASK = 1, /* the byte can't say it: ask the truth */
	GG_MEANS_ALLOW = 2,
	GG_MEANS_DENY = 3, /* plus enum gg_action: 3 to 8 */
};

/* A bucket's state: flag, turn, and the earliest end of an entry in it, so that after that time
 * hits are asked of the truth. Units of 16 s, rounded down; 0: none ends. */
#define GG_BUCKET_FULL 0x00000001u
#define GG_BUCKET_BUSY 0x00000002u /* the turn is odd */
#define GG_BUCKET_TURN 0x000000feu
#define GG_BUCKET_ENDS_SHIFT 8
#define GG_BUCKET_ENDS_UNIT 16

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

static inline __u32 gg_index_hash4(__u32 addr, __u32 key)
{
	return gg_index_mix((__u64)key << 32 | addr);
}

/* ret_tag is never 0. */
static inline __u32 gg_index_hash6(const __u32 addr[4], __u32 key, __u32 *ret_tag)
{
	__u64 h = 0x9e3779b97f4a7c15ull ^ key;
	int i;

	for (i = 0; i < 4; i += 2) {
		h ^= addr[i] | (__u64)addr[i + 1] << 32;
		h *= 0xd6e8feb86659fd93ull;
		h ^= h >> 32;
	}
	*ret_tag = (__u32)h ? (__u32)h : 1;
	return gg_index_mix(h);
}

#endif
