// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "spf.h"

#define VERSION "v=spf1"
#define VERSION_LEN 6

/* Where a mechanism's argument may or must stand. */
enum argument { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST };

static const struct mechanism {
	const char *name;
	enum spf_kind kind;
	enum argument spec;
	bool cidr, network;
} mechanisms[] = {
	{"all", SPF_ALL, ARGUMENT_NONE, false, false},
	{"include", SPF_INCLUDE, ARGUMENT_MUST, false, false},
	{"a", SPF_A, ARGUMENT_MAY, true, false},
	{"mx", SPF_MX, ARGUMENT_MAY, true, false},
	{"ptr", SPF_PTR, ARGUMENT_MAY, false, false},
	{"ip4", SPF_IP4, ARGUMENT_MUST, false, true},
	{"ip6", SPF_IP6, ARGUMENT_MUST, false, true},
	{"exists", SPF_EXISTS, ARGUMENT_MUST, false, false},
};

static const struct {
	char sign;
	enum spf_result match;
} qualifiers[] = {
	{'+', SPF_R_PASS}, {'-', SPF_R_FAIL}, {'~', SPF_R_SOFTFAIL}, {'?', SPF_R_NEUTRAL}};

static const char *const results[SPF_R_MAX] = {
	[SPF_R_NONE] = "none",           [SPF_R_NEUTRAL] = "neutral",
	[SPF_R_PASS] = "pass",           [SPF_R_FAIL] = "fail",
	[SPF_R_SOFTFAIL] = "softfail",   [SPF_R_TEMPERROR] = "temperror",
	[SPF_R_PERMERROR] = "permerror",
};

