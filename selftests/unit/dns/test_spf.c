// SPDX-License-Identifier: GPL-2.0-or-later
/* What the openspf suite leaves open: lengths, macros by themselves, what ends a check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "selftests/unit/dns/zone.h"

static struct spf s;

static enum spf_result check(const char *zone, const char *ip, const char *sender)
{
	struct spf_query q = {.helo = "helo.example.org",
			      .sender = sender,
			      .receiver = "mx.example.net",
			      .now = 1234567890};
	json_error_t err;
	json_t *names = json_loads(zone, 0, &err);

	if (!names)
		fail_msg("%s\n%s", err.text, zone);
	assert_int_equal(addr_parse(ip, &q.addr), 0);
	spf_begin(&s, &q);
	zone_run(&s, names);
	assert_int_equal(spf_next(&s), SPF_DONE);
	json_decref(names);
	return s.result;
}

static const struct spf_macro sample = {.local = "strong-bad",
					.sender_domain = "email.example.com",
					.domain = "email.example.com",
					.helo = "mail.example.com",
					.receiver = "mx.example.net",
					.validated = "mail.example.com",
					.addr = {{[10] = 0xff, 0xff, 192, 0, 2, 3}},
					.now = 1234567890};

/* RFC 7208 7.4, and what is around it. */
static void macros_of_the_standard(void **state)
{
	static const struct {
		const char *macro, *text;
	} rows[] = {
		{"%{s}", "strong-bad@email.example.com"},
		{"%{o}", "email.example.com"},
		{"%{d}", "email.example.com"},
		{"%{d4}", "email.example.com"},
		{"%{d3}", "email.example.com"},
		{"%{d2}", "example.com"},
		{"%{d1}", "com"},
		{"%{dr}", "com.example.email"},
		{"%{d2r}", "example.email"},
		{"%{l}", "strong-bad"},
		{"%{l-}", "strong.bad"},
		{"%{lr}", "strong-bad"},
		{"%{lr-}", "bad.strong"},
		{"%{l1r-}", "strong"},
		{"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
		{"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
		{"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
		 "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
		{"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
		 "3.2.0.192.in-addr.strong.lp._spf.example.com"},
		{"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
		{"%{S}", "strong-bad%40email.example.com"},
		{"%{h}/%{p}", "mail.example.com/mail.example.com"},
		{"%{d128}.%{d999999999999}", "email.example.com.email.example.com"},
		{"a%%b%_c%-d", "a%b c%20d"},
		{"%{s.@-}", "strong.bad@email.example.com"},
	};
	char name[DNS_NAME], text[SPF_EXPLANATION];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *m = rows[i].macro;

		if (i == sizeof(rows) / sizeof(rows[0]) - 1) {
			assert_false(spf_macro_ok(m, strlen(m), false)); /* @ is no delimiter */
			continue;
		}
		assert_true(spf_macro_ok(m, strlen(m), false));
		spf_macro_name(&sample, m, strlen(m), name);
		assert_string_equal(name, rows[i].text);
		assert_true(spf_macro_text(&sample, m, strlen(m), text));
		assert_string_equal(text, rows[i].text);
	}
	assert_true(spf_macro_ok("%{c} %{r} %{t}", 14, true));
	assert_true(spf_macro_text(&sample, "%{c} %{r} %{t}", 14, text));
	assert_string_equal(text, "192.0.2.3 mx.example.net 1234567890");
}

static void macros_of_ipv6(void **state)
{
	struct spf_macro m = sample;
	char name[DNS_NAME];

	(void)state;
	assert_int_equal(addr_parse("2001:db8::cb01", &m.addr), 0);
	spf_macro_name(&m, "%{ir}.%{v}._spf.%{d2}", 21, name);
	assert_string_equal(name, "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2."
				  "ip6._spf.example.com");
}

static void strings_that_are_no_macros(void **state)
{
	static const char *const bad[] = {
		"%",      "%{",     "%{}",    "%{x}", "%{d",   "%{d0}", "%{d2x}",
		"%{d.,",  "%a",     "a%",     "%{c}", "%{t}",  "%{r}",  "a b",
		"a\x80z", "%{dr2}", "%{d-r}", "\x7f", "%{d;}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (spf_macro_ok(bad[i], strlen(bad[i]), false))
			fail_msg("%s is taken", bad[i]);
	}
}

static void domains_end_in_a_name(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{"example.com", true}, {"example.com.", true}, {"a.%{d}", true},
		{"%{d}.com", true},    {"%{d}", true},         {"a.xn--p1ai", true},
		{"a.b-c", true},       {"a.7b", true},         {"a..com", true},
		{"com", false},        {"com.", false},        {"", false},
		{"a.", false},         {".", false},           {"a.7", false},
		{"a.-b", false},       {"a.b-", false},        {"%{d}com", false},
		{"%{d}.7", false},     {"a.com..", false},     {"a.b_c", false},
		{"%{d}.", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (spf_domain_spec_ok(rows[i].text, strlen(rows[i].text)) != rows[i].ok)
			fail_msg("%s", rows[i].text);
	}
}

static void long_names_lose_their_left_labels(void **state)
{
	static const char label[] = "0123456789012345678901234567890123456789.";
	char spec[2000] = "", name[DNS_NAME];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		memcpy(spec + len, label, sizeof(label));
		len += sizeof(label) - 1;
		spec[len] = 0;
		spf_macro_name(&sample, spec, len, name);
		assert_true(strlen(name) < DNS_NAME);
		/* six labels of 40 and five dots are 245 characters */
		assert_int_equal(strlen(name), (i < 6 ? i + 1 : 6) * 41 - 1);
		assert_memory_equal(name, label, 40);
	}
	/* one label without an end */
	memset(spec, 'a', sizeof(spec));
	spf_macro_name(&sample, spec, sizeof(spec), name);
	assert_string_equal(name, "");
}

static void explanations_have_a_length(void **state)
{
	char text[SPF_EXPLANATION], long_text[SPF_EXPLANATION];

	(void)state;
	memset(long_text, 'a', sizeof(long_text));
	assert_true(spf_macro_text(&sample, long_text, SPF_EXPLANATION - 1, text));
	assert_int_equal(strlen(text), SPF_EXPLANATION - 1);
	assert_false(spf_macro_text(&sample, long_text, SPF_EXPLANATION, text));
}

static void records(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{"v=spf1", true},
		{"v=spf1 ", true},
		{"v=spf1   -all  ", true},
		{"v=spf1 ip4:0.0.0.0/0 ip6:::/0 ip6:::1/128 a/0//0 mx:a.b/32//128", true},
		{"v=spf1 IP4:192.0.2.1 Redirect=a.b EXP=c.d x-y.z=%{d}/ q=", true},
		{"v=spf1 ip4:192.0.2.1/33", false},
		{"v=spf1 ip4:192.0.2.1/", false},
		{"v=spf1 ip4:192.0.2.1/024", false},
		{"v=spf1 ip4:192.0.2.1//24", false},
		{"v=spf1 ip4:192.0.2", false},
		{"v=spf1 ip4:::1", false},
		{"v=spf1 ip4", false},
		{"v=spf1 ip6:192.0.2.1", false},
		{"v=spf1 ip6:::1/129", false},
		{"v=spf1 ip6:::1//64", false},
		{"v=spf1 ip4:1111111111111111111111111111111111111111111111111.2.3.4", false},
		{"v=spf1 a/33", false},
		{"v=spf1 a//129", false},
		{"v=spf1 a///64", false},
		{"v=spf1 a/", false},
		{"v=spf1 a:", false},
		{"v=spf1 all:a.b", false},
		{"v=spf1 all/8", false},
		{"v=spf1 ptr/8", false},
		{"v=spf1 include", false},
		{"v=spf1 exists:", false},
		{"v=spf1 --all", false},
		{"v=spf1 =x", false},
		{"v=spf1 1x=y", false},
		{"v=spf1 redirect=a.b redirect=a.b", false},
		{"v=spf1 exp=a.b exp=a.b", false},
		{"v=spf1 redirect=", false},
		{"v=spf1 x=%{c}", false},
		{"v=spf1 -all\ta", false},
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why = NULL;
		if ((spf_record_check(rows[i].text, strlen(rows[i].text), &why) == 0) != rows[i].ok)
			fail_msg("%s", rows[i].text);
		assert_true(rows[i].ok || why);
	}
	assert_true(spf_is_record("V=SPF1", 6));
	assert_true(spf_is_record("v=spf1 ", 7));
	assert_false(spf_is_record("v=spf10", 7));
	assert_false(spf_is_record("v=spf", 5));
}

struct verdict {
	const char *client, *sender;
	enum spf_result result;
};

static void expect(const char *zone, const struct verdict *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum spf_result got = check(zone, rows[i].client, rows[i].sender);

		if (got != rows[i].result)
			fail_msg("%s for %s: %s", rows[i].client, rows[i].sender,
				 spf_result_text(got));
	}
}

