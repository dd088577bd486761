/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources under drop_new that keep on sending: dropped again for one cache line instead of the
 * three or four that the lists cost, each of them far away when there are 100 000 entries.
 *
 * Filled from the lists and nothing else. An address is believed for as long as its bucket's stamp
 * is the current one: a change of any list (conf.epoch) and the turn of a second end it, and the
 * next SYN asks the lists again, which also catches an expiry, last_seen, and what people write
 * into the maps by hand. IPv4 only, and one table per CPU, so that nothing here is ever shared.
 */
#ifndef BPF_FLOOD_H
#define BPF_FLOOD_H

#include "lists.h"
#include "parse.h"

#define FLOOD_SLOTS 9

/* One cache line. */
struct flood_bucket {
	__u32 stamp;
	__u16 fresh; /* slots confirmed under this stamp, bit by bit */
	__u16 turn;  /* slot to give up next */
	__u32 addr[FLOOD_SLOTS];
	__u16 drops[FLOOD_SLOTS]; /* not yet among the hits of the entry */
	__u16 zero;
};
_Static_assert(sizeof(struct flood_bucket) == 64, "a bucket is a cache line");

#define FLOOD_BUCKETS (1 << 14)

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FLOOD_BUCKETS);
	__type(key, __u32);
	__type(value, struct flood_bucket);
} flood SEC(".maps");

/* Both parts only grow, so their sum is the same only while both are. Units of 1.07 s. */
static __always_inline __u32 flood_stamp(const struct gg_conf *switches, __u64 now)
{
	return *(const volatile __u32 *)&switches->epoch + (__u32)(now >> 30);
}

static __always_inline __u32 flood_addr(const struct packet *p)
{
	__u32 addr;

	__builtin_memcpy(&addr, p->from + 12, 4);
	return addr;
}

/* Who aims at a bucket gains what there was without it. */
static __always_inline struct flood_bucket *flood_bucket_of(__u32 addr)
{
	__u32 key = addr ^ addr >> 16;

	key *= 0x85ebca6b;
	key ^= key >> 13;
	key *= 0xc2b2ae35;
	key >>= 32 - 14;
	return bpf_map_lookup_elem(&flood, &key);
}

/* Whether the source is known to be dropped. */
static __always_inline bool flood_drops(struct flood_bucket *b, __u32 addr, __u32 stamp)
{
	int i;

	if (b->stamp != stamp)
		return false;
#pragma unroll
	for (i = 0; i < FLOOD_SLOTS; i++)
		if (b->addr[i] == addr && b->fresh & 1 << i) {
			b->drops[i] += b->drops[i] != 0xffff;
			return true;
		}
	return false;
}

/* An entry that is new again has no part in what an earlier one dropped. */
static __always_inline void flood_forget(struct flood_bucket *b, __u32 addr)
{
	int i;

#pragma unroll
	for (i = 0; i < FLOOD_SLOTS; i++)
		if (b->addr[i] == addr)
			b->drops[i] = 0;
}

static __always_inline void flood_remember(struct flood_bucket *b, __u32 addr, __u32 stamp,
					   struct gg_entry *entry)
{
	int i;

	if (b->stamp != stamp) {
		b->stamp = stamp;
		b->fresh = 0;
	}
#pragma unroll
	for (i = 0; i < FLOOD_SLOTS; i++)
		if (b->addr[i] == addr) {
			entry->hits += b->drops[i];
			b->drops[i] = 0;
			b->fresh |= 1 << i;
			return;
		}
	i = b->turn;
	if (i >= FLOOD_SLOTS)
		i = 0;
	b->turn = i + 1;
	b->addr[i] = addr;
	b->drops[i] = 0;
	b->fresh |= 1 << i;
}

#endif
