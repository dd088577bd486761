// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines of Postfix: cidr_table(5) as postscreen_access_list has it, and access(5) by client. What
 * only delays or files a mail away has no meaning for a list and is reported.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

/* ---- cidr_table(5) ---- */

#define PATTERN_ALLOWED "allowed is an address or a prefix such as 192.0.2.0/24, or one behind !"

/* "ADDR/LEN", also within brackets. 0, or as prefix_parse. */
static int read_pattern(char *text, struct prefix *ret)
{
	size_t len = strlen(text);
	char *close;

	if (text[0] == '[' && (close = strchr(text, ']'))) {
		memmove(close, close + 1, (size_t)(text + len - close));
		memmove(text, text + 1, strlen(text));
	}
	return prefix_parse(text, ret);
}

/* The pattern as prefixes: itself, or what lies around it. How many; 0 after a complaint. */
static int read_patterns(struct reading *r, char *text, struct prefix ret[128])
{
	bool not = text[0] == '!';
	struct prefix p;
	int rc;

	if (not )
		text++;
	rc = read_pattern(text, &p);
	if (rc == -ERANGE && !not )
		reading_idle(r, text);
	else if (rc == -ERANGE)
		reading_bad(r, text, "no sender is in it; all of IPv6 is ::/0");
	else if (rc)
		reading_bad(r, text, "%s; " PATTERN_ALLOWED,
			    rc == -EDOM ? "has bits set right of its length" : "not an address");
	if (rc)
		return 0;
	if (not )
		return address_around(&p, ret);
	ret[0] = p;
	return 1;
}

/* Calls take with what each of the prefixes has in common with the block at hand. */
static int within_block(struct reading *r, const struct prefix *list, int n,
			int (*take)(struct reading *r, const struct prefix *p))
{
	const struct blocks *b = &r->blocks;
	int outer = b->depth - 1, rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		if (outer < 0) {
			rc = take(r, &list[i]);
			continue;
		}
		for (int j = 0; j < b->count[outer] && !rc; j++) {
			const struct prefix *p =
				address_common(&b->prefixes[b->begin[outer] + j], &list[i]);

			rc = p ? take(r, p) : 0;
		}
	}
	return rc;
}

/* Adds a prefix to the block that is being opened, the one behind the innermost. */
static int into_block(struct reading *r, const struct prefix *p)
{
	struct blocks *b = &r->blocks;

	b->prefixes[b->begin[b->depth] + b->count[b->depth]++] = *p;
	return 0;
}

static int begin_block(struct reading *r, char *pattern)
{
	struct prefix list[128];
	struct blocks *b = &r->blocks;
	int outer = b->depth - 1, n;

	/* What such a line is to keep out would come in if it were left out. */
	if (!pattern)
		return reading_refuse(r, "\"if\" without a pattern; " PATTERN_ALLOWED);
	if (b->depth == BLOCKS)
		return reading_refuse(r, "blocks within more than %d others", BLOCKS - 1);
	n = read_patterns(r, pattern, list);
	if (r->last_bad == r->line)
		return reading_refuse(r, "\"if\" with a bad pattern; " PATTERN_ALLOWED);
	b->begin[b->depth] = outer < 0 ? 0 : b->begin[outer] + b->count[outer];
	b->count[b->depth] = 0;
	within_block(r, list, n, into_block);
	b->depth++;
	return 0;
}

static int end_block(struct reading *r)
{
	if (!r->blocks.depth)
		return reading_refuse(r, "\"endif\" without \"if\"");
	r->blocks.depth--;
	return 0;
}

static const struct {
	const char *word;
	enum list_says says;
} screen_words[] = {
	{"permit", LIST_ALLOW},
	{"reject", LIST_DENY},
	{"dunno", LIST_NEITHER},
};

static int give_screened(struct reading *r, char *pattern, const char *word)
{
	struct prefix list[128];
	size_t i = 0, n = sizeof(screen_words) / sizeof(screen_words[0]);

	while (i < n && strcasecmp(screen_words[i].word, word) != 0)
		i++;
	if (i == n)
		return reading_bad(r, word, "no such action; allowed is permit, reject or dunno");
	r->says = screen_words[i].says;
	return within_block(r, list, read_patterns(r, pattern, list), reading_give_prefix);
}

