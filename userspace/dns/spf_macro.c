// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spf.h"

#define DELIMITERS ".-+,/_="
#define NAME_LETTERS "slodiphv"
#define EXPLAIN_LETTERS NAME_LETTERS "crt"
#define PARTS 128 /* RFC 7208 7.1: what a number must be able to say at least */
#define VALUE 512 /* of one letter: a sender is its longest */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* One macro: %{letter transformers delimiters}, or %%, %_, %-. */
struct macro {
	char letter; /* lower case; or '%', '_', '-' */
	bool escape, reverse;
	unsigned keep; /* right-hand parts; 0: all */
	char delimiters[sizeof(DELIMITERS)];
};

/* Reads the macro at text, which begins with '%'. Its length, or 0 when it is none. */
static size_t read_macro(const char *text, size_t len, const char *letters, struct macro *ret)
{
	size_t at = 2, n = 0;
	unsigned keep = 0;

	memset(ret, 0, sizeof(*ret));
	if (len < 2)
		return 0;
	if (text[1] == '%' || text[1] == '_' || text[1] == '-') {
		ret->letter = text[1];
		return 2;
	}
	if (text[1] != '{' || len < 4)
		return 0;
	ret->letter = lower(text[at]);
	ret->escape = ret->letter != text[at];
	if (!ret->letter || !strchr(letters, ret->letter))
		return 0;
	at++;
	if (is_digit(text[at])) {
		while (at < len && is_digit(text[at])) {
			keep = keep * 10 + (unsigned)(text[at++] - '0');
			keep = keep > PARTS ? PARTS : keep;
		}
		if (!keep)
			return 0;
		ret->keep = keep;
	}
	if (at < len && lower(text[at]) == 'r') {
		ret->reverse = true;
		at++;
	}
	for (; at < len && text[at] && strchr(DELIMITERS, text[at]); at++) {
		if (!strchr(ret->delimiters, text[at]))
			ret->delimiters[n++] = text[at];
	}
	return at < len && text[at] == '}' ? at + 1 : 0;
}

/* Walks a macro-string: true when it is one. *ret_last is where its last macro ends. */
static bool walk(const char *text, size_t len, bool explain, size_t *ret_last)
{
	const char *letters = explain ? EXPLAIN_LETTERS : NAME_LETTERS;
	struct macro m;

	*ret_last = 0;
	for (size_t at = 0; at < len;) {
		size_t n;

		if (text[at] != '%') {
			if (text[at] < (explain ? ' ' : '!') || text[at] > '~')
				return false;
			at++;
			continue;
		}
		n = read_macro(text + at, len - at, letters, &m);
		if (!n)
			return false;
		at += n;
		*ret_last = at;
	}
	return true;
}

bool spf_macro_ok(const char *text, size_t len, bool explain)
{
	size_t last;

	return walk(text, len, explain, &last);
}

/* "." toplabel ["."] at the end of text (RFC 7208 7.1). */
static bool ends_in_toplabel(const char *text, size_t len)
{
	size_t end = len, begin;
	bool other = false;

	if (end && text[end - 1] == '.')
		end--;
	for (begin = end; begin && (is_alnum(text[begin - 1]) || text[begin - 1] == '-'); begin--)
		other |= !is_digit(text[begin - 1]);
	return begin < end && begin && text[begin - 1] == '.' && other && text[begin] != '-' &&
	       text[end - 1] != '-';
}

bool spf_domain_spec_ok(const char *text, size_t len)
{
	size_t last;

	if (!len || !walk(text, len, false, &last))
		return false;
	return last == len || ends_in_toplabel(text + last, len - last);
}

bool spf_macro_wants_name(const char *text, size_t len)
{
	for (size_t at = 0; at + 2 < len; at++) {
		if (text[at] == '%' && text[at + 1] == '%')
			at++;
		else if (text[at] == '%' && text[at + 1] == '{' && lower(text[at + 2]) == 'p')
			return true;
	}
	return false;
}

/* ---- expansion ---- */

/* What is expanded so far. A name keeps its right end, which is what counts; an explanation is
 * over when it is full. */
struct out {
	char *buf;
	size_t len, size;
	bool name, cut;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 >= o->size) {
		o->cut = true;
		if (!o->name)
			return;
		memmove(o->buf, o->buf + o->size / 2, o->len - o->size / 2);
		o->len -= o->size / 2;
	}
	o->buf[o->len++] = c;
}

static void put_text(struct out *o, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(o, text[i]);
}

