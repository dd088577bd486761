// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "selftests/unit/random.h"
#include "smtp/smtp.h"

#define L64 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"
#define LABEL63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
/* 191 and 253 bytes of domain, all labels legal. */
#define D191 LABEL63 "." LABEL63 "." LABEL63
#define D253                                                                                       \
	D191 "."                                                                                   \
	     "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffg"

/* Parses a copy of exact length, so that the address sanitizer sees a read beyond it. */
static int parse(const char *text, size_t len, enum smtp_path_kind kind, struct smtp_path *ret)
{
	char *exact = malloc(len ? len : 1);
	int n;

	memcpy(exact, text, len);
	n = smtp_path_parse(exact, len, kind, ret);
	free(exact);
	return n;
}

static void paths_that_the_grammar_allows(void **state)
{
	static const struct {
		const char *text, *mailbox, *domain;
	} rows[] = {
		{"<a@b>", "a@b", "b"},
		{"<user@example.org>", "user@example.org", "example.org"},
		{"<User.Name@Example.ORG>", "User.Name@Example.ORG", "Example.ORG"},
		{"<user+tag@example.org>", "user+tag@example.org", "example.org"},
		{"<!#$%&'*+-/=?^_`{|}~@example.org>", "!#$%&'*+-/=?^_`{|}~@example.org",
		 "example.org"},
		{"<1@2.3>", "1@2.3", "2.3"},
		{"<a@1and1.com>", "a@1and1.com", "1and1.com"},
		{"<a@xn--bcher-kva.example>", "a@xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"<a@b-c.example>", "a@b-c.example", "b-c.example"},
		{"<a@b--c.example>", "a@b--c.example", "b--c.example"},
		{"<prvs=1234=a@example.org>", "prvs=1234=a@example.org", "example.org"},
		{"<SRS0=AAA=BB=orig.example=u@fwd.example>",
		 "SRS0=AAA=BB=orig.example=u@fwd.example", "fwd.example"},
		{"<a.b.c.d@e.f.g>", "a.b.c.d@e.f.g", "e.f.g"},
		{"<\"\"@example.org>", "\"\"@example.org", "example.org"},
		{"<\"a b\"@example.org>", "\"a b\"@example.org", "example.org"},
		{"<\"a@b\"@example.org>", "\"a@b\"@example.org", "example.org"},
		{"<\"a>b\"@example.org>", "\"a>b\"@example.org", "example.org"},
		{"<\"a..b\"@example.org>", "\"a..b\"@example.org", "example.org"},
		{"<\".\"@example.org>", "\".\"@example.org", "example.org"},
		{"<\"a\\\"b\"@example.org>", "\"a\\\"b\"@example.org", "example.org"},
		{"<\"a\\\\\"@example.org>", "\"a\\\\\"@example.org", "example.org"},
		{"<\"\\ \"@example.org>", "\"\\ \"@example.org", "example.org"},
		{"<\"a,b:c;d<e>\"@example.org>", "\"a,b:c;d<e>\"@example.org", "example.org"},
		{"<\"postmaster\"@example.org>", "\"postmaster\"@example.org", "example.org"},
		{"<postmaster@example.org>", "postmaster@example.org", "example.org"},
		{"<a@[192.0.2.1]>", "a@[192.0.2.1]", "[192.0.2.1]"},
		{"<a@[0.0.0.0]>", "a@[0.0.0.0]", "[0.0.0.0]"},
		{"<a@[255.255.255.255]>", "a@[255.255.255.255]", "[255.255.255.255]"},
		{"<a@[001.02.3.4]>", "a@[001.02.3.4]", "[001.02.3.4]"},
		{"<a@[IPv6:::]>", "a@[IPv6:::]", "[IPv6:::]"},
		{"<a@[IPv6:::1]>", "a@[IPv6:::1]", "[IPv6:::1]"},
		{"<a@[ipv6:2001:db8::1]>", "a@[ipv6:2001:db8::1]", "[ipv6:2001:db8::1]"},
		{"<a@[IPv6:2001:DB8::]>", "a@[IPv6:2001:DB8::]", "[IPv6:2001:DB8::]"},
		{"<a@[IPv6:1:2:3:4:5:6:7:8]>", "a@[IPv6:1:2:3:4:5:6:7:8]",
		 "[IPv6:1:2:3:4:5:6:7:8]"},
		{"<a@[IPv6:1:2:3:4:5:6::]>", "a@[IPv6:1:2:3:4:5:6::]", "[IPv6:1:2:3:4:5:6::]"},
		{"<a@[IPv6:::3:4:5:6:7:8]>", "a@[IPv6:::3:4:5:6:7:8]", "[IPv6:::3:4:5:6:7:8]"},
		{"<a@[IPv6:1:2:3:4:5:6:192.0.2.1]>", "a@[IPv6:1:2:3:4:5:6:192.0.2.1]",
		 "[IPv6:1:2:3:4:5:6:192.0.2.1]"},
		{"<a@[IPv6:::ffff:192.0.2.1]>", "a@[IPv6:::ffff:192.0.2.1]",
		 "[IPv6:::ffff:192.0.2.1]"},
		{"<a@[IPv6:::192.0.2.1]>", "a@[IPv6:::192.0.2.1]", "[IPv6:::192.0.2.1]"},
		{"<a@[IPv6:1:2:3:4::192.0.2.1]>", "a@[IPv6:1:2:3:4::192.0.2.1]",
		 "[IPv6:1:2:3:4::192.0.2.1]"},
		{"<@one.example:a@b>", "a@b", "b"},
		{"<@one.example,@two.example:a@b>", "a@b", "b"},
		{"<@a,@b,@c,@d:\"x y\"@[192.0.2.1]>", "\"x y\"@[192.0.2.1]", "[192.0.2.1]"},
		{"<\xc3\xa4@b>", "\xc3\xa4@b", "b"},
		{"<a.\xc3\xa4@b>", "a.\xc3\xa4@b", "b"},
		{"<\"\xc3\xa4 b\"@b>", "\"\xc3\xa4 b\"@b", "b"},
		{"<a@b\xc3\xbc.example>", "a@b\xc3\xbc.example", "b\xc3\xbc.example"},
		{"<a@\xe5\x85\xac\xe5\x8f\xb8.cn>", "a@\xe5\x85\xac\xe5\x8f\xb8.cn",
		 "\xe5\x85\xac\xe5\x8f\xb8.cn"},
		{"<a@B\u00dcCHER.Example>", "a@B\u00dcCHER.Example", "B\u00dcCHER.Example"},
		{"<a@stra\u00dfe.xn--bcher-kva>", "a@stra\u00dfe.xn--bcher-kva",
		 "stra\u00dfe.xn--bcher-kva"},
		{"<\u00a0\u2027\u202a@b>", "\u00a0\u2027\u202a@b", "b"},
		{"<\xf0\x9f\x90\xa6@b>", "\xf0\x9f\x90\xa6@b", "b"},
		{"<" L64 "@b>", L64 "@b", "b"},
		{"<a" L64 "@b>", "a" L64 "@b", "b"}, /* VERP, SRS */
		{"<a@" LABEL63 ".b>", "a@" LABEL63 ".b", LABEL63 ".b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int kind = SMTP_REVERSE; kind <= SMTP_FORWARD; kind++) {
			struct smtp_path p = {0};
			int n = parse(rows[i].text, strlen(rows[i].text), kind, &p);

			if (n != (int)strlen(rows[i].text))
				fail_msg("%s: %d", rows[i].text, n);
			assert_string_equal(p.text, rows[i].mailbox);
			assert_int_equal(p.len, strlen(rows[i].mailbox));
			assert_string_equal(p.text + p.domain, rows[i].domain);
			assert_int_equal(p.wide, utf8_needed(p.text, p.len));
			assert_false(p.loose);
		}
	}
}

/* Against the grammar, but they are out there. */
static void paths_that_are_taken_all_the_same(void **state)
{
	static const struct {
		const char *text, *mailbox, *domain;
	} rows[] = {
		{"<taro..yamada@docomo.example>", "taro..yamada@docomo.example", "docomo.example"},
		{"<taro.@docomo.example>", "taro.@docomo.example", "docomo.example"},
		{"<.taro@docomo.example>", ".taro@docomo.example", "docomo.example"},
		{"<...a...@b>", "...a...@b", "b"},
		{"<.@b>", ".@b", "b"},
		{"<..@[192.0.2.1]>", "..@[192.0.2.1]", "[192.0.2.1]"},
		{"<\u592a..\u90ce@b>", "\u592a..\u90ce@b", "b"},
		{"<bounce@mail_1.shop.example>", "bounce@mail_1.shop.example",
		 "mail_1.shop.example"},
		{"<a@_b>", "a@_b", "_b"},
		{"<a@b_>", "a@b_", "b_"},
		{"<a@_>", "a@_", "_"},
		{"<\"a b\"@c_d.example>", "\"a b\"@c_d.example", "c_d.example"},
		{"<a..b@c_d.example>", "a..b@c_d.example", "c_d.example"},
		{"<a@b_c.b\u00fccher.example>", "a@b_c.b\u00fccher.example",
		 "b_c.b\u00fccher.example"},
		{"<@one_1.example:a@b>", "a@b", "b"},
		{"<@one.example,@_two:a.@b>", "a.@b", "b"},
		{"<" L64 "..@b>", L64 "..@b", "b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int kind = SMTP_REVERSE; kind <= SMTP_FORWARD; kind++) {
			size_t len = strlen(rows[i].text);
			struct smtp_path p = {0};
			int n = parse(rows[i].text, len, kind, &p);

			if (n != (int)len || !p.loose)
				fail_msg("%s: %d, loose %d", rows[i].text, n, p.loose);
			assert_string_equal(p.text, rows[i].mailbox);
			assert_string_equal(p.text + p.domain, rows[i].domain);
			assert_int_equal(p.wide, utf8_needed(p.text, p.len));
			for (size_t cut = 0; cut < len; cut++)
				assert_int_equal(parse(rows[i].text, cut, kind, &p), -EINVAL);
		}
	}
}

/* An underscore in the local part is no fault, nor is a dot within quotes. */
static void what_is_loose_is_told_of_the_part_it_is_in(void **state)
{
	static const char *const rows[] = {
		"<a_b@c>",    "<_@c>",         "<\"..\"@c>",        "<\".a\"@c>",
		"<\"a.\"@c>", "<@x,@y:a_b@c>", "<a.b@[192.0.2.1]>", "<>",
	};
	struct smtp_path p = {.loose = true};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p.loose = true;
		assert_int_equal(parse(rows[i], strlen(rows[i]), SMTP_REVERSE, &p),
				 strlen(rows[i]));
		assert_false(p.loose);
	}
	p.loose = true;
	assert_int_equal(parse("<postmaster>", 12, SMTP_FORWARD, &p), 12);
	assert_false(p.loose);
}

