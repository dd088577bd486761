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
		/* so are addresses that the RFC does not know */
		{"Taro..Yamada@docomo.example", "taro..yamada@docomo.example"},
		{"\"taro..yamada\"@docomo.example", "taro..yamada@docomo.example"},
		{".taro.@docomo.example", ".taro.@docomo.example"},
		{"..@docomo.example", "..@docomo.example"},
		{"shop@Mail_1.shop.example", "shop@mail_1.shop.example"},
		{"bounce-..4711-8899.@mail_1.shop.example", "bounce-..#@mail_1.shop.example"},
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
		{"msprvs1=17983abc=bounces-12345-678@e.example", "bounces#@e.example"},
		/* broken ones stay as they are */
		{"prvs=alice@example.org", "prvs=alice@example.org"},
		{"prvs==alice@example.org", "prvs==alice@example.org"},
		{"prvs=3242a51f53=@example.org", "prvs=3242a51f53=@example.org"},
		{"prvs=bob=alice@example.org", "prvs=bob=alice@example.org"},
		{"prvs=mike1980=smith1975@example.org", "prvs=mike1980=smith1975@example.org"},
		{"prvs=1980mike=12345xyz@example.org", "prvs=1980mike=12345xyz@example.org"},
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
		{"SRS0=HHhh=TT=b.example=bounce-12345@f.example",
		 "srs0.b.example=bounce-#@f.example"},
		{"SRS0=HHhh=TT=b.example=mike.4711@bounce.f.example",
		 "srs0.b.example=mike.4711@bounce.f.example"},
		{"prvs=3242a51f53=SRS0=HHhh=TT=orig.example=alice@f.example",
		 "srs0.orig.example=alice@f.example"},
		/* words that people are called by */
		{"boat.owner.1975@example.org", "boat.owner.1975@example.org"},
		{"anna_mailer_1923@example.org", "anna_mailer_1923@example.org"},
		{"home-owner-123@example.org", "home-owner-123@example.org"},
		{"owner.1975@example.org", "owner.1975@example.org"},
		{"owner-123456@homes.example", "owner-123456@homes.example"},
		{"bounce.smith.1980@example.org", "bounce.smith.1980@example.org"},
		{"billy_bounce_1980@example.org", "billy_bounce_1980@example.org"},
		{"bounce-smith-1980@example.org", "bounce-smith-1980@example.org"},
		{"bnc.4711@example.org", "bnc.4711@example.org"},
		{"return-4711-x@l.example", "return-4711-x@l.example"},
		{"return-471142-x@l.example", "return-#-x@l.example"},
		{"noreply-4711@example.org", "noreply-4711@example.org"},
		{"noreply-471142@example.org", "noreply-#@example.org"},
		{"noreply.customer123456@example.org", "noreply.customer123456@example.org"},
		{"no-reply.customer123@example.org", "no-reply.customer123@example.org"},
		{"noreply+mike1980@example.org", "noreply+mike1980@example.org"},
		{"reply+4711a8f3@l.example", "reply#@l.example"},
		/* VERP */
		{"list-bounces+bob=example.net@l.example", "list-bounces#@l.example"},
		{"list+bob=example.net@l.example", "list#@l.example"},
		{"list-return-123-bob=example.net@l.example", "list-return-#@l.example"},
		{"list-return-124-bob=example.net@l.example", "list-return-#@l.example"},
		{"owner-list+m4711@l.example", "owner-list+m4711@l.example"},
		{"list-bounces-1980@l.example", "list-bounces-#@l.example"},
		{"list-bounces-x-1980@l.example", "list-bounces-x-1980@l.example"},
		{"bounce+abc123.def-bob=example.net@m.example", "bounce#@m.example"},
		{"bounces+1234567-ab12-bob=example.net@em.example", "bounces#@em.example"},
		{"notification+kr4yxeragnaa@social.example", "notification#@social.example"},
		{"notification+zj4o09szyy=@social.example", "notification#@social.example"},
		{"notification+kr4yxeragn8==@social.example", "notification#@social.example"},
		{"notification+friends=@social.example", "notification+friends=@social.example"},
		{"joe+=@people.example", "joe+=@people.example"},
		{"news-4711-bob=example.net@l.example", "news-#@l.example"},
		{"news-4712-bob=example.net@l.example", "news-#@l.example"},
		{"jean-luc=gmail.example@forwarder.example",
		 "jean-luc=gmail.example@forwarder.example"},
		{"alerts+a8f3c2@svc.example", "alerts#@svc.example"},
		{"alerts+123456@svc.example", "alerts+123456@svc.example"},
		{"alerts+123456789@svc.example", "alerts#@svc.example"},
		{"alice+mp3s4u@example.org", "alice+mp3s4u@example.org"},
		{"emp-12345-smith=corp.example@f.example",
		 "emp-12345-smith=corp.example@f.example"},
		{"alice+2024@example.org", "alice+2024@example.org"},
		{"alice+shop2024@example.org", "alice+shop2024@example.org"},
		{"prvs=12345xyz=alice@example.org", "alice@example.org"},
		{"prvs=alice=x1y2z3@example.org", "alice@example.org"},
		/* ids */
		{"5f3a9c2e1b7d4a60@mailer.example", "#@mailer.example"},
		{"deadbeefcafe1984@example.org", "deadbeefcafe1984@example.org"},
		{"bounce-12345@example.org", "bounce-#@example.org"},
		{"bounce-mc.us1_12345.67890-abc@mail.example", "bounce-mc.us1#@mail.example"},
		{"bounce-md_30001234.5f3a9c2e.v1-0123456789abcdef0123456789abcdef@m.example",
		 "bounce-md#@m.example"},
		{"bounce-12345-alice@example.org", "bounce-#-alice@example.org"},
		{"mike1980=b.example__h0z3j4x9y2kdcm6wnn@b1m2n3q4.1-2xabeak.na1.bnc.s.example",
		 "mike1980=b.example#@#.#.na1.bnc.s.example"},
		{"x@b1m2n3q4.s.example", "x@b1m2n3q4.s.example"},
		{"0100018a2b3c4d5e-1b2c3d4e-ef01-2345-6789-abcdef012345-000000@ses.example",
		 "#@ses.example"},
		{"1b2c3d4e-ef01-2345-6789-abcdef012345@example.org", "#@example.org"},
		{"m-1b2c3d4eef0123456789abcdef012345@example.org", "m-#@example.org"},
		{"x.mfrggzdfmztwqalknnwgabtpoa.y@example.org",
		 "x.mfrggzdfmztwqalknnwgabtpoa.y@example.org"},
		{"x.mfrg9zdf2ztwq2lk5nwg23tp7a.y@example.org", "x.#.y@example.org"},
		{"msg-20261121180509123456@example.org", "msg-#@example.org"},
		{"110101199003074512@qq.example", "110101199003074512@qq.example"},
		{"0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae@wallet.example",
		 "0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae@wallet.example"},
		{"th3gr34t3stg4m3r3v3r@example.org", "th3gr34t3stg4m3r3v3r@example.org"},
		{"john1980smith2001anna7@example.org", "john1980smith2001anna7@example.org"},
		{"a1b2c3@bounce.example.org", "#@bounce.example.org"},
		{"3kx92lzkqtbx0oq@scoutcamp.bounces.example.org",
		 "#@scoutcamp.bounces.example.org"},
		/* whom Exchange writes so, and the same where SRS wraps it */
		{"IMCEAEX-_O=CORP_OU=FIRST+20GROUP_CN=RECIPIENTS_CN=j.smith@corp.example",
		 "imceaex-_o=corp_ou=first+20group_cn=recipients_cn=j.smith@corp.example"},
		{"SRS0=HHhh=TT=corp.example=IMCEAEX-_O=CORP+20GROUP_CN=j.smith@f.example",
		 "srs0.corp.example=imceaex-_o=corp+20group_cn=j.smith@f.example"},
		{"imcealist+bob=example.net@l.example", "imcealist#@l.example"},
		/* what is no domain is nobody's VERP */
		{"list+bob=example.c4@l.example", "list+bob=example.c4@l.example"},
		{"list+bob=example.@l.example", "list+bob=example.@l.example"},
		{"list+bob=example.c@l.example", "list+bob=example.c@l.example"},
		{"list+bob=example.xn--p1ai@l.example", "list#@l.example"},
		/* no key: its checksum is wrong */
		{"npub1sn0wdenkukak0d9dfczzeacvhkrgz92ak56egt7vdgzn8pv2wfqqhrjdv8@n.example",
		 "#@n.example"},
		/* not a domain for bounces, but somebody's */
		{"a1b2c3@bounce", "a1b2c3@bounce"},
		{"m.giovanni85@reply.example", "m.giovanni85@reply.example"},
		{"mike1980@reply.b.com", "mike1980@reply.b.com"},
		{"mike1980@bounce.b.com", "mike1980@bounce.b.com"},
		{"mike.1980@bounces.b.com", "mike.1980@bounces.b.com"},
		{"mike-4711@bounces.b.com", "mike-4711@bounces.b.com"},
		{"anna.bounces.4711@example.org", "anna.bounces.4711@example.org"},
		{"mary.news-4711-smith=mail.example@f.example",
		 "mary.news-4711-smith=mail.example@f.example"},
		{"alice.4711-1b2c3d4e-ef01-2345-6789-abcdef012345@example.org",
		 "alice.4711-#@example.org"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(normal(rows[i].sender), rows[i].normal);
		/* what is normal stays so, or a record would depend on who asks */
		if (strncmp(rows[i].normal, "srs", 3) != 0)
			assert_string_equal(normal(rows[i].normal), rows[i].normal);
	}
}

