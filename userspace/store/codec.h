/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows on disk: items to keys and values and back; the layout is drawn in README. Pure.
 *
 * Grey rows are keyed by their first attempt, so that they are appended, fill their pages, and are
 * over in the order in which they stand. Rows of the other expiring kinds slide; a queue beside
 * them (due) says when to look at each again. The value holds the moment it is queued for, so that
 * there is exactly one entry per row.
 */
#ifndef STORE_CODEC_H
#define STORE_CODEC_H

#include "store.h"

enum sub {
	SUB_META,
	SUB_GREY,
	SUB_PASSED,
	SUB_SOURCE,
	SUB_VERDICT,
	SUB_TRAP,
	SUB_DUE,
	SUB_CORRESPONDENT,
	SUB_MAX
};

#define ROW_KEY 24
#define GREY_SLOT 4 /* index of the slot in the key of a grey row, see slot.c */
#define ROW_VALUE 192

struct row_key {
	uint8_t len;
	uint8_t b[ROW_KEY];
};

struct row_value {
	uint8_t len;
	uint8_t b[ROW_VALUE];
};

/* Where the item lies; a grey row with slot 0. */
enum sub codec_place(const struct store_item *item, struct row_key *ret);
/* Where a record lies; SUB_MAX for a state that is not stored. */
enum sub codec_place_record(const struct record *r, struct row_key *ret);

/* due: the moment the row is queued for, 0: never; only kept by kinds that slide. */
void codec_pack(const struct store_item *item, uint32_t due, struct row_value *ret);
/* Any bytes in: 0, or -EILSEQ and *ret untouched. */
int codec_unpack(enum sub sub, const void *key, size_t key_len, const void *value, size_t value_len,
		 struct store_item *ret);

/* What an item leaves out (text, prefix) is taken from the stored one. */
bool codec_wants_old(const struct store_item *item);
void codec_fill(struct store_item *item, const struct store_item *old);

/* Whether a row of this sub-DB slides, that is, has an entry in due. */
bool codec_slides(enum sub sub);
/* First second at which the item is over; 0: never. Grey, passed and source by lifetime. */
uint32_t codec_over(const struct store_item *item, uint32_t window, uint32_t keep);
/* The moment a sliding row is queued for, and how to change it in place. value_len >= 4. */
uint32_t codec_due(const void *value);
void codec_set_due(void *value, uint32_t due);

struct row_key codec_due_key(uint32_t due, enum sub sub, const void *key, size_t key_len);
/* 0 or -EILSEQ. *ret_key points into key. */
int codec_due_parse(const void *key, size_t key_len, uint32_t *ret_due, enum sub *ret_sub,
		    const void **ret_key, size_t *ret_key_len);
/* First attempt of a grey key, key_len >= 4. */
uint32_t codec_grey_first(const void *key);

#endif
