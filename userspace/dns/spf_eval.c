// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check_host() of RFC 7208 4. A stack of frames holds the domains whose records are open: an
 * include pushes one, a redirect replaces the one on top. `run` takes the top frame's next term;
 * it is called until a question has to be asked or the result stands. What the answer makes of it
 * is in spf_answer.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "name.h"
#include "spf_eval.h"

/* Shorter prefixes hold more than one organisation has. */
#define WIDEST4 8
#define WIDEST6 16

void eval_trace(struct spf *s, const char *format, ...)
{
	char line[1024];
	va_list ap;

	if (!s->trace)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	s->trace(s->trace_arg, s->depth, line);
}

void eval_end(struct spf *s, enum spf_result r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(s->decided, sizeof(s->decided), format, ap);
	va_end(ap);
	eval_trace(s, "%s: %s", s->decided, spf_result_text(r));
	s->result = r;
	s->done = true;
}

void eval_ask(struct spf *s, enum want want, enum dns_type type, const char *name)
{
	s->want = (int)want;
	s->question.type = type;
	snprintf(s->question.name, sizeof(s->question.name), "%s", name);
}

/* ---- names ---- */

void eval_ask_ptr(struct spf *s)
{
	char name[NAME_REVERSE];

	eval_ask(s, WANT_PTR, DNS_PTR, name_reverse(&s->addr, name));
}

/* The validated name of the client (RFC 7208 7.3): best the domain itself, else one below it, else
 * any. */
static const char *validated_name(const struct spf *s, const char *domain)
{
	const char *best = "unknown";
	int rank = 0;

	for (int i = 0; i < s->ptr_count; i++) {
		int r = !strcasecmp(s->ptrs[i], domain)  ? 3
			: name_below(s->ptrs[i], domain) ? 2
							 : 1;

		if (s->valid[i] && r > rank) {
			rank = r;
			best = s->ptrs[i];
		}
	}
	return best;
}

struct spf_macro eval_macro(struct spf *s)
{
	const char *domain = eval_top(s)->domain;

	return (struct spf_macro){.local = s->local,
				  .sender_domain = s->sender_domain,
				  .domain = domain,
				  .helo = s->helo,
				  .receiver = s->receiver,
				  .validated = validated_name(s, domain),
				  .addr = s->addr,
				  .now = s->now};
}

/* The name a term is about. */
static void target(struct spf *s, const struct spf_term *t, char ret[DNS_NAME])
{
	struct spf_macro m = eval_macro(s);

	if (t->spec)
		spf_macro_name(&m, t->spec, t->spec_len, ret);
	else
		snprintf(ret, DNS_NAME, "%s", eval_top(s)->domain);
}

/* Whether the client's names have to be asked for first; then that is on its way. */
static bool names_needed(struct spf *s, const char *spec, size_t len)
{
	if (s->ptr_known || !spec || !spf_macro_wants_name(spec, len))
		return false;
	eval_ask_ptr(s);
	return true;
}

/* ---- terms ---- */

void eval_no_match(struct spf *s, const char *why)
{
	eval_trace(s, "%.*s: no match%s%s", (int)s->term.text_len, s->term.text, *why ? ", " : "",
		   why);
}

static const struct spf_term *find_modifier(struct spf *s, enum spf_kind kind, struct spf_term *ret)
{
	const struct spf_frame *f = eval_top(s);
	size_t at = 0;

	while (spf_term(s->text + f->text, f->len, &at, ret, NULL) > 0) {
		if (ret->kind == kind)
			return ret;
	}
	return NULL;
}

/* The domain may say in its own words why it fails a client (6.2); nothing that goes wrong there
 * changes the result. */
static void explain(struct spf *s)
{
	struct spf_term t;
	char name[DNS_NAME];

	if (s->result != SPF_R_FAIL || !find_modifier(s, SPF_EXP, &t))
		return;
	if (names_needed(s, t.spec, t.spec_len)) {
		s->done = false;
		return;
	}
	target(s, &t, name);
	if (!name_askable(name))
		return;
	s->done = false;
	eval_ask(s, WANT_EXPLANATION, DNS_TXT, name);
}