static void paths_that_the_grammar_forbids(void **state)
{
	static const char *const rows[] = {
		"",
		"<",
		">",
		"a@b",
		"a@b>",
		"<a@b",
		"<a@>",
		"<@b>",
		"<@>",
		"<a>",
		"< >",
		"< a@b>",
		"<a@b >",
		"<a @b>",
		"<a@ b>",
		"<<a@b>>",
		"<a@b@c>",
		"<a b@c>",
		"<a..b>",
		"<a..@>",
		"<.>",
		"<a..b@c",
		"<a..b@c@d>",
		"<a.. b@c>",
		"<a..\\b@c>",
		"<a..\"b\"@c>",
		"<\"a\"..b@c>",
		"<a..\x01@c>",
		"<a..\r@c>",
		"<a..,b@c>",
		"<a@-b_c>",
		"<a@b_-.c>",
		"<a@b..c_d>",
		"<a@b_c.>",
		"<a@[b_c]>",
		"<a@b_c:25>",
		"<a@\xc3\xa4_.>",
		"<a@.b>",
		"<a@b.>",
		"<a@b..c>",
		"<a@-b>",
		"<a@b->",
		"<a@b.-c>",
		"<a@b-.c>",
		"<a@b!c>",
		"<a@b/c>",
		"<a@b:25>",
		"<a,b@c>",
		"<a:b@c>",
		"<a;b@c>",
		"<a(b)@c>",
		"<a[b]@c>",
		"<a\\b@c>",
		"<a\"b\"@c>",
		"<\"a\"b@c>",
		"<\"a\".b@c>",
		"<\"a@c>",
		"<a\"@c>",
		"<\"a\"\"b\"@c>",
		"<\"a\\\"@c>",
		"<\"a\tb\"@c>",
		"<\"a\\\x01\"@c>",
		"<\"a\x7f\"@c>",
		"<\"\\\x7f\"@c>",
		"<a\x7f@c>",
		"<a\xc3@c>",
		"<\"\xa4\"@c>",
		"<a@\xc3>",
		"<\xc0\xaf@c>",         /* overlong */
		"<a\xed\xa0\x80@c>",    /* a surrogate */
		"<a@\xf4\x90\x80\x80>", /* beyond U+10FFFF */
		"<a@[\xc3\xa4]>",
		"<a@-\xc3\xa4>",
		"<a@\u2603.example>",  /* no letter */
		"<a@b\u200b.example>", /* would vanish */
		"<a@b\u00ad\u00fc.example>",
		"<a@b\u3002example>", /* would be a dot */
		"<a@\u00fc\uff0eexample>",
		"<a@\uff42.example>",     /* would be ASCII */
		"<a@xn--\u00e4.example>", /* both spellings at once */
		"<a@xn--zzzz999.\u00e4>",
		"<a@bu\u0308cher.example>", /* not in NFC */
		"<a@\u0308b.example>",
		"<a@\u05d0b.example>", /* both directions */
		"<@b\u200b.example:a@b>",
		"<a\xc2\x85@b>", /* lines end there for some */
		"<a\u2028@b>",
		"<a\u2029@b>",
		"<\"a\xc2\x80\"@b>",
		"<\"\xc2\x9f\"@b>",
		"<a@\xc3\xa4->",
		"<a@[]>",
		"<a@[192.0.2]>",
		"<a@[192.0.2.]>",
		"<a@[192.0.2.1.5]>",
		"<a@[192.0.2.256]>",
		"<a@[192.0.2.0001]>",
		"<a@[192.0.2.-1]>",
		"<a@[192.0.2.1>",
		"<a@192.0.2.1]>",
		"<a@[192.0.2.1].example>",
		"<a@[ 192.0.2.1]>",
		"<a@[0x7f.0.0.1]>",
		"<a@[2001:db8::1]>",
		"<a@[IPv6:]>",
		"<a@[IPv6::]>",
		"<a@[IPv6::::]>",
		"<a@[IPv6:1:2:3:4:5:6:7]>",
		"<a@[IPv6:1:2:3:4:5:6:7:8:9]>",
		"<a@[IPv6:1:2:3:4:5:6:7::]>",
		"<a@[IPv6:::2:3:4:5:6:7:8]>",
		"<a@[IPv6:1::2::3]>",
		"<a@[IPv6:1:::2]>",
		"<a@[IPv6:12345::]>",
		"<a@[IPv6:g::]>",
		"<a@[IPv6:::1%lo]>",
		"<a@[IPv6:::1/64]>",
		"<a@[IPv6:1:2:3:4:5:6:7:192.0.2.1]>",
		"<a@[IPv6:1:2:3:4:5::192.0.2.1]>",
		"<a@[IPv6:::192.0.2.1:1]>",
		"<a@[IPv6:::192.0.2]>",
		"<a@[IPv6:::256.0.2.1]>",
		"<a@[IPv6:192.0.2.1]>",
		"<a@[IPv6:1:2:3:4:5:6:7:]>",
		"<a@[X-tag:content]>",
		"<a@[IPv4:192.0.2.1]>",
		"<@one:>",
		"<@one:@two:a@b>",
		"<@one,two:a@b>",
		"<@one,:a@b>",
		"<,@one:a@b>",
		"<@one a@b>",
		"<@:a@b>",
		"<@[192.0.2.1]:a@b>",
		"<@one:postmaster>",
		"<\"postmaster\">",
		"<postmaster@>",
		/* 251 before the at sign, though the path as a whole would do. */
		"<" L64 L64 L64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@b>",
		"<" L64 L64 L64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..@b>",
		"<a@" LABEL63 "a.b>",
		"<a@" LABEL63 "_.b>",
		"<\"" L64 L64 L64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"@b>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int kind = SMTP_REVERSE; kind <= SMTP_FORWARD; kind++) {
			struct smtp_path p = {.len = 7, .text = "sevenxx"};
			int n = parse(rows[i], strlen(rows[i]), kind, &p);

			if (n != -EINVAL)
				fail_msg("%s: %d", rows[i], n);
			assert_int_equal(p.len, 7);
			assert_string_equal(p.text, "sevenxx");
		}
	}
}

