/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regular expressions of one list, in Perl's grammar and without regard to case. Compiled once,
 * then read-only: any thread that brings a matcher of its own. No pattern takes more than a fixed
 * number of steps on a text, however the text was chosen; one that would, does not match.
 */
#ifndef LISTS_PATTERNS_H
#define LISTS_PATTERNS_H

#include "reader.h"

#define LIST_PATTERNS 1000 /* of one list: they are tried one by one */
#define LIST_PATTERN_STEPS 20000
#define LIST_PATTERN_HEAP 1024 /* KiB */

struct list_pattern {
	void *code;
	uint32_t line;
	uint32_t message; /* of the caller's */
	uint8_t kind;     /* LIST_PATTERN, LIST_TO_PATTERN */
	uint8_t says;     /* enum list_says */
};

struct list_patterns {
	struct list_pattern *list;
	size_t count, room;
};

/* What one thread needs to match, and how often a pattern was given up on. */
struct list_matcher;

struct list_matcher *list_matcher_new(void); /* NULL: no memory */
void list_matcher_free(struct list_matcher **m);
uint64_t list_matcher_given_up(const struct list_matcher *m);

/* -EINVAL: *ret_why (the calling thread's until the next call) says what is wrong. -ENOMEM. */
int list_patterns_add(struct list_patterns *l, const struct list_entry *e, uint32_t message,
		      const char **ret_why);
void list_patterns_free(struct list_patterns *l);
/* The first one of its kind that matches the text, or NULL. */
const struct list_pattern *list_patterns_find(const struct list_patterns *l, enum list_kind kind,
					      const char *text, struct list_matcher *m);

#endif
