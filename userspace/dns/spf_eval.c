// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check_host() of RFC 7208 4. A stack of frames holds the domains whose records are open: an
 * include pushes one, a redirect replaces the one on top. `run` takes the top frame's next term;
 * it is called until a question has to be asked or the result stands.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "name.h"
#include "spf.h"

/* Shorter prefixes hold more than one organisation has. */
#define WIDEST4 8
#define WIDEST6 16

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

static struct spf_frame *top(struct spf *s)
{
	return &s->frames[s->depth];
}

__attribute__((format(printf, 2, 3))) static void trace(struct spf *s, const char *format, ...)
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

__attribute__((format(printf, 3, 4))) static void end(struct spf *s, enum spf_result r,
						      const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(s->decided, sizeof(s->decided), format, ap);
	va_end(ap);
	trace(s, "%s: %s", s->decided, spf_result_text(r));
	s->result = r;
	s->done = true;
}

static void ask(struct spf *s, enum want want, enum dns_type type, const char *name)
{
	s->want = (int)want;
	s->question.type = type;
	snprintf(s->question.name, sizeof(s->question.name), "%s", name);
}

static enum dns_type address_type(const struct spf *s)
{
	return addr_is4(&s->addr) ? DNS_A : DNS_AAAA;
}

/* ---- names ---- */

