// SPDX-License-Identifier: GPL-2.0-or-later
#include "name.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LABEL 63

bool name_askable(const char *name)
{
	size_t len = strlen(name), label = 0;

	if (!len || len >= DNS_NAME)
		return false;
	for (const char *p = name; *p; p++) {
		if (*p == '.') {
			if (!label)
				return false;
			label = 0;
		} else if (*p < ' ' || *p == 0x7f || ++label > LABEL) {
			return false;
		}
	}
	return label > 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

bool name_is_host(const char *name)
{
	const char *last = strrchr(name, '.');

	if (!last || !name_askable(name))
		return false;
	for (const char *p = name; *p; p++) {
		if (*p != '.' && !is_name_char(*p))
			return false;
	}
	while (is_digit(*++last))
		;
	return *last != 0;
}

bool name_below(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	return n >= d && !strcasecmp(name + n - d, domain) && (n == d || name[n - d - 1] == '.');
}

/* "7.2.0.192" or 32 nibbles, with a dot behind each. */
static size_t put_reversed(const struct addr *a, char *buf)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = 0;

	if (addr_is4(a))
		return (size_t)snprintf(buf, 20, "%u.%u.%u.%u.", a->b[15], a->b[14], a->b[13],
					a->b[12]);
	for (int i = 15; i >= 0; i--) {
		buf[len++] = hex[a->b[i] & 15];
		buf[len++] = '.';
		buf[len++] = hex[a->b[i] >> 4];
		buf[len++] = '.';
	}
	return len;
}

const char *name_reverse(const struct addr *a, char buf[NAME_REVERSE])
{
	size_t len = put_reversed(a, buf);

	snprintf(buf + len, NAME_REVERSE - len, "%s", addr_is4(a) ? "in-addr.arpa" : "ip6.arpa");
	return buf;
}

bool name_listed(const struct addr *a, const char *zone, char buf[DNS_NAME])
{
	size_t len = put_reversed(a, buf), rest = strlen(zone);

	if (len + rest >= DNS_NAME)
		return false;
	memcpy(buf + len, zone, rest + 1);
	return true;
}
