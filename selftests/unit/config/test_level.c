// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "selftests/unit/config/parse.h"

/* "mode=learn@domain .example.net" */
static void says(const struct config *c, const char *recipient, const char *expected)
{
	const struct config_level *l = config_level(c, recipient);
	char key[40], text[500], value[CONFIG_VALUE];
	const char *name;

	snprintf(key, sizeof(key), "%.*s", (int)strcspn(expected, "="), expected);
	for (int i = 0; (name = config_level_key(l, i, value)); i++) {
		const struct config_level *from = l->from[i];

		if (strcmp(name, key) != 0)
			continue;
		snprintf(text, sizeof(text), "%s=%s@%s%s%s", name, value, config_level_kind(from),
			 from->title ? " " : "", from->title ? from->title : "");
		if (strcmp(text, expected) != 0)
			fail_msg("%s: got \"%s\", expected \"%s\"", recipient, text, expected);
		return;
	}
	fail_msg("no key %s", key);
}

static void the_narrowest_section_that_sets_a_key_counts(void **state)
{
	static const char text[] = GOOD "greylist { delay = 10m  window = 12h }\n"
					"mailbox \"ceo@deep.sub.example.net\" { mode = off }\n"
					"domain \"example.net\" { mode = learn  delay = 2m }\n"
					"domain \".example.net\" { delay = 3m  hammer = 0 }\n"
					"domain \".sub.example.net\" { delay = 4m  keep = 40d }\n"
					"domain \"deep.sub.example.net\" { jitter = 0 }\n"
					"domain \".net\" { hammer = 7 }\n"
					"mailbox \"bob@example.net\" { delay_suspicious = 1h }\n";
	static const struct {
		const char *recipient, *expected;
	} rows[] = {
		{"a@example.com", "delay=10m@greylist"},
		{"a@example.com", "mode=enforce@greylist"},
		{"postmaster", "mode=enforce@greylist"},
		{"a@net", "hammer=10@greylist"},
		{"a@example.net", "mode=learn@domain example.net"},
		{"a@example.net", "delay=2m@domain example.net"},
		{"a@example.net", "hammer=7@domain .net"},
		{"a@example.net", "window=12h@greylist"},
		{"A@EXAMPLE.Net", "delay=2m@domain example.net"},
		{"bob@example.net", "delay=2m@domain example.net"},
		{"bob@example.net", "delay_suspicious=1h@mailbox bob@example.net"},
		{"\"bob\"@example.net", "delay_suspicious=1h@mailbox bob@example.net"},
		{"bob+x@example.net", "delay_suspicious=15m@greylist"},
		{"bob@sub.example.net", "delay_suspicious=15m@greylist"},
		{"a@x.example.net", "mode=enforce@greylist"},
		{"a@x.example.net", "delay=3m@domain .example.net"},
		{"a@notexample.net", "delay=10m@greylist"},
		{"a@sub.example.net", "delay=3m@domain .example.net"},
		{"a@x.y.sub.example.net", "delay=4m@domain .sub.example.net"},
		{"a@x.y.sub.example.net", "hammer=0@domain .example.net"},
		{"ceo@deep.sub.example.net", "mode=off@mailbox ceo@deep.sub.example.net"},
		{"ceo@deep.sub.example.net", "jitter=0@domain deep.sub.example.net"},
		{"ceo@deep.sub.example.net", "delay=4m@domain .sub.example.net"},
		{"ceo@deep.sub.example.net", "keep=40d@domain .sub.example.net"},
		{"ceo@deep.sub.example.net", "hammer=0@domain .example.net"},
		{"ceo@deep.sub.example.net", "window=12h@greylist"},
	};
	struct config *c = parse(text);
	const struct policy_conf *p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		says(c, rows[i].recipient, rows[i].expected);
	p = &config_level(c, "ceo@deep.sub.example.net")->policy;
	assert_int_equal(p->mode, POLICY_OFF);
	assert_int_equal(p->delay[CLASS_DEFAULT], 240);
	assert_int_equal(p->jitter, 0);
	assert_int_equal(p->keep, 40 * 86400);
	assert_int_equal(p->hammer, 0);
	assert_int_equal(p->window, 43200);
	assert_int_equal(config_window(c), 43200);
	assert_int_equal(config_keep(c), 40 * 86400);
	assert_ptr_equal(config_level(c, "nobody@elsewhere.example"), &c->everyone);
	config_free(&c);
}

