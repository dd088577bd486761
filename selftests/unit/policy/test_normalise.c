// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftests/unit/policy/settings.h"
#include "selftests/unit/random.h"

static const char *normal(const char *sender)
{
	static char buf[2][POLICY_MAILBOX];
	static int turn;

	turn ^= 1;
	policy_normalise(sender, buf[turn], sizeof(buf[turn]));
	return buf[turn];
}

static void vectors(void **state)
{
	static const struct {
		const char *sender, *normal;
	} rows[] = {
		/* left alone, but for the case */
		{"", ""},
		{"Alice@Example.ORG", "alice@example.org"},
		{"postmaster", "postmaster"},
		{"john.smith1984@example.org", "john.smith1984@example.org"},
		{"123456789@qq.example", "123456789@qq.example"},
		{"maria_13800138000@mail.example", "maria_13800138000@mail.example"},
		{"deadbeef@example.org", "deadbeef@example.org"},
		{"alice+work@example.org", "alice+work@example.org"},
		{"alice=gmail.example@forwarder.example", "alice=gmail.example@forwarder.example"},
		{"o'neill@example.org", "o'neill@example.org"},
		{"noreply@example.org", "noreply@example.org"},
		/* BATV, both orders, other makers */
		{"prvs=3242a51f53=alice@example.org", "alice@example.org"},
		{"PRVS=3242A51F53=Alice@example.org", "alice@example.org"},
		{"prvs=alice=3242a51f53@example.org", "alice@example.org"},
		{"prvs=alice/3242a51f53@example.org", "alice@example.org"},
		{"prvs=1234abcd5=alice@example.org", "alice@example.org"},
		{"prvs=02341cd3a1=bounce-77-x@example.org", "bounce-77-x@example.org"},
		{"prvs=3242a51f53=al=ice@example.org", "al=ice@example.org"},
		{"btv1==0123456789a==alice@example.org", "alice@example.org"},
		{"msprvs1=17983abcdef=alice@example.org", "alice@example.org"},
		{"msprvs1=17983abc=bounces-12345-678@e.example", "bounces-#@e.example"},
		/* broken ones stay as they are */
		{"prvs=alice@example.org", "prvs=alice@example.org"},
		{"prvs==alice@example.org", "prvs==alice@example.org"},
		{"prvs=3242a51f53=@example.org", "prvs=3242a51f53=@example.org"},
		{"prvs=bob=alice@example.org", "prvs=bob=alice@example.org"},
		{"btv1==12@example.org", "btv1==12@example.org"},
		{"btv1==0123456789==@example.org", "btv1==0123456789==@example.org"},
		{"msprvs1=@example.org", "msprvs1=@example.org"},
		{"srs0=@f.example", "srs0=@f.example"},
		{"srs0=abcd=xy@f.example", "srs0=abcd=xy@f.example"},
		{"srs1=a=b@f.example", "srs1=a=b@f.example"},
		/* SRS: the hash and the day go, the original sender stays */
		{"SRS0=HHhh=TT=orig.example=alice@f.example", "srs0.orig.example=alice@f.example"},
		{"SRS0+HHhh=TT=orig.example=alice@f.example", "srs0.orig.example=alice@f.example"},
		{"SRS0-HHhh=TT=orig.example=john1984@f.example",
		 "srs0.orig.example=john1984@f.example"},
		{"SRS1=GGgg=f.example==HHhh=TT=orig.example=alice@g.example",
		 "srs1.f.example=orig.example=alice@g.example"},
		{"SRS1=GGgg=f.example=+HHhh=TT=orig.example=alice@g.example",
		 "srs1.f.example=orig.example=alice@g.example"},
		{"bounces+SRS=pf1Jx=QX@tenant.example", "bounces+srs@tenant.example"},
		{"alice+SRS=pf1Jx=QX=orig.example=bob@tenant.example",
		 "alice+srs=orig.example=bob@tenant.example"},
		{"prvs=3242a51f53=SRS0=HHhh=TT=orig.example=alice@f.example",
		 "srs0.orig.example=alice@f.example"},
		/* words that people are called by */
		{"boat.owner.1975@example.org", "boat.owner.1975@example.org"},
		{"anna_mailer_1923@example.org", "anna_mailer_1923@example.org"},
		{"home-owner-123@example.org", "home-owner-123@example.org"},
		{"owner.1975@example.org", "owner.1975@example.org"},
		{"owner-list-4711@l.example", "owner-list-#@l.example"},
		{"return-4711-x@l.example", "return-#-x@l.example"},
		{"reply+4711a8f3@l.example", "reply#@l.example"},
		/* VERP */
		{"list-bounces+bob=example.net@l.example", "list-bounces#@l.example"},
		{"list+bob=example.net@l.example", "list#@l.example"},
		{"list-return-123-bob=example.net@l.example", "list-return-#@l.example"},
		{"list-return-124-bob=example.net@l.example", "list-return-#@l.example"},
		{"owner-list+m4711@l.example", "owner-list#@l.example"},
		{"bounce+abc123.def-bob=example.net@m.example", "bounce#@m.example"},
		{"bounces+1234567-ab12-bob=example.net@em.example", "bounces#@em.example"},
		{"notification+kr4yxeragnaa@social.example", "notification#@social.example"},
		{"news-4711-bob=example.net@l.example", "news-#@l.example"},
		{"news-4712-bob=example.net@l.example", "news-#@l.example"},
		{"jean-luc=gmail.example@forwarder.example",
		 "jean-luc=gmail.example@forwarder.example"},
		{"alerts+a8f3c2@svc.example", "alerts#@svc.example"},
		{"alerts+123456@svc.example", "alerts#@svc.example"},
		{"alice+2024@example.org", "alice+2024@example.org"},
		{"alice+shop2024@example.org", "alice+shop2024@example.org"},
		{"prvs=12345xyz=alice@example.org", "alice@example.org"},
		{"prvs=alice=x1y2z3@example.org", "alice@example.org"},
		/* ids */
		{"5f3a9c2e1b7d4a60@mailer.example", "#@mailer.example"},
		{"deadbeefcafe1984@example.org", "deadbeefcafe1984@example.org"},
		{"bounce-12345@example.org", "bounce-#@example.org"},
		{"bounce-mc.us1_12345.67890-abc@mail.example", "bounce-mc.us1_#-abc@mail.example"},
		{"0100018a2b3c4d5e-1b2c3d4e-ef01-2345-6789-abcdef012345-000000@ses.example",
		 "#@ses.example"},
		{"1b2c3d4e-ef01-2345-6789-abcdef012345@example.org", "#@example.org"},
		{"m-1b2c3d4eef0123456789abcdef012345@example.org", "m-#@example.org"},
		{"x.mfrggzdfmztwqalknnwgabtpoa.y@example.org",
		 "x.mfrggzdfmztwqalknnwgabtpoa.y@example.org"},
		{"x.mfrg9zdf2ztwq2lk5nwg23tp7a.y@example.org", "x.#.y@example.org"},
		{"msg-20261121180509123456@example.org", "msg-#@example.org"},
		{"a1b2c3@bounce.example.org", "#@bounce.example.org"},
		{"3kx92lzkqtbx0oq@scoutcamp.bounces.example.org",
		 "#@scoutcamp.bounces.example.org"},
		/* not a domain for bounces, but somebody's */
		{"a1b2c3@bounce", "a1b2c3@bounce"},
		{"m.giovanni85@reply.example", "m.giovanni85@reply.example"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(normal(rows[i].sender), rows[i].normal);
		/* what is normal stays so, or a record would depend on who asks */
		if (strncmp(rows[i].normal, "srs", 3) != 0)
			assert_string_equal(normal(rows[i].normal), rows[i].normal);
	}
}

/* One mail's attempts, each with a tag of its own: one sender. */
static void tags_of_one_sender_meet(void **state)
{
	uint64_t x = 11;

	(void)state;
	for (int form = 0; form < 7; form++) {
		char first[POLICY_MAILBOX] = "";

		for (int i = 0; i < 500; i++) {
			char sender[200];
			unsigned int a = random_below(&x, 9), b = random_below(&x, 900) + 100,
				     c = random_below(&x, 0xefffff) + 0x100000;

			switch (form) {
			case 0:
				snprintf(sender, sizeof(sender),
					 "prvs=%01u%03u%06x=alice@example.org", a, b, c);
				break;
			case 1:
				snprintf(sender, sizeof(sender), "btv1==%u%u%x==alice@example.org",
					 a, b, c);
				break;
			case 2:
				snprintf(sender, sizeof(sender), "msprvs1=%u%u%x=alice@example.org",
					 a, b, c);
				break;
			case 3:
				snprintf(sender, sizeof(sender),
					 "SRS0=ab%u=%c%c=orig.example=alice@f.example", b,
					 (char)('A' + a), (char)('B' + a));
				break;
			case 4:
				snprintf(sender, sizeof(sender), "bounce-%u-%u-%x99@mail.example",
					 b, c, c);
				break;
			case 5:
				snprintf(sender, sizeof(sender),
					 "bounces+%u-%u-bob=example.net@em.example", b, c);
				break;
			default:
				snprintf(sender, sizeof(sender), "%u%08u%012x@bounces.example.org",
					 a, c, c);
			}
			if (!i)
				snprintf(first, sizeof(first), "%s", normal(sender));
			assert_string_equal(normal(sender), first);
		}
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* No two addresses that people have become one: names, initials, years, numbers, tags, in all the
 * ways they are put together. */
static void people_never_meet(void **state)
{
	static const char *const given[] = {
		"james",  "mary",    "wei",   "li",         "fatima", "jose", "anna",    "olga",
		"dad",    "abe",     "bea",   "deb",        "ed",     "fay",  "bounce",  "ada",
		"xavier", "noreply", "chloe", "bernadette", "m",      "k",    "o'brian", "jean-luc",
	};
	static const char *const family[] = {
		"smith", "garcia", "wang",  "mueller",  "decade", "beef",
		"cafe",  "face",   "ahmed", "nakamura", "owner",  "fitzgerald",
	};
	static const char *const between[] = {"", ".", "_", "-", "+"};
	static const char *const domains[] = {"example.org", "gmail.example", "163.example",
					      "reply.example"};
	enum { COUNT = 60000 };
	char **in = calloc(COUNT, sizeof(*in)), **out = calloc(COUNT, sizeof(*out));
	size_t n = 0, distinct = 0, left = 0;
	uint64_t x = 5;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		const char *g = given[random_below(&x, 24)], *f = family[random_below(&x, 12)];
		const char *sep = between[random_below(&x, 5)], *d = domains[random_below(&x, 4)];
		unsigned int year = 1940 + random_below(&x, 80);
		char number[16], text[120];

		snprintf(number, sizeof(number), "%09u", random_below(&x, 1000000000));
		/* behind "+" a number is no other person, but the same mailbox (RFC 5233) */
		if (*sep == '+' && i % 8 > 2)
			sep = "";
		switch (i % 8) {
		case 0:
			snprintf(text, sizeof(text), "%s%s%s@%s", g, sep, f, d);
			break;
		case 1:
			snprintf(text, sizeof(text), "%.1s%s%s%u@%s", g, sep, f, year, d);
			break;
		case 2:
			snprintf(text, sizeof(text), "%s%s%s%02u@%s", g, sep, f, year % 100, d);
			break;
		case 3:
			snprintf(text, sizeof(text), "%s%s@%s", number, sep, d);
			break;
		case 4: /* a phone number, with its country */
			snprintf(text, sizeof(text), "%s%s86138%s@%s", g, sep, number, d);
			break;
		case 5: /* a day of birth */
			snprintf(text, sizeof(text), "%s%s%u%02u%02u@%s", g, sep, year,
				 1 + random_below(&x, 12), 1 + random_below(&x, 28), d);
			break;
		case 6:
			snprintf(text, sizeof(text), "%s%s%s%s%u@%s", g, sep, f, sep, year, d);
			break;
		default:
			snprintf(text, sizeof(text), "%s.%s=%s@forwarder.example", g, f, d);
		}
		/* a bounce word is a machine's, also where it is somebody's name */
		if (strstr(text, "bounce.") || strstr(text, "bounce_") || strstr(text, "bounce-") ||
		    strstr(text, "bounce+") || strstr(text, "noreply") || strstr(text, "owner"))
			continue;
		in[n] = strdup(text);
		out[n++] = strdup(normal(text));
	}
	qsort(in, n, sizeof(*in), by_text);
	qsort(out, n, sizeof(*out), by_text);
	for (size_t i = 0; i < n; i++) {
		distinct += !i || strcmp(in[i], in[i - 1]) != 0;
		left += !i || strcmp(out[i], out[i - 1]) != 0;
	}
	assert_true(distinct > 20000);
	assert_int_equal(left, distinct);
	for (size_t i = 0; i < n; i++) {
		free(in[i]);
		free(out[i]);
	}
	free(in);
	free(out);
}

/* Whatever comes, in whatever room: a string in bounds. */
static void anything_stays_in_bounds(void **state)
{
	static const char *const pieces[] = {
		"prvs=",       "btv1==",   "msprvs1=", "SRS0=",
		"SRS1=",       "+srs=",    "=",        "==",
		"+",           "-",        "@",        "bounce",
		"0123456789",  "a1b2c3d4", "\"",       "\\",
		".",           "/",        "\xff",     "1b2c3d4e-ef01-2345-6789-abcdef012345",
		"example.net", "xy=",
	};
	uint64_t x = 3;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		char text[600] = "", out[POLICY_MAILBOX + 8];
		size_t len = 0, size = 1 + random_below(&x, POLICY_MAILBOX);

		for (uint32_t i = random_below(&x, 14); i; i--)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
						pieces[random_below(&x, 22)]);
		memset(out, '!', sizeof(out));
		policy_normalise(text, out, size);
		assert_non_null(memchr(out, 0, size));
		assert_int_equal(out[size], '!');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(tags_of_one_sender_meet),
		cmocka_unit_test(people_never_meet),
		cmocka_unit_test(anything_stays_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
