/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of imported lists whose packets XDP answers by itself: one cache line tells what a
 * walk through net4 would.
 *
 * net4 is the truth, and whoever isn't found here is asked of it. Only IPv4, and only addresses by
 * themselves that a list denies with an action which needs no daemon: what the lists of bots are
 * made of. They stand behind the buckets of index4, in lines, of which two are a pair. An address
 * whose line has no room stands in the other one, GG_LISTED_SPILLED; one for which the pair has
 * none is left to net4.
 *
 * Lines are never changed while they are in force, but for `often`: they go out of force, net4 is
 * exchanged, which waits for every program that runs, and they are filled anew.
 */
#ifndef GREYGATE_LISTED_H
#define GREYGATE_LISTED_H

#include <greygate/index.h>

#define GG_LISTED_SLOTS 11

struct gg_listed {
	__u32 addr[GG_LISTED_SLOTS]; /* IPv4, network order */
	__u8 list[GG_LISTED_SLOTS];  /* number of the list; 0: free */
	__u8 zero;
	/* A bit for each slot: dropped often enough that nobody asks any more whether its SYN
	 * belongs to an open connection. The programs set them, and one may be lost. */
	__u32 often;
	__u32 state; /* GG_LISTED_* */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct gg_listed) == sizeof(struct gg_bucket), "they stand behind buckets");
_Static_assert(GG_LISTS <= 256, "a list's number is an octet");

/* A line's state: whether some of its addresses stand in the other one, and, a bit for each slot,
 * what is done: GG_DROP_NEW, GG_DROP_ALL, or neither of them: GG_TARPIT. */
#define GG_LISTED_SPILLED 0x00000001u
#define GG_LISTED_DROP_NEW_SHIFT 1
#define GG_LISTED_DROP_ALL_SHIFT (GG_LISTED_DROP_NEW_SHIFT + GG_LISTED_SLOTS)

static inline int gg_listed_alone(enum gg_action action)
{
	return action == GG_TARPIT || action == GG_DROP_NEW || action == GG_DROP_ALL;
}

/* The bits of a slot. */
static inline __u32 gg_listed_state(__u32 slot, enum gg_action action)
{
	if (action == GG_TARPIT)
		return 0;
	return 1u << (slot + (action == GG_DROP_NEW ? GG_LISTED_DROP_NEW_SHIFT
						    : GG_LISTED_DROP_ALL_SHIFT));
}

/* Which of them, from 0, geometry as of the index: the lines in use, an even number, and the key of
 * the hash. The other one of its pair is ^ 1. */
static inline __u32 gg_listed_line(__u32 addr, __u64 geometry)
{
	return (__u32)((__u64)gg_index_hash4(addr, geometry >> 32) * (__u32)geometry >> 32);
}

#endif
