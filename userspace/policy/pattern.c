// SPDX-License-Identifier: GPL-2.0-or-later
/* Patterns of mailboxes and of domains; their grammar is in policy.h. */
#include <string.h>

#include "policy.h"

static bool wild(const char *text, size_t len)
{
	return memchr(text, '*', len) || memchr(text, '?', len);
}

/* After a mismatch only the last asterisk takes one character more: what an earlier one could win
 * by that, the last one wins, too. So it never takes longer than the product of the lengths. */
static bool glob(const char *p, const char *p_end, const char *s, const char *s_end)
{
	const char *star = NULL, *from = NULL;

	while (s < s_end) {
		if (p < p_end && *p == '*') {
			star = p++;
			from = s;
		} else if (p < p_end && (*p == '?' || *p == *s)) {
			p++;
			s++;
		} else if (star) {
			p = star + 1;
			s = ++from;
		} else {
			return false;
		}
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end;
}

bool policy_pattern(const char *mailbox)
{
	const char *at = strrchr(mailbox, '@');

	if (!at || at == mailbox)
		return false;
	return at[1] == '*' || (mailbox[0] != '"' && wild(mailbox, (size_t)(at - mailbox)));
}

bool policy_domain_match(const char *pattern, const char *domain)
{
	size_t p = strlen(pattern), d = strlen(domain);

	if (pattern[0] != '*')
		return p == d && !memcmp(pattern, domain, d);
	p--; /* ".example.net" */
	return d > p && !memcmp(domain + d - p, pattern + 1, p);
}

bool policy_pattern_match(const char *pattern, const char *mailbox)
{
	const char *p_at = strrchr(pattern, '@'), *at = strrchr(mailbox, '@');

	return p_at && at && policy_domain_match(p_at + 1, at + 1) &&
	       glob(pattern, p_at, mailbox, at);
}

bool policy_domain_form(const char *mailbox, int n, char *ret)
{
	const char *at = strrchr(mailbox, '@'), *from = at ? at + 1 : NULL;
	size_t len;

	for (int i = 0; i < n && from; i++)
		from = strchr(from + (i > 0), '.');
	if (!from)
		return false;
	len = strlen(from);
	if (len > POLICY_MAILBOX - 2)
		return false;
	if (n)
		*ret++ = '*';
	memcpy(ret, from, len + 1);
	return true;
}
