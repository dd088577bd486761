// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Senders without what changes from one message, or one attempt, to the next.
 *
 * Two steps. The schemes that wrap an address in a tag of their own (BATV, SRS and kin) are undone
 * by a table of prefixes. Then the words of the local part are looked at: those that no person
 * could have for a name (a UUID, a long hash) become "#"; and where such a word, or one of the
 * table of bounce words, shows that a machine made the address, shorter numbers and ids do too.
 *
 * Limits: an address without any such sign is left alone, however random it looks: better one mail
 * more that waits than two people who share a record.
 */
#include <string.h>

#include "policy.h"

/* Lengths from which a word is no name: phone numbers have up to 15 digits. */
#define LONE_DIGITS 17
#define LONE_HEX 16
#define LONE_BASE 20
#define LONE_TURNS 4 /* between letters and digits: a name with a number behind it has one */
/* The same in an address that a machine made. */
#define IDS_DIGITS 3
#define IDS_HEX 6
#define IDS_BASE 8
/* And behind a "+", which leads to the same mailbox anyway. */
#define TAIL_DIGITS 5
#define TAIL_MIX 6
#define TAIL_TURNS 2

#define UUID 36

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static size_t word_length(const char *p)
{
	size_t n = 0;

	while (is_word(p[n]))
		n++;
	return n;
}

/* ---- schemes ---- */

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

/* Tags of other makers: some characters, not all of them letters. */
static bool tag_of(const char *p, size_t len, bool (*character)(char c))
{
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		if (!character(p[i]))
			return false;
		digits += is_digit(p[i]);
	}
	return len >= 6 && len <= 16 && digits >= 2;
}

static bool hex_tag(const char *p, size_t len)
{
	return tag_of(p, len, is_hex);
}

static bool word_tag(const char *p, size_t len)
{
	return tag_of(p, len, is_word);
}

/* prvs=TAG=user, in older drafts prvs=user=TAG and prvs=user/TAG. */
static bool unwrap_prvs(char *local, char *body)
{
	/* The surest kind of tag is looked for on both sides first. */
	bool (*const tags[])(const char *, size_t) = {batv_tag, hex_tag, word_tag};
	char *first = strchr(body, '='), *last = strrchr(body, '=');

	if (!first)
		first = last = strchr(body, '/');
	if (!first || first == body || !last[1])
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (*first == '=' && tags[i](body, (size_t)(first - body))) {
			close_gap(local, first + 1);
			return true;
		}
		if (tags[i](last + 1, strlen(last + 1))) {
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
	size_t len = word_length(body);

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
	if (!hash_end || hash_end == body || word_length(hash_end + 1) != 2)
		return;
	if (hash_end[3] == '=')
		close_gap(at + strlen(mark), hash_end + 4);
	else if (!hash_end[3])
		at[strlen(mark) - 1] = '\0';
}

static void unwrap(char *local)
{
	/* Wrapped addresses are wrapped again; each round makes the text shorter. */
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]);) {
		size_t len = strlen(schemes[i].prefix);

		if (!strncmp(local, schemes[i].prefix, len) &&
		    schemes[i].unwrap(local, local + len))
			i = 0;
		else
			i++;
	}
	strip_inner_srs(local);
}

/* ---- words ---- */

/* Words that say: a machine made this address, not a person. */
static const char *const bounce_words[] = {
	"bounce",      "bounces",    "bounced",      "bnc",          "verp",
	"errors",      "fbl",        "notification", "noreply",      "notifications",
	"unsubscribe", "newsletter", "rpath",        "envelopefrom", "complaints",
};

/* People are called so, or call themselves so: boat.owner.1975. They count at the beginning only,
 * before what separates an id. */
static const char *const leading_words[] = {
	"owner", "mailer", "return", "returns", "reply", "campaign",
};

static bool word_among(const char *const *words, size_t n, const char *p, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (*p == *words[i] && !strncmp(p, words[i], len) && !words[i][len])
			return true;
	return false;
}

static bool bounce_word(const char *p, size_t len)
{
	return word_among(bounce_words, sizeof(bounce_words) / sizeof(bounce_words[0]), p, len);
}

static bool leading_word(const char *p, size_t len)
{
	return word_among(leading_words, sizeof(leading_words) / sizeof(leading_words[0]), p, len);
}

/* bounce.example.org, bounces7.example.org; but reply.example may be a company with people in it.
 */
static bool bounce_domain(const char *domain)
{
	for (const char *p = domain; *p; p += strcspn(p, "."), p += *p == '.') {
		size_t len = 0;

		while (p[len] >= 'a' && p[len] <= 'z')
			len++;
		if (bounce_word(p, len) || leading_word(p, len)) {
			const char *organisation = policy_organisation(domain);

			return organisation && p < organisation;
		}
	}
	return false;
}

static bool uuid_at(const char *p)
{
	for (size_t i = 0; i < UUID; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p[i] != '-' : !is_hex(p[i]))
			return false;
	}
	return !is_word(p[UUID]);
}

