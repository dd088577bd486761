// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "selftests/unit/config/parse.h"

/* What is wrong: every complaint with its line and key, and no other. */
struct wrong {
	const char *text;
	const char *says[4]; /* beginnings of the lines, in order */
};

static const struct wrong wrongs[] = {
	/* keys and sections */
	{GOOD "listen = {}", {"F:3: listen: set already on line 1; a key may stand only once"}},
	{GOOD "interfaces = { }\n\ninterfaces = {\"eth0\"}",
	 {"F:5: interfaces: set already on line 3"}},
	{GOOD "trap { addresses = {}\n addresses = { # none\n } }",
	 {"F:4: trap.addresses: set already on line 3"}},
	{GOOD "interfaces = {\n}\ntls { key = {} }\ninterfaces = {}",
	 {"F:6: interfaces: set already on line 3"}},
	{GOOD "fooo = 1", {"F:3: fooo: unknown key; known here are hostname, mode,"}},
	{GOOD "\nmde = relay\n", {"F:4: mde: unknown key, did you mean mode; known here are "}},
	{GOOD "a = 1\nb = {1, 2}\na = 3",
	 {"F:3: a: unknown key;", "F:4: b: unknown key", "F:5: a: unknown key"}},
	{GOOD "stutter {\n\n intervall = 1s\n}",
	 {"F:5: stutter.intervall: unknown key, did you "
	  "mean interval; known here are first, interval, "
	  "deny_limit, max_sessions"}},
	{GOOD "dnslst \"zen.example\"\n{ weight = 2 }",
	 {"F:3: dnslst: unknown section, did you mean dnslist; the sections are stutter,"}},
	{GOOD "dnslist \"zen.example\" {\n wait = 2\n weight = -101\n}",
	 {"F:4: dnslist.wait: unknown key; known here are weight, replies",
	  "F:5: dnslist.weight: \"-101\": too small; allowed is a number from -100 to 100"}},
	{GOOD "dnslist \"zen.example\" { replies = \"10.0.0.1\" }",
	 {"F:3: dnslist.replies: \"10.0.0.1\": not a mask of replies; allowed is up to 8 masks"}},
	{GOOD "dnslist \"a.b\" {\n weight = 1\n}\ndnslist \"A.B\" {\n weight = 2\n}",
	 {"F:7: dnslist.weight: set already on line 4"}},
	{GOOD "dnslist \"a b\" {\n weight = 1\n replies = \"127.0.0.2\"\n}",
	 {"F:4: dnslist: \"a b\": not a domain; allowed is a name such as"}},
	{GOOD "dnslist \"-\" { }", {"F:3: dnslist: \"-\": not a domain"}},
	{GOOD "dnslist { weight = 1 }", {"F:3: syntax: missing title for section 'dnslist'"}},
	{GOOD "dns { servers = {\"nowhere\"} }",
	 {"F:3: dns.servers: \"nowhere\": not an address with a port; allowed is a list"}},
	{GOOD "tsl { certificate = \"x\" key = {\"a\", \"b\"} }\nmode = x",
	 {"F:3: tsl: unknown section; the sections are stutter, greylist,", "F:4: mode: "}},
	{GOOD "tls { certificate = x key = {\"/a\", \"/b\"} }",
	 {"F:3: tls.certificate: \"x\": does not begin with /"}},
	{GOOD "tls {\ncertificate = \"/x\"\nkey = {\"/a\", \"/b\"} }",
	 {"F:5: tls.certificate: 1 certificates and 2 keys; give as many of each"}},
	{GOOD "tls { certificate = \"/x\" }",
	 {"F:3: tls.key: 1 certificates and 0 keys; give as many of each"}},
	{GOOD "tls { backend = maybe }",
	 {"F:3: tls.backend: \"maybe\": unknown word; allowed is one of opportunistic, required"}},
	{GOOD "check { helo_ours = yes }",
	 {"F:3: check.helo_ours: \"yes\": unknown word; allowed is one of off, evidence, reject"}},
	{GOOD "proxy_protocol_from = {\"10.1.0.1/24\"}",
	 {"F:3: proxy_protocol_from: \"10.1.0.1/24\": has bits set right of its length"}},
	{GOOD "proxy_protocol_from = {\"::ffff:0:0/96\"}",
	 {"F:3: proxy_protocol_from: \"::ffff:0:0/96\": no sender is in it; all of IPv4 is "
	  "0.0.0.0/0"}},
	{GOOD "stuter { first = 1s }", {"F:3: stuter: unknown section, did you mean stutter;"}},
	{GOOD "stutter { first = 2s }\nlimit { }\nstutter\n{ }",
	 {"F:5: stutter: this section stands already on line 3"}},
	{GOOD "workers = 1\nworkers = 1\n", {"F:4: workers: set already on line 3"}},
	{GOOD "listen = {\"[::1]:25\"}", {"F:3: listen: set already on line 1"}},
	{"MODE = relay\n" GOOD, {"F:1: MODE: unknown key"}},
	{GOOD "stutter { stutter { first = 1s } }",
	 {"F:3: syntax: missing equal sign after option 'stutter'"}},
	/* syntax */
	{GOOD "hostname = \"mx1\nmode = relay\nlog = \"json\"",
	 {"F:3: syntax: the string begun on this line is not closed on it; end it with \""}},
	{GOOD "hostname = 'mx1", {"F:3: syntax: the string begun on this line"}},
	{GOOD "hostname = \"mx1\\\"", {"F:3: syntax: the string begun on this line"}},
	{GOOD "# \" '\nstutter {\n first = 1s\n", {"F:4: syntax: the brace opened on this line"}},
	{GOOD "backend2 = {\"a\"\n", {"F:3: syntax: the brace opened on this line"}},
	{GOOD "\n/* never\nended", {"F:4: syntax: this comment is never closed"}},
	{GOOD "}", {"F:3: syntax: this brace closes nothing"}},
	{GOOD "{ first = 1s }", {"F:3: syntax: a brace without a name before it"}},
	{GOOD "mode relay", {"F:3: syntax: missing equal sign after option 'mode'"}},
	{GOOD "mode { }", {"F:3: syntax: "}},
	{GOOD "mode =", {"F:3: syntax: premature end of file"}},
	{GOOD "mode = {relay}", {"F:3: syntax: unexpected token '{'"}},
	{GOOD "stutter = 1s", {"F:3: syntax: missing opening brace for section 'stutter'"}},
	{GOOD "interfaces = {\"a\" \"b\"}", {"F:3: syntax: unexpected token 'b'"}},
	{GOOD "contact = post master",
	 {"F:3: contact: \"post\": not a mail address", "F:3: syntax: "}},
	/* comments do not move the lines of what follows */
	{"# one\n" GOOD "# two\n/* three\n four\n */ // five\nlog = x # six\nxdp = y",
	 {"F:8: log: \"x\": unknown word; allowed is one of json, text",
	  "F:9: xdp: \"y\": unknown word; allowed is one of auto, native, generic, off"}},
	/* words */
	{GOOD "mode = Relay",
	 {"F:3: mode: \"Relay\": unknown word; allowed is one of relay, host, gateway"}},
	{GOOD "when_down = yes",
	 {"F:3: when_down: \"yes\": unknown word; allowed is one of open, "
	  "closed"}},
	{GOOD "trap { action = drop }",
	 {"F:3: trap.action: \"drop\": unknown word; allowed is one "
	  "of reject, stutter, tarpit, drop_new, drop_all"}},
	{GOOD "upstream { xclient = yes }", {"F:3: upstream.xclient: \"yes\": unknown word"}},
	{GOOD "tls { backend = verified }", {"F:3: tls.backend: verified needs tls.backend_ca"}},
	{GOOD "tls { backend_ca = \"/x.pem\" }",
	 {"F:3: tls.backend_ca: has no effect without tls.backend = verified"}},
	{GOOD "tls { backend = required\nbackend_name = \"mail.example\" }",
	 {"F:4: tls.backend_name: has no effect without tls.backend = verified"}},
	{GOOD "tls { backend = verified  backend_ca = x  backend_name = {\"a b\", \"a..b\"} }",
	 {"F:3: tls.backend_ca: \"x\": does not begin with /",
	  "F:3: tls.backend_name: \"a b\": not a host name",
	  "F:3: tls.backend_name: \"a..b\": not a host name"}},
	{GOOD "upstream { proxy = v1 }",
	 {"F:3: upstream.proxy: \"v1\": unknown word; allowed is one of v2, no"}},
	/* numbers, durations, sizes */
	{GOOD "workers = 65",
	 {"F:3: workers: \"65\": too large; allowed is a number from 0 to 64"}},
	{GOOD "workers = -1", {"F:3: workers: \"-1\": not a number"}},
	{GOOD "workers = four", {"F:3: workers: \"four\": not a number"}},
	{GOOD "workers = \"\"", {"F:3: workers: \"\": not a number"}},
	{GOOD "limit { line = 511\n}\n",
	 {"F:3: limit.line: \"511\": too small; allowed is a number "
	  "from 512 to 8192"}},
	{GOOD "limit {\nline = 8193 }", {"F:4: limit.line: \"8193\": too large"}},
	{GOOD "limit { message = 17g }",
	 {"F:3: limit.message: \"17g\": too large; allowed is a size "
	  "from 64k to 16g"}},
	{GOOD "limit { message = 50mb }", {"F:3: limit.message: \"50mb\": not a size"}},
	{GOOD "stutter { first = 10 }",
	 {"F:3: stutter.first: \"10\": not a duration; allowed is a "
	  "duration from 0 to 10m"}},
	{GOOD "stutter { interval = 9ms }",
	 {"F:3: stutter.interval: \"9ms\": too small; allowed is "
	  "a duration from 10ms to 1m"}},
	{GOOD "greylist { delay = 1500ms }",
	 {"F:3: greylist.delay: \"1500ms\": counted in whole "
	  "seconds"}},
	{GOOD "greylist { jitter = 51 }", {"F:3: greylist.jitter: \"51\": too large"}},
	/* names, paths, addresses */
	{GOOD "hostname = \"a\rb\x1b\x7f\"\nlog = x",
	 {"F:3: hostname: \"a?b??\": not a host name", "F:4: log: \"x\": unknown word"}},
	{GOOD "hostname = \"${a\"\nlog = \"${\" xdp = y",
	 {"F:3: hostname: \"", "F:4: log: \"${\": unknown word", "F:4: xdp: \"y\": unknown word"}},
	{GOOD "\"\" = x", {"F:3: syntax: an empty name; allowed is KEY = VALUE"}},
	{GOOD "stutter {\n'' = 1s }", {"F:3: syntax: an empty name"}},
	{GOOD "hostname = \"\"", {"F:3: hostname: \"\": not a host name"}},
	{GOOD "hostname = \"a b\"", {"F:3: hostname: \"a b\": not a host name"}},
	{GOOD "hostname = \"a..b\"", {"F:3: hostname: \"a..b\": not a host name"}},
	{GOOD "state_dir = lib", {"F:3: state_dir: \"lib\": does not begin with /"}},
	{GOOD
	 "control = /12345678901234567890123456789012345678901234567890123456789012345678901234"
	 "5678901234567890123456789012345678",
	 {"F:3: control: "}},
	{GOOD "user = \"\"", {"F:3: user: \"\": empty"}},
	{GOOD "user = \"a b\"", {"F:3: user: \"a b\": has a blank"}},
	{GOOD "contact = postmaster", {"F:3: contact: \"postmaster\": not a mail address"}},
	{GOOD "contact = \"a@b@c\"", {"F:3: contact: \"a@b@c\": not a mail address"}},
	{GOOD "contact = \"<a@b.c>\"", {"F:3: contact: "}},
	{GOOD "contact = \"a@b.c>\"", {"F:3: contact: "}},
	{GOOD "contact = \"@x:a@b.c\"", {"F:3: contact: "}},
	{GOOD "contact = \"@b.c\"", {"F:3: contact: "}},
	{GOOD "contact = \"jörg@example.net\"",
	 {"F:3: contact: \"jörg@example.net\": has a character that may not stand in a reply"}},
	{GOOD "contact = \"p@☃.example\"", {"F:3: contact: \"p@☃.example\": not a mail address"}},
	{GOOD "trap { addresses = {\"@b\xfc.example\"} hosted = {\"b\xfc.example\"} }",
	 {"F:3: trap.addresses: \"@b\xfc.example\": not UTF-8",
	  "F:3: trap.hosted: \"b\xfc.example\": not UTF-8"}},
	{GOOD "domain \"b\xfc.example\" { mode = off }",
	 {"F:3: domain: \"b\xfc.example\": not UTF-8"}},
	{GOOD "mailbox \"\xfc@b.example\" { mode = off }",
	 {"F:3: mailbox: \"\xfc@b.example\": not UTF-8"}},
	{GOOD "interfaces = {\"eth0\",\n\"a/b\", \"eth0\", \"0123456789abcdef\"}",
	 {"F:4: interfaces: \"a/b\": not an interface name",
	  "F:4: interfaces: \"eth0\": given twice", "F:4: interfaces: \"0123456789abcdef\": "}},
	{"backend = {\"10.0.0.5\"}\nlisten = {\"127.0.0.1:2525\"}",
	 {"F:1: backend: \"10.0.0.5\": not an address with a port"}},
	{"backend = {\"[10.0.0.5]:25\"}\nlisten = {\"127.0.0.1:2525\"}", {"F:1: backend: "}},
	{"backend = {\"2001:db8::1:25\"}\nlisten = {\"127.0.0.1:2525\"}", {"F:1: backend: "}},
	{"backend = {\"mail.example:25\"}\nlisten = {\"127.0.0.1:2525\"}", {"F:1: backend: "}},
	{"backend = {\"10.0.0.5:0\"}\nlisten = {\"127.0.0.1:2525\"}", {"F:1: backend: "}},
	{"backend = {\"10.0.0.5:65536\"}\nlisten = {\"127.0.0.1:2525\"}", {"F:1: backend: "}},
	{GOOD "greylist { exempt = {\"10.0.0.1/8\"} }",
	 {"F:3: greylist.exempt: \"10.0.0.1/8\": has bits set right of its length"}},
	{GOOD "greylist { exempt = {\"10.0.0.0/33\",\n \"2001:db8::/129\", \"x\"} }",
	 {"F:3: greylist.exempt: \"10.0.0.0/33\": not an address or prefix",
	  "F:4: greylist.exempt: \"2001:db8::/129\": not an address or prefix",
	  "F:4: greylist.exempt: \"x\": "}},
	{GOOD "trap { addresses = {\"nobody\", \"@\", \"@a b\"} }",
	 {"F:3: trap.addresses: \"nobody\": not a mail address",
	  "F:3: trap.addresses: \"@\": ", "F:3: trap.addresses: \"@a b\": "}},
	/* what keys demand of each other */
	{"", {"F:1: listen: mode relay needs it", "F:1: backend: mode relay needs it"}},
	{"# only\n# comments\n", {"F:1: listen: ", "F:1: backend: "}},
	{"\nmode = host\n",
	 {"F:2: listen: mode host needs it", "F:2: backend: mode host needs it",
	  "F:2: protect: mode host needs it"}},
	{GOOD "\nprotect = {\"192.0.2.1:25\"}", {"F:4: protect: has no effect in mode relay"}},
	{"mode = gateway\n",
	 {"F:1: interfaces: mode gateway needs it: the outer and the inner one; ",
	  "F:1: protect: mode gateway needs it: the mail server behind this machine; "}},
	{GOOD "mode = gateway\ninterfaces = {eth0, eth1}\nprotect = {\"192.0.2.1:25\"}",
	 {"F:1: listen: has no effect in mode gateway; take it away: ",
	  "F:2: backend: has no effect in mode gateway; take it away: "}},
	{"mode = gateway\ninterfaces = {eth0, eth1}\nprotect = {\"192.0.2.1:25\"}\n"
	 "proxy_protocol_from = {\"10.1.0.0/24\"}",
	 {"F:4: proxy_protocol_from: has no effect in mode gateway; take it away: "}},
	{"mode = gateway\ninterfaces = {eth0, eth1}\nprotect = {\"192.0.2.1:25\"}\n"
	 "upstream { proxy = v2 }",
	 {"F:4: upstream.proxy: has no effect in mode gateway, where"}},
	{"mode = gateway\ninterfaces = {eth0, eth1}\nprotect = {\"0.0.0.0:25\"}",
	 {"F:3: protect: 0.0.0.0:25 stands for every address"}},
	{"mode = gateway\ninterfaces = {eth0, eth1}\nprotect = {"
	 "\"10.0.0.1:1\", \"10.0.0.1:2\", \"10.0.0.1:3\", \"10.0.0.1:4\", \"10.0.0.1:5\","
	 "\"10.0.0.1:6\", \"10.0.0.1:7\", \"10.0.0.1:8\", \"10.0.0.1:9\", \"10.0.0.1:10\","
	 "\"10.0.0.1:11\", \"10.0.0.1:12\", \"10.0.0.1:13\", \"10.0.0.1:14\","
	 "\"10.0.0.1:15\", \"10.0.0.1:16\", \"10.0.0.1:17\"}",
	 {"F:3: protect: 17 endpoints; mode gateway guards at most 16"}},
	{"mode = host\nlisten = {\"192.0.2.1:25\"}\nprotect = {\"192.0.2.1:25\"}\n"
	 "backend = {\"127.0.0.1:25\"}",
	 {"F:2: listen: 192.0.2.1:25 is also in protect as 192.0.2.1:25; "}},
	{"mode = host\nlisten = {\"[::]:25\"}\nprotect = "
	 "{\"192.0.2.1:25\",\n\"[2001:db8::1]:25\"}\n"
	 "backend = {\"127.0.0.1:25\"}",
	 {"F:2: listen: [::]:25 is also in protect as [2001:db8::1]:25; "}},
	{"listen = {\"127.0.0.1:25\"}\nbackend = {\"127.0.0.1:25\"}",
	 {"F:2: backend: 127.0.0.1:25 is also in listen as 127.0.0.1:25; "}},
	{"listen = {\"0.0.0.0:25\"}\nbackend = {\"127.0.0.1:25\"}", {"F:2: backend: "}},
	{"listen = {\"127.0.0.1:2525\"}\nbackend = {\"0.0.0.0:25\"}",
	 {"F:2: backend: 0.0.0.0:25 stands for every address"}},
	{GOOD "stutter { first = 500ms }", {"F:3: stutter.first: shorter than stutter.interval"}},
	{GOOD "stutter {\ninterval = 20s\n}",
	 {"F:4: stutter.first: shorter than "
	  "stutter.interval"}},
	{GOOD "limit { session_time = 10s }",
	 {"F:3: stutter.first: not shorter than "
	  "limit.session_time"}},
	{GOOD "stutter { deny_limit = 10m }\nlimit { session_time = 5m }",
	 {"F:4: stutter.deny_limit: longer than limit.session_time"}},
	{GOOD "greylist { delay = 10m\ndelay_clean = 11m }",
	 {"F:4: greylist.delay_clean: longer than greylist.delay"}},
	{GOOD "greylist { delay = 10m\ndelay_suspicious = 9m }",
	 {"F:4: greylist.delay: longer than greylist.delay_suspicious"}},
	{GOOD "greylist { window = 5m }",
	 {"F:3: greylist.delay: not shorter than "
	  "greylist.window"}},
	{GOOD "greylist { window = 2h\nkeep = 1h }",
	 {"F:4: greylist.window: longer than "
	  "greylist.keep"}},
	{GOOD "trap { max = 23h }", {"F:3: trap.life: longer than trap.max"}},
	{GOOD "trap { addresses = {\"a b*@x\", \"@*\", \"u@*\", \"*\"} }",
	 {"F:3: trap.addresses: \"a b*@x\": ", "F:3: trap.addresses: \"@*\": ",
	  "F:3: trap.addresses: \"u@*\": ", "F:3: trap.addresses: \"*\": "}},
	{GOOD "trap { hosted = {\"example.net\", \"EXAMPLE.net\", \"*.\", \"@x\"} }",
	 {"F:3: trap.hosted: \"EXAMPLE.net\": given twice",
	  "F:3: trap.hosted: \"*.\": not a domain", "F:3: trap.hosted: \"@x\": not a domain"}},
	{GOOD "trap { low_priority_mx = {\"192.0.2.26:25\", \"192.0.2.0/24\"} }",
	 {"F:3: trap.low_priority_mx: \"192.0.2.26:25\": not an address",
	  "F:3: trap.low_priority_mx: \"192.0.2.0/24\": not an address"}},
};

