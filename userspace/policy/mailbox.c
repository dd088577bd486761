// SPDX-License-Identifier: GPL-2.0-or-later
/* Mailboxes: one spelling for each, and those that are never greylisted. */
#include <string.h>

#include "../core/idn.h"
#include "../core/utf8.h"
#include "policy.h"

/* Not tolower(): mail addresses know no locale. */
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void policy_canonical(const char *mailbox, char *ret, size_t size)
{
	const char *end = mailbox + strlen(mailbox);
	const char *at = strrchr(mailbox, '@');
	const char *local_end = at ? at : end;
	const char *name = at ? at + 1 : mailbox;
	const char *p = mailbox;
	char domain[POLICY_MAILBOX];
	size_t n = 0;

	/* "old"@example.net and old@example.net are one mailbox; if they were two, quoting would
	 * walk around a trap. */
	if (local_end - p >= 2 && p[0] == '"' && local_end[-1] == '"') {
		for (p++; p < local_end - 1 && n + 1 < size; p++) {
			if (*p == '\\' && p + 1 < local_end - 1)
				p++;
			ret[n++] = lower(*p);
		}
		p = local_end;
	}
	/* One domain, whichever way it is spelt; without "@" there is nothing else. */
	if (utf8_needed(name, (size_t)(end - name)) && idn_ascii(name, domain, sizeof(domain))) {
		for (; p < name && n + 1 < size; p++)
			ret[n++] = lower(*p);
		p = domain;
		end = domain + strlen(domain);
	}
	for (; p < end && n + 1 < size; p++)
		ret[n++] = lower(*p);
	ret[n] = '\0';
}

bool policy_recipient_exempt(const char *recipient)
{
	static const char *const names[] = {"postmaster", "abuse"};
	char text[POLICY_MAILBOX];
	const char *at;
	size_t len;

	policy_canonical(recipient, text, sizeof(text));
	at = strrchr(text, '@');
	len = at ? (size_t)(at - text) : strlen(text);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && !memcmp(text, names[i], len))
			return true;
	return false;
}
