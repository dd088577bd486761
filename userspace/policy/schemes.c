// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Schemes that wrap an address in a tag of their own: BATV (draft-levine-smtp-batv) and kin, SRS. A
 * table of prefixes; what is not exactly of a scheme is nobody's tag and stays as it is.
 */
#include <string.h>

#include "internal.h"

/* Moves what follows `from` to `to`. */
static void close_gap(char *to, const char *from)
{
	memmove(to, from, strlen(from) + 1);
}

/* Tag of draft-levine-smtp-batv: key number, day, hash. */
static bool batv_tag(const char *p, size_t len)
{
	if (len != 10)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(i < 4 ? is_digit(p[i]) : is_hex(p[i])))
			return false;
	return true;
}

/* Tags of other makers: they begin with the key's number and the day, or look like nobody's name.
 */
static bool other_tag(const char *p, size_t len)
{
	size_t digits = 0, turns = 0;

	for (size_t i = 0; i < len; i++) {
		digits += is_digit(p[i]);
		turns += i && is_digit(p[i]) != is_digit(p[i - 1]);
		if (!is_word(p[i]))
			return false;
	}
	return len >= 6 && len <= 16 && digits >= 2 && (is_digit(*p) || turns > 2);
}

/* prvs=TAG=user, in older drafts prvs=user=TAG and prvs=user/TAG. */
static bool unwrap_prvs(char *local, char *body)
{
	/* The surest kind of tag is looked for on both sides first. */
	bool (*const tags[])(const char *, size_t) = {batv_tag, other_tag};
	char *first = strchr(body, '='), *last = strrchr(body, '=');

	if (!first)
		first = last = strchr(body, '/');
	if (!first || first == body || !last[1])
		return false;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		bool before = *first == '=' && tags[i](body, (size_t)(first - body));
		bool behind = tags[i](last + 1, strlen(last + 1));

		/* Two of the less sure kind: which one is the user nobody can tell. */
		if (before && (!behind || !i)) {
			close_gap(local, first + 1);
			return true;
		}
		if (behind && !before) {
			*last = '\0';
			close_gap(local, body);
			return true;
		}
	}
	return false;
}

/* btv1==TAG==user */
static bool unwrap_btv1(char *local, char *body)
{
	size_t len = word_span(body);

	if (len < 4 || strncmp(body + len, "==", 2) != 0 || !body[len + 2])
		return false;
	close_gap(local, body + len + 2);
	return true;
}

/* msprvs1=TAG=user */
static bool unwrap_msprvs1(char *local, char *body)
{
	char *end = strchr(body, '=');

	if (!end || end == body || !end[1])
		return false;
	close_gap(local, end + 1);
	return true;
}

/* Behind the hash and the day of SRS0, which come first: HASH=DAY=domain=user. NULL: it is none. */
static char *srs_rest(char *body)
{
	char *day = strchr(body, '='), *rest = day ? strchr(day + 1, '=') : NULL;

	return rest && day > body && rest > day + 1 && rest <= day + 5 && rest[1] ? rest + 1 : NULL;
}

/* SRS0=HASH=DAY=domain=user: the first forwarder's. */
static bool unwrap_srs0(char *local, char *body)
{
	char *rest = srs_rest(body);

	if (!rest || !strchr(rest, '='))
		return false;
	local[4] = '.'; /* no separator of SRS: it is not unwrapped again */
	close_gap(local + 5, rest);
	return true;
}

/* SRS1=HASH=forwarder=SRS0's body with its separator: a forwarder's forwarder. */
static bool unwrap_srs1(char *local, char *body)
{
	char *forwarder = strchr(body, '='), *inner, *rest;

	if (!forwarder || forwarder == body)
		return false;
	forwarder++;
	inner = strchr(forwarder, '=');
	if (!inner || inner == forwarder || !inner[1])
		return false;
	rest = srs_rest(inner + 2);
	if (!rest)
		return false;
	close_gap(inner + 1, rest);
	local[4] = '.';
	close_gap(local + 5, forwarder);
	return true;
}

static const struct scheme {
	const char *prefix;
	bool (*unwrap)(char *local, char *body); /* body: behind the prefix */
} schemes[] = {
	{"prvs=", unwrap_prvs}, {"btv1==", unwrap_btv1}, {"msprvs1=", unwrap_msprvs1},
	{"srs0=", unwrap_srs0}, {"srs0+", unwrap_srs0},  {"srs0-", unwrap_srs0},
	{"srs1=", unwrap_srs1}, {"srs1+", unwrap_srs1},  {"srs1-", unwrap_srs1},
};

/* user+SRS=HASH=DAY=domain=user, as some providers put it; the rest may be missing. */
static void strip_inner_srs(char *local)
{
	static const char mark[] = "+srs=";
	char *at = strstr(local, mark), *body, *hash_end;

	if (!at)
		return;
	body = at + strlen(mark);
	hash_end = strchr(body, '=');
	if (!hash_end || hash_end == body || word_span(hash_end + 1) != 2)
		return;
	if (hash_end[3] == '=')
		close_gap(at + strlen(mark), hash_end + 4);
	else if (!hash_end[3])
		at[strlen(mark) - 1] = '\0';
}

void unwrap_schemes(char *local)
{
	/* Wrapped addresses are wrapped again; each round makes the text shorter. */
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]);) {
		size_t len = strlen(schemes[i].prefix);

		if (*local == *schemes[i].prefix && !strncmp(local, schemes[i].prefix, len) &&
		    schemes[i].unwrap(local, local + len))
			i = 0;
		else
			i++;
	}
	strip_inner_srs(local);
}