/* Characters of an id: "{KIND LENGTH}" in a form. */
static size_t id_of(char kind, unsigned int len, uint64_t *x, char *ret)
{
	static const struct {
		char kind;
		const char *alphabet;
	} kinds[] = {
		{'d', "0123456789"},
		{'x', "0123456789abcdef"},
		{'X', "0123456789ABCDEF"},
		{'l', "abcdefghijklmnopqrstuvwxyz"},
		{'b', "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"},
		{'w', "0123456789abcdefghijklmnopqrstuvwxyz"},
		{'s', "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"},
	};
	const char *alphabet = kinds[0].alphabet;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			alphabet = kinds[i].alphabet;
	for (unsigned int i = 0; i < len; i++)
		ret[i] = alphabet[random_below(x, (uint32_t)strlen(alphabet))];
	return len;
}

static void fill_in(const char *form, uint64_t *x, char *ret)
{
	for (const char *p = form; *p;) {
		unsigned int len;
		char kind;

		if (*p != '{') {
			*ret++ = *p++;
			continue;
		}
		assert_int_equal(sscanf(p, "{%c%u}", &kind, &len), 2);
		ret += id_of(kind, len, x, ret);
		p = strchr(p, '}') + 1;
	}
	*ret = '\0';
}

struct pair {
	char *in, *out;
};