static void the_null_path_is_for_senders_and_postmaster_for_recipients(void **state)
{
	struct smtp_path p = {.len = 7, .domain = 3, .text = "sevenxx"};

	(void)state;
	assert_int_equal(parse("<>", 2, SMTP_FORWARD, &p), -EINVAL);
	assert_int_equal(parse("<>", 2, SMTP_REVERSE, &p), 2);
	assert_int_equal(p.len, 0);
	assert_int_equal(p.domain, 0);
	assert_string_equal(p.text, "");

	assert_int_equal(parse("<postmaster>", 12, SMTP_REVERSE, &p), -EINVAL);
	assert_int_equal(parse("<PostMaster>", 12, SMTP_FORWARD, &p), 12);
	assert_string_equal(p.text, "PostMaster");
	assert_int_equal(p.len, 10);
	assert_int_equal(p.domain, 0);
	assert_int_equal(parse("<postmasters>", 13, SMTP_FORWARD, &p), -EINVAL);
	assert_int_equal(parse("<postmaste>", 11, SMTP_FORWARD, &p), -EINVAL);
}

static void a_path_ends_at_its_bracket_and_the_rest_is_not_read(void **state)
{
	struct smtp_path p;

	(void)state;
	assert_int_equal(parse("<a@b> SIZE=5", 12, SMTP_REVERSE, &p), 5);
	assert_int_equal(parse("<>>", 3, SMTP_REVERSE, &p), 2);
	assert_int_equal(parse("<a@b>", 4, SMTP_REVERSE, &p), -EINVAL);
	assert_int_equal(parse("<a@b>", 0, SMTP_REVERSE, &p), -EINVAL);
}

