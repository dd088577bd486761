// SPDX-License-Identifier: GPL-2.0-or-later
#include "value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

struct unit {
	const char *text;
	uint64_t factor;
};

/* Largest first, so that the printers find the shortest spelling. */
static const struct unit durations[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};
static const struct unit sizes[] = {
	{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0},
};
static const struct unit numbers[] = {{"m", 1000000}, {"k", 1000}, {"", 1}, {NULL, 0}};

const struct word value_actions[] = {
	{"reject", GG_REJECT, NULL},     {"stutter", GG_STUTTER, NULL},
	{"tarpit", GG_TARPIT, NULL},     {"drop_new", GG_DROP_NEW, NULL},
	{"drop_all", GG_DROP_ALL, NULL}, {NULL, 0, NULL},
};

/* Digits, then exactly one of the units. A sum that does not fit is an error, not a wrap. */
static int parse(const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t n = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -EINVAL;
	}
	if (p == text)
		return -EINVAL;
	for (; units->text; units++) {
		if (strcmp(units->text, p) != 0)
			continue;
		if (__builtin_mul_overflow(n, units->factor, &n))
			return -EINVAL;
		*ret = n;
		return 0;
	}
	return -EINVAL;
}

static const char *print(uint64_t value, const struct unit *units, char buf[VALUE_TEXT])
{
	if (!value)
		return "0";
	while (units->factor > 1 && value % units->factor)
		units++;
	snprintf(buf, VALUE_TEXT, "%" PRIu64 "%s", value / units->factor, units->text);
	return buf;
}

int config_duration(const char *text, uint64_t *ret_ms)
{
	if (!strcmp(text, "0")) {
		*ret_ms = 0;
		return 0;
	}
	return parse(text, durations, ret_ms);
}

int config_size(const char *text, uint64_t *ret_bytes)
{
	return parse(text, sizes, ret_bytes);
}

int value_number(const char *text, uint64_t *ret)
{
	return parse(text, numbers, ret);
}

const char *value_duration_text(uint64_t ms, char buf[VALUE_TEXT])
{
	return print(ms, durations, buf);
}

const char *value_size_text(uint64_t bytes, char buf[VALUE_TEXT])
{
	return print(bytes, sizes, buf);
}

const char *value_number_text(uint64_t n, char buf[VALUE_TEXT])
{
	return print(n, numbers, buf);
}

const struct word *word_find(const struct word *words, const char *text)
{
	for (; words->text; words++) {
		if (!strcmp(words->text, text))
			return words;
	}
	return NULL;
}

const char *word_text(const struct word *words, int value)
{
	for (; words->text; words++) {
		if (words->value == value)
			return words->text;
	}
	return NULL;
}

enum gg_action config_action(const char *text)
{
	const struct word *w = word_find(value_actions, text);

	return w ? (enum gg_action)w->value : GG_NO_ACTION;
}

const char *config_action_text(enum gg_action a)
{
	const char *text = word_text(value_actions, a);

	return text ? text : "none";
}