static int by_out(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int order = strcmp(x->out, y->out);

	return order ? order : strcmp(x->in, y->in);
}

#define A_UUID "{x8}-{x4}-4{x3}-a{x3}-{x12}"

/* One sender's mails, each with tags and ids of its own: one sender. As those who send so publish
 * it, or as their mail has it. */
static void ids_of_one_sender_meet(void **state)
{
	static const char *const forms[] = {
		/* BATV, as drafted, in the older order, and of others */
		"prvs={d4}{x6}=alice@example.org",
		"prvs=alice={d4}{x6}@example.org",
		"prvs=alice/{d4}{x6}@example.org",
		"prvs={d5}{x4}=mike1980@example.org",
		"prvs={d4}{x6}=bounces-{d8}-{d5}@example.org",
		"btv1=={d3}{x9}==alice@example.org",
		"msprvs1={d5}{w12}=alice@example.org",
		/* SRS */
		"SRS0={s4}={b2}=orig.example=alice@f.example",
		"SRS0+{s4}={b2}=orig.example=mike1980@f.example",
		"SRS0-{s8}={b2}=orig.example=bounce-{d8}@f.example",
		"SRS1={s4}=f.example=={s4}={b2}=orig.example=alice@g.example",
		"prvs={d4}{x6}=SRS0={s4}={b2}=orig.example=alice@f.example",
		"bounces+SRS={w5}={b2}@tenant.example",
		/* VERP: ezmlm, Mailman, and those that number */
		"list-return-{d3}-bob=example.net@l.example",
		"list-bounces+{d5}-bob=example.net@l.example",
		"list+bob{d3}=example.net@l.example",
		"list-bounces-{d4}@l.example",
		"news-{d6}-bob=example.net@l.example",
		"sentto-{d7}-{d4}-{d10}-bob=example.net@returns.l.example",
		"bounces-{d9}-bob=example.net@m.example",
		"bounce+{x6}.{x6}-bob=example.net@m.example",
		"bounces+{d7}-{x4}-bob=example.net@em.example",
		/* services */
		"0100018{x9}-" A_UUID "-000000@ses.example",
		"010201{d2}a{x7}-" A_UUID "-000000@eu-west-1.ses.example",
		"bounce-mc.us14_{d8}.{d7}-{x10}@mail{d0}.example",
		"bounce-md_{d8}.{x8}.v1-{x32}@m.example",
		"msprvs1={d5}{w12}=bounces-{d6}-{d3}@e.example",
		"alice=b.example__{w20}@{w13}{d1}.na1.bnc.s.example",
		"bounce-{d4}_HTML-{d9}-{d5}-{d8}-{d3}@bounce.e.example",
		"{x32}@bounces.example.org",
		"bounces-{d5}-{d6}-{d2}{x8}@mail.example",
		"{s48}@scoutcamp.bounces.g.example",
		"m-{s43}@bounce.l.example",
		"{d8}.{d6}@bounce.example.org",
		"bounce-{d6}@example.org",
		"notification+k{d2}x{d2}yz{w4}@social.example",
		"reply+{d4}a{d2}f{d1}@h.example",
		"noreply-{d9}@example.org",
		/* ids without a word */
		A_UUID "@example.org",
		"m-" A_UUID "@example.org",
		"{x32}@example.org",
		"{x40}.{d10}@example.org",
		"{d20}@example.org",
		"msg.{d24}.x@example.org",
		"{w40}@example.org",
		"{b52}@example.org",
		"alerts+{x32}@svc.example",
		"alerts+{s48}@svc.example",
		"list+BNCBC{s40}@groups.example",
		"bounce-{b32}@example.org",
		"bounces+{s32}@example.org",
		"bounces-{s48}@example.org",
	};
	uint64_t x = 11;

	(void)state;
	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		char first[POLICY_MAILBOX], sender[POLICY_MAILBOX];
		size_t apart = 0;

		fill_in(forms[f], &x, sender);
		snprintf(first, sizeof(first), "%s", normal(sender));
		for (int i = 0; i < 500; i++) {
			fill_in(forms[f], &x, sender);
			if (strcmp(normal(sender), first) != 0 && !apart++)
				print_message("%s: %s, not %s\n", forms[f], normal(sender), first);
		}
		assert_int_equal(apart, 0);
	}
}