/* %{i}: IPv4 as dotted quad, IPv6 as dotted nibbles. */
static void address_value(const struct addr *a, char ret[VALUE])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	if (addr_is4(a)) {
		addr_text(a, ret);
		return;
	}
	for (int i = 0; i < 16; i++) {
		ret[n++] = hex[a->b[i] >> 4];
		ret[n++] = '.';
		ret[n++] = hex[a->b[i] & 15];
		ret[n++] = '.';
	}
	ret[n - 1] = 0;
}

static void value_of(const struct spf_macro *m, char letter, char ret[VALUE])
{
	switch (letter) {
	case 's':
		snprintf(ret, VALUE, "%s@%s", m->local, m->sender_domain);
		break;
	case 'l':
		snprintf(ret, VALUE, "%s", m->local);
		break;
	case 'o':
		snprintf(ret, VALUE, "%s", m->sender_domain);
		break;
	case 'd':
		snprintf(ret, VALUE, "%s", m->domain);
		break;
	case 'i':
		address_value(&m->addr, ret);
		break;
	case 'p':
		snprintf(ret, VALUE, "%s", m->validated);
		break;
	case 'v':
		snprintf(ret, VALUE, "%s", addr_is4(&m->addr) ? "in-addr" : "ip6");
		break;
	case 'h':
		snprintf(ret, VALUE, "%s", m->helo);
		break;
	case 'c':
		addr_text(&m->addr, ret);
		break;
	case 'r':
		snprintf(ret, VALUE, "%s", m->receiver);
		break;
	case 't':
		snprintf(ret, VALUE, "%" PRIu64, m->now);
		break;
	case '_':
		snprintf(ret, VALUE, " ");
		break;
	case '-':
		snprintf(ret, VALUE, "%%20");
		break;
	default:
		snprintf(ret, VALUE, "%%");
	}
}

static void put_value(struct out *o, const char *text, size_t len, bool escape)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		if (!escape || is_alnum(text[i]) || (text[i] && strchr("-._~", text[i]))) {
			put(o, text[i]);
			continue;
		}
		put(o, '%');
		put(o, hex[(uint8_t)text[i] >> 4]);
		put(o, hex[(uint8_t)text[i] & 15]);
	}
}

/* Splits, turns round, keeps the right-hand parts, joins with dots (RFC 7208 7.3). */
static void put_macro(struct out *o, const struct spf_macro *m, const struct macro *how)
{
	const char *delimiters = *how->delimiters ? how->delimiters : ".";
	char value[VALUE];
	size_t begin[VALUE], length[VALUE];
	size_t parts = 0, at = 0, first;

	value_of(m, how->letter, value);
	if (how->letter == '%' || how->letter == '_' || how->letter == '-') {
		put_text(o, value, strlen(value));
		return;
	}
	for (;;) {
		size_t n = strcspn(value + at, delimiters);

		begin[parts] = at;
		length[parts++] = n;
		if (!value[at + n])
			break;
		at += n + 1;
	}
	first = how->keep && how->keep < parts ? parts - how->keep : 0;
	for (size_t i = first; i < parts; i++) {
		size_t part = how->reverse ? parts - 1 - i : i;

		if (i > first)
			put(o, '.');
		put_value(o, value + begin[part], length[part], how->escape);
	}
}

static void expand(struct out *o, const struct spf_macro *m, const char *text, size_t len)
{
	struct macro how;

	for (size_t at = 0; at < len;) {
		if (text[at] != '%') {
			put(o, text[at++]);
			continue;
		}
		at += read_macro(text + at, len - at, EXPLAIN_LETTERS, &how);
		put_macro(o, m, &how);
	}
	o->buf[o->len] = 0;
}

void spf_macro_name(const struct spf_macro *m, const char *text, size_t len, char ret[DNS_NAME])
{
	char buf[4 * DNS_NAME];
	struct out o = {.buf = buf, .size = sizeof(buf), .name = true};
	const char *from = buf;

	expand(&o, m, text, len);
	if (o.len && buf[o.len - 1] == '.')
		buf[--o.len] = 0;
	/* Whole labels go, also the one that lost its beginning in `put`. */
	while (o.cut || o.len - (size_t)(from - buf) >= DNS_NAME) {
		const char *dot = strchr(from, '.');

		o.cut = false;
		from = dot ? dot + 1 : buf + o.len;
	}
	memcpy(ret, from, o.len - (size_t)(from - buf) + 1);
}

bool spf_macro_text(const struct spf_macro *m, const char *text, size_t len,
		    char ret[SPF_EXPLANATION])
{
	struct out o = {.buf = ret, .size = SPF_EXPLANATION};

	expand(&o, m, text, len);
	return !o.cut;
}
