// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check_host() of RFC 7208: what the answer to the question at hand makes of the term that asked.
 */
#include <string.h>

#include "name.h"
#include "spf_eval.h"

/* A void lookup more than there may be ends the check. */
static bool count_void(struct spf *s, const struct dns_answer *a)
{
	if (a->status != DNS_NONE || ++s->voids <= SPF_VOIDS)
		return true;
	eval_end(s, SPF_R_PERMERROR, "%s: more than %d answers without a record", s->question.name,
		 SPF_VOIDS);
	return false;
}

/* A server that does not answer ends the check. */
static bool answered(struct spf *s, const struct dns_answer *a)
{
	if (a->status == DNS_FOUND || a->status == DNS_NONE)
		return true;
	eval_end(s, SPF_R_TEMPERROR, "%s: %s", s->question.name,
		 a->status == DNS_TIMEOUT ? "no answer in time" : "the name server failed");
	return false;
}

static bool holds_client(const struct spf *s, const struct dns_answer *a, uint8_t cidr4,
			 uint8_t cidr6)
{
	size_t at = 0, len;
	const uint8_t *data;

	while (dns_record(a, &at, &data, &len)) {
		struct addr net = {{[10] = 0xff, [11] = 0xff}};

		if (len == 4)
			memcpy(net.b + 12, data, 4);
		else if (len == 16)
			memcpy(net.b, data, 16);
		else
			continue;
		if (eval_in_prefix(&s->addr, &net, cidr4, cidr6))
			return true;
	}
	return false;
}

static void on_record(struct spf *s, const struct dns_answer *a)
{
	struct spf_frame *f = eval_top(s);
	const char *record, *why = "";
	size_t len;
	int count;

	if (!answered(s, a))
		return;
	count = spf_find_record(a, &record, &len);
	if (count == 0) {
		/* At the first domain that is an answer, further on the policy is broken (5.2,
		 * 6.1). */
		if (!s->lookups)
			*s->domain = 0;
		eval_end(s, s->lookups ? SPF_R_PERMERROR : SPF_R_NONE, "%s: no SPF record",
			 f->domain);
		return;
	}
	if (count > 1 || len > SPF_TEXT - f->text) {
		eval_end(s, SPF_R_PERMERROR, "%s: %s", f->domain,
			 count > 1 ? "more than one SPF record" : "SPF records too long");
		return;
	}
	memcpy(s->text + f->text, record, len);
	f->len = (uint32_t)len;
	f->at = 0;
	s->text_len = f->text + f->len;
	eval_trace(s, "%s: %.*s", f->domain, (int)len, s->text + f->text);
	if (spf_record_check(s->text + f->text, len, &why))
		eval_end(s, SPF_R_PERMERROR, "%s: syntax: %s", f->domain, why);
}

static void on_address(struct spf *s, const struct dns_answer *a)
{
	if (!answered(s, a) || !count_void(s, a))
		return;
	if (s->term.kind == SPF_EXISTS ? a->status == DNS_FOUND
				       : holds_client(s, a, s->term.cidr4, s->term.cidr6))
		eval_match(s);
	else
		eval_no_match(s, a->status == DNS_NONE ? "no address" : "");
}

static void next_mx(struct spf *s)
{
	while (s->name_at < s->name_count && !name_askable(s->names[s->name_at]))
		s->name_at++;
	if (s->name_at == s->name_count)
		eval_no_match(s, s->name_count ? "" : "no MX");
	else
		eval_ask(s, WANT_MX_ADDRESS, eval_address_type(s), s->names[s->name_at++]);
}

static void on_mx(struct spf *s, const struct dns_answer *a)
{
	size_t at = 0, len;
	const uint8_t *data;

	if (!answered(s, a) || !count_void(s, a))
		return;
	s->name_count = s->name_at = 0;
	while (dns_record(a, &at, &data, &len)) {
		if (s->name_count == SPF_NAMES) {
			eval_end(s, SPF_R_PERMERROR, "%s: more than %d MX", s->question.name,
				 SPF_NAMES);
			return;
		}
		if (len < 2 || len - 2 >= DNS_NAME)
			continue;
		memcpy(s->names[s->name_count], data + 2, len - 2);
		s->names[s->name_count++][len - 2] = 0;
	}
	next_mx(s);
}

static void on_mx_address(struct spf *s, const struct dns_answer *a)
{
	if (!answered(s, a) || !count_void(s, a))
		return;
	if (holds_client(s, a, s->term.cidr4, s->term.cidr6))
		eval_match(s);
	else
		next_mx(s);
}

static void next_ptr(struct spf *s)
{
	while (s->ptr_at < s->ptr_count && !name_askable(s->ptrs[s->ptr_at]))
		s->ptr_at++;
	if (s->ptr_at == s->ptr_count)
		eval_names_known(s);
	else
		eval_ask(s, WANT_PTR_ADDRESS, eval_address_type(s), s->ptrs[s->ptr_at]);
}

/* Whoever owns the address owns its names, not the domain: failures here are no names (5.5), and
 * none of them count against the domain. */
static void on_ptr(struct spf *s, const struct dns_answer *a)
{
	size_t at = 0, len;
	const uint8_t *data;

	while (s->ptr_count < SPF_NAMES && dns_record(a, &at, &data, &len)) {
		if (!len || len >= DNS_NAME)
			continue;
		memcpy(s->ptrs[s->ptr_count], data, len);
		s->ptrs[s->ptr_count++][len] = 0;
	}
	next_ptr(s);
}

static void on_ptr_address(struct spf *s, const struct dns_answer *a)
{
	s->valid[s->ptr_at++] = holds_client(s, a, 32, 128);
	next_ptr(s);
}

static void on_explanation(struct spf *s, const struct dns_answer *a)
{
	struct spf_macro m = eval_macro(s);
	size_t at = 0, len;
	const uint8_t *data;

	s->done = true;
	if (a->count != 1 || !dns_record(a, &at, &data, &len) ||
	    !spf_macro_ok((const char *)data, len, true))
		return;
	if (!s->ptr_known && spf_macro_wants_name((const char *)data, len)) {
		/* The text is asked for again once the names are known; by then it is at hand. */
		s->done = false;
		eval_ask_ptr(s);
		return;
	}
	if (!spf_macro_text(&m, (const char *)data, len, s->explanation))
		*s->explanation = 0;
}

static void (*const handlers[])(struct spf *, const struct dns_answer *) = {
	[WANT_RECORD] = on_record,
	[WANT_ADDRESS] = on_address,
	[WANT_MX] = on_mx,
	[WANT_MX_ADDRESS] = on_mx_address,
	[WANT_PTR] = on_ptr,
	[WANT_PTR_ADDRESS] = on_ptr_address,
	[WANT_EXPLANATION] = on_explanation,
};

void eval_answer(struct spf *s, enum want want, const struct dns_answer *a)
{
	handlers[want](s, a);
}