#define EXPECT(zone, rows) expect(zone, rows, sizeof(rows) / sizeof((rows)[0]))

static void the_client_decides_the_family(void **state)
{
	static const char zone[] = "{\"e.example\": [[\"TXT\", [\"v=spf1 ip4:0.0.0.0/0 -all\"]]],"
				   "\"f.example\": [[\"TXT\", [\"v=spf1 ip6:::/0 -all\"]]],"
				   "\"g.example\": [[\"TXT\", [\"v=spf1 a//0 ~a/0 -all\"]],"
				   "[\"A\", \"192.0.2.1\"], [\"AAAA\", \"2001:db8::1\"]]}";
	static const struct verdict rows[] = {
		{"192.0.2.9", "a@e.example", SPF_R_PASS},
		{"2001:db8::9", "a@e.example", SPF_R_FAIL},
		{"192.0.2.9", "a@f.example", SPF_R_FAIL},
		{"::ffff:192.0.2.9", "a@f.example", SPF_R_FAIL},
		{"2001:db8::9", "a@f.example", SPF_R_PASS},
		{"2a00::1", "a@g.example", SPF_R_PASS},
		{"8.8.8.8", "a@g.example", SPF_R_SOFTFAIL},
	};

	(void)state;
	EXPECT(zone, rows);
}

