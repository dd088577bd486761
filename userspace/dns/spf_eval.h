/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_host() between its two files: spf_eval.c walks the terms, spf_answer.c takes the answers.
 */
#ifndef DNS_SPF_EVAL_H
#define DNS_SPF_EVAL_H

#include "spf.h"

enum want {
	WANT_NOTHING,
	WANT_RECORD, /* TXT of the top frame's domain */
	WANT_ADDRESS,
	WANT_MX,
	WANT_MX_ADDRESS,
	WANT_PTR,
	WANT_PTR_ADDRESS,
	WANT_EXPLANATION,
};

static inline struct spf_frame *eval_top(struct spf *s)
{
	return &s->frames[s->depth];
}

static inline enum dns_type eval_address_type(const struct spf *s)
{
	return addr_is4(&s->addr) ? DNS_A : DNS_AAAA;
}

/* ---- spf_eval.c ---- */

void eval_trace(struct spf *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The result stands. */
void eval_end(struct spf *s, enum spf_result r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The next question; its answer is taken as `want` says. */
void eval_ask(struct spf *s, enum want want, enum dns_type type, const char *name);
void eval_ask_ptr(struct spf *s);
/* The client's names are known: back to what wanted them. */
void eval_names_known(struct spf *s);
struct spf_macro eval_macro(struct spf *s);
bool eval_in_prefix(const struct addr *a, const struct addr *net, uint8_t cidr4, uint8_t cidr6);
/* The term at hand matches; does not. */
void eval_match(struct spf *s);
void eval_no_match(struct spf *s, const char *why);

/* ---- spf_answer.c ---- */

void eval_answer(struct spf *s, enum want want, const struct dns_answer *a);

#endif
