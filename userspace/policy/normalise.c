// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Senders without what changes from one message, or one attempt, to the next.
 *
 * The schemes that wrap an address are undone (schemes.c). Then the words of the local part are
 * looked at: those that no person could have for a name (a UUID, a long hash; ids.c) become "#";
 * and where such a word, or one of the tables of words that machines use, shows that a machine made
 * the address, shorter numbers and ids do too.
 *
 * Limits: an address without any such sign is left alone, however random it looks: better one mail
 * more that waits than two people who share a record.
 */
#include <string.h>

#include "internal.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define ALPHABET LETTERS DIGITS

#define LIST_DIGITS 3    /* least of the number of a message */
#define LABEL_ID 8       /* least of a label with digits in a host for bounces */
#define SERVICE_DIGITS 6 /* behind a word that people use, too */

/* A sender, taken apart. */
struct parts {
	const char *kept; /* in front of the local part: of SRS, whose original sender it is */
	char *local;
	const char *domain; /* the local part's own: that of the original sender */
	const char *ids;    /* in local: behind the word that says it is for bounces */
	enum maker maker;
};

/* ---- words that machines use ---- */

struct words {
	const char *const *list;
	size_t count;
};

#define WORDS(...)                                                                                 \
	{                                                                                          \
		.list = (const char *const[]){__VA_ARGS__},                                        \
		.count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)         \
	}

/* Nobody's name: first, or among - + = _. */
static const struct words plain = WORDS("bounces", "bounced", "verp", "rpath", "envelopefrom");
/* A name or initials, unless it is first and one of - + = _ follows. */
static const struct words leading = WORDS("bounce", "bnc", "fbl");
/* Names of hosts that only bounces go to. */
static const struct words hosts = WORDS("bounce", "bounces", "bnc", "verp", "rpath");
/* First in addresses of machines; of people, too. */
static const struct words services =
	WORDS("noreply", "notification", "notifications", "reply", "return", "returns", "mailer",
	      "campaign", "newsletter", "unsubscribe", "errors", "complaints");
/* In addresses of lists, before the number of a message and its recipient: first, or what ezmlm has
 * behind the list's name. */
static const struct words lists =
	WORDS("news", "newsletter", "list", "lists", "mailing", "mailings", "return", "returns",
	      "sentto", "campaign", "mailer", "notification", "notifications");

static bool among(const struct words *words, const char *p, size_t len)
{
	for (size_t i = 0; i < words->count; i++)
		if (*p == *words->list[i] && !strncmp(p, words->list[i], len) &&
		    !words->list[i][len])
			return true;
	return false;
}

/* bounce.example.org, bounces7.example.org, below what an organisation has: the label; else NULL.
 */
static const char *bounce_label(const char *domain)
{
	for (const char *p = domain; *p; p += strcspn(p, "."), p += *p == '.') {
		size_t len = 0;

		while (p[len] >= 'a' && p[len] <= 'z')
			len++;
		if (among(&hosts, p, len) && p[len + strspn(p + len, DIGITS)] == '.') {
			const char *organisation = policy_organisation(domain);

			return organisation && p < organisation ? p : NULL;
		}
	}
	return NULL;
}

/* ---- VERP ---- */

/* A top-level domain, as far as its looks go. */
static bool is_tld(const char *p)
{
	size_t len = strlen(p);

	return len > 1 && (strspn(p, LETTERS) == len || !strncmp(p, "xn--", 4));
}

/* "=domain" with a dot in it, up to the end: the recipient of a VERP address. */
static bool verp_tail(const char *p)
{
	const char *equals = strrchr(p, '='), *dot = equals ? strrchr(equals, '.') : NULL;

	return dot && equals > p && is_word(equals[1]) && is_tld(dot + 1) &&
	       strspn(equals + 1, ALPHABET ".-") == strlen(equals + 1);
}

/* news-4711-user=example.net: a list, a number, and behind it a whole address. Where the number
 * stands, or NULL. */
static char *numbered_verp(char *local)
{
	char *equals = strrchr(local, '=');
	bool list = false;

	if (!verp_tail(local))
		return NULL;
	for (char *p = local; p < equals;) {
		size_t len = word_span(p);

		if (list && len >= LIST_DIGITS && strspn(p, DIGITS) == len && p[len] == '-')
			return p;
		list = list || (p == local && among(&lists, p, len)) ||
		       (p > local && p[-1] == '-' && !strncmp(p, "return-", len + 1));
		p += len ? len : 1;
	}
	return NULL;
}

