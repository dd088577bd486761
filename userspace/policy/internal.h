/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H

#include "policy.h"

/* policy_dynamic for a name whose organisational domain (or NULL) is known already. */
bool looks_dynamic(const char *name, const char *organisation, const struct addr *src);

/* Whether a name (lower case) ends as a provider's names for all its lines and machines do. */
bool shape_owned(const char *name);
/* Whether it is made by a rule from an address or a number. host: bytes before the organisational
 * domain; all where there is none. */
bool shape_made(const char *name, size_t host);

/* What its sender has shown itself, in the session. */
bool misbehaves(const struct policy_evidence *e);
/* Let through without asking the records. */
bool is_exempt(const struct policy_attempt *a);
/* Whether evidence speaks against this very host, whatever company it keeps: what it does, what
 * lists and its provider say of it, a domain that disowns it. Not what it merely lacks. */
bool is_suspect(const struct policy_evidence *e, bool dynamic);
/* Class of an attempt that is not, when it is known whether its confirmed name looks dynamic. */
enum policy_class class_of(const struct policy_attempt *a, bool dynamic);

/* Undoes BATV, SRS and kin in a canonical local part, which gets shorter. What SRS wraps becomes
 * srs0.DOMAIN=USER, or srs1.FORWARDER=DOMAIN=USER. */
void unwrap_schemes(char *local);

/* How sure it is that no person has an address, by the signs in it. */
enum maker {
	MAKER_PERSON,  /* not at all */
	MAKER_SERVICE, /* a word that machines put first, and so might somebody */
	MAKER_LONE_ID, /* ids that nobody could remember, and no name beside them */
	MAKER_HOST,    /* only bounces go to its host */
	MAKER_BOUNCER, /* a word that says it is where bounces go */
};

/* Whether the word at p is a number or an id. */
bool is_id(const char *p, size_t len, enum maker maker);
/* The same of words with what base64 has between them: at least 20 characters without that. */
bool is_scrambled(const char *p, size_t len);
/* Behind a "+", which leads to the same mailbox anyway. */
bool is_id_tail(const char *p, enum maker maker);
/* Whether the word at p is a key or a wallet that may be somebody's address. */
bool is_wallet(const char *p, size_t len);
/* Whether there is a UUID at p, of UUID characters. */
bool is_uuid(const char *p);
#define UUID 36

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Of canonical text: lower case. */
static inline bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

static inline bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static inline size_t word_span(const char *p)
{
	size_t n = 0;

	while (is_word(p[n]))
		n++;
	return n;
}

#endif
