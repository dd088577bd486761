// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The grammar of RFC 5321 4.1.2 and 4.1.3, with what RFC 6531 3.3 adds to it. Two things that it
 * does not allow are taken and told, because people have such addresses and mail servers take them:
 * dots anywhere in a local part, which Japanese mobile carriers gave out, and underscores in names
 * of hosts. Neither can be misread. Every span function returns how many bytes at p its rule takes,
 * 0 when the rule doesn't match there.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "../core/idn.h"
#include "../core/utf8.h"
#include "smtp.h"

#define LABEL 63       /* RFC 1035 2.3.4 */
#define LABEL_WIDE 252 /* RFC 5890 4.2: of UTF-8 that stands for one */

enum class { ATEXT = 1, LET_DIG = 2, QTEXT = 4, DIGIT = 8, HEX = 16 };

static const uint8_t class_of[256] = {
	[' '] = QTEXT,
	['!'] = ATEXT | QTEXT,
	['#' ... '\''] = ATEXT | QTEXT,
	['(' ... ')'] = QTEXT,
	['*' ... '+'] = ATEXT | QTEXT,
	[','] = QTEXT,
	['-'] = ATEXT | QTEXT,
	['.'] = QTEXT,
	['/'] = ATEXT | QTEXT,
	['0' ... '9'] = ATEXT | LET_DIG | QTEXT | DIGIT | HEX,
	[':' ... '<'] = QTEXT,
	['='] = ATEXT | QTEXT,
	['>'] = QTEXT,
	['?'] = ATEXT | QTEXT,
	['@'] = QTEXT,
	['A' ... 'F'] = ATEXT | LET_DIG | QTEXT | HEX,
	['G' ... 'Z'] = ATEXT | LET_DIG | QTEXT,
	['['] = QTEXT,
	[']'] = QTEXT,
	['^' ... '`'] = ATEXT | QTEXT,
	['a' ... 'f'] = ATEXT | LET_DIG | QTEXT | HEX,
	['g' ... 'z'] = ATEXT | LET_DIG | QTEXT,
	['{' ... '~'] = ATEXT | QTEXT,
};

static bool is(char ch, enum class c)
{
	return class_of[(unsigned char)ch] & c;
}

static bool at(const char *p, const char *end, char ch)
{
	return p < end && *p == ch;
}

static bool take(const char **p, const char *end, char ch)
{
	if (!at(*p, end, ch))
		return false;
	++*p;
	return true;
}

/* A character beyond ASCII. Not one that controls a terminal or ends a line for whoever reads it
 * (RFC 5198 2): C1, U+2028, U+2029. */
static size_t wide_span(const char *p, const char *end)
{
	size_t n = p < end && *p & 0x80 ? utf8_length(p, end - p) : 0;

	if (n == 2 && memcmp(p, "\xc2\x80", n) >= 0 && memcmp(p, "\xc2\x9f", n) <= 0)
		return 0;
	if (n == 3 && (!memcmp(p, "\xe2\x80\xa8", n) || !memcmp(p, "\xe2\x80\xa9", n)))
		return 0;
	return n;
}

static size_t label_span(const char *p, const char *end, bool wide)
{
	const char *start = p;
	ptrdiff_t max = LABEL;

	while (p < end) {
		size_t n = wide ? wide_span(p, end) : 0;

		if (n)
			max = LABEL_WIDE;
		else if (is(*p, LET_DIG) || *p == '-' || *p == '_')
			n = 1;
		else
			break;
		p += n;
	}
	if (p == start || p - start > max || *start == '-' || p[-1] == '-')
		return 0;
	return p - start;
}

static size_t domain_span(const char *p, const char *end, bool wide)
{
	const char *start = p;

	for (;;) {
		size_t n = label_span(p, end, wide);

		if (!n)
			return 0;
		p += n;
		if (!take(&p, end, '.'))
			break;
	}
	if (p - start > SMTP_DOMAIN)
		return 0;
	return utf8_needed(start, p - start) && !idn_valid(start, p - start) ? 0 : p - start;
}

static size_t ipv4_span(const char *p, const char *end)
{
	const char *start = p;

	for (int i = 0; i < 4; i++) {
		const char *number = p;
		int value = 0;

		if (i && !take(&p, end, '.'))
			return 0;
		number = p;
		while (p < end && is(*p, DIGIT) && p - number < 3)
			value = value * 10 + *p++ - '0';
		if (p == number || value > 255)
			return 0;
	}
	return p - start;
}

/*
 * IPv6-addr: eight groups; or fewer around one "::", which stands for two at least; the last two
 * may be written as an IPv4 address.
 */
static size_t ipv6_span(const char *p, const char *end)
{
	const char *start = p;
	bool gap = false;
	int groups = 0;

	if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
		gap = true;
		p += 2;
	}
	while (p < end && is(*p, HEX)) {
		const char *group = p;
		size_t quad = ipv4_span(p, end);

		if (quad) {
			p += quad;
			groups += 2;
			break;
		}
		while (p < end && is(*p, HEX) && p - group < 4)
			p++;
		groups++;
		if (!take(&p, end, ':'))
			break;
		if (take(&p, end, ':')) {
			if (gap)
				return 0;
			gap = true;
		} else if (p == end || !is(*p, HEX)) {
			return 0;
		}
	}
	return (gap ? groups <= 6 : groups == 8) ? p - start : 0;
}