static void senders(void **state)
{
	static const char zone[] = "{\"e.example\": [[\"TXT\", [\"v=spf1 -all exp=%{l}.x.y\"]]],"
				   "\"postmaster.x.y\": [[\"TXT\", [\"it is %{s}\"]]],"
				   "\"a.x.y\": [[\"TXT\", [\"it is %{s}\"]]],"
				   "\"helo.example.org\": [[\"TXT\", [\"v=spf1 +all\"]]]}";

	(void)state;
	assert_int_equal(check(zone, "192.0.2.9", "a@E.example."), SPF_R_FAIL);
	assert_string_equal(s.explanation, "it is a@E.example");
	assert_string_equal(s.domain, "E.example");
	assert_int_equal(check(zone, "192.0.2.9", "@e.example"), SPF_R_FAIL);
	assert_string_equal(s.explanation, "it is postmaster@e.example");
	assert_int_equal(check(zone, "192.0.2.9", "e.example"), SPF_R_FAIL);
	assert_int_equal(check(zone, "192.0.2.9", ""), SPF_R_PASS);
	assert_string_equal(s.domain, "helo.example.org");
	assert_int_equal(check(zone, "192.0.2.9", "a@m\xc3\xbcller.example"), SPF_R_NONE);
	assert_int_equal(check(zone, "192.0.2.9", "a@example"), SPF_R_NONE);
	assert_int_equal(check(zone, "192.0.2.9", "a@[192.0.2.9]"), SPF_R_NONE);
	assert_string_equal(s.domain, "");
}

/* A zone whose record has so many terms that do not match. */
static char *long_zone(int terms)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs("{\"e.example\": [[\"TXT\", [\"v=spf1", f);
	for (int i = 0; i < terms; i++)
		fputs(" ip6:::1", f);
	fputs(" -all\"]]]}", f);
	fclose(f);
	return text;
}

static void long_records(void **state)
{
	char *zone = long_zone(2000);

	(void)state;
	assert_int_equal(check(zone, "192.0.2.9", "a@e.example"), SPF_R_FAIL);
	free(zone);
}

/* What is left of a name's TXT records, in any order and however many there are. */
static void many_texts(void **state)
{
	/* S and T are SPF records, o and p others, - one without a text, L and l longer than a
	 * check can hold. */
	static const struct {
		const char *texts;
		int found;    /* SPF records */
		size_t len;   /* of the one, or of the last */
		int explains; /* whether it would be read as an explanation */
	} rows[] = {
		{"", 0, 0, 0},
		{"S", 1, 8, 1},
		{"o", 0, 0, 1},
		{"-", 0, 0, 1},
		{"oo", 0, 0, 0},
		{"-o", 0, 0, 0},
		{"oooooooooooooooooS", 1, 8, 0},
		{"Soooooooooooooooop", 1, 8, 0},
		{"oooSppp", 1, 8, 0},
		{"ST", 2, 6, 0},
		{"ooSooTooSTST", 2, 6, 0},
		{"TSooooooo", 2, 6, 0},
		{"L", 1, SPF_TEXT + 1, 1},
		{"lL", 1, SPF_TEXT + 1, 0},
		{"llLLLSllllT", 2, 6, 0},
	};
	static struct dns_answer a;
	static char text[SPF_TEXT + 100];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *record = NULL;
		size_t len = 0;

		memset(&a, 0, offsetof(struct dns_answer, data));
		for (const char *t = rows[i].texts; *t; t++) {
			memset(text, 'x', sizeof(text));
			memcpy(text, strchr("STL", *t) ? "v=spf1 a" : "v=spf10 ", 8);
			spf_keep(&a, text, *t == '-' ? 0 : strchr("Ll", *t) ? sizeof(text) : 8);
		}
		assert_int_equal(spf_find_record(&a, &record, &len), rows[i].found);
		assert_int_equal(rows[i].found ? len : 0, rows[i].len);
		assert_int_equal(a.count == 1, rows[i].explains);
		assert_true(a.count <= 4);
	}
}