/* Addresses as people have them: of a name, another one, and a number. */
static const char *const human[] = {
	"%g@%d",
	"%g.%f@%d",
	"%g_%f@%d",
	"%g-%f@%d",
	"%g%f@%d",
	"%i%f@%d",
	"%g%n@%d",
	"%g.%n@%d",
	"%g_%n@%d",
	"%g-%n@%d",
	"%g.%f%n@%d",
	"%g.%f.%n@%d",
	"%f-%g-%n@%d",
	"%g%n%f@%d",
	"%n%g@%d",
	"%n.%f@%d",
	"%g+%f@%d",
	"%g+%n@%d",
	"%g.%f+%n@%d",
	"%g+%f%n@%d",
	"%g%n+shop@%d",
	"%n@%d",
	"e%n@%d",
	"emp-%n@%d",
	"employee.%n@%d",
	"staff_%n@%d",
	"x%5@%d",
	"no-reply.customer%n@%d",
	"noreply.customer%n@%d",
	"no-reply-%g%n@%d",
	"noreply+%g%n@%d",
	"reply.%g%n@%d",
	"owner.%g%n@%d",
	"owner-%n@%d",
	"home-owner-%n@%d",
	"bounce.%g%n@%d",
	"bounce-%g%n@%d",
	"%g.bounce.%n@%d",
	"%g-bounce%n@%d",
	"%g.news.%n@%d",
	"newsletter-%g%n@%d",
	"bnc.%n@%d",
	"%g.bounces.%n@%d",
	"%g.list.%n-%f=gmail.example@%d",
	"%g.%n-1b2c3d4e-ef01-2345-6789-abcdef012345@%d",
	"zc%i%fab%n@%d",
	"%g.return.%n@%d",
	"86138%8@%d",
	"%g.86138%8@%d",
	"110101%80307@%d",
	"%g=%f.example@%d",
	"%g%n=%f.example@%d",
	"%g-%n-%f=gmail.example@%d",
	"SRS0=abcd=XY=%f.example=%g%n@%d",
	"prvs=3242a51f53=w0%g%n@%d",
	"prvs=w1%g%n=3242a51f53@%d",
	"btv1==0123456789a==w2%g%n@%d",
	"msprvs1=17983abc=w3%g.%n@%d",
	"%g%n=%f.example__h0z3j4x9y2kdcm6wnn@%d",
	"kleingartenverein%n%f2%gneukoelln@%d",
	"freiwilligefeuerwehr%nober%f3west%g@%d",
	"sportverein1920%g%fhofen%nabteilungtennis@%d",
	"IMCEAEX-_O=CORP_OU=FIRST+20GROUP_CN=RECIPIENTS_CN=%g.%f%n@%d",
	"IMCEASMTP-%g%n+40%f+2Eexample@%d",
};