/* General-address-literals are not taken: IPv6 is the only tag that was ever registered. */
static size_t literal_span(const char *p, const char *end)
{
	static const char tag[] = "IPv6:";
	const char *start = p;
	size_t n;

	if (!take(&p, end, '['))
		return 0;
	if (end - p > (ptrdiff_t)strlen(tag) && strncasecmp(p, tag, strlen(tag)) == 0) {
		p += strlen(tag);
		n = ipv6_span(p, end);
	} else {
		n = ipv4_span(p, end);
	}
	p += n;
	return n && at(p, end, ']') ? p + 1 - start : 0;
}

static size_t dot_string_span(const char *p, const char *end)
{
	const char *start = p;

	for (size_t n = 1; p < end && n; p += n)
		n = *p == '.' || is(*p, ATEXT) ? 1 : wide_span(p, end);
	return p - start;
}

/* Whether a local part has a dot that stands between no two atoms. */
static bool stray_dot(const char *local, size_t len)
{
	return *local != '"' &&
	       (*local == '.' || local[len - 1] == '.' || memmem(local, len, "..", 2));
}

static size_t quoted_string_span(const char *p, const char *end)
{
	const char *start = p;

	if (!take(&p, end, '"'))
		return 0;
	while (p < end && *p != '"') {
		size_t n = wide_span(p, end);

		if (n) {
			p += n;
			continue;
		}
		if (*p == '\\') {
			p++;
			if (p == end || *p < ' ' || *p > '~')
				return 0;
		} else if (!is(*p, QTEXT)) {
			return 0;
		}
		p++;
	}
	return at(p, end, '"') ? p + 1 - start : 0;
}

static size_t local_part_span(const char *p, const char *end)
{
	size_t n = at(p, end, '"') ? quoted_string_span(p, end) : dot_string_span(p, end);

	return n <= SMTP_LOCAL ? n : 0;
}

/* "@one,@two:", which RFC 5321 appendix C wants accepted and ignored. */
static size_t source_route_span(const char *p, const char *end)
{
	const char *start = p;

	do {
		size_t n;

		if (!take(&p, end, '@'))
			return 0;
		n = domain_span(p, end, true);
		if (!n)
			return 0;
		p += n;
	} while (take(&p, end, ','));
	return at(p, end, ':') ? p + 1 - start : 0;
}

/* route: the source route, or where the mailbox begins. */
static bool is_loose(const char *route, const struct smtp_path *p, const char *mailbox)
{
	size_t local = p->domain - 1;

	return stray_dot(p->text, local) || strchr(p->text + p->domain, '_') ||
	       memchr(route, '_', mailbox - route);
}

static void path_set(struct smtp_path *ret, const char *text, size_t len, size_t domain)
{
	memcpy(ret->text, text, len);
	ret->text[len] = '\0';
	ret->len = (uint16_t)len;
	ret->domain = (uint16_t)domain;
	ret->wide = utf8_needed(text, len);
	ret->loose = false;
}

int smtp_path_parse(const char *text, size_t len, enum smtp_path_kind kind, struct smtp_path *ret)
{
	const char *p = text, *end = text + len, *mailbox;
	size_t local, domain;

	if (!take(&p, end, '<'))
		return -EINVAL;
	if (at(p, end, '>') && kind == SMTP_REVERSE) {
		path_set(ret, p, 0, 0);
		return 2;
	}
	if (at(p, end, '@')) {
		size_t route = source_route_span(p, end);

		if (!route)
			return -EINVAL;
		p += route;
	}
	mailbox = p;
	local = local_part_span(p, end);
	if (!local)
		return -EINVAL;
	p += local;
	if (at(p, end, '>') && kind == SMTP_FORWARD && mailbox == text + 1 &&
	    local == strlen("postmaster") && strncasecmp(mailbox, "postmaster", local) == 0) {
		path_set(ret, mailbox, local, 0);
		return (int)(p + 1 - text);
	}
	if (!take(&p, end, '@'))
		return -EINVAL;
	domain = at(p, end, '[') ? literal_span(p, end) : domain_span(p, end, true);
	if (!domain)
		return -EINVAL;
	p += domain;
	if (!at(p, end, '>') || p + 1 - text > SMTP_PATH)
		return -EINVAL;
	path_set(ret, mailbox, p - mailbox, local + 1);
	ret->loose = is_loose(text + 1, ret, mailbox);
	return (int)(p + 1 - text);
}

bool smtp_domain_ok(const char *text, size_t len)
{
	const char *end = text + len;

	if (!len)
		return false;
	return (*text == '[' ? literal_span(text, end) : domain_span(text, end, false)) == len;
}

bool smtp_mail_domain_ok(const char *text, size_t len)
{
	return smtp_domain_ok(text, len) || (len && domain_span(text, text + len, true) == len);
}
