// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines of the white lists of postgrey and sqlgrey. */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define NAME_ALLOWED "allowed is a host name, an address or a part of one, or /pattern/"
#define TO_ALLOWED "allowed is user@domain, user@, domain or /pattern/"
#define USER_LONGEST 64 /* RFC 5321 4.5.3.1.1 */

/* What looks like a beginning of digits and dots is an address or nothing. */
static bool only_numbers(const char *text)
{
	return text[strspn(text, "0123456789./")] == 0;
}

/* An address, a prefix, or at least `least` octets of one. 0: it was one and `ret` is set; else as
 * address_loose. */
static int read_address(const char *text, int least, struct prefix *ret)
{
	int rc = address_loose(text, ret);

	return rc == -EINVAL && address_octets(text, ret) >= least ? 0 : rc;
}

int line_postgrey_client(struct reading *r, char *text)
{
	char name[TEXT_NAME], *pattern;
	struct prefix p;
	int rc;

	if (text[strcspn(text, " \t")])
		return reading_bad(r, text, "a blank within it; " NAME_ALLOWED);
	pattern = text_pattern(text);
	if (pattern)
		return reading_give_text(r, LIST_PATTERN, pattern);
	rc = read_address(text, 2, &p);
	if (!rc)
		return reading_give_prefix(r, &p);
	if (rc == -ERANGE)
		return reading_idle(r, text);
	if (only_numbers(text) || strchr(text, ':'))
		return reading_bad(r, text, "not an address; " NAME_ALLOWED);
	if (!text_name(text, name))
		return reading_bad(r, text, "not a host name; " NAME_ALLOWED);
	return reading_give_text(r, LIST_DOMAIN, name);
}

/* An atom of RFC 5321 4.1.2, or what has dots or UTF-8 in it. */
static bool is_user(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == 0x7f || strchr("\"(),:;<>@[\\]", text[i]))
			return false;
	return len && len <= USER_LONGEST;
}

int line_postgrey_recipient(struct reading *r, char *text)
{
	char mailbox[USER_LONGEST + 1 + TEXT_NAME], *domain = mailbox, *pattern, *at;

	if (text[strcspn(text, " \t")])
		return reading_bad(r, text, "a blank within it; " TO_ALLOWED);
	pattern = text_pattern(text);
	if (pattern)
		return reading_give_text(r, LIST_TO_PATTERN, pattern);
	at = strrchr(text, '@');
	if (at && !is_user(text, (size_t)(at - text)))
		return reading_bad(r, text, "not a mail address; " TO_ALLOWED);
	for (char *p = text; p < at; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
	if (at && !at[1]) {
		*at = 0;
		return reading_give_text(r, LIST_TO_USER, text);
	}
	if (at) {
		memcpy(mailbox, text, (size_t)(at + 1 - text));
		domain += at + 1 - text;
	}
	if (!text_name(at ? at + 1 : text, domain))
		return reading_bad(r, text, "not a domain; " TO_ALLOWED);
	return reading_give_text(r, at ? LIST_TO : LIST_TO_DOMAIN, mailbox);
}

int line_sqlgrey_ip(struct reading *r, char *text)
{
	struct prefix p;
	int rc = read_address(text, 3, &p);

	if (rc == -ERANGE)
		return reading_idle(r, text);
	if (rc)
		return reading_bad(r, text,
				   "not an address; allowed is one, a prefix such as "
				   "192.0.2.0/24, or 192.0.2");
	return reading_give_prefix(r, &p);
}

int line_sqlgrey_fqdn(struct reading *r, char *text)
{
	bool below = text[0] == '*' && text[1] == '.';
	char name[TEXT_NAME], *pattern = text_pattern(text);

	if (pattern)
		return reading_give_text(r, LIST_PATTERN, pattern);
	if (only_numbers(text) || !text_name(below ? text + 2 : text, name))
		return reading_bad(r, text,
				   "not a host name; allowed is one, *.domain or "
				   "/pattern/");
	return reading_give_text(r, below ? LIST_BELOW : LIST_NAME, name);
}