int line_cidr_table(struct reading *r, char *text)
{
	char *first = text_word(&text), *second = text_word(&text), *third = text_word(&text);

	if (!strcasecmp(first, "endif"))
		return second ? reading_refuse(r, "words behind \"endif\"") : end_block(r);
	if (!strcasecmp(first, "if"))
		return third ? reading_refuse(r, "words behind the pattern of \"if\"")
			     : begin_block(r, second);
	if (!second)
		return reading_bad(r, first,
				   "no action behind it; allowed is permit, reject or "
				   "dunno");
	if (third)
		return reading_bad(r, third,
				   "words behind the action; allowed is permit, reject "
				   "or dunno alone");
	return give_screened(r, first, second);
}

/* ---- access(5) ---- */

#define ACTION_ALLOWED "allowed is OK, REJECT text, 5xx text or DUNNO"

enum words { NO_WORDS, MAY_WORDS };

static const struct {
	const char *word;
	enum list_says says;
	enum words words;
} actions[] = {
	{"OK", LIST_ALLOW, NO_WORDS},
	{"PERMIT", LIST_ALLOW, NO_WORDS},
	{"REJECT", LIST_DENY, MAY_WORDS},
	{"DUNNO", LIST_NEITHER, NO_WORDS},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool all_digits(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* Behind "5.7.1 " and the like: our own status code goes before the words. */
static char *without_status(char *text)
{
	size_t len = strspn(text, "0123456789.");

	if (is_digit(text[0]) && text[1] == '.' && text[len] == ' ')
		return text + len + strspn(text + len, " \t");
	return is_digit(text[0]) && text[1] == '.' && !text[len] ? text + len : text;
}

static bool is_ascii(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text > '~')
			return false;
	}
	return true;
}

/* Sets says and message; false after a complaint. */
static bool read_action(struct reading *r, char *word, char *rest)
{
	size_t n = sizeof(actions) / sizeof(actions[0]), i = 0;
	bool code = all_digits(word) && strlen(word) == 3 && word[0] == '5' && *rest;

	if (code) {
		r->says = LIST_DENY;
	} else if (all_digits(word) && !*rest) {
		r->says = LIST_ALLOW;
	} else {
		while (i < n && strcasecmp(actions[i].word, word) != 0)
			i++;
		if (i == n)
			return reading_bad(r, word, "no action of a list; " ACTION_ALLOWED);
		if (*rest && actions[i].words == NO_WORDS)
			return reading_bad(r, rest, "words behind %s; " ACTION_ALLOWED,
					   actions[i].word);
		r->says = actions[i].says;
	}
	rest = without_status(rest);
	if (!is_ascii(rest))
		return reading_bad(r, rest, "not plain ASCII, as a reply must be");
	if (strlen(rest) > LIST_MESSAGE)
		return reading_bad(r, rest, "longer than %d bytes", LIST_MESSAGE);
	r->message = *rest ? rest : NULL;
	return true;
}

/* The first groups of an IPv6 address: "2001:db8" is 32 bits. 0, or as address_loose. */
static int read_groups(const char *text, struct prefix *ret)
{
	char whole[ADDR_TEXT];
	struct addr a;
	struct prefix first;
	int groups = 1;

	for (const char *p = text; *p; p++)
		groups += *p == ':';
	if (groups > 7 || strstr(text, "::") ||
	    snprintf(whole, sizeof(whole), "%s::", text) >= (int)sizeof(whole) ||
	    addr_parse(whole, &a))
		return -EINVAL;
	first = addr_mask(&a, (uint8_t)(16 * groups));
	if (prefix_is_all4(&first))
		return -ERANGE;
	*ret = first;
	return 0;
}

/* 0, or as address_loose. */
static int read_key(const char *key, struct prefix *ret)
{
	int rc = address_loose(key, ret);

	if (rc != -EINVAL)
		return rc;
	if (strchr(key, ':'))
		return read_groups(key, ret);
	return key[strlen(key) - 1] != '.' && address_octets(key, ret) ? 0 : -EINVAL;
}

int line_access(struct reading *r, char *text)
{
	char *key = text_word(&text), *word = text_word(&text);
	bool below = key[0] == '.';
	char name[TEXT_NAME];
	struct prefix p;
	int rc;

	if (!word)
		return reading_bad(r, key, "no action behind it; " ACTION_ALLOWED);
	if (!read_action(r, word, text + strspn(text, " \t")))
		return 0;
	rc = read_key(key, &p);
	if (!rc)
		return reading_give_prefix(r, &p);
	if (rc == -ERANGE)
		return reading_idle(r, key);
	if (strchr(key, '@'))
		return reading_bad(r, key,
				   "a mail address; allowed are names and addresses of "
				   "clients");
	if (!text_name(below ? key + 1 : key, name))
		return reading_bad(r, key, "neither a name nor an address of a client");
	return reading_give_text(r, below ? LIST_BELOW : LIST_DOMAIN, name);
}