static void ask_ptr(struct spf *s)
{
	char name[NAME_REVERSE];

	ask(s, WANT_PTR, DNS_PTR, name_reverse(&s->addr, name));
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

static struct spf_macro macro_of(struct spf *s)
{
	const char *domain = top(s)->domain;

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
	struct spf_macro m = macro_of(s);

	if (t->spec)
		spf_macro_name(&m, t->spec, t->spec_len, ret);
	else
		snprintf(ret, DNS_NAME, "%s", top(s)->domain);
}

/* Whether the client's names have to be asked for first; then that is on its way. */
static bool names_needed(struct spf *s, const char *spec, size_t len)
{
	if (s->ptr_known || !spec || !spf_macro_wants_name(spec, len))
		return false;
	ask_ptr(s);
	return true;
}

/* ---- terms ---- */

static void no_match(struct spf *s, const char *why)
{
	trace(s, "%.*s: no match%s%s", (int)s->term.text_len, s->term.text, *why ? ", " : "", why);
}

static const struct spf_term *find_modifier(struct spf *s, enum spf_kind kind, struct spf_term *ret)
{
	const struct spf_frame *f = top(s);
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
	ask(s, WANT_EXPLANATION, DNS_TXT, name);
}

/* The top frame's record has come to a result. */
static void frame_end(struct spf *s, enum spf_result r, const char *what, size_t len)
{
	struct spf_frame *f = top(s);

	if (!s->depth) {
		end(s, r, "%.*s", (int)len, what);
		explain(s);
		return;
	}
	trace(s, "%.*s: %s", (int)len, what, spf_result_text(r));
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
		no_match(s, spf_result_text(r));
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

static void match(struct spf *s)
{
	s->anyone = holds_anyone(s);
	frame_end(s, s->term.match, s->term.text, s->term.text_len);
}

static bool in_prefix(const struct addr *a, const struct addr *net, uint8_t cidr4, uint8_t cidr6)
{
	struct prefix p = addr_mask(net, addr_is4(net) ? (uint8_t)(96 + cidr4) : cidr6);

	return prefix_holds(&p, a);
}

/* A lookup more than there may be ends the check. */
static bool count_lookup(struct spf *s)
{
	if (++s->lookups <= SPF_LOOKUPS)
		return true;
	end(s, SPF_R_PERMERROR, "%.*s: more than %d terms that ask", (int)s->term.text_len,
	    s->term.text, SPF_LOOKUPS);
	return false;
}

static void open_record(struct spf *s, const char *domain)
{
	snprintf(top(s)->domain, sizeof(top(s)->domain), "%s", domain);
	top(s)->text = s->text_len;
	top(s)->len = 0;
	top(s)->at = 0;
	ask(s, WANT_RECORD, DNS_TXT, domain);
}

static void include(struct spf *s, const char *name)
{
	struct spf_frame *f = top(s) + 1;

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
		end(s, SPF_R_PERMERROR, "%.*s: no domain", (int)t.text_len, t.text);
		return;
	}
	trace(s, "%.*s", (int)t.text_len, t.text);
	s->text_len = top(s)->text;
	open_record(s, name);
}

static void ptr_term(struct spf *s)
{
	char name[DNS_NAME];

	target(s, &s->term, name);
	for (int i = 0; i < s->ptr_count; i++) {
		if (s->valid[i] && name_below(s->ptrs[i], name)) {
			match(s);
			return;
		}
	}
	no_match(s, s->ptr_count ? "no such name leads to the client" : "the client has no name");
}

/* Terms that begin with a question. */
static void asking_term(struct spf *s)
{
	char name[DNS_NAME];

	target(s, &s->term, name);
	if (s->term.kind != SPF_PTR && !name_askable(name)) {
		if (s->term.kind == SPF_INCLUDE)
			end(s, SPF_R_PERMERROR, "%.*s: no domain", (int)s->term.text_len,
			    s->term.text);
		else
			no_match(s, "no domain");
		return;
	}
	switch (s->term.kind) {
	case SPF_INCLUDE:
		trace(s, "%.*s", (int)s->term.text_len, s->term.text);
		include(s, name);
		break;
	case SPF_A:
		ask(s, WANT_ADDRESS, address_type(s), name);
		break;
	case SPF_MX:
		ask(s, WANT_MX, DNS_MX, name);
		break;
	case SPF_EXISTS:
		ask(s, WANT_ADDRESS, DNS_A, name); /* A also for IPv6 clients (5.7) */
		break;
	default:
		if (s->ptr_known)
			ptr_term(s);
		else
			ask_ptr(s);
	}
}

/* Goes on with the term at hand; again after its macros' names are known. */
static void begin_term(struct spf *s)
{
	const struct spf_term *t = &s->term;

	switch (t->kind) {
	case SPF_ALL:
		match(s);
		break;
	case SPF_IP4:
	case SPF_IP6:
		if ((t->kind == SPF_IP4) == addr_is4(&s->addr) &&
		    in_prefix(&s->addr, &t->addr, t->cidr4, t->cidr6))
			match(s);
		else
			no_match(s, "");
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
	struct spf_frame *f = top(s);
	int rc;

	do {
		rc = spf_term(s->text + f->text, f->len, &f->at, &s->term, NULL);
	} while (rc > 0 && s->term.kind >= SPF_REDIRECT);
	if (rc <= 0)
		redirect(s);
	else if (!asks(s->term.kind) || count_lookup(s))
		begin_term(s);
}

/* ---- answers ---- */

/* A void lookup more than there may be ends the check. */
static bool count_void(struct spf *s, const struct dns_answer *a)
{
	if (a->status != DNS_NONE || ++s->voids <= SPF_VOIDS)
		return true;
	end(s, SPF_R_PERMERROR, "%s: more than %d answers without a record", s->question.name,
	    SPF_VOIDS);
	return false;
}

/* A server that does not answer ends the check. */
static bool answered(struct spf *s, const struct dns_answer *a)
{
	if (a->status == DNS_FOUND || a->status == DNS_NONE)
		return true;
	end(s, SPF_R_TEMPERROR, "%s: %s", s->question.name,
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
		if (in_prefix(&s->addr, &net, cidr4, cidr6))
			return true;
	}
	return false;
}

static void on_record(struct spf *s, const struct dns_answer *a)
{
	struct spf_frame *f = top(s);
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
		end(s, s->lookups ? SPF_R_PERMERROR : SPF_R_NONE, "%s: no SPF record", f->domain);
		return;
	}
	if (count > 1 || len > SPF_TEXT - f->text) {
		end(s, SPF_R_PERMERROR, "%s: %s", f->domain,
		    count > 1 ? "more than one SPF record" : "SPF records too long");
		return;
	}
	memcpy(s->text + f->text, record, len);
	f->len = (uint32_t)len;
	f->at = 0;
	s->text_len = f->text + f->len;
	trace(s, "%s: %.*s", f->domain, (int)len, s->text + f->text);
	if (spf_record_check(s->text + f->text, len, &why))
		end(s, SPF_R_PERMERROR, "%s: syntax: %s", f->domain, why);
}

static void on_address(struct spf *s, const struct dns_answer *a)
{
	if (!answered(s, a) || !count_void(s, a))
		return;
	if (s->term.kind == SPF_EXISTS ? a->status == DNS_FOUND
				       : holds_client(s, a, s->term.cidr4, s->term.cidr6))
		match(s);
	else
		no_match(s, a->status == DNS_NONE ? "no address" : "");
}

static void next_mx(struct spf *s)
{
	while (s->name_at < s->name_count && !name_askable(s->names[s->name_at]))
		s->name_at++;
	if (s->name_at == s->name_count)
		no_match(s, s->name_count ? "" : "no MX");
	else
		ask(s, WANT_MX_ADDRESS, address_type(s), s->names[s->name_at++]);
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
			end(s, SPF_R_PERMERROR, "%s: more than %d MX", s->question.name, SPF_NAMES);
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
		match(s);
	else
		next_mx(s);
}

/* The client's names are known: back to what wanted them. */
static void names_known(struct spf *s)
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

static void next_ptr(struct spf *s)
{
	while (s->ptr_at < s->ptr_count && !name_askable(s->ptrs[s->ptr_at]))
		s->ptr_at++;
	if (s->ptr_at == s->ptr_count)
		names_known(s);
	else
		ask(s, WANT_PTR_ADDRESS, address_type(s), s->ptrs[s->ptr_at]);
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
	struct spf_macro m = macro_of(s);
	size_t at = 0, len;
	const uint8_t *data;

	s->done = true;
	if (a->count != 1 || !dns_record(a, &at, &data, &len) ||
	    !spf_macro_ok((const char *)data, len, true))
		return;
	if (!s->ptr_known && spf_macro_wants_name((const char *)data, len)) {
		/* The text is asked for again once the names are known; by then it is at hand. */
		s->done = false;
		ask_ptr(s);
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

void spf_answer(struct spf *s, const struct dns_answer *a)
{
	int want = s->want;

	s->want = WANT_NOTHING;
	handlers[want](s, a);
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
		end(s, SPF_R_NONE, "%.100s: not a domain name", domain);
		return;
	}
	memcpy(s->domain, s->sender_domain, sizeof(s->domain));
	open_record(s, s->sender_domain);
}