/* The top frame's record has come to a result. */
static void frame_end(struct spf *s, enum spf_result r, const char *what, size_t len)
{
	struct spf_frame *f = eval_top(s);

	if (!s->depth) {
		eval_end(s, r, "%.*s", (int)len, what);
		explain(s);
		return;
	}
	eval_trace(s, "%.*s: %s", (int)len, what, spf_result_text(r));
	s->depth--;
	if (r != SPF_R_PASS)
		s->anyone = false;
	s->text_len = f->text;
	s->term.text = s->text + f->term;
	s->term.text_len = f->term_len;
	s->term.match = f->match;
	if (r == SPF_R_PASS)
		frame_end(s, f->match, s->term.text, s->term.text_len);
	else
		eval_no_match(s, spf_result_text(r));
}

/* "+all" and networks that nobody owns as a whole. */
static bool holds_anyone(const struct spf *s)
{
	const struct spf_term *t = &s->term;

	if (t->kind == SPF_ALL)
		return true;
	if (t->kind != SPF_IP4 && t->kind != SPF_IP6 && t->kind != SPF_A && t->kind != SPF_MX)
		return false;
	return addr_is4(&s->addr) ? t->cidr4 < WIDEST4 : t->cidr6 < WIDEST6;
}

void eval_match(struct spf *s)
{
	s->anyone = holds_anyone(s);
	frame_end(s, s->term.match, s->term.text, s->term.text_len);
}

bool eval_in_prefix(const struct addr *a, const struct addr *net, uint8_t cidr4, uint8_t cidr6)
{
	struct prefix p = addr_mask(net, addr_is4(net) ? (uint8_t)(96 + cidr4) : cidr6);

	return prefix_holds(&p, a);
}

/* A lookup more than there may be ends the check. */
static bool count_lookup(struct spf *s)
{
	if (++s->lookups <= SPF_LOOKUPS)
		return true;
	eval_end(s, SPF_R_PERMERROR, "%.*s: more than %d terms that ask", (int)s->term.text_len,
		 s->term.text, SPF_LOOKUPS);
	return false;
}

static void open_record(struct spf *s, const char *domain)
{
	snprintf(eval_top(s)->domain, sizeof(eval_top(s)->domain), "%s", domain);
	eval_top(s)->text = s->text_len;
	eval_top(s)->len = 0;
	eval_top(s)->at = 0;
	eval_ask(s, WANT_RECORD, DNS_TXT, domain);
}

static void include(struct spf *s, const char *name)
{
	struct spf_frame *f = eval_top(s) + 1;

	f->term = (uint32_t)(s->term.text - s->text);
	f->term_len = (uint32_t)s->term.text_len;
	f->match = s->term.match;
	s->depth++;
	open_record(s, name);
}

static void redirect(struct spf *s)
{
	struct spf_term t;
	char name[DNS_NAME];

	if (!find_modifier(s, SPF_REDIRECT, &t)) {
		frame_end(s, SPF_R_NEUTRAL, "nothing matched", strlen("nothing matched"));
		return;
	}
	s->term = t;
	if (names_needed(s, t.spec, t.spec_len) || !count_lookup(s))
		return;
	target(s, &t, name);
	if (!name_askable(name)) {
		eval_end(s, SPF_R_PERMERROR, "%.*s: no domain", (int)t.text_len, t.text);
		return;
	}
	eval_trace(s, "%.*s", (int)t.text_len, t.text);
	s->text_len = eval_top(s)->text;
	open_record(s, name);
}

static void ptr_term(struct spf *s)
{
	char name[DNS_NAME];

	target(s, &s->term, name);
	for (int i = 0; i < s->ptr_count; i++) {
		if (s->valid[i] && name_below(s->ptrs[i], name)) {
			eval_match(s);
			return;
		}
	}
	eval_no_match(s,
		      s->ptr_count ? "no such name leads to the client" : "the client has no name");
}

