// SPDX-License-Identifier: GPL-2.0-or-later
/* The parameters of MAIL and RCPT in terms of what the backend has offered. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "upstream.h"

/* What a backend without the extension need not hear (0), or would have to (-EOPNOTSUPP). */
static const struct {
	const char *word;
	bool prefix; /* the word goes on with a value */
	enum upstream_cap needs;
	int without;
} translations[] = {
	{"SIZE=", true, UPSTREAM_SIZE, 0},
	{"BODY=7BIT", false, UPSTREAM_8BITMIME, 0},
	{"BODY=8BITMIME", false, UPSTREAM_8BITMIME, -EOPNOTSUPP},
	{"SMTPUTF8", false, UPSTREAM_SMTPUTF8, -EOPNOTSUPP},
	{"RET=", true, UPSTREAM_DSN, -EOPNOTSUPP},
	{"ENVID=", true, UPSTREAM_DSN, -EOPNOTSUPP},
	{"NOTIFY=", true, UPSTREAM_DSN, -EOPNOTSUPP},
	{"ORCPT=", true, UPSTREAM_DSN, -EOPNOTSUPP},
};

/* Whether SIZE=digits, as the client's grammar let it through, is more than the backend takes. */
static bool too_big(const struct upstream *u, const char *word, size_t len)
{
	static const char name[] = "SIZE=";
	const size_t n = strlen(name);
	uint64_t size = 0;

	if (!u->size_limit || len < n || strncasecmp(word, name, n) != 0)
		return false;
	for (size_t i = n; i < len && size <= u->size_limit; i++)
		if (__builtin_mul_overflow(size, 10, &size) ||
		    __builtin_add_overflow(size, word[i] - '0', &size))
			return true;
	return size > u->size_limit;
}

/* 1: the word goes to the backend; 0: it is left out; or a negative errno. */
static int translate(const struct upstream *u, const char *word, size_t len,
		     enum upstream_cap *ret_lacks)
{
	if (too_big(u, word, len))
		return -EFBIG;
	for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]); i++) {
		size_t n = strlen(translations[i].word);

		if (len < n || (len > n && !translations[i].prefix) ||
		    strncasecmp(word, translations[i].word, n) != 0)
			continue;
		if (u->caps & translations[i].needs)
			return 1;
		if (translations[i].without)
			*ret_lacks = translations[i].needs;
		return translations[i].without;
	}
	return 1;
}

int upstream_params(const struct upstream *u, const char *params, char *ret, size_t size,
		    enum upstream_cap *ret_lacks)
{
	char text[UPSTREAM_COMMAND];
	size_t filled = 0;

	for (const char *p = params; *p;) {
		size_t len = strcspn(p, " ");
		int n = len ? translate(u, p, len, ret_lacks) : 0;

		if (n < 0)
			return n;
		if (n) {
			if (filled + len + 2 > sizeof(text))
				return -ENOSPC;
			if (filled)
				text[filled++] = ' ';
			memcpy(text + filled, p, len);
			filled += len;
		}
		p += len + (p[len] == ' ');
	}
	if (filled >= size)
		return -ENOSPC;
	memcpy(ret, text, filled);
	ret[filled] = '\0';
	return 0;
}
