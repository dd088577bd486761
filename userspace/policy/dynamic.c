// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Host names that a provider makes up for its customers' addresses.
 *
 * Signs add up, and two points decide. The address in the name is one, in any order and base, or a
 * shape that only providers give (shapes.c); words such as dsl and pool are others; "mail" or
 * "static" speak against it. As a rule only the labels left of the organisational domain count:
 * dslextreme.com is a company. Weak evidence by nature: it sets the delay class and takes a name
 * out of the identity ladder, nothing more.
 */
#include <string.h>

#include "internal.h"

#define HOST 256
#define TOKENS 64

#define ENOUGH 2

#define MOST 9 /* words of one letter */

enum how { WHOLE, WITHIN };

/* Words in the labels. Those of mail servers and of addresses that stay are excuses. */
struct sign {
	const char *word;
	uint8_t len, how; /* enum how: a run of letters as a whole, or any part of it */
	int8_t points;
};

/* clang-format off */
#define SIGN(word, how, points) { word, sizeof(word) - 1, how, points }

/* By first letter, because every letter of every name is looked up here. */
#define AT(letter) [letter - 'a']
static const struct sign signs['z' - 'a' + 1][MOST + 1] = {
	AT('a') = {
		SIGN("access", WHOLE, 1),
	},
	AT('b') = {
		SIGN("broadband", WITHIN, 2),
	},
	AT('c') = {
		SIGN("cable", WHOLE, 2), SIGN("catv", WHOLE, 2), SIGN("client", WHOLE, 1),
		SIGN("clients", WHOLE, 1), SIGN("cpe", WHOLE, 2), SIGN("cust", WHOLE, 1),
		SIGN("customer", WHOLE, 1), SIGN("customers", WHOLE, 1),
	},
	AT('d') = {
		SIGN("dhcp", WITHIN, 2), SIGN("dial", WHOLE, 2), SIGN("dialin", WITHIN, 2),
		SIGN("dialup", WITHIN, 2), SIGN("dip", WHOLE, 2), SIGN("dsl", WITHIN, 2),
		SIGN("dyn", WHOLE, 2), SIGN("dynamic", WITHIN, 2), SIGN("dynip", WITHIN, 2),
	},
	AT('f') = {
		SIGN("fios", WHOLE, 2), SIGN("fttb", WITHIN, 2), SIGN("ftth", WITHIN, 2),
		SIGN("fttx", WITHIN, 2),
	},
	AT('g') = {
		SIGN("generic", WHOLE, 1), SIGN("gprs", WHOLE, 2),
	},
	AT('h') = {
		SIGN("home", WHOLE, 1), SIGN("host", WHOLE, 1), SIGN("hsd", WHOLE, 2),
	},
	AT('i') = {
		SIGN("ip", WHOLE, 1), SIGN("ippool", WHOLE, 2),
	},
	AT('l') = {
		SIGN("lte", WHOLE, 2),
	},
	AT('m') = {
		SIGN("mail", WITHIN, -2), SIGN("mobile", WHOLE, 2), SIGN("modem", WHOLE, 2),
		SIGN("mout", WHOLE, -2), SIGN("mta", WHOLE, -2), SIGN("mx", WHOLE, -2),
		SIGN("mxout", WHOLE, -2),
	},
	AT('n') = {
		SIGN("newsletter", WHOLE, -2), SIGN("node", WHOLE, 1),
	},
	AT('o') = {
		SIGN("out", WHOLE, -2), SIGN("outbound", WHOLE, -2),
	},
	AT('p') = {
		SIGN("pool", WHOLE, 2), SIGN("pools", WHOLE, 2), SIGN("post", WHOLE, -2),
		SIGN("ppp", WHOLE, 2), SIGN("pppoe", WITHIN, 2),
	},
	AT('r') = {
		SIGN("relay", WHOLE, -2), SIGN("res", WHOLE, 1), SIGN("residential", WITHIN, 2),
		SIGN("resnet", WHOLE, 2), SIGN("rev", WHOLE, 1), SIGN("reverse", WHOLE, 1),
	},
	AT('s') = {
		SIGN("smtp", WITHIN, -2), SIGN("static", WITHIN, -2), SIGN("subscriber", WHOLE, 1),
	},
	AT('u') = {
		SIGN("umts", WHOLE, 2), SIGN("unassigned", WHOLE, 2), SIGN("user", WHOLE, 1),
	},
	AT('w') = {
		SIGN("wifi", WHOLE, 2), SIGN("wimax", WITHIN, 2), SIGN("wlan", WHOLE, 2),
	},
};
/* clang-format on */

/* What a name is cut into: digits; letters and digits; numbers as C has them, with 0x or without.
 */