/* ---- who made it ---- */

static bool separates(char c)
{
	return c && strchr("-+=_", c);
}

/* Whether the address says of itself that bounces go to it, and behind which word its ids begin. */
static bool find_bouncer(struct parts *s)
{
	/* Words in somebody's domain say nothing of the address. */
	const char *end = verp_tail(s->local) ? strrchr(s->local, '=') : strchr(s->local, '\0');
	const char *number;
	size_t len;

	for (const char *p = s->local; p < end; p += len ? len : 1) {
		bool first = p == s->local, parted = separates(p[len = word_span(p)]);

		if (!len || !(first || (parted && separates(p[-1]))))
			continue;
		if (among(&plain, p, len) || (first && parted && among(&leading, p, len))) {
			s->ids = p + len;
			return true;
		}
	}
	number = numbered_verp(s->local);
	s->ids = number ? number - 1 : s->local;
	return number;
}

/* Whether every word is an id to that maker, and that somebody could not remember one of them. */
static void look_at(const char *p, enum maker maker, bool *ret_all, bool *ret_lone)
{
	*ret_all = true;
	*ret_lone = false;
	for (size_t len; *p; p += len ? len : 1) {
		bool uuid = is_uuid(p);

		len = uuid ? UUID : word_span(p);
		*ret_lone = *ret_lone || uuid || is_id(p, len, MAKER_PERSON);
		*ret_all = *ret_all && (!len || uuid || is_id(p, len, maker));
	}
}

static enum maker maker_of(struct parts *s)
{
	enum maker maker = bounce_label(s->domain) ? MAKER_HOST : MAKER_LONE_ID;
	size_t first = word_span(s->local);
	bool all, lone;

	if (find_bouncer(s))
		return MAKER_BOUNCER;
	look_at(s->local, maker == MAKER_HOST ? MAKER_BOUNCER : maker, &all, &lone);
	if (maker == MAKER_HOST)
		return all ? MAKER_BOUNCER : maker;
	if (lone && all)
		return maker;
	if (s->local[first] &&
	    (among(&services, s->local, first) || among(&leading, s->local, first)))
		return MAKER_SERVICE;
	return MAKER_PERSON;
}

/* ---- what varies ---- */

/* Where the part begins that stands for the recipient or the message as a whole; the end if there
 * is none. */
static char *variable_tail(const struct parts *s)
{
	char *local = s->local, *plus = strchr(local, '+'), *equals, *from;

	if (strstr(local, "+srs")) /* what is left of it is the original sender */
		return local + strlen(local);
	/* list+user=example.net, list+4711a8f3, and bounce+whatever */
	if (plus && plus > local && (verp_tail(plus + 1) || is_id_tail(plus + 1, s->maker)))
		return plus;
	if (s->maker < MAKER_HOST)
		return local + strlen(local);
	/* user=example.org__ID: who sent it, and the message */
	from = strstr(local, "__");
	if (from && from > local && from[2]) {
		*from = '\0';
		if (verp_tail(local))
			return *from = '_', from;
		*from = '_';
	}
	/* list-bounces-user=example.net; the user may have hyphens: cut at the last one of those
	 * that lead a word before "=". */
	if (verp_tail(local)) {
		equals = strrchr(local, '=');
		for (from = equals; from > local && *from != '-'; from--)
			;
		if (from > local)
			return from;
	}
	return local + strlen(local);
}

/* How long an id at p is; 0: there is none. */
static size_t id_span(const struct parts *s, const char *p)
{
	size_t len = word_span(p), first = word_span(s->local);

	if (is_uuid(p))
		return UUID;
	if (!len)
		return 0;
	if (is_id(p, len, s->maker))
		return len;
	if (!is_digit(*p) || strspn(p, DIGITS) != len)
		return 0;
	/* A year right behind the word, and a long number behind one of a service. */
	if (s->maker == MAKER_BOUNCER && len >= LIST_DIGITS && p == s->ids + 1 && s->ids > s->local)
		return len;
	return s->maker == MAKER_SERVICE && len >= SERVICE_DIGITS && p == s->local + first + 1 ? len
											       : 0;
}

/* Whether all that follows in a bouncer's address is the message's, from p on: two ids, or one that
 * has separators in its alphabet. */