/* Terms that begin with a question. */
static void asking_term(struct spf *s)
{
	char name[DNS_NAME];

	target(s, &s->term, name);
	if (s->term.kind != SPF_PTR && !name_askable(name)) {
		if (s->term.kind == SPF_INCLUDE)
			eval_end(s, SPF_R_PERMERROR, "%.*s: no domain", (int)s->term.text_len,
				 s->term.text);
		else
			eval_no_match(s, "no domain");
		return;
	}
	switch (s->term.kind) {
	case SPF_INCLUDE:
		eval_trace(s, "%.*s", (int)s->term.text_len, s->term.text);
		include(s, name);
		break;
	case SPF_A:
		eval_ask(s, WANT_ADDRESS, eval_address_type(s), name);
		break;
	case SPF_MX:
		eval_ask(s, WANT_MX, DNS_MX, name);
		break;
	case SPF_EXISTS:
		eval_ask(s, WANT_ADDRESS, DNS_A, name); /* A also for IPv6 clients (5.7) */
		break;
	default:
		if (s->ptr_known)
			ptr_term(s);
		else
			eval_ask_ptr(s);
	}
}

/* Goes on with the term at hand; again after its macros' names are known. */
static void begin_term(struct spf *s)
{
	const struct spf_term *t = &s->term;

	switch (t->kind) {
	case SPF_ALL:
		eval_match(s);
		break;
	case SPF_IP4:
	case SPF_IP6:
		if ((t->kind == SPF_IP4) == addr_is4(&s->addr) &&
		    eval_in_prefix(&s->addr, &t->addr, t->cidr4, t->cidr6))
			eval_match(s);
		else
			eval_no_match(s, "");
		break;
	default:
		if (!names_needed(s, t->spec, t->spec_len))
			asking_term(s);
	}
}

static bool asks(enum spf_kind kind)
{
	return kind == SPF_INCLUDE || kind == SPF_A || kind == SPF_MX || kind == SPF_PTR ||
	       kind == SPF_EXISTS;
}

static void run(struct spf *s)
{
	struct spf_frame *f = eval_top(s);
	int rc;

	do {
		rc = spf_term(s->text + f->text, f->len, &f->at, &s->term, NULL);
	} while (rc > 0 && s->term.kind >= SPF_REDIRECT);
	if (rc <= 0)
		redirect(s);
	else if (!asks(s->term.kind) || count_lookup(s))
		begin_term(s);
}

/* The client's names are known: back to what wanted them. */
void eval_names_known(struct spf *s)
{
	s->ptr_known = true;
	if (s->result == SPF_R_FAIL) {
		s->done = true;
		explain(s);
	} else if (asks(s->term.kind)) {
		asking_term(s);
	} else {
		redirect(s);
	}
}

/* ---- answers ---- */

void spf_answer(struct spf *s, const struct dns_answer *a)
{
	int want = s->want;

	s->want = WANT_NOTHING;
	eval_answer(s, (enum want)want, a);
	while (!s->done && s->want == WANT_NOTHING)
		run(s);
}

enum spf_step spf_next(const struct spf *s)
{
	return s->done ? SPF_DONE : SPF_ASK;
}

/* ---- beginning ---- */

/* What must hold of the first domain (4.3): else there is nobody to ask. */
static bool domain_ok(const char *domain)
{
	return name_askable(domain) && *domain != '[' && strchr(domain, '.');
}

void spf_begin(struct spf *s, const struct spf_query *q)
{
	const char *at = strrchr(q->sender, '@');
	const char *domain = at ? at + 1 : *q->sender ? q->sender : q->helo;
	size_t local = at ? (size_t)(at - q->sender) : 0, len = strlen(domain);

	memset(s, 0, offsetof(struct spf, frames));
	s->addr = q->addr;
	s->now = q->now;
	s->trace = q->trace;
	s->trace_arg = q->trace_arg;
	snprintf(s->helo, sizeof(s->helo), "%s", q->helo);
	snprintf(s->receiver, sizeof(s->receiver), "%s", q->receiver);
	snprintf(s->local, sizeof(s->local), "%.*s", local ? (int)local : 10,
		 local ? q->sender : "postmaster");
	if (len && domain[len - 1] == '.')
		len--;
	snprintf(s->sender_domain, sizeof(s->sender_domain), "%.*s", (int)len, domain);
	if (len >= sizeof(s->sender_domain) || !domain_ok(s->sender_domain)) {
		eval_end(s, SPF_R_NONE, "%.100s: not a domain name", domain);
		return;
	}
	memcpy(s->domain, s->sender_domain, sizeof(s->domain));
	open_record(s, s->sender_domain);
}
