// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <strings.h>

#include "../core/utf8.h"
#include "dsn.h"

#define ENVID_MAX 100 /* RFC 3461 4.4 */
#define ORCPT_MAX 500 /* 4.2 */

static bool word_is(const char *p, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(p, word, len) == 0;
}

static bool hex(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'F');
}

/* One xchar or hexchar of RFC 3461 4: how many bytes, 0 when there is none. */
static size_t xtext_length(const char *p, size_t len)
{
	if (*p == '+')
		return len >= 3 && hex(p[1]) && hex(p[2]) ? 3 : 0;
	return *p > ' ' && *p <= '~' && *p != '=' ? 1 : 0;
}

bool dsn_ret(const char *p, size_t len)
{
	return word_is(p, len, "FULL") || word_is(p, len, "HDRS");
}

bool dsn_envid(const char *p, size_t len)
{
	if (!len || len > ENVID_MAX)
		return false;
	for (size_t i = 0, n; i < len; i += n) {
		n = xtext_length(p + i, len - i);
		/* What it stands for is printable too. */
		if (!n || (n == 3 && (p[i + 1] < '2' || p[i + 1] > '7' ||
				      (p[i + 1] == '7' && p[i + 2] == 'F'))))
			return false;
	}
	return true;
}

bool dsn_notify(const char *p, size_t len)
{
	static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"};
	unsigned int seen = 0;

	if (word_is(p, len, "NEVER"))
		return true;
	for (;;) {
		const char *comma = memchr(p, ',', len);
		size_t n = comma ? (size_t)(comma - p) : len, i = 0;

		while (i < 3 && !word_is(p, n, words[i]))
			i++;
		if (i == 3 || seen & 1u << i)
			return false;
		seen |= 1u << i;
		if (!comma)
			return true;
		p += n + 1;
		len -= n + 1;
	}
}

/* "\x{HEX}" of RFC 6533 3: how many bytes, 0 when it isn't one. */
static size_t embedded_length(const char *p, size_t len)
{
	size_t i = 3;

	if (len < 6 || memcmp(p, "\\x{", 3) != 0)
		return 0;
	while (i < len && i < 9 && hex(p[i]))
		i++;
	return i > 4 && i < len && p[i] == '}' ? i + 1 : 0;
}

static size_t orcpt_length(const char *p, size_t len, bool wide, bool utf8)
{
	if (wide && *p == '\\')
		return embedded_length(p, len);
	if (wide && utf8 && *p & 0x80)
		return utf8_length(p, len);
	return xtext_length(p, len);
}

bool dsn_orcpt(const char *p, size_t len, bool utf8)
{
	const char *semicolon = memchr(p, ';', len);
	size_t type = semicolon ? (size_t)(semicolon - p) : 0;
	bool wide;

	if (!type || type + 1 == len || len > ORCPT_MAX)
		return false;
	for (size_t i = 0; i < type; i++)
		if (p[i] <= ' ' || p[i] > '~' || strchr("()<>@,;:\\\".[]", p[i]))
			return false; /* no atom of RFC 822 */
	wide = word_is(p, type, "utf-8");
	for (size_t i = type + 1, n; i < len; i += n) {
		n = orcpt_length(p + i, len - i, wide, utf8);
		if (!n)
			return false;
	}
	return true;
}