static bool all_varies(const struct parts *s, const char *p)
{
	size_t ids = 0;

	if (s->maker < MAKER_HOST || p < s->ids)
		return false;
	if (is_word(*p) && is_scrambled(p, strspn(p, ALPHABET "-_")))
		return true;
	if (!id_span(s, p))
		return false;
	for (size_t len; *p; p += len ? len : 1) {
		len = id_span(s, p);
		ids += len > 0;
		len = len ? len : word_span(p);
	}
	return ids > 1;
}

/* ---- the result ---- */

struct out {
	char *at;
	size_t len, size;
};

static void put(struct out *o, const char *p, size_t len)
{
	for (size_t i = 0; i < len && o->len + 1 < o->size; i++)
		o->at[o->len++] = p[i];
}

static void put_mark(struct out *o)
{
	/* How many pieces an id has changes with what its alphabet holds. */
	if (o->len > 1 && o->at[o->len - 2] == '#' && !is_word(o->at[o->len - 1]))
		o->len--;
	else if (!o->len || o->at[o->len - 1] != '#')
		put(o, "#", 1);
}

static void put_local(struct out *o, const struct parts *s)
{
	const char *p = s->local;

	while (*p && !all_varies(s, p)) {
		size_t id = id_span(s, p), len = word_span(p);

		if (id)
			put_mark(o);
		else
			put(o, p, len ? len : 1);
		p += id ? id : len ? len : 1;
	}
	if (!*p)
		return;
	while (o->len && strchr("-_", o->at[o->len - 1])) /* may be of the id's alphabet */
		o->len--;
	put_mark(o);
}

/* Ids of messages stand in names below the host for bounces, too. */
static void put_domain(struct out *o, const char *domain)
{
	const char *bounce = bounce_label(domain), *p = domain;

	while (bounce && p < bounce) {
		size_t len = strcspn(p, ".") + 1;

		if (len > LABEL_ID && strcspn(p, DIGITS) < len)
			put(o, "#.", 2);
		else
			put(o, p, len);
		p += len;
	}
	put(o, p, strlen(p));
}

/* imceaex-_o=corp_cn=j.smith, imceasmtp-john+40example+2ecom: Exchange puts an address of another
 * kind into one of ours. It is somebody's, whatever of it looks like a tag. */
static bool is_encapsulated(const char *local)
{
	size_t len;

	if (strncmp(local, "imcea", 5) != 0)
		return false;
	len = strspn(local, LETTERS);
	return len > 5 && local[len] == '-';
}

/* srs0.DOMAIN=USER: the user's own parts. */
static void enter_srs(struct parts *s)
{
	char *domain = s->local + strlen("srs0."), *equals = strchr(domain, '=');

	if (strncmp(s->local, "srs0.", 5) != 0 && strncmp(s->local, "srs1.", 5) != 0)
		return;
	if (equals && s->local[3] == '1') {
		domain = equals + 1;
		equals = strchr(domain, '=');
	}
	if (!equals)
		return;
	*equals = '\0';
	s->kept = s->local;
	s->domain = domain;
	s->local = equals + 1;
}

void policy_normalise(const char *sender, char *ret, size_t size)
{
	char text[POLICY_MAILBOX], domain[POLICY_MAILBOX] = "", *at, *tail;
	struct parts s = {.kept = "", .local = text, .domain = domain};
	struct out o = {ret, 0, size};
	bool cut;

	policy_canonical(sender, text, sizeof(text));
	at = strrchr(text, '@');
	if (at) {
		memcpy(domain, at + 1, strlen(at + 1) + 1);
		*at = '\0';
	}
	unwrap_schemes(text);
	enter_srs(&s);
	s.maker = maker_of(&s);
	tail = is_encapsulated(s.local) ? strchr(s.local, '\0') : variable_tail(&s);
	cut = *tail;
	*tail = '\0';
	if (*s.kept) {
		put(&o, s.kept, strlen(s.kept));
		put(&o, "=", 1);
	}
	if (is_encapsulated(s.local))
		put(&o, s.local, strlen(s.local));
	else
		put_local(&o, &s);
	if (cut && (!o.len || ret[o.len - 1] != '#'))
		put(&o, "#", 1);
	if (at) {
		put(&o, "@", 1);
		put_domain(&o, domain);
	}
	ret[o.len] = '\0';
}
