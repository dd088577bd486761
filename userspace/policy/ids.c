// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Words that no person has for a name: numbers and ids that machines make.
 *
 * A name with a number behind it (mike1980, customer123, e4711) turns from letters to digits once;
 * random characters turn again and again. How long a word has to be depends on what else is known
 * of the address. When in doubt it is a name: better one mail more that waits than two people who
 * share a record.
 */
#include <string.h>

#include "internal.h"

/* Without any other sign. Phone numbers have up to 15 digits, numbers of citizens 18. */
#define LONE_DIGITS 20
#define LONE_HEX 16
#define LONE_HEX_TURNS 4
#define LONE_BASE 24
#define LONE_BASE_TURNS 5
#define LONE_DENSE 3 /* characters a turn: names with years have more */
#define LONE_THIN 4  /* and from here on names are likely */
#define LONE_LONG 40 /* with less than those, for few characters of base32 are digits */
#define LONE_LONG_TURNS 2
#define ODD 4 /* one of so many pairs of letters, in words are fewer */
#define ODD_LEAST 2
/* In an address that a machine made. */
#define IDS_HEX 6
#define IDS_BASE 8
#define IDS_TURNS 2
#define IDS_HEX_LONG 16 /* from here on also with one turn */
#define SCRAMBLED 20
#define SCRAMBLED_TURNS 2
#define SCRAMBLED_LETTERS 24
#define CONSONANTS 5 /* in a row: seldom in words */
/* Behind a "+". */
#define TAIL_DIGITS 9
#define TAIL_DIGITS_SERVICE 3
#define TAIL_HEX 6
#define TAIL_BASE 8
#define TAIL_TURNS 3
#define TAIL_LONG 12 /* with one less */

/* Digits of a number that is no name's; at a host for bounces there might be somebody. */
static const size_t least_digits[] = {
	[MAKER_PERSON] = LONE_DIGITS, [MAKER_SERVICE] = LONE_DIGITS,
	[MAKER_LONE_ID] = 3,          [MAKER_HOST] = 6,
	[MAKER_BOUNCER] = 3,
};

struct shape {
	size_t words, digits, hex; /* characters: letters and digits, of these digits, hex digits */
	size_t turns;              /* between letters and digits */
	size_t consonants;         /* longest run */
	size_t pairs, odd;         /* of letters side by side, of these not usual in words */
};

static bool is_vowel(char c)
{
	static const uint32_t set = 1u << 0 | 1u << 4 | 1u << 8 | 1u << 14 | 1u << 20 | 1u << 24;

	return set >> (c - 'a') & 1;
}

/* Which letters (bit 0: a) often follow which in words of a dozen European languages. */
static bool is_usual(char a, char b)
{
	static const uint32_t followers[] = {
		0x37ebfff, 0x0124911, 0x31e6f95, 0x2166119, 0x3febfff, 0x0104931, 0x1166151,
		0x01a6d19, 0x23fffff, 0x0104d11, 0x11e6d11, 0x13c7f19, 0x010f113, 0x33c677d,
		0x27effdf, 0x01ec911, 0x0100000, 0x33e7f5f, 0x31cedb5, 0x37e6191, 0x23eff37,
		0x1126911, 0x1006111, 0x0000000, 0x14cd495, 0x3786111,
	};

	return followers[a - 'a'] >> (b - 'a') & 1;
}

/* Characters between words count for nothing. */
static struct shape shape_of(const char *p, size_t len)
{
	struct shape s = {0};
	size_t consonants = 0;
	char last = '\0';

	for (size_t i = 0; i < len; i++) {
		if (!is_word(p[i]))
			continue;
		s.words++;
		s.digits += is_digit(p[i]);
		s.hex += is_hex(p[i]);
		s.turns += last && is_digit(p[i]) != is_digit(last);
		if (last && !is_digit(last) && !is_digit(p[i])) {
			s.pairs++;
			s.odd += !is_usual(last, p[i]);
		}
		consonants = is_digit(p[i]) || is_vowel(p[i]) ? 0 : consonants + 1;
		if (consonants > s.consonants)
			s.consonants = consonants;
		last = p[i];
	}
	return s;
}

/* 1980: many a name has it. */
static bool is_year(const char *p, size_t len)
{
	return len == 4 && (!strncmp(p, "19", 2) || !strncmp(p, "20", 2));
}

/* Clubs have their names, places and years in an address, families all of theirs: many letters and
 * some numbers, too, but words. */
static bool is_lone_id(const char *p, size_t len, const struct shape *s)
{
	size_t odd;

	if (is_wallet(p, len))
		return false;
	if (s->hex == s->words)
		return s->words >= LONE_HEX && s->turns >= LONE_HEX_TURNS;
	if (s->words < LONE_BASE)
		return false;
	if (s->turns >= LONE_BASE_TURNS && s->turns * LONE_DENSE >= s->words)
		return true;
	odd = s->turns * LONE_THIN >= s->words ? 2 * s->odd : s->odd;
	return s->odd >= ODD_LEAST && odd * ODD >= s->pairs &&
	       s->turns >= (s->words >= LONE_LONG ? LONE_LONG_TURNS : LONE_BASE_TURNS);
}

static bool scrambled(const struct shape *s)
{
	return (s->words >= SCRAMBLED && s->turns >= SCRAMBLED_TURNS) ||
	       (s->words >= SCRAMBLED_LETTERS && s->consonants >= CONSONANTS);
}

bool is_id(const char *p, size_t len, enum maker maker)
{
	const struct shape s = shape_of(p, len);

	if (s.digits == len)
		return len >= least_digits[maker] && !is_year(p, len);
	if (is_lone_id(p, len, &s) || (maker >= MAKER_HOST && scrambled(&s)))
		return true;
	if (maker < MAKER_LONE_ID || s.digits < 2)
		return false;
	if (s.hex == len && len >= IDS_HEX_LONG)
		return true;
	return s.turns >= IDS_TURNS && len >= (s.hex == len ? IDS_HEX : IDS_BASE);
}

bool is_scrambled(const char *p, size_t len)
{
	const struct shape s = shape_of(p, len);

	return scrambled(&s);
}

bool is_id_tail(const char *p, enum maker maker)
{
	size_t len = strlen(p);
	struct shape s;

	if (maker >= MAKER_HOST)
		return true;
	while (len && p[len - 1] == '=') /* padding of base64 */
		len--;
	s = shape_of(p, len);
	if (strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-_") != len)
		return false;
	if (scrambled(&s) || s.digits >= TAIL_DIGITS)
		return true;
	if (s.words != len)
		return false;
	if (s.digits == len)
		return maker == MAKER_SERVICE && len >= TAIL_DIGITS_SERVICE;
	if (maker == MAKER_SERVICE)
		return s.turns >= IDS_TURNS && len >= IDS_HEX;
	return s.turns >= TAIL_TURNS - (len >= TAIL_LONG) &&
	       len >= (s.hex == len ? TAIL_HEX : TAIL_BASE);
}

bool is_uuid(const char *p)
{
	for (size_t i = 0; i < UUID; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p[i] != '-' : !is_hex(p[i]))
			return false;
	}
	return !is_word(p[UUID]);
}
