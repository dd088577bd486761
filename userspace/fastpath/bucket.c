// SPDX-License-Identifier: GPL-2.0-or-later
#include "bucket.h"

#define SLOTS GG_BUCKET_SLOTS

static struct bucket_place place_of(struct bucket_geometry g, uint32_t hash)
{
	struct bucket_place p = {
		.at = gg_index_bucket(hash, g.buckets),
		.key = gg_index_key(hash, g.buckets),
		.rest = gg_index_rest(hash, g.buckets),
	};

	return p;
}

struct bucket_place bucket_place4(struct bucket_geometry g, uint32_t addr)
{
	return place_of(g, gg_index_hash4(addr, g.hash_key));
}

struct bucket_place bucket_place6(struct bucket_geometry g, const uint32_t addr[4])
{
	return place_of(g, gg_index_hash6(addr, g.hash_key));
}

struct bucket_place bucket_away(struct bucket_geometry g, struct bucket_place own)
{
	own.at = gg_index_away(own.at, own.key, g.buckets);
	own.rest |= GG_SLOT_AWAY;
	return own;
}

static uint32_t undo_times(uint32_t product, uint32_t odd)
{
	uint32_t inverse = odd;
	int i;

	for (i = 0; i < 5; i++) /* each step doubles the bits that are right, three to begin with */
		inverse *= 2 - odd * inverse;
	return product * inverse;
}

static uint32_t undo_hash4(uint32_t hash, uint32_t key)
{
	uint32_t addr = undo_times(hash, GG_INDEX_FIRST);

	addr ^= addr >> 15 ^ addr >> 30;
	addr = undo_times(addr, GG_INDEX_SECOND) - key;
	addr ^= addr >> 16;
	return undo_times(addr, GG_INDEX_FIRST) ^ key;
}

/* The hashes of a bucket are neighbours, and their products with the number of buckets begin, above
 * the bucket's own 32 bits, with what the slot holds. */
uint32_t bucket_address4(struct bucket_geometry g, struct bucket_place p)
{
	const uint32_t own = p.rest & GG_SLOT_AWAY ? gg_index_own(p.at, p.key, g.buckets) : p.at;
	const uint64_t first = (((uint64_t)(own - 1) << 32) + g.buckets - 1) / g.buckets;
	const uint64_t from = (uint32_t)(first * g.buckets);
	const uint64_t sought = (uint64_t)p.key << 16 | (uint64_t)(p.rest & GG_SLOT_REST) << 10;
	uint32_t hash = (uint32_t)first;

	if (sought > from)
		hash += (uint32_t)((sought - from + g.buckets - 1) / g.buckets);
	return undo_hash4(hash, g.hash_key);
}

uint8_t bucket_byte(const struct gg_bucket *b, int slot)
{
	return __atomic_load_n(&b->slot[gg_index_slot(slot)], __ATOMIC_RELAXED);
}

int bucket_find(const struct gg_bucket *b, struct bucket_place p)
{
	uint8_t byte;
	int i;

	for (i = 0; i < SLOTS; i++) {
		byte = bucket_byte(b, i);
		if (b->key[i] == p.key && byte && (byte & GG_SLOT_PLACE) == p.rest)
			break;
	}
	return i;
}

/* From i on, below end; end: there is none. */
static int free_among(const struct gg_bucket *b, int i, int end)
{
	while (i < end && bucket_byte(b, i))
		i++;
	return i;
}

/* Where the key is looked for first, else among those of no half, else in the other half. */
int bucket_free(const struct gg_bucket *b, struct bucket_place p)
{
	const int home = (int)gg_index_half(p.key) * GG_BUCKET_HALF, other = GG_BUCKET_HALF - home;
	int i = free_among(b, home, home + GG_BUCKET_HALF);

	if (i < home + GG_BUCKET_HALF)
		return i;
	i = free_among(b, 2 * GG_BUCKET_HALF, SLOTS);
	if (i < SLOTS)
		return i;
	i = free_among(b, other, other + GG_BUCKET_HALF);
	return i < other + GG_BUCKET_HALF ? i : SLOTS;
}

/* Whoever reads the bucket now is turned away, so only the byte's neighbours matter: they may be
 * marked at this moment. */
void bucket_set(struct gg_bucket *b, int slot, struct bucket_place p, uint8_t meaning)
{
	b->key[slot] = p.key;
	__atomic_store_n(&b->slot[gg_index_slot(slot)], meaning ? meaning | p.rest : 0,
			 __ATOMIC_SEQ_CST);
}

void bucket_turn(struct gg_bucket *b)
{
	uint32_t state = b->state;

	state = (state & ~GG_BUCKET_TURN) | ((state + GG_BUCKET_BUSY) & GG_BUCKET_TURN);
	__atomic_store_n(&b->state, state, __ATOMIC_SEQ_CST);
}

uint64_t bucket_end(const struct gg_bucket *b)
{
	return (uint64_t)(b->state >> GG_BUCKET_ENDS_SHIFT) * GG_BUCKET_ENDS_UNIT;
}

void bucket_add_end(struct gg_bucket *b, uint64_t expires)
{
	uint64_t end = expires / GG_BUCKET_ENDS_UNIT, have = b->state >> GG_BUCKET_ENDS_SHIFT;

	if (!expires)
		return;
	if (end < 1)
		end = 1;
	if (end > UINT32_MAX >> GG_BUCKET_ENDS_SHIFT)
		end = UINT32_MAX >> GG_BUCKET_ENDS_SHIFT;
	if (!have || end < have)
		b->state = (b->state & (GG_BUCKET_TURN | GG_BUCKET_FULL)) |
			   (uint32_t)end << GG_BUCKET_ENDS_SHIFT;
}

void bucket_clear_end(struct gg_bucket *b)
{
	b->state &= GG_BUCKET_TURN | GG_BUCKET_FULL;
}

bool bucket_take_mark(struct gg_bucket *b, int slot)
{
	uint8_t *byte = &b->slot[gg_index_slot(slot)];

	if (!(__atomic_load_n(byte, __ATOMIC_RELAXED) & GG_SLOT_SEEN))
		return false;
	__atomic_fetch_and(byte, (uint8_t)~GG_SLOT_SEEN, __ATOMIC_SEQ_CST);
	return true;
}
