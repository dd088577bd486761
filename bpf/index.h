/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the hot index (include/greygate/index.h): one cache line, seldom two, instead of the three
 * or four that a hash of a million entries costs, each of them far away.
 */
#ifndef BPF_INDEX_H
#define BPF_INDEX_H

#include <stdbool.h>

#include "maps.h"

enum index_answer {
	INDEX_ABSENT, /* no entry in the truth */
	INDEX_HIT,    /* what the slot's byte means is in force */
	INDEX_ASK,    /* ask the truth */
};

struct index_hit {
	__u8 slot;   /* its byte */
	__u8 shift;  /* where the byte stands in the word */
	__u32 *word; /* what holds it and three others */
	__u32 was;   /* the word as it was read */
	/* Where the host may stand, with the index in force; NULL: it isn't. */
	const struct gg_bucket *own, *away;
};

#define INDEX_READ(type, at) (*(const volatile type *)(at))

/* Loads before stay before loads after. x86 keeps their order by itself. */
static __always_inline void index_order(void)
{
#ifdef __TARGET_ARCH_x86
	barrier();
#else
	__u64 own = 0;

	__sync_fetch_and_add(&own, 1);
	barrier_var(own);
#endif
}

/* The head's first word, and what it held; 0 in its lower half: the index isn't in force. */
static __always_inline const __u64 *index_head(void *map, __u64 *ret_geometry)
{
	const __u64 *head;
	__u32 zero = 0;

	head = bpf_map_lookup_elem(map, &zero);
	*ret_geometry = head ? INDEX_READ(__u64, head) : 0;
	return head;
}

/* Where the byte stands; GG_BUCKET_SLOTS: not there. A function of its own, so that the verifier
 * forgets which one it was: it would walk through all that follows once for each slot. */
__noinline __u32 index_slot_of(const struct gg_bucket *b, __u32 key, __u32 place)
{
	__u32 i, byte;

	if (!b)
		return GG_BUCKET_SLOTS;
#pragma unroll
	for (i = 0; i < GG_BUCKET_SLOTS; i++) {
		byte = INDEX_READ(__u8, &b->slot[gg_index_slot(i)]);
		if (INDEX_READ(__u16, &b->key[i]) == key && byte && (byte & GG_SLOT_PLACE) == place)
			return gg_index_slot(i);
	}
	return GG_BUCKET_SLOTS;
}

static __always_inline bool index_ended(__u32 state, __u64 now)
{
	__u64 ends = state >> GG_BUCKET_ENDS_SHIFT;

	return ends && ends * (GG_BUCKET_ENDS_UNIT * 1000000000ull) <= now;
}

/* In one bucket. place: what of GG_SLOT_PLACE the slot has. */
static __always_inline enum index_answer index_look(const struct gg_bucket *b, __u32 key,
						    __u32 place, __u64 now, struct index_hit *ret,
						    __u32 *state)
{
	__u32 slot;

	*state = INDEX_READ(__u32, &b->state);
	index_order();
	slot = index_slot_of(b, key, place);
	if (slot < GG_BUCKET_SLOTS) {
		ret->word = (__u32 *)b->slot + (slot >> 2);
		ret->was = INDEX_READ(__u32, ret->word);
		ret->shift = (slot & 3) * 8;
		ret->slot = ret->was >> ret->shift;
	}
	index_order();
	if (*state & GG_BUCKET_BUSY || INDEX_READ(__u32, &b->state) != *state)
		return INDEX_ASK;
	if (slot >= GG_BUCKET_SLOTS)
		return INDEX_ABSENT;
	return index_ended(*state, now) ? INDEX_ASK : INDEX_HIT;
}

