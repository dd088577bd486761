// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines that are an address, a prefix or a range of addresses. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "internal.h"

#define ALLOWED "allowed is an address, a prefix such as 192.0.2.0/24 or a range a-b"

/* Of a range that is written as IPv6. */
static int give_part6(struct reading *r, const struct prefix *p)
{
	return prefix_is_all4(p) ? reading_idle(r, "::ffff:0:0/96") : reading_give_prefix(r, p);
}

static int give_range(struct reading *r, const char *from, const char *to)
{
	struct addr a, b;

	if (addr_parse(from, &a))
		return reading_bad(r, from, "not an address; " ALLOWED);
	if (addr_parse(to, &b))
		return reading_bad(r, to, "not an address; " ALLOWED);
	if (addr_is4(&a) != addr_is4(&b))
		return reading_bad(r, to, "IPv4 and IPv6 in one range; give one for each");
	if (memcmp(&a, &b, sizeof(a)) > 0)
		return reading_bad(r, from,
				   "the range ends at %s, before it begins; give the "
				   "lower address first",
				   to);
	return address_range(a, &b, strchr(from, ':') ? give_part6 : reading_give_prefix, r);
}

static int give_prefix(struct reading *r, const char *text)
{
	char mend[PREFIX_TEXT];
	struct prefix p;
	int rc = prefix_parse(text, &p);

	if (rc == -EDOM && !address_loose(text, &p))
		return reading_bad(r, text, "has bits set right of its length; allowed is %s",
				   prefix_text(&p, mend));
	if (rc == -ERANGE)
		return reading_idle(r, text);
	if (rc)
		return reading_bad(r, text, "not an address; " ALLOWED);
	return reading_give_prefix(r, &p);
}

/* "a", "a/n", "a-b", "a - b"; rest: words may follow it. */
static int read_line(struct reading *r, char *text, bool rest)
{
	size_t len = strcspn(text, " \t-");
	char *behind = text + len + strspn(text + len, " \t");
	bool range = *behind == '-';
	char *to = NULL, *more;

	if (range) {
		behind++;
		to = text_word(&behind);
	}
	more = text_word(&behind);
	text[len] = 0;
	if (range && !to)
		return reading_bad(r, text, "a range without an end; " ALLOWED);
	if (more && !rest)
		return reading_bad(r, more,
				   "words behind an address; a comment begins with # or ;");
	return range ? give_range(r, text, to) : give_prefix(r, text);
}

int line_cidr(struct reading *r, char *text)
{
	return read_line(r, text, false);
}

int line_spamd(struct reading *r, char *text)
{
	return read_line(r, text, true);
}

/* {"cidr":"192.0.2.0/24","sblid":"SBL1"}; an object without a prefix says what file it is. */
static int read_object(struct reading *r, char *text)
{
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *cidr = json_string_value(json_object_get(o, "cidr"));
	int rc;

	if (cidr)
		rc = give_prefix(r, cidr);
	else if (json_object_get(o, "type") && !json_object_get(o, "cidr"))
		rc = 0;
	else
		rc = reading_bad(r, text, "no prefix; allowed is {\"cidr\":\"192.0.2.0/24\", ...}");
	json_decref(o);
	return rc;
}

int line_drop(struct reading *r, char *text)
{
	return *text == '{' ? read_object(r, text) : line_cidr(r, text);
}
