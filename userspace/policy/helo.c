// SPDX-License-Identifier: GPL-2.0-or-later
/* What a client calls itself. Weak evidence: good servers have bad names too, so it costs time
 * only.
 */
#include <string.h>

#include "policy.h"

/* "_" counts as a letter, because so many have it. */
static bool in_label(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* Two labels or more, the last one no number: 192.0.2.1 is neither a name nor a literal. A dot
 * of the root may end the name. */
static bool full_name(const char *helo)
{
	size_t labels = 0, len;
	bool number = false;

	for (const char *p = helo; *p; p += len + (p[len] == '.')) {
		len = strcspn(p, ".");
		if (!len || len > 63)
			return false;
		for (size_t i = 0; i < len; i++)
			if (!in_label(p[i]))
				return false;
		number = strspn(p, "0123456789") == len;
		labels++;
	}
	return labels > 1 && !number;
}

/* RFC 5321 4.1.3 */
static bool literal(const char *helo, struct addr *ret)
{
	char text[ADDR_TEXT];
	size_t len = strlen(helo);
	size_t from = len > 6 && !strncasecmp(helo + 1, "IPv6:", 5) ? 6 : 1;

	if (len < 3 || helo[0] != '[' || helo[len - 1] != ']' || len - from > sizeof(text))
		return false;
	memcpy(text, helo + from, len - from - 1);
	text[len - from - 1] = '\0';
	return addr_parse(text, ret) == 0;
}

bool policy_helo_bad(const char *helo, const struct addr *src, const char *hostname)
{
	struct addr a;

	if (helo[0] == '[')
		return !literal(helo, &a) || !addr_eq(&a, src);
	return !full_name(helo) || !strcasecmp(helo, hostname);
}