enum cut { DIGITS, WORDS, NUMBERS };

struct token {
	const char *at;
	size_t len;
	bool hex; /* 0x stood before it */
};

static bool is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

/* ---- words ---- */

/* Sum of the signs in the labels, and the best excuse among them. */
static int points_of_words(const char *host, int *ret_excuse)
{
	int sum = 0;

	*ret_excuse = 0;
	for (const char *p = host; *p; p++) {
		bool begins = p == host || !is_letter(p[-1]);

		if (!is_letter(*p))
			continue;
		for (const struct sign *s = signs[*p - 'a']; s->word; s++) {
			if (p[1] != s->word[1] || strncmp(p, s->word, s->len) != 0 ||
			    (s->how == WHOLE && (!begins || is_letter(p[s->len]))))
				continue;
			if (s->points < *ret_excuse)
				*ret_excuse = s->points;
			if (s->points > 0)
				sum += s->points;
		}
	}
	return sum;
}

/* ---- the address ---- */

static bool begins_hex(const char *p)
{
	return p[0] == '0' && p[1] == 'x' && is_hex(p[2]);
}

/* Whether the token goes on with the character at p. */
static bool goes_on(const char *p, enum cut cut, bool hex)
{
	if (cut == WORDS)
		return is_word(*p);
	return hex ? is_hex(*p) && !begins_hex(p) : is_digit(*p);
}

static struct token token_at(const char *p, enum cut cut)
{
	struct token t = {p, 0, cut == NUMBERS && begins_hex(p)};

	if (t.hex)
		t.at += 2;
	while (goes_on(t.at + t.len, cut, t.hex))
		t.len++;
	return t;
}

static size_t tokens_of(const char *host, enum cut cut, struct token ret[TOKENS])
{
	size_t n = 0;

	for (const char *p = host; *p && n < TOKENS;) {
		struct token t = token_at(p, cut);

		if (t.len)
			ret[n++] = t;
		p = t.len ? t.at + t.len : p + 1;
	}
	return n;
}

/* -1: no number of the base, or beyond max. */
static int value_of(const struct token *t, unsigned int base, int max)
{
	int value = 0;

	for (size_t i = 0; i < t->len; i++) {
		char c = t->at[i];
		int digit = is_digit(c) ? c - '0' : c - 'a' + 10;

		if (digit >= (int)base || value > max)
			return -1;
		value = value * (int)base + digit;
	}
	return value <= max ? value : -1;
}

static bool is_decimal(const struct token *t, int part)
{
	return t->len <= 3 && value_of(t, 10, part) == part;
}

static bool is_octal(const struct token *t, int part)
{
	return t->len <= 4 && value_of(t, 8, part) == part;
}

static bool is_hex_octet(const struct token *t, int part)
{
	return t->len <= 2 && value_of(t, 16, part) == part;
}

/* A word may stand before the first group: n2001. Prefixes begin with a digit. */
static bool is_hex_group(const struct token *t, int part)
{
	struct token group = *t;

	while (group.len && !is_digit(*group.at)) {
		group.at++;
		group.len--;
	}
	return (t->len <= 4 && value_of(t, 16, part) == part) ||
	       (group.len && group.len <= 4 && part > 0x1fff && value_of(&group, 16, part) == part);
}

/* 203, 0313, 0xcb */
static bool is_number(const struct token *t, int part)
{
	if (t->hex)
		return is_hex_octet(t, part);
	return is_decimal(t, part) || (t->at[0] == '0' && is_octal(t, part));
}

/* How many of the parts stand among the tokens, each at a place of its own, in any order. */
static size_t parts_found(const struct token *tokens, size_t n,
			  bool (*is)(const struct token *t, int part), const int *parts,
			  size_t count)
{
	bool used[TOKENS] = {false};
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t t = 0; t < n; t++) {
			if (used[t] || !is(&tokens[t], parts[i]))
				continue;
			used[t] = true;
			found++;
			break;
		}
	}
	return found;
}

/* All of them. */
static bool all_found(const struct token *tokens, size_t n,
		      bool (*is)(const struct token *t, int part), const int *parts, size_t count)
{
	return n >= count && parts_found(tokens, n, is, parts, count) == count;
}

/* Four numbers of `width` digits each that stand without a border between them. */
static bool read_glued(const char *p, size_t width, unsigned int base, uint8_t ret[4])
{
	for (size_t i = 0; i < 4; i++) {
		const struct token t = {p + i * width, width, false};
		int value = value_of(&t, base, 255);

		if (value < 0)
			return false;
		ret[i] = (uint8_t)value;
	}
	return true;
}