struct person {
	const char *given, *family, *domain;
	unsigned int number;
};

/* %g and %f: names, %i an initial, %d the domain, %n the number, %5 and %8 with so many digits.
 */
static void address_of(const char *form, const struct person *who, char ret[POLICY_MAILBOX])
{
	size_t len = 0;

	for (const char *p = form; *p; p++) {
		size_t room = POLICY_MAILBOX - len;
		char *to = ret + len;

		if (*p != '%')
			snprintf(to, room, "%c", *p);
		else if (*++p == 'g')
			snprintf(to, room, "%s", who->given);
		else if (*p == 'i')
			snprintf(to, room, "%c", *who->given);
		else if (*p == 'f')
			snprintf(to, room, "%s", who->family);
		else if (*p == 'd')
			snprintf(to, room, "%s", who->domain);
		else
			snprintf(to, room, "%0*u", *p == 'n' ? 1 : *p - '0', who->number);
		len += strlen(to);
	}
}

/* No two of them become one, of the same form or not. */
static void people_never_meet(void **state)
{
	static const char *const given[] = {
		"james", "mary",    "wei",    "fatima",     "dad", "abe",  "deb", "ada", "zoe",
		"chloe", "o'brian", "jürgen", "bernadette", "ed",  "face", "m",   "bea", "jean-luc",
	};
	static const char *const family[] = {"smith", "li",     "mueller",        "decade",
					     "beef",  "nguyen", "schlechtschmidt"};
	static const unsigned int number[] = {7,    42,   85,   123,   456,   1979,    1980,
					      1981, 1999, 2024, 4711,  4712,  12345,   54321,
					      998,  999,  1000, 99998, 99999, 19800101};
	static const char *const domains[] = {"example.org", "reply.b.com", "returns.b.com",
					      "news.b.com", "noreply.b.com"};
	enum { FORMS = sizeof(human) / sizeof(human[0]), PEOPLE = FORMS * 18 * 7 * 20 };
	struct pair *pairs = calloc(PEOPLE, sizeof(*pairs));
	size_t n = 0, distinct = 0, met = 0;

	(void)state;
	for (size_t i = 0; i < PEOPLE; i++) {
		size_t of = i / FORMS;
		const struct person who = {given[of % 18], family[of / 18 % 7], domains[of % 5],
					   number[of / 126]};
		char text[POLICY_MAILBOX], plain[POLICY_MAILBOX];

		address_of(human[i % FORMS], &who, text);
		policy_canonical(text, plain, sizeof(plain));
		pairs[n].in = strdup(plain);
		pairs[n++].out = strdup(normal(text));
	}
	qsort(pairs, n, sizeof(*pairs), by_out);
	for (size_t i = 1; i < n; i++) {
		bool same = !strcmp(pairs[i].in, pairs[i - 1].in);

		distinct += !same;
		if (!same && !strcmp(pairs[i].out, pairs[i - 1].out) && met++ < 20)
			print_message("%s and %s: %s\n", pairs[i - 1].in, pairs[i].in,
				      pairs[i].out);
	}
	assert_true(distinct > 50000);
	assert_int_equal(met, 0);
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].in);
		free(pairs[i].out);
	}
	free(pairs);
}

