/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Public Suffix List as one hash table: each label of a rule is found under the one to its
 * right. tools/suffixes writes the table while greygate is built, domain.c looks names up in it.
 */
#ifndef GREYGATE_POLICY_SUFFIX_H
#define GREYGATE_POLICY_SUFFIX_H

#include <stdint.h>
#include <string.h>

#define SUFFIX_SLOTS (1u << 15) /* power of two, up to 2^15: a slot is also a node's number */
#define SUFFIX_ROOT UINT16_MAX  /* what top-level domains stand under */

enum suffix_flag {
	SUFFIX_RULE = 1,      /* it is a public suffix */
	SUFFIX_WILDCARD = 2,  /* so is it with any label before it */
	SUFFIX_EXCEPTION = 4, /* but not this one */
	SUFFIX_PARENT = 8,    /* rules go on to its left */
};

/* len 0: an empty slot, where a search ends. */
struct suffix {
	uint32_t label;  /* where its text begins in the table's labels */
	uint16_t parent; /* slot of the label to its right, or SUFFIX_ROOT */
	uint8_t len;     /* bytes of the label, without NUL */
	uint8_t flags;   /* of enum suffix_flag */
};

_Static_assert(sizeof(struct suffix) == 8, "eight in a cache line");

/* Where the label begins that ends before `end`, not before `name`; its hash under `parent`. */
static inline const char *suffix_label(const char *name, const char *end, uint16_t parent,
				       uint32_t *ret_hash)
{
	uint32_t hash = UINT32_C(2166136261) ^ parent;

	for (; end > name && end[-1] != '.'; end--)
		hash = (hash ^ (uint8_t)end[-1]) * UINT32_C(16777619);
	*ret_hash = hash ^ hash >> 15;
	return end;
}

/* The slot of that label, or the empty one where it would stand. At least one must be empty. */
static inline uint16_t suffix_slot(const struct suffix table[SUFFIX_SLOTS], const char *labels,
				   uint16_t parent, const char *label, size_t len, uint32_t hash)
{
	uint32_t slot = hash % SUFFIX_SLOTS;

	while (table[slot].len && (table[slot].len != len || table[slot].parent != parent ||
				   memcmp(labels + table[slot].label, label, len) != 0))
		slot = (slot + 1) % SUFFIX_SLOTS;
	return (uint16_t)slot;
}

#endif
