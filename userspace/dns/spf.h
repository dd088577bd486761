/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sender Policy Framework, RFC 7208: check_host() as a machine that asks questions instead of
 * sending them, so that the daemon, the CLI and the tests run the same code over their own source
 * of answers. Pure: no I/O, no clock, no allocation; one thread an evaluation.
 *
 *	spf_begin(s, &query);
 *	while (spf_next(s) == SPF_ASK)
 *		spf_answer(s, what s->question gave);
 *	s->result, s->explanation, s->decided
 *
 * Limits: ten terms that ask (RFC 7208 4.6.4), two answers without a record, ten names of an MX or
 * a PTR, SPF_TEXT bytes of all records that are open at once; the caller ends a check that takes
 * too long with answers of status DNS_TIMEOUT. Names outside ASCII belong in their A-label form
 * (RFC 7208 4.3); a domain or a record with other bytes is no SPF.
 */
#ifndef DNS_SPF_H
#define DNS_SPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"
#include "answer.h"

#define SPF_LOOKUPS 10
#define SPF_VOIDS 2
#define SPF_NAMES 10 /* of an MX, of a PTR */
#define SPF_DEPTH (SPF_LOOKUPS + 1)
#define SPF_TEXT 16384
#define SPF_EXPLANATION 512 /* with NUL */
#define SPF_LOCAL 256       /* local part with NUL: more than RFC 5321 4.5.3.1.1 has */
#define SPF_HELO 256

enum spf_result {
	SPF_R_NONE,
	SPF_R_NEUTRAL,
	SPF_R_PASS,
	SPF_R_FAIL,
	SPF_R_SOFTFAIL,
	SPF_R_TEMPERROR,
	SPF_R_PERMERROR,
	SPF_R_MAX
};

/* The words of RFC 7208 2.6. */
const char *spf_result_text(enum spf_result r);

/* ---- the record: spf_parse.c ---- */

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT,
	SPF_EXP,
	SPF_UNKNOWN_MODIFIER,
};

struct spf_term {
	enum spf_kind kind;
	enum spf_result match; /* of a mechanism: what its qualifier says */
	const char *text;      /* the whole term */
	size_t text_len;
	const char *spec; /* domain-spec or macro-string; NULL: none given */
	size_t spec_len;
	struct addr addr;     /* ip4, ip6 */
	uint8_t cidr4, cidr6; /* 0..32, 0..128; 32 and 128 where not given */
};

/* Whether a TXT record is an SPF record: "v=spf1" alone or before a blank. */
bool spf_is_record(const char *text, size_t len);
/*
 * Adds of a TXT record what a check reads of it: the first SPF record, whole up to the SPF_TEXT
 * bytes that can be evaluated and one more where it is longer; that there is a second one; the
 * first of the others, as long, and that there is another record beside it, which is all that
 * matters of an explanation. So an answer has four records at most, however many the name has.
 */
void spf_keep(struct dns_answer *a, const char *text, size_t len);
/* How many there are in the answer to a TXT question; the last one (pointing into a) is *ret. */
int spf_find_record(const struct dns_answer *a, const char **ret, size_t *ret_len);
/* The term at *at (0 is behind the version), which moves on. 1: *ret; 0: the record is over;
 * -EINVAL: a syntax error, *why (if not NULL) says which. */
int spf_term(const char *record, size_t len, size_t *at, struct spf_term *ret, const char **why);
/* All terms, and what they demand of each other. 0 or -EINVAL. */
int spf_record_check(const char *record, size_t len, const char **why);

/* ---- macros: spf_macro.c ---- */

struct spf_macro {
	const char *local, *sender_domain; /* %{l} %{o}; %{s} is both */
	const char *domain;                /* %{d} */
	const char *helo, *receiver;       /* %{h} %{r} */
	const char *validated;             /* %{p} */
	struct addr addr;                  /* %{i} %{c} %{v} */
	uint64_t now;                      /* %{t}, s since 1970 */
};

/* Whether text is a macro-string (RFC 7208 7.1); explain: also c, r, t and blanks. */
bool spf_macro_ok(const char *text, size_t len, bool explain);
/* Whether it is a domain-spec: a macro-string that ends in a macro or in a top-level label. */
bool spf_domain_spec_ok(const char *text, size_t len);
/* Whether it speaks of %{p}, which costs questions. */
bool spf_macro_wants_name(const char *text, size_t len);
/* Expands a macro-string that is ok. As a name: cut from the left, label by label, to 253
 * characters (7.3), without a dot at its end; the name may still not be askable. */
void spf_macro_name(const struct spf_macro *m, const char *text, size_t len, char ret[DNS_NAME]);
/* As an explanation. False when it is longer than SPF_EXPLANATION. */
bool spf_macro_text(const struct spf_macro *m, const char *text, size_t len,
		    char ret[SPF_EXPLANATION]);

/* ---- check_host(): spf_eval.c ---- */

struct spf_query {
	struct addr addr;
	const char *helo;     /* as given, also when it is no name */
	const char *sender;   /* reverse-path without brackets; "" asks for the HELO name */
	const char *receiver; /* our own name */
	uint64_t now;         /* s since 1970 */
	/* One line of the path taken; depth is that of includes. May be NULL. */
	void (*trace)(void *arg, int depth, const char *line);
	void *trace_arg;
};

enum spf_step { SPF_ASK, SPF_DONE };

struct spf_question {
	enum dns_type type;
	char name[DNS_NAME];
};

struct spf_frame {
	char domain[DNS_NAME];
	uint32_t text, len;      /* its record in s->text */
	size_t at;               /* of the next term */
	enum spf_result match;   /* what the include that opened it says when it passes */
	uint32_t term, term_len; /* that include, for the trace */
};

/* Written by spf_eval.c only; some 26 kB. */
struct spf {
	/* What a caller reads. */
	struct spf_question question;
	enum spf_result result;
	bool anyone;           /* a pass that nearly any client gets: it says nothing of this one */
	char domain[DNS_NAME]; /* whose policy was asked; "" when there is no such */
	char explanation[SPF_EXPLANATION]; /* of a fail, "" when the domain gives none */
	char decided[160];                 /* the term that matched, or what is wrong */

	/* The machine's own. */
	struct addr addr;
	uint64_t now;
	void (*trace)(void *arg, int depth, const char *line);
	void *trace_arg;
	char local[SPF_LOCAL], sender_domain[DNS_NAME], helo[SPF_HELO], receiver[DNS_NAME];
	int want; /* what the outstanding question is for */
	bool done;
	int depth, lookups, voids;
	struct spf_term term; /* the one being evaluated; its pointers lead into text */
	uint32_t text_len;
	int name_count, name_at;
	bool ptr_known; /* the PTR of addr was asked */
	bool valid[SPF_NAMES];
	int ptr_count, ptr_at;
	/* From here on nothing is read that was not written in this check. */
	struct spf_frame frames[SPF_DEPTH + 1];
	char names[SPF_NAMES][DNS_NAME]; /* of an MX */
	char ptrs[SPF_NAMES][DNS_NAME];
	char text[SPF_TEXT];
};

void spf_begin(struct spf *s, const struct spf_query *q);
enum spf_step spf_next(const struct spf *s);
void spf_answer(struct spf *s, const struct dns_answer *a);

#endif
