/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources under drop_new that keep on sending: dropped again for one cache line instead of the
 * three or four that the lists cost, each of them far away when there are 100 000 entries.
 *
 * Filled from the lists and nothing else. An address is believed for as long as its bucket's stamp
 * is the current one: a change of any list (conf.epoch) and the turn of four seconds end it. The
 * next SYN then asks the lists again, which moves last_seen and hits on and notices what people
 * write into the maps by hand. IPv4 only. Each CPU has buckets of its own: nothing here is shared.
 */
#ifndef BPF_FLOOD_H
#define BPF_FLOOD_H

#include "lists.h"
#include "parse.h"

#define FLOOD_BITS 14 /* buckets a CPU: 1 MiB */
#define FLOOD_SLOTS 14

/* A slot is a tag, which with the number of its bucket makes the whole address, over the drops that
 * the entry's hits don't have yet. */
#define FLOOD_TAG_SHIFT 14
#define FLOOD_DROPS ((1u << FLOOD_TAG_SHIFT) - 1)
_Static_assert(FLOOD_BITS + 32 - FLOOD_TAG_SHIFT == 32, "bucket and tag are the whole address");

struct flood_bucket {
	__u32 stamp;
	__u16 fresh; /* slots confirmed under this stamp, bit by bit */
	__u16 turn;  /* slot to give up next */
	__u32 slot[FLOOD_SLOTS];
};
_Static_assert(sizeof(struct flood_bucket) == 64, "a bucket is a cache line");

/* Userspace multiplies the size by the number of CPUs. mmapable because such an array begins on a
 * page: of others each bucket would lie across two cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << FLOOD_BITS);
	__type(key, __u32);
	__type(value, struct flood_bucket);
} flood SEC(".maps");

/* Where an address has its place, and when. */
struct flood_place {
	struct flood_bucket *bucket;
	__u32 tag;
	__u32 stamp;
};

#define FLOOD_WINDOW 32 /* 2^32 ns */

/* Both parts only grow, so their sum is the same only while both are. */
static __always_inline __u32 flood_stamp(const struct gg_conf *switches, __u64 now)
{
	return *(const volatile __u32 *)&switches->epoch + (__u32)(now >> FLOOD_WINDOW);
}

/* The mixing is one to one, so that no two addresses share bucket and tag. Who aims at a bucket
 * gains what there was without it. */
static __always_inline struct flood_place flood_place(const struct packet *p,
						      const struct gg_conf *switches, __u64 now)
{
	struct flood_place place;
	__u32 key;

	__builtin_memcpy(&key, p->from + 12, 4);
	key ^= key >> 16;
	key *= 0x85ebca6b;
	key ^= key >> 13;
	key *= 0xc2b2ae35;
	key ^= key >> 16;
	place.tag = key >> FLOOD_BITS;
	place.stamp = flood_stamp(switches, now);
	key &= (1 << FLOOD_BITS) - 1;
	key += bpf_get_smp_processor_id() << FLOOD_BITS;
	place.bucket = bpf_map_lookup_elem(&flood, &key);
	return place;
}

/* Whether the source is known to be dropped. */
static __always_inline bool flood_drops(const struct flood_place *place)
{
	struct flood_bucket *b = place->bucket;
	__u32 slot;
	int i;

	if (!b || b->stamp != place->stamp)
		return false;
#pragma unroll
	for (i = 0; i < FLOOD_SLOTS; i++) {
		slot = b->slot[i];
		if (slot >> FLOOD_TAG_SHIFT == place->tag && b->fresh & 1 << i) {
			if ((slot & FLOOD_DROPS) != FLOOD_DROPS)
				b->slot[i] = slot + 1;
			return true;
		}
	}
	return false;
}

/* An entry that is new again has no part in what an earlier one dropped. */
static __always_inline void flood_forget(const struct flood_place *place)
{
	struct flood_bucket *b = place->bucket;
	int i;

	if (!b)
		return;
#pragma unroll
	for (i = 0; i < FLOOD_SLOTS; i++)
		if (b->slot[i] >> FLOOD_TAG_SHIFT == place->tag)
			b->slot[i] = 0;
}

static __always_inline void flood_remember(const struct flood_place *place, struct gg_entry *entry)
{
	struct flood_bucket *b = place->bucket;
	__u32 i;

	/* An expiry within the window would go unnoticed. */
	if (!b || (entry->expires && entry->expires * NSEC >> FLOOD_WINDOW <=
					     bpf_ktime_get_coarse_ns() >> FLOOD_WINDOW))
		return;
	if (b->stamp != place->stamp) {
		b->stamp = place->stamp;
		b->fresh = 0;
	}
#pragma unroll
	for (i = 0; i < FLOOD_SLOTS; i++)
		if (b->slot[i] >> FLOOD_TAG_SHIFT == place->tag) {
			entry->hits += b->slot[i] & FLOOD_DROPS;
			b->slot[i] = place->tag << FLOOD_TAG_SHIFT;
			b->fresh |= 1 << i;
			return;
		}
	i = b->turn;
	if (i >= FLOOD_SLOTS)
		i = 0;
	b->turn = i + 1;
	b->slot[i] = place->tag << FLOOD_TAG_SHIFT;
	b->fresh |= 1 << i;
}

#endif