static __always_inline enum index_answer index_find(void *map, const __u64 *head, __u64 geometry,
						    __u32 hash, __u64 now, struct index_hit *ret)
{
	const __u32 key = gg_index_key(hash, geometry), rest = gg_index_rest(hash, geometry);
	__u32 at = gg_index_bucket(hash, geometry), state, state_away;
	const struct gg_bucket *b = bpf_map_lookup_elem(map, &at), *away;
	enum index_answer answer;

	if (!b)
		return INDEX_ASK;
	at = gg_index_away(at, key, geometry);
	away = bpf_map_lookup_elem(map, &at);
	if (!away)
		return INDEX_ASK;
	ret->own = b;
	ret->away = away;
	answer = index_look(b, key, rest, now, ret, &state);
	if (answer == INDEX_ABSENT && state & GG_BUCKET_FULL) {
		answer = index_look(away, key, rest | GG_SLOT_AWAY, now, ret, &state_away);
		if (INDEX_READ(__u32, &b->state) != state ||
		    (answer == INDEX_ABSENT && state_away & GG_BUCKET_FULL))
			return INDEX_ASK;
	}
	return INDEX_READ(__u64, head) == geometry ? answer : INDEX_ASK;
}

/* The byte of a source under drop_new that has been dropped often and was seen since the last
 * sweep: all that there is to do is to drop it again. */
#define INDEX_FLOOD ((GG_MEANS_DENY + GG_DROP_NEW) | GG_SLOT_OFTEN | GG_SLOT_SEEN)

/* The top bit of each lane that is 0, and no other bit. */
static __always_inline __u64 index_zeros(__u64 lanes, __u64 top)
{
	return ~(((lanes & ~top) + ~top) | lanes | ~top);
}

#define INDEX_KEY_TOPS 0x8000800080008000ull
#define INDEX_BYTE_TOPS 0x8080808080808080ull
#define INDEX_EACH_KEY 0x0001000100010001ull
#define INDEX_EACH_BYTE 0x0101010101010101ull

/* Flags of eight keys, two words of four, as gg_index_slot puts their bytes into one word. */
static __always_inline __u64 index_eight(const __u16 *keys, __u64 wanted)
{
	__u64 first = index_zeros(INDEX_READ(__u64, keys) ^ wanted, INDEX_KEY_TOPS);
	__u64 second = index_zeros(INDEX_READ(__u64, keys + 4) ^ wanted, INDEX_KEY_TOPS);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first >> 8 | second;
#else
	return second >> 8 | first;
#endif
}

/* The same of the last four, in a word's lower half. */
static __always_inline __u32 index_four(const __u16 *keys, __u64 wanted)
{
	__u64 flags = index_zeros(INDEX_READ(__u64, keys) ^ wanted, INDEX_KEY_TOPS) >> 8;

	return flags | flags >> 24;
}

struct index_lanes {
	__u64 keys;  /* flags of those that are the address's */
	__u64 bytes; /* in the order of the flags */
};

static __always_inline struct index_lanes index_half(const struct gg_bucket *b, __u32 half,
						     __u64 wanted)
{
	struct index_lanes l = {index_eight(b->key + half * GG_BUCKET_HALF, wanted),
				INDEX_READ(__u64, b->slot + half * GG_BUCKET_HALF)};

	return l;
}

static __always_inline struct index_lanes index_last(const struct gg_bucket *b, __u64 wanted)
{
	struct index_lanes l = {index_four(b->key + 2 * GG_BUCKET_HALF, wanted),
				INDEX_READ(__u32, b->slot + 2 * GG_BUCKET_HALF)};

	return l;
}

/* Flags, if the byte of the address is what is wanted, which has its place in it and isn't 0. */
static __always_inline __u64 index_is(struct index_lanes l, __u8 wanted, __u8 mask)
{
	const __u64 all = wanted * INDEX_EACH_BYTE, masks = mask * INDEX_EACH_BYTE;

	return l.keys & index_zeros((l.bytes & masks) ^ all, INDEX_BYTE_TOPS);
}

enum index_glance {
	INDEX_NO_GLANCE,
	INDEX_FLOODS,
	INDEX_ALLOWED,
	INDEX_MAYBE_AWAY,
	INDEX_NOBODY, /* no entry in the truth */
};

