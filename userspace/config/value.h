/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, durations, sizes and words as people write them. Pure; any thread. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stddef.h>
#include <stdint.h>

/* One word of a key; `refuse` (or NULL) says why this version does not take it. */
struct word {
	const char *text;
	int value;
	const char *refuse;
};

/* The row of a list that ends with text NULL, or NULL. */
const struct word *word_find(const struct word *words, const char *text);
const char *word_text(const struct word *words, int value); /* NULL: not in the list */

/* "500", "20k" (thousands), "1m" (millions). 0 or -EINVAL. */
int value_number(const char *text, uint64_t *ret);

/* The shortest spelling that reads back as the same value. The text lives
 * in buf or for ever. */
#define VALUE_TEXT 24
const char *value_duration_text(uint64_t ms, char buf[VALUE_TEXT]);
const char *value_size_text(uint64_t bytes, char buf[VALUE_TEXT]);
const char *value_number_text(uint64_t n, char buf[VALUE_TEXT]);

extern const struct word value_actions[];

#endif