const char *spf_result_text(enum spf_result r)
{
	return results[r];
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool spf_is_record(const char *text, size_t len)
{
	return len >= VERSION_LEN && !strncasecmp(text, VERSION, VERSION_LEN) &&
	       (len == VERSION_LEN || text[VERSION_LEN] == ' ');
}

int spf_find_record(const struct dns_answer *a, const char **ret, size_t *ret_len)
{
	size_t at = 0, len;
	const uint8_t *data;
	int count = 0;

	while (dns_record(a, &at, &data, &len)) {
		if (!spf_is_record((const char *)data, len))
			continue;
		*ret = (const char *)data;
		*ret_len = len;
		count++;
	}
	return count;
}

void spf_keep(struct dns_answer *a, const char *text, size_t len)
{
	const char *first;
	size_t first_len;
	int before = spf_find_record(a, &first, &first_len);
	bool spf = spf_is_record(text, len);

	if (spf ? before > 1 : a->count > 1)
		return;
	if (spf ? before : a->count)
		len = spf ? VERSION_LEN : 0;
	dns_record_add(a, text, len < SPF_TEXT + 1 ? len : SPF_TEXT + 1);
}

/* Takes "SLASHES digits" off the end of an argument: 1, 0 when there is none, -EINVAL. */
static int take_cidr(const char *text, size_t *len, const char *slashes, unsigned max, uint8_t *ret)
{
	size_t n = *len, want = strlen(slashes);
	unsigned value = 0;

	while (n && is_digit(text[n - 1]))
		n--;
	if (n < want || memcmp(text + n - want, slashes, want) != 0)
		return 0;
	/* A single slash must not be the second one of two. */
	if (want == 1 && n >= 2 && text[n - 2] == '/')
		return 0;
	if (n == *len || (text[n] == '0' && *len - n > 1) || *len - n > 3)
		return -EINVAL;
	for (size_t i = n; i < *len; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	if (value > max)
		return -EINVAL;
	*ret = (uint8_t)value;
	*len = n - want;
	return 1;
}

static int parse_network(struct spf_term *t, const char **why)
{
	char text[ADDR_TEXT];
	bool six = t->kind == SPF_IP6;

	*why = six ? "not an IPv6 network" : "not an IPv4 network";
	if (take_cidr(t->spec, &t->spec_len, "/", six ? 128 : 32, six ? &t->cidr6 : &t->cidr4) < 0)
		return -EINVAL;
	if (!t->spec_len || t->spec_len >= sizeof(text))
		return -EINVAL;
	memcpy(text, t->spec, t->spec_len);
	text[t->spec_len] = 0;
	if (addr_parse(text, &t->addr) || (strchr(text, ':') != NULL) != six)
		return -EINVAL;
	return 0;
}

static int parse_arguments(const struct mechanism *m, struct spf_term *t, const char *rest,
			   size_t len, const char **why)
{
	/* "a/24": the prefix lengths follow the name at once. */
	bool given = len && *rest == ':';

	t->spec = rest + given;
	t->spec_len = len - given;
	if (m->network && given)
		return parse_network(t, why);
	if (m->cidr && (take_cidr(t->spec, &t->spec_len, "//", 128, &t->cidr6) < 0 ||
			take_cidr(t->spec, &t->spec_len, "/", 32, &t->cidr4) < 0)) {
		*why = "bad prefix length";
		return -EINVAL;
	}
	if (!given) {
		t->spec = NULL;
		*why = m->spec == ARGUMENT_MUST ? "has no argument" : "not a mechanism";
		return t->spec_len || m->spec == ARGUMENT_MUST ? -EINVAL : 0;
	}
	*why = m->spec == ARGUMENT_NONE ? "takes no argument" : "bad domain";
	return m->spec != ARGUMENT_NONE && spf_domain_spec_ok(t->spec, t->spec_len) ? 0 : -EINVAL;
}

static int parse_mechanism(struct spf_term *t, const char **why)
{
	const char *text = t->text;
	size_t len = t->text_len, name = 0;

	t->match = SPF_R_PASS;
	for (size_t i = 0; i < sizeof(qualifiers) / sizeof(qualifiers[0]); i++) {
		if (len && *text == qualifiers[i].sign) {
			t->match = qualifiers[i].match;
			text++;
			len--;
			break;
		}
	}
	while (name < len && text[name] != ':' && text[name] != '/')
		name++;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		const struct mechanism *m = &mechanisms[i];

		if (strlen(m->name) != name || strncasecmp(m->name, text, name) != 0)
			continue;
		t->kind = m->kind;
		return parse_arguments(m, t, text + name, len - name, why);
	}
	*why = "unknown mechanism";
	return -EINVAL;
}

/* name = macro-string, or with the names that mean something name = domain-spec. */
static int parse_modifier(struct spf_term *t, size_t name, const char **why)
{
	t->spec = t->text + name + 1;
	t->spec_len = t->text_len - name - 1;
	t->kind = name == 8 && !strncasecmp(t->text, "redirect", 8) ? SPF_REDIRECT
		  : name == 3 && !strncasecmp(t->text, "exp", 3)    ? SPF_EXP
								    : SPF_UNKNOWN_MODIFIER;
	*why = "bad domain";
	if (t->kind != SPF_UNKNOWN_MODIFIER)
		return spf_domain_spec_ok(t->spec, t->spec_len) ? 0 : -EINVAL;
	*why = "bad macro";
	return spf_macro_ok(t->spec, t->spec_len, false) ? 0 : -EINVAL;
}

/* Length of the name of a modifier, when "=" follows; else 0. */
static size_t modifier_name(const char *text, size_t len)
{
	size_t n = 0;

	if (!len || !is_alpha(*text))
		return 0;
	while (n < len &&
	       (is_alpha(text[n]) || is_digit(text[n]) || (text[n] && strchr("-_.", text[n]))))
		n++;
	return n < len && text[n] == '=' ? n : 0;
}

int spf_term(const char *record, size_t len, size_t *at, struct spf_term *ret, const char **why)
{
	const char *unused;
	size_t begin = *at ? *at : VERSION_LEN, end, name;
	int rc;

	if (!why)
		why = &unused;
	while (begin < len && record[begin] == ' ')
		begin++;
	end = begin;
	while (end < len && record[end] != ' ')
		end++;
	*at = end;
	if (begin == end)
		return 0;
	memset(ret, 0, sizeof(*ret));
	ret->text = record + begin;
	ret->text_len = end - begin;
	ret->cidr4 = 32;
	ret->cidr6 = 128;
	name = modifier_name(ret->text, ret->text_len);
	rc = name ? parse_modifier(ret, name, why) : parse_mechanism(ret, why);
	return rc ? rc : 1;
}

int spf_record_check(const char *record, size_t len, const char **why)
{
	int redirects = 0, exps = 0, rc;
	struct spf_term t;
	size_t at = 0;

	while ((rc = spf_term(record, len, &at, &t, why)) > 0) {
		redirects += t.kind == SPF_REDIRECT;
		exps += t.kind == SPF_EXP;
	}
	if (rc)
		return rc;
	if (redirects > 1 || exps > 1) {
		if (why)
			*why = redirects > 1 ? "redirect given twice" : "exp given twice";
		return -EINVAL;
	}
	return 0;
}