/* Keys, wallets, clubs, families, and whom Exchange encapsulates: long, with numbers in them, and
 * somebody's. None is changed. */
static void long_addresses_of_people_stay(void **state)
{
	static const char *const senders[] = {
		"imceaex-_o=corp_ou=first+20administrative+20group_cn=recipients_cn=j.smith",
		"imceaex-_o=corp_ou=first+20administrative+20group_cn=recipients_cn=m.jones",
		"imceaex-_o=corp+20group_cn=8f3a9c2e1b7d4a608f3a9c2e1b7d4a60-smith",
		"imceasmtp-john+40home+2eexample",
		"npub1sn0wdenkukak0d9dfczzeacvhkrgz92ak56egt7vdgzn8pv2wfqqhrjdv9",
		"npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6",
		"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
		"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
		"1a1zp1ep5qgefi2dmptftl5slmv7divfna",
		"1bvbmseystwetqtfn5au4m4gfg7xjanvn2",
		"3j98t1wpez73cnmqviecrnyiwrnqrhwnly",
		"0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae",
		"kleingartenverein1925sonnenscheinneukoelln2",
		"freiwilligefeuerwehr1898oberammergauwest3",
		"sportverein1920unterpfaffenhofen2abteilungtennis",
		"landwirtschaftsschule1950rechtschreibung2deutschschweiz",
		"krzysztofszczepanski1980przybyszewski2wroclaw",
		"associationsportive1901saintgermainenlaye2handball",
		"peter1980maria1982lukas2010anna2012",
		"zhangxiaoming1988shenzhenguangdong2zhongguo",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		char text[POLICY_MAILBOX];

		snprintf(text, sizeof(text), "%s@example.org", senders[i]);
		assert_string_equal(normal(text), text);
	}
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
		cmocka_unit_test(ids_of_one_sender_meet),
		cmocka_unit_test(people_never_meet),
		cmocka_unit_test(long_addresses_of_people_stay),
		cmocka_unit_test(anything_stays_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