static __always_inline enum index_glance index_tells(struct index_lanes a, struct index_lanes b,
						     __u8 place)
{
	const __u8 flood = INDEX_FLOOD | place, allowed = GG_MEANS_ALLOW | place;
	const __u8 mask = GG_SLOT_MEANING | GG_SLOT_PLACE;

	if (index_is(a, flood, 0xff) | index_is(b, flood, 0xff))
		return INDEX_FLOODS;
	if (index_is(a, allowed, mask) | index_is(b, allowed, mask))
		return INDEX_ALLOWED;
	return INDEX_NO_GLANCE;
}

/* Whether what was read since `state` is what the daemon wrote. */
static __always_inline bool index_stands(const struct gg_bucket *b, __u32 state, const __u64 *head,
					 __u64 geometry)
{
	index_order();
	return !(state & GG_BUCKET_BUSY) && INDEX_READ(__u32, &b->state) == state &&
	       INDEX_READ(__u64, head) == geometry;
}

/* All of one bucket. INDEX_MAYBE_AWAY: if the address is anywhere else, then there. */
static __always_inline enum index_glance
index_glance_at(const struct gg_bucket *b, const __u64 *head, __u64 geometry, __u32 key, __u8 place)
{
	const __u64 wanted = key * INDEX_EACH_KEY;
	const struct index_lanes none = {};
	struct index_lanes first, second, last;
	enum index_glance told;
	__u32 state;

	state = INDEX_READ(__u32, &b->state);
	index_order();
	first = index_half(b, 0, wanted);
	second = index_half(b, 1, wanted);
	last = index_last(b, wanted);
	if (!(first.keys | second.keys | last.keys)) {
		told = state & GG_BUCKET_FULL ? INDEX_MAYBE_AWAY : INDEX_NOBODY;
		return index_stands(b, state, head, geometry) ? told : INDEX_NO_GLANCE;
	}
	told = index_tells(first, second, place);
	if (!told)
		told = index_tells(last, none, place);
	/* None: another one's key, or a meaning that takes more than a glance. */
	if (!told || !index_stands(b, state, head, geometry))
		return INDEX_NO_GLANCE;
	if (state >> GG_BUCKET_ENDS_SHIFT && index_ended(state, bpf_ktime_get_coarse_ns()))
		return INDEX_NO_GLANCE;
	return told;
}

/* Few stand outside of their half of the bucket, or away from it. A function of its own, which
 * begins anew: nothing of the glance is put aside for them. */
__noinline __u32 index_glance_again(__u32 addr)
{
	enum index_glance told;
	const struct gg_bucket *b;
	__u32 at = 0, hash, key;
	const __u64 *head;
	__u64 geometry;
	__u8 rest;

	head = index_head(&index4, &geometry);
	if (!(__u32)geometry)
		return INDEX_NO_GLANCE;
	hash = gg_index_hash4(addr, geometry >> 32);
	key = gg_index_key(hash, geometry);
	rest = gg_index_rest(hash, geometry);
	at = gg_index_bucket(hash, geometry);
	b = bpf_map_lookup_elem(&index4, &at);
	if (!b)
		return INDEX_NO_GLANCE;
	told = index_glance_at(b, head, geometry, key, rest);
	if (told != INDEX_MAYBE_AWAY)
		return told;
	at = gg_index_away(at, key, geometry);
	b = bpf_map_lookup_elem(&index4, &at);
	if (!b)
		return INDEX_NO_GLANCE;
	told = index_glance_at(b, head, geometry, key, rest | GG_SLOT_AWAY);
	return told == INDEX_MAYBE_AWAY ? INDEX_NO_GLANCE : told;
}

/*
 * What a glance at the bucket of an IPv4 address tells of what goes on and on, floods and open
 * connections: no call, and no clock unless an entry of the bucket ends. If nothing, ask closer.
 *
 * No branch asks where in its half of the bucket the address stands, and few addresses stand
 * outside of theirs. So what is branched on turns out the same way all
 * through a flood, the processor guesses it right and is at the next frames while memory still
 * brings this bucket: that wait is most of the cost. What waits with it has to be little, for there
 * is a limit to what may.
 */