static void check_wrong(const struct wrong *w)
{
	struct config *c = (void *)1;
	char err[16384];
	const char *at = err;
	int rc = config_parse("F", w->text, &c, err, sizeof(err));

	if (rc != -EINVAL)
		fail_msg("accepted (%d):\n%s", rc, w->text);
	assert_ptr_equal(c, (void *)1);
	for (int i = 0; i < 4 && w->says[i]; i++) {
		if (strncmp(at, w->says[i], strlen(w->says[i])))
			fail_msg("of\n%s\nexpected \"%s\", got\n%s", w->text, w->says[i], err);
		at = strchr(at, '\n') + 1;
	}
	if (*at && w->says[3] == NULL)
		fail_msg("of\n%s\nunexpected\n%s", w->text, at);
}

static void malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		check_wrong(&wrongs[i]);
}

/* A good file cut at every byte, or with any byte replaced, is read or refused, never worse; and
 * what was refused leaves nothing behind for the next. */
static void damaged(void **state)
{
	static const char good[] = GOOD "# c \"\nstutter { first = 3s /* x */ interval = '1s' }\n"
					"greylist { exempt = {\"10.0.0.0/8\", \"::1\"} }\n";
	static const char bytes[] = "\"'{}=,#/*\\$ \n\x01\xff";
	struct config *c;
	char text[sizeof(good)], err[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(good); i++) {
		memcpy(text, good, sizeof(good));
		text[i] = 0;
		if (config_parse("F", text, &c, err, sizeof(err)) == 0)
			config_free(&c);
		else
			assert_non_null(strstr(err, "F:"));
		for (size_t b = 0; i < sizeof(good) - 1 && b < sizeof(bytes) - 1; b++) {
			memcpy(text, good, sizeof(good));
			text[i] = bytes[b];
			if (config_parse("F", text, &c, err, sizeof(err)) == 0)
				config_free(&c);
			else
				assert_non_null(strstr(err, "F:"));
		}
		c = parse(good);
		config_free(&c);
	}
}