/* Every prefix of a legal path is illegal: whatever is cut off, nothing beyond the end is read. */
static void no_prefix_of_a_path_is_a_path(void **state)
{
	static const char *const rows[] = {
		"<@one.example,@two.example:\"a\\\"b\"@[IPv6:1:2::192.0.2.1]>",
		"<first.last@sub.example.org>",
		"<postmaster>",
		"<a@[192.0.2.1]>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i]);
		struct smtp_path p;

		assert_int_equal(parse(rows[i], len, SMTP_FORWARD, &p), len);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(parse(rows[i], cut, SMTP_FORWARD, &p), -EINVAL);
	}
}

static void lengths_end_where_the_rfc_ends_them(void **state)
{
	char text[600];
	struct smtp_path p;

	(void)state;
	/* The whole path with its brackets: 256 pass, 257 don't. "<" local "@" domain ">" */
	for (size_t total = 250; total <= 258; total++) {
		size_t local = total - 3 - strlen(D191);

		snprintf(text, sizeof(text), "<%.*s@%s>", (int)local, L64, D191);
		assert_int_equal(strlen(text), total);
		assert_int_equal(parse(text, strlen(text), SMTP_REVERSE, &p),
				 total <= SMTP_PATH ? (int)total : -EINVAL);
	}
	snprintf(text, sizeof(text), "<a@%s>", D253);
	assert_int_equal(strlen(text), 257);
	assert_int_equal(parse(text, strlen(text), SMTP_REVERSE, &p), -EINVAL);
	snprintf(text, sizeof(text), "<a@%s>", D253 + 1);
	assert_int_equal(parse(text, strlen(text), SMTP_REVERSE, &p), 256);
	assert_int_equal(p.len, 254);
	/* The source route counts, although it is dropped. */
	snprintf(text, sizeof(text), "<@%s:a@%s>", D191, LABEL63);
	assert_true(strlen(text) > SMTP_PATH);
	assert_int_equal(parse(text, strlen(text), SMTP_REVERSE, &p), -EINVAL);
	/* A domain by itself: 255. */
	assert_true(smtp_domain_ok(D253, strlen(D253)));
	snprintf(text, sizeof(text), "a.%s", D253);
	assert_int_equal(strlen(text), 255);
	assert_true(smtp_domain_ok(text, 255));
	snprintf(text, sizeof(text), "ab.%s", D253);
	assert_false(smtp_domain_ok(text, 256));
	assert_true(smtp_domain_ok(LABEL63, 63));
	assert_false(smtp_domain_ok(L64, 64));
}