static __always_inline enum index_glance index_glance(__u32 addr)
{
	enum index_glance told;
	const struct gg_bucket *b;
	__u32 at = 0, state, hash, key;
	const struct index_lanes none = {};
	__u64 geometry, wanted;
	const __u64 *head;

	head = index_head(&index4, &geometry);
	if (!(__u32)geometry)
		return INDEX_NO_GLANCE;
	hash = gg_index_hash4(addr, geometry >> 32);
	at = gg_index_bucket(hash, geometry);
	b = bpf_map_lookup_elem(&index4, &at);
	if (!b)
		return INDEX_NO_GLANCE;
	key = gg_index_key(hash, geometry);
	wanted = key * INDEX_EACH_KEY;
	state = INDEX_READ(__u32, &b->state);
	index_order();
	told = index_tells(index_half(b, gg_index_half(key), wanted), none,
			   gg_index_rest(hash, geometry));
	if (!index_stands(b, state, head, geometry))
		return INDEX_NO_GLANCE;
	if (!told)
		return index_glance_again(addr);
	if (state >> GG_BUCKET_ENDS_SHIFT && index_ended(state, bpf_ktime_get_coarse_ns()))
		return INDEX_NO_GLANCE;
	return told;
}

/* The states of the two buckets where a host may stand: each change of its entry changes them. 0:
 * the index isn't in force, and nobody tells. */
static __always_inline __u64 index_turns(const struct index_hit *hit)
{
	if (!hit->own || !hit->away)
		return 0;
	return INDEX_READ(__u32, &hit->own->state) | (__u64)INDEX_READ(__u32, &hit->away->state)
							     << 32;
}

/* addr: IPv4, network order. now: ns. */
static __always_inline enum index_answer index_find4(__u32 addr, __u64 now, struct index_hit *ret)
{
	enum index_answer answer;
	const __u64 *head;
	__u64 geometry;

	head = index_head(&index4, &geometry);
	if (!(__u32)geometry)
		return INDEX_ASK;
	answer =
		index_find(&index4, head, geometry, gg_index_hash4(addr, geometry >> 32), now, ret);
	if (answer == INDEX_HIT && (ret->slot & GG_SLOT_MEANING) <= GG_MEANS_ASK)
		return INDEX_ASK;
	return answer;
}

/* INDEX_ASK for all that may be there. */
static __always_inline enum index_answer index_find6(const __u8 addr[16], __u64 now,
						     struct index_hit *ret)
{
	const __u64 *head;
	__u32 words[4], hash;
	__u64 geometry;

	head = index_head(&index6, &geometry);
	if (!(__u32)geometry)
		return INDEX_ASK;
	__builtin_memcpy(words, addr, 16);
	hash = gg_index_hash6(words, geometry >> 32);
	if (index_find(&index6, head, geometry, hash, now, ret) == INDEX_ABSENT)
		return INDEX_ABSENT;
	return INDEX_ASK;
}

/* One try: when the word has changed since, its writer knows better, and the next packet comes. */
static __always_inline void index_mark(const struct index_hit *hit, __u8 slot)
{
	__u32 now = (hit->was & ~(0xffu << hit->shift)) | (__u32)slot << hit->shift;

	__sync_val_compare_and_swap(hit->word, hit->was, now);
}

/* From now on the index alone decides on a host of IPv4, network order, if it has it. A function of
 * its own, for the verifier's sake. */
__noinline int index_often(__u32 addr, __u64 now)
{
	struct index_hit hit = {};

	if (index_find4(addr, now, &hit) == INDEX_HIT)
		index_mark(&hit, hit.slot | GG_SLOT_OFTEN);
	return 0;
}

/* Used again, of which the daemon makes last_seen. */
static __always_inline void index_seen(const struct index_hit *hit)
{
	if (!(hit->slot & GG_SLOT_SEEN))
		index_mark(hit, hit->slot | GG_SLOT_SEEN);
}

#endif