static void a_record_beyond_the_limit(void **state)
{
	char *zone = long_zone((SPF_TEXT - 11) / 8);

	(void)state;
	assert_int_equal(check(zone, "192.0.2.9", "a@e.example"), SPF_R_FAIL);
	free(zone);
	zone = long_zone(SPF_TEXT / 8);
	assert_int_equal(check(zone, "192.0.2.9", "a@e.example"), SPF_R_PERMERROR);
	assert_string_equal(s.decided, "e.example: SPF records too long");
	free(zone);
}

static void failures_of_servers(void **state)
{
	static const char zone[] =
		"{\"t.example\": [[\"TIMEOUT\"]],"
		"\"a.example\": [[\"TXT\", [\"v=spf1 a:t.example -all\"]]],"
		"\"i.example\": [[\"TXT\", [\"v=spf1 include:t.example -all\"]]],"
		"\"m.example\": [[\"TXT\", [\"v=spf1 mx -all\"]], [\"MX\", [0, \"t.example\"]]],"
		"\"p.example\": [[\"TXT\", [\"v=spf1 ptr -all\"]]],"
		"\"9.2.0.192.in-addr.arpa\": [[\"TIMEOUT\"]],"
		"\"x.example\": [[\"TXT\", [\"v=spf1 -all exp=t.example\"]]]}";
	static const struct verdict rows[] = {
		{"192.0.2.9", "a@t.example", SPF_R_TEMPERROR},
		{"192.0.2.9", "a@a.example", SPF_R_TEMPERROR},
		{"192.0.2.9", "a@i.example", SPF_R_TEMPERROR},
		{"192.0.2.9", "a@m.example", SPF_R_TEMPERROR},
		{"192.0.2.9", "a@p.example", SPF_R_FAIL},
		{"192.0.2.9", "a@x.example", SPF_R_FAIL},
	};

	(void)state;
	EXPECT(zone, rows);
	assert_string_equal(s.explanation, "");
}

/* Who vouches for everybody vouches for nobody. */
static void passes_for_anyone(void **state)
{
	static const char zone[] =
		"{\"all.example\": [[\"TXT\", [\"v=spf1 +all\"]]],"
		"\"i.example\": [[\"TXT\", [\"v=spf1 include:all.example -all\"]]],"
		"\"r.example\": [[\"TXT\", [\"v=spf1 redirect=all.example\"]]],"
		"\"half.example\": [[\"TXT\", [\"v=spf1 ip4:128.0.0.0/1 ip6:2000::/3 -all\"]]],"
		"\"a0.example\": [[\"TXT\", [\"v=spf1 a/0//0 -all\"]], [\"A\", \"10.0.0.1\"],"
		" [\"AAAA\", \"fd00::1\"]],"
		"\"q.example\": [[\"TXT\", [\"v=spf1 ?include:all.example -all\"]]],"
		"\"qi.example\": [[\"TXT\", [\"v=spf1 include:q.example ip4:192.0.2.9 "
		"ip6:2001:db8::9 "
		"-all\"]]],"
		"\"eight.example\": [[\"TXT\", [\"v=spf1 ip4:192.0.0.0/8 ip6:2001::/16 -all\"]]],"
		"\"last.example\": [[\"TXT\", [\"v=spf1 ip4:192.0.2.9 ip6:2001:db8::9 +all\"]]]}";
	static const struct {
		const char *sender;
		bool anyone;
	} rows[] = {
		{"a@all.example", true},    {"a@i.example", true},     {"a@r.example", true},
		{"a@half.example", true},   {"a@a0.example", true},    {"a@qi.example", false},
		{"a@eight.example", false}, {"a@last.example", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(check(zone, "192.0.2.9", rows[i].sender), SPF_R_PASS);
		assert_int_equal(s.anyone, rows[i].anyone);
		assert_int_equal(check(zone, "2001:db8::9", rows[i].sender), SPF_R_PASS);
		assert_int_equal(s.anyone, rows[i].anyone);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macros_of_the_standard),
		cmocka_unit_test(macros_of_ipv6),
		cmocka_unit_test(strings_that_are_no_macros),
		cmocka_unit_test(domains_end_in_a_name),
		cmocka_unit_test(long_names_lose_their_left_labels),
		cmocka_unit_test(explanations_have_a_length),
		cmocka_unit_test(records),
		cmocka_unit_test(the_client_decides_the_family),
		cmocka_unit_test(senders),
		cmocka_unit_test(long_records),
		cmocka_unit_test(many_texts),
		cmocka_unit_test(a_record_beyond_the_limit),
		cmocka_unit_test(failures_of_servers),
		cmocka_unit_test(passes_for_anyone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