static void names_that_greet(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{"localhost", true},
		{"mail.example.org", true},
		{"a", true},
		{"my_pc", true},
		{"_dmarc.example.org", true},
		{"192.0.2.1", true},
		{"[192.0.2.1]", true},
		{"[IPv6:2001:db8::1]", true},
		{"", false},
		{".", false},
		{"a.", false},
		{".a", false},
		{"-a", false},
		{"a-", false},
		{"a b", false},
		{"a..b", false},
		{"[]", false},
		{"[192.0.2.1", false},
		{"[192.0.2.1]x", false},
		{"[example.org]", false},
		{"[2001:db8::1]", false},
		{"2001:db8::1", false},
		{"a@b", false},
		{"<a>", false},
		{"a\tb", false},
		{"*", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (smtp_domain_ok(rows[i].text, strlen(rows[i].text)) != rows[i].ok)
			fail_msg("'%s'", rows[i].text);
	}
}

/* What was taken once, taken again without its route, is the same mailbox. */
static void a_mailbox_survives_being_written_and_read(void **state)
{
	static const char alphabet[] = "aB1.\"\\@[]:,<> -_IPv6";
	uint64_t seed = 42;
	int taken = 0, loose = 0;

	(void)state;
	for (int i = 0; i < 2000000; i++) {
		char text[32], again[40];
		size_t len = 3 + random_below(&seed, 10);
		struct smtp_path p, q;
		int n;

		text[0] = '<';
		for (size_t k = 1; k < len; k++)
			text[k] = alphabet[random_below(&seed, sizeof(alphabet) - 1)];
		text[len++] = '>';
		n = smtp_path_parse(text, len, SMTP_FORWARD, &p);
		if (n < 0)
			continue;
		taken++;
		assert_true(n >= 5 && (size_t)n <= len && text[n - 1] == '>');
		assert_true(p.len > 0 && strlen(p.text) == p.len);
		assert_true(p.text[p.domain - 1] == '@');
		assert_true(smtp_domain_ok(p.text + p.domain, p.len - p.domain));
		assert_null(strpbrk(p.text, "\r\n"));
		n = snprintf(again, sizeof(again), "<%s>", p.text);
		assert_int_equal(smtp_path_parse(again, (size_t)n, SMTP_FORWARD, &q), n);
		assert_string_equal(p.text, q.text);
		loose += q.loose;
		if (!q.loose)
			continue;
		/* In quotes, with letters for underscores, it is of the grammar. */
		for (char *at = q.text + q.domain; (at = strchr(at, '_'));)
			*at = 'x';
		n = snprintf(again, sizeof(again), *q.text == '"' ? "<%.*s@%s>" : "<\"%.*s\"@%s>",
			     q.domain - 1, q.text, q.text + q.domain);
		assert_int_equal(smtp_path_parse(again, (size_t)n, SMTP_FORWARD, &q), n);
		assert_false(q.loose);
	}
	assert_true(taken > 1000 && loose > 100 && loose < taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_that_the_grammar_allows),
		cmocka_unit_test(paths_that_are_taken_all_the_same),
		cmocka_unit_test(what_is_loose_is_told_of_the_part_it_is_in),
		cmocka_unit_test(paths_that_the_grammar_forbids),
		cmocka_unit_test(the_null_path_is_for_senders_and_postmaster_for_recipients),
		cmocka_unit_test(a_path_ends_at_its_bracket_and_the_rest_is_not_read),
		cmocka_unit_test(no_prefix_of_a_path_is_a_path),
		cmocka_unit_test(lengths_end_where_the_rfc_ends_them),
		cmocka_unit_test(names_that_greet),
		cmocka_unit_test(a_mailbox_survives_being_written_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