static void every_key_of_the_greylist_is_there(void **state)
{
	struct config *c = parse(
		GOOD
		"domain \"d\" {\n mode = off\n match = address\n delay_clean = 1s\n delay = 2s\n"
		" delay_suspicious = 3s\n jitter = 4\n window = 5h\n keep = 6d\n"
		" promote_after = 7\n promote_net_after = 8\n hammer = 9\n}\n");
	const struct config_level *l = config_level(c, "x@d");
	struct policy_conf p = l->policy;
	char value[CONFIG_VALUE];

	(void)state;
	assert_int_equal(p.mode, POLICY_OFF);
	assert_int_equal(p.match, MATCH_ADDRESS);
	assert_int_equal(p.delay[CLASS_CLEAN], 1);
	assert_int_equal(p.delay[CLASS_DEFAULT], 2);
	assert_int_equal(p.delay[CLASS_SUSPICIOUS], 3);
	assert_int_equal(p.jitter, 4);
	assert_int_equal(p.window, 5 * 3600);
	assert_int_equal(p.keep, 6 * 86400);
	assert_int_equal(p.promote_after, 7);
	assert_int_equal(p.promote_net_after, 8);
	assert_int_equal(p.hammer, 9);
	for (int i = 0; i < CONFIG_LEVEL_KEYS; i++)
		assert_ptr_equal(l->from[i], l);
	assert_null(config_level_key(l, CONFIG_LEVEL_KEYS, value));
	/* section greylist is as it was */
	assert_int_equal(c->greylist.mode, POLICY_ENFORCE);
	assert_int_equal(c->greylist.hammer, 10);
	config_free(&c);
}

static void names_are_one_in_every_spelling(void **state)
{
	struct config *c = parse(GOOD "domain \"ex\xc3\xa4mple.net\" { delay = 1m }\n"
				      "domain \"[192.0.2.1]\" { delay = 3m }\n"
				      "domain \"UPPER.example\" { delay = 4m }\n"
				      "mailbox \"\\\"a b\\\"@example.net\" { delay = 5m }\n"
				      "mailbox \"gr\xc3\xbc\xc3\x9f@example.net\" { delay = 6m }\n"
				      "domain \"localhost\" { }\n");

	(void)state;
	says(c, "a@ex\xc3\xa4mple.net", "delay=1m@domain xn--exmple-cua.net");
	says(c, "a@xn--exmple-cua.NET", "delay=1m@domain xn--exmple-cua.net");
	says(c, "a@[192.0.2.1]", "delay=3m@domain [192.0.2.1]");
	says(c, "a@upper.EXAMPLE", "delay=4m@domain upper.example");
	says(c, "\"a b\"@example.net", "delay=5m@mailbox a b@example.net");
	says(c, "gr\xc3\xbc\xc3\x9f@example.net",
	     "delay=6m@mailbox gr\xc3\xbc\xc3\x9f@example.net");
	says(c, "a@localhost", "delay=5m@greylist");
	config_free(&c);
}