static bool same_octets(const uint8_t a[4], const uint8_t b[4])
{
	bool used[4] = {false};
	size_t found = 0;

	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 4; j++) {
			if (used[j] || a[i] != b[j])
				continue;
			used[j] = true;
			found++;
			break;
		}
	}
	return found == 4;
}

/* All octets in one word, each padded to its full width, in any order (c0000207, 192000002007), or
 * the whole address as one number. */
static bool glued(const struct token *word, const uint8_t octets[4])
{
	static const struct {
		uint8_t width, base;
	} forms[] = {{2, 16}, {3, 10}, {3, 8}};
	const uint32_t value = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
			       (uint32_t)octets[2] << 8 | octets[3];
	uint64_t number = 0;
	uint8_t got[4];

	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		size_t len = 4 * (size_t)forms[f].width;

		for (size_t i = 0; i + len <= word->len; i++)
			if (read_glued(word->at + i, forms[f].width, forms[f].base, got) &&
			    same_octets(got, octets))
				return true;
	}
	for (size_t i = 0; i < word->len && i < 11; i++) {
		if (!is_digit(word->at[i]))
			return false;
		number = number * 10 + (uint64_t)(word->at[i] - '0');
	}
	return number == value || number == __builtin_bswap32(value);
}

static int points_of_address4(const char *host, const uint8_t octets[4])
{
	const int parts[4] = {octets[0], octets[1], octets[2], octets[3]};
	static const int points[] = {0, 0, 1, 2, 2};
	struct token tokens[TOKENS];
	size_t n = tokens_of(host, DIGITS, tokens);
	size_t found = parts_found(tokens, n, is_decimal, parts, 4);

	if (found >= 3)
		return points[found];
	if (all_found(tokens, n, is_octal, parts, 4))
		return points[4];
	n = tokens_of(host, NUMBERS, tokens);
	if (all_found(tokens, n, is_number, parts, 4))
		return points[4];
	n = tokens_of(host, WORDS, tokens);
	for (size_t i = 0; i < n; i++)
		if (tokens[i].len >= 8 && glued(&tokens[i], octets))
			return points[4];
	return all_found(tokens, n, is_hex_octet, parts, 4) ? points[4] : points[found];
}

/* Whether the groups of src from `from` on, `count` of them, stand among the tokens; zeros may be
 * left out, but three must be left, and two of those long enough to be no numbers of machines. */
static bool groups_found(const struct token *tokens, size_t n, const struct addr *src, size_t from,
			 size_t count)
{
	size_t wanted = 0, telling = 0;
	int groups[8];

	for (size_t i = from; i < from + count; i++) {
		int group = src->b[2 * i] << 8 | src->b[2 * i + 1];

		if (!group)
			continue;
		groups[wanted++] = group;
		telling += group > 0xff;
	}
	return wanted >= 3 && (telling >= 2 || count == 8) &&
	       all_found(tokens, n, is_hex_group, groups, wanted);
}

/* The interface half in one run of hex digits; the groups one by one, of the address or of a half
 * of it; or nibble by nibble. */
static int points_of_address6(const char *host, const struct addr *src)
{
	struct token tokens[TOKENS];
	size_t n = tokens_of(host, WORDS, tokens), nibbles = 0;

	for (size_t i = 0; i < n; i++) {
		size_t same = 0;

		nibbles += tokens[i].len == 1;
		if (tokens[i].len < 16)
			continue;
		for (size_t b = 0; b < 8; b++) {
			const struct token byte = {tokens[i].at + tokens[i].len - 16 + 2 * b, 2,
						   false};

			same += value_of(&byte, 16, 255) == src->b[8 + b];
		}
		if (same == 8)
			return ENOUGH;
	}
	if (nibbles >= 16)
		return ENOUGH;
	return groups_found(tokens, n, src, 0, 8) || groups_found(tokens, n, src, 0, 4) ||
			       groups_found(tokens, n, src, 4, 4)
		       ? ENOUGH
		       : 0;
}

bool looks_dynamic(const char *name, const char *organisation, const struct addr *src)
{
	size_t all = strlen(name), len = organisation ? (size_t)(organisation - name) : all;
	char host[HOST];
	int words, address, excuse;

	if (len >= sizeof(host))
		len = sizeof(host) - 1;
	memcpy(host, name, len);
	host[len] = '\0';
	words = points_of_words(host, &excuse) + (shape_owned(name) ? ENOUGH : 0);
	address = addr_is4(src) ? points_of_address4(host, src->b + 12)
				: points_of_address6(host, src);
	/* Both tell the same: that a number was made a name. */
	if (address < ENOUGH && shape_made(name, len))
		address = ENOUGH;
	return words + address + excuse >= ENOUGH;
}

bool policy_dynamic(const char *name, const struct addr *src)
{
	return looks_dynamic(name, policy_organisation(name), src);
}