/* From letters to digits and back. */
static size_t turns_in(const char *p, size_t len)
{
	size_t turns = 0;

	for (size_t i = 1; i < len; i++)
		turns += is_digit(p[i]) != is_digit(p[i - 1]);
	return turns;
}

/* Whether a word is a number or an id: surely one, or (machine) one in an address made by a
 * machine. */
static bool is_id(const char *p, size_t len, bool machine)
{
	size_t digits = 0, hex = 0, turns = turns_in(p, len);

	for (size_t i = 0; i < len; i++) {
		digits += is_digit(p[i]);
		hex += is_hex(p[i]);
	}
	if (digits == len)
		return len >= (machine ? IDS_DIGITS : LONE_DIGITS);
	if (machine)
		return digits >= 2 && len >= (hex == len ? IDS_HEX : IDS_BASE);
	return turns >= LONE_TURNS && len >= (hex == len ? LONE_HEX : LONE_BASE);
}

/* "=domain" with a dot in it, up to the end: the recipient of a VERP address. */
static bool verp_tail(const char *p)
{
	const char *equals = strrchr(p, '=');

	return equals && equals > p && is_word(equals[1]) && strchr(equals, '.') &&
	       strspn(equals + 1, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(equals + 1);
}

/* news-4711-user=example.net: a number, and behind it a whole address. */
static bool numbered_verp(const char *local)
{
	const char *equals = strrchr(local, '=');

	if (!verp_tail(local))
		return false;
	for (const char *p = local; p < equals;) {
		size_t len = word_length(p);

		if (len >= IDS_DIGITS && strspn(p, "0123456789") == len && p[len] == '-')
			return true;
		p += len ? len : 1;
	}
	return false;
}

/* user+4711a8f3 */
static bool id_tail(const char *p)
{
	size_t len = word_length(p);

	if (p[len])
		return false;
	return strspn(p, "0123456789") == len ? len >= TAIL_DIGITS
					      : len >= TAIL_MIX && turns_in(p, len) >= TAIL_TURNS;
}

static bool made_by_machine(const char *local, const char *domain)
{
	/* Words in somebody's domain say nothing of the address. */
	const char *end = verp_tail(local) ? strrchr(local, '=') : local + strlen(local);

	size_t first = word_length(local);

	if (bounce_domain(domain) || numbered_verp(local))
		return true;
	if (first && local[first] && strchr("-+=", local[first]) && leading_word(local, first))
		return true;
	for (const char *p = local; p < end;) {
		size_t len = word_length(p);

		if (uuid_at(p) || (len && (bounce_word(p, len) || is_id(p, len, false))))
			return true;
		p += len ? len : 1;
	}
	return false;
}

/* Where the part begins that stands for the recipient or the message as a whole; the end if there
 * is none. */
static char *variable_tail(char *local, bool machine)
{
	char *plus = strchr(local, '+'), *equals, *from;

	/* What is left of SRS is the original sender. */
	if (!strncmp(local, "srs0.", 5) || !strncmp(local, "srs1.", 5) || strstr(local, "+srs"))
		return local + strlen(local);
	/* list+user=example.net, list+4711a8f3, and bounce+whatever */
	if (plus && plus > local && (machine || verp_tail(plus + 1) || id_tail(plus + 1)))
		return plus;
	/* list-bounces-user=example.net; the user may have hyphens: cut at the last one of those
	 * that lead a word before "=". */
	if (machine && verp_tail(local)) {
		equals = strrchr(local, '=');
		for (from = equals; from > local && *from != '-'; from--)
			;
		if (from > local)
			return from;
	}
	return local + strlen(local);
}

void policy_normalise(const char *sender, char *ret, size_t size)
{
	char local[POLICY_MAILBOX], domain[POLICY_MAILBOX], *at, *end;
	bool machine, cut;
	size_t n = 0;

	policy_canonical(sender, local, sizeof(local));
	at = strrchr(local, '@');
	domain[0] = '\0';
	if (at) {
		memcpy(domain, at, strlen(at) + 1);
		*at = '\0';
	}
	unwrap(local);
	machine = made_by_machine(local, domain[0] ? domain + 1 : domain);
	end = variable_tail(local, machine);
	cut = *end;
	*end = '\0';
	for (const char *p = local; *p && n + 2 < size;) {
		bool uuid = uuid_at(p);
		size_t len = uuid ? UUID : word_length(p);

		if (uuid || (len && is_id(p, len, machine))) {
			/* How many pieces an id has changes with what its alphabet holds. */
			if (n > 1 && ret[n - 2] == '#' && !is_word(ret[n - 1]))
				n--;
			else
				ret[n++] = '#';
			p += len;
			continue;
		}
		len = len ? len : 1;
		for (size_t i = 0; i < len && n + 2 < size; i++)
			ret[n++] = *p++;
	}
	if (cut && n + 2 < size && (!n || ret[n - 1] != '#'))
		ret[n++] = '#';
	for (const char *p = domain; *p && n + 1 < size; p++)
		ret[n++] = *p;
	ret[n] = '\0';
}