static void wrong_sections_are_told(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"domain \"a b\" { delay = 1m }", "F:3: domain: \"a b\": not a domain; allowed is"},
		{"domain \"\" { }", "F:3: domain: \"\": not a domain"},
		{"domain \".\" { }", "F:3: domain: \".\": not a domain"},
		{"domain \"a..b\" { }", "F:3: domain: \"a..b\": not a domain"},
		{"domain \"a.\" { }", "F:3: domain: \"a.\": not a domain"},
		{"domain \"ceo@a.b\" { }", "F:3: domain: \"ceo@a.b\": not a domain"},
		{"mailbox \"a.b\" { }", "F:3: mailbox: \"a.b\": not a mail address; allowed is"},
		{"mailbox \"@a.b\" { }", "F:3: mailbox: \"@a.b\": not a mail address"},
		{"mailbox \"a@\" { }", "F:3: mailbox: \"a@\": not a mail address"},
		{"mailbox \"a@.b\" { }", "F:3: mailbox: \"a@.b\": not a mail address"},
		{"mailbox \"a b@c\" { }", "F:3: mailbox: \"a b@c\": not a mail address"},
		{"domain \"d\" {\n records = 5\n}", "F:4: domain.records: unknown key; known here"},
		{"domain \"d\" {\n mod = off\n}",
		 "F:4: domain.mod: unknown key, did you mean mode"},
		{"domain \"d\" {\n mode = of\n}", "F:4: domain.mode: \"of\": unknown word"},
		{"domain \"d\" {\n delay = 1m\n delay = 2m\n}",
		 "F:5: domain.delay: set already on line 4"},
		{"domain \"\xc3\xa4.b\" {\n mode = off\n}\ndomain \"xn--4ca.b\" {\n"
		 " mode = learn\n}",
		 "F:7: domain.mode: set already on line 4"},
		{"domain \"d\" {\n mode = off\n}\ndomain \"D\" {\n mode = learn\n}",
		 "F:7: domain.mode: set already on line 4"},
		{"mailbox \"a@b\" {\n jitter = 1\n}\nmailbox \"\\\"A\\\"@B\" {\n jitter = 2\n}",
		 "F:7: mailbox.jitter: set already on line 4"},
		{"domain \"d\" {\n delay = 20h\n window = 10h\n}",
		 "F:5: domain.delay: not shorter than greylist.window"},
		{"greylist { window = 10h }\nmailbox \"a@d\" {\n delay = 10h\n}",
		 "F:5: mailbox.delay: not shorter than greylist.window"},
		{"domain \"d\" {\n delay_clean = 2m\n delay = 1m\n}",
		 "F:5: domain.delay_clean: longer than greylist.delay"},
	};
	struct config *c = NULL;
	char text[1000], err[4000];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), GOOD "%s\n", rows[i].text);
		assert_int_not_equal(config_parse("F", text, &c, err, sizeof(err)), 0);
		if (strncmp(err, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("%s\nsays %s", rows[i].text, err);
		/* and nothing else */
		assert_ptr_equal(strchr(err, '\n') + 1, err + strlen(err));
	}
}

/* As many as there may be, each found, and one more refused. */
static void thousands_of_them(void **state)
{
	const size_t room = 4u << 20;
	char *text = malloc(room), err[400], name[60], value[CONFIG_VALUE];
	size_t len = (size_t)snprintf(text, room, GOOD);
	struct config *c = NULL;

	(void)state;
	for (int i = 0; i < CONFIG_LEVELS; i++)
		len += (size_t)snprintf(text + len, room - len,
					"mailbox \"u%d@d%d.example\" {jitter=%d}\n", i, i % 100,
					i % 50);
	assert_int_equal(config_parse("F", text, &c, err, sizeof(err)), 0);
	for (int i = 0; i < CONFIG_LEVELS; i++) {
		snprintf(name, sizeof(name), "u%d@d%d.example", i, i % 100);
		assert_string_equal(config_level(c, name)->title, name);
		assert_int_equal(config_level(c, name)->policy.jitter, i % 50);
		snprintf(name, sizeof(name), "u%d@d%d.example", i, i % 100 + 100);
		assert_ptr_equal(config_level(c, name), &c->everyone);
	}
	assert_string_equal(config_level_key(&c->everyone, 0, value), "mode");
	config_free(&c);
	snprintf(text + len, room - len, "mailbox \"one@more\" {jitter=1}\n");
	assert_int_not_equal(config_parse("F", text, &c, err, sizeof(err)), 0);
	assert_non_null(strstr(err, "mailbox: one too many; at most 10000 are allowed"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_narrowest_section_that_sets_a_key_counts),
		cmocka_unit_test(every_key_of_the_greylist_is_there),
		cmocka_unit_test(names_are_one_in_every_spelling),
		cmocka_unit_test(wrong_sections_are_told),
		cmocka_unit_test(thousands_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