/* A list that is too long, more unknown keys than are remembered, a small err: bounded. */
static void many(void **state)
{
	static char text[200000];
	char err[4096], small[40];
	struct config *c;
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	fprintf(f, "%sinterfaces = {", GOOD);
	for (int i = 0; i < 17; i++)
		fprintf(f, "%s\"e%d\"", i ? ", " : "", i);
	fprintf(f, "}\n");
	fclose(f);
	assert_int_equal(config_parse("F", text, &c, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "F:3: interfaces: \"e16\": one too many; at most 16"));

	f = fmemopen(text, sizeof(text), "w");
	fprintf(f, "%s", GOOD);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "no_such_key_%d = %d\n", i, i);
	fclose(f);
	assert_int_equal(config_parse("F", text, &c, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "F:3: no_such_key_0: unknown key"));
	assert_true(strlen(err) < sizeof(err));

	memset(small, 'x', sizeof(small));
	assert_int_equal(config_parse("F", "x = 1", &c, small, 20), -EINVAL);
	assert_true(strlen(small) < 20);
	for (int i = 20; i < (int)sizeof(small); i++)
		assert_int_equal(small[i], 'x');
	assert_int_equal(config_parse("F", "x = 1", &c, small, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed),
		cmocka_unit_test(damaged),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
