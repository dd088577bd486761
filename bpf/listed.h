/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking what imported lists say of an IPv4 address by itself (include/greygate/listed.h): a walk
 * through a trie of a million is some thirty cache lines, each of them far away.
 */
#ifndef BPF_LISTED_H
#define BPF_LISTED_H

#include <greygate/listed.h>

#include "index.h"
#include "lists.h"

/* One drop in so many is the last one before which the socket table is asked about the SYN, as it
 * is at the first ones of others: there is no room to count them. */
#define LISTED_ASKED 4

/* What is known of an address; 0: nothing. */
#define LISTED_LIST 0xff
#define LISTED_OFTEN 0x100
#define LISTED_DROP_NEW 0x200
#define LISTED_DROP_ALL 0x400
#define LISTED_FLOODS (LISTED_OFTEN | LISTED_DROP_NEW)

static __always_inline struct gg_listed *listed_line(__u32 at)
{
	return bpf_map_lookup_elem(&index4, &at);
}

/* A bit for each slot that has the address, free ones of zeros too. No branch asks which: see
 * index_glance. */
static __always_inline __u32 listed_slots(const struct gg_listed *l, __u32 addr)
{
	__u32 slots = 0, i;
	__u64 differs;

#pragma unroll
	for (i = 0; i < GG_LISTED_SLOTS; i++) {
		differs = INDEX_READ(__u32, &l->addr[i]) ^ addr;
		slots |= (differs - 1) >> 63 << i;
	}
	return slots;
}

/* The number of the only bit that is set, of sixteen: a product with a de Bruijn sequence has
 * another upper nibble for each. */
static __always_inline __u32 listed_number(__u32 bit)
{
	return 0xcd7ea84fb6935210ull >> ((__u16)(bit * 0x09af) >> 12) * 4 & 15;
}

/* What is set of a bit for each slot. */
static __always_inline __u32 listed_flag(__u32 bits, __u32 slots, __u32 flag)
{
	return bits & slots ? flag : 0;
}

/* addr: network order. often: from now on it is so. A function of its own, so that the verifier
 * walks it once. */
__noinline __u32 listed_find(__u32 addr, __u32 often)
{
	const struct gg_index_head *head;
	__u32 zero = 0, at, slots, slot, state;
	struct gg_listed *line;
	__u64 geometry;

	head = bpf_map_lookup_elem(&index4, &zero);
	if (!head)
		return 0;
	geometry = INDEX_READ(__u64, &head->listed);
	if (!(__u32)geometry)
		return 0;
	at = gg_listed_line(addr, geometry);
	line = listed_line(head->listed_first + at);
	if (!line)
		return 0;
	slots = listed_slots(line, addr);
	state = INDEX_READ(__u32, &line->state);
	if (!slots && state & GG_LISTED_SPILLED) {
		line = listed_line(head->listed_first + (at ^ 1));
		if (!line)
			return 0;
		slots = listed_slots(line, addr);
		state = INDEX_READ(__u32, &line->state);
	}
	if (!slots)
		return 0;
	if (often)
		*(volatile __u32 *)&line->often |= slots;
	slot = listed_number(slots);
	if (slot >= GG_LISTED_SLOTS) /* it has several: of zeros */
		return 0;
	return INDEX_READ(__u8, &line->list[slot]) |
	       listed_flag(INDEX_READ(__u32, &line->often), slots, LISTED_OFTEN) |
	       listed_flag(state >> GG_LISTED_DROP_NEW_SHIFT, slots, LISTED_DROP_NEW) |
	       listed_flag(state >> GG_LISTED_DROP_ALL_SHIFT, slots, LISTED_DROP_ALL);
}

static __always_inline enum gg_action listed_action(__u32 told)
{
	return told & LISTED_DROP_NEW   ? GG_DROP_NEW
	       : told & LISTED_DROP_ALL ? GG_DROP_ALL
					: GG_TARPIT;
}

/* What XDP alone has answered is the list's to count. */
static __always_inline void listed_mark(__u32 told, __u32 addr, bool dropped, bool alone)
{
	if (alone)
		count_list(told & LISTED_LIST);
	if (dropped && !(told & LISTED_OFTEN) && bpf_get_prandom_u32() % LISTED_ASKED == 0)
		listed_find(addr, true);
}

/* The list, if all that there is to do with a new connection of the address is to drop it again; 0:
 * ask closer. For whom the daemon has no entry of its own, which would come first. */
static __always_inline __u32 listed_floods(__u32 addr)
{
	const __u32 told = listed_find(addr, false);

	return (told & LISTED_FLOODS) == LISTED_FLOODS ? told & LISTED_LIST : 0;
}

#endif
