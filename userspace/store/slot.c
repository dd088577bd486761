// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Slots: where within its second a grey row lies.
 *
 * Tags are random. If the groups of one second were sorted among each other, each would land in the
 * middle of the last one's pages, and LMDB would split those and leave them 60 % full: 138 bytes a
 * record instead of 88, measured. So each group of a second gets the next slot, and its rows are
 * appended. The price is that a row that changes is looked for in the slots of its second.
 */
#include "engine.h"

/* Later groups of a second share the last slot, as do rows that come after their second. */
#define SLOT_LAST 31

void slot_begin_group(struct store *s, uint32_t newest_first)
{
	if (newest_first > s->slot_second) {
		s->slot_second = newest_first;
		s->slot = 0;
	} else if (newest_first == s->slot_second && s->slot < SLOT_LAST) {
		s->slot++;
	}
}

void slot_place(const struct store *s, struct row_key *key)
{
	key->b[GREY_SLOT] = codec_grey_first(key->b) == s->slot_second ? s->slot : SLOT_LAST;
}

int slot_find(MDB_cursor *c, const struct row_key *key, MDB_val *ret_key, MDB_val *ret_value)
{
	const size_t tag = GREY_SLOT + 1;
	struct row_key k = *key;
	const uint8_t *found;
	int rc, order;

	for (unsigned int slot = 0; slot <= SLOT_LAST; slot++) {
		k.b[GREY_SLOT] = (uint8_t)slot;
		*ret_key = engine_key(&k);
		rc = mdb_cursor_get(c, ret_key, ret_value, MDB_SET_RANGE);
		if (rc)
			return rc;
		found = ret_key->mv_data;
		if (ret_key->mv_size != k.len || memcmp(found, k.b, GREY_SLOT))
			return MDB_NOTFOUND;
		order = memcmp(found + tag, k.b + tag, k.len - tag);
		if (!order)
			return 0;
		/* Slots without rows are passed over; a slot whose rows begin behind the tag does
		 * not hold it. */
		if (found[GREY_SLOT] > slot)
			slot = order < 0 ? found[GREY_SLOT] - 1u : found[GREY_SLOT];
	}
	return MDB_NOTFOUND;
}
