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

#include "lists/set.h"

static const uint8_t key[HASH_KEY] = {7};

static struct list_set *set_of(const char *text, enum list_format format)
{
	char errors[2000];
	struct list_report r = {.errors = errors, .size = sizeof(errors)};
	struct list_set *s = NULL;

	if (list_set_read("f", text, strlen(text), format, key, &r, &s))
		fail_msg("%s", errors);
	return s;
}

static struct list_matcher *matcher(void)
{
	struct list_matcher *m = list_matcher_new();

	assert_non_null(m);
	return m;
}

/* The line that answers for a name, 0: none. */
static uint32_t client(const struct list_set *s, const char *name)
{
	struct list_matcher *m = matcher();
	struct list_hit h = {0};
	bool found = list_set_client(s, name, m, &h);

	list_matcher_free(&m);
	assert_true(found == !!h.line);
	return h.line;
}

static uint32_t recipient(const struct list_set *s, const char *mailbox)
{
	struct list_matcher *m = matcher();
	struct list_hit h = {0};

	list_set_recipient(s, mailbox, m, &h);
	list_matcher_free(&m);
	return h.line;
}

static uint32_t address(const struct list_set *s, const char *text)
{
	struct list_hit h = {0};
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	list_set_address(s, &a, &h);
	return h.line;
}

/* The first entry of a format, and what it says of clients by their names. */
static void whom_it_names(void **state)
{
	static const struct {
		const char *text;
		enum list_format format;
		uint8_t says;
	} cases[] = {
		{"192.0.2\n", LIST_POSTGREY_CLIENTS, 0},
		{"user@example.com\n", LIST_POSTGREY_RECIPIENTS, 0},
		{"example.com\n", LIST_POSTGREY_CLIENTS, 1u << LIST_LISTED},
		{"/example/\n", LIST_POSTGREY_CLIENTS, 1u << LIST_LISTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct list_set *s = set_of(cases[i].text, cases[i].format);

		assert_int_equal(s->client_says, cases[i].says);
		list_set_free(&s);
	}
}

static void names_of_postgrey(void **state)
{
	struct list_set *s = set_of("example.com\n"                /* 1 */
				    "mail.example.com\n"           /* 2 */
				    "/^mx\\d+\\.EXAMPLE\\.net$/\n" /* 3 */
				    "net.example\n"                /* 4 */
				    "/^a.example.com$/\n"          /* 5 */
				    "192.0.2\n"                    /* 6 */
				    "example.com\n",
				    LIST_POSTGREY_CLIENTS);

	(void)state;
	assert_int_equal(client(s, "example.com"), 1);
	assert_int_equal(client(s, "x.y.example.com"), 1);
	assert_int_equal(client(s, "mail.example.com"), 2);
	assert_int_equal(client(s, "a.mail.example.com"), 2);
	assert_int_equal(client(s, "a.example.com"), 1); /* a name before a pattern */
	assert_int_equal(client(s, "notexample.com"), 0);
	assert_int_equal(client(s, "com"), 0);
	assert_int_equal(client(s, "example.com.evil.org"), 0);
	assert_int_equal(client(s, "mx12.example.net"), 3);
	assert_int_equal(client(s, "mx.example.net"), 0);
	assert_int_equal(client(s, ""), 0);
	assert_int_equal(client(s, "."), 0);
	assert_int_equal(address(s, "192.0.2.255"), 6);
	assert_int_equal(address(s, "192.0.3.0"), 0);
	assert_int_equal(recipient(s, "user@example.com"), 0);
	list_set_free(&s);
	assert_null(s);
	list_set_free(&s);
}

static void names_of_sqlgrey(void **state)
{
	struct list_set *s =
		set_of("*.example.com\nexample.org\n/^a\\.b$/", LIST_SQLGREY_CLIENTS_FQDN);

	(void)state;
	assert_int_equal(client(s, "example.com"), 0);
	assert_int_equal(client(s, "a.example.com"), 1);
	assert_int_equal(client(s, "a.b.example.com"), 1);
	assert_int_equal(client(s, "example.org"), 2);
	assert_int_equal(client(s, "a.example.org"), 0);
	assert_int_equal(client(s, "a.b"), 3);
	list_set_free(&s);
}

static void recipients(void **state)
{
	struct list_set *s = set_of("postmaster@\n"      /* 1 */
				    "user@example.net\n" /* 2 */
				    "example.org\n"      /* 3 */
				    "/^list-.*@/\n"      /* 4 */
				    "a+b@example.com\n", /* 5 */
				    LIST_POSTGREY_RECIPIENTS);

	(void)state;
	assert_int_equal(recipient(s, "postmaster@example.com"), 1);
	assert_int_equal(recipient(s, "postmaster+x@example.com"), 1);
	assert_int_equal(recipient(s, "postmaster"), 1);
	assert_int_equal(recipient(s, "postmasters@example.com"), 0);
	assert_int_equal(recipient(s, "user@example.net"), 2);
	assert_int_equal(recipient(s, "user+a+b@example.net"), 2);
	assert_int_equal(recipient(s, "user@sub.example.net"), 0);
	assert_int_equal(recipient(s, "+user@example.net"), 0);
	assert_int_equal(recipient(s, "who@example.org"), 3);
	assert_int_equal(recipient(s, "who@sub.example.org"), 3);
	assert_int_equal(recipient(s, "who@badexample.org"), 0);
	assert_int_equal(recipient(s, "list-1@example.com"), 4);
	assert_int_equal(recipient(s, "a+b@example.com"), 5);
	assert_int_equal(recipient(s, "a@example.com"), 0);
	assert_int_equal(client(s, "example.org"), 0);
	list_set_free(&s);
}

static void words_of_an_access_map(void **state)
{
	struct list_set *s = set_of("bad.example REJECT no mail\nworse.example REJECT no mail\n"
				    "good.bad.example OK\n192.0.2 550 5.7.1 other words\n"
				    "quiet.example REJECT\n.neither.example DUNNO",
				    LIST_ACCESS);
	struct list_matcher *m = matcher();
	struct list_hit h;
	struct addr a;

	(void)state;
	assert_true(list_set_client(s, "a.bad.example", m, &h));
	assert_int_equal(h.says, LIST_DENY);
	assert_string_equal(h.message, "no mail");
	assert_true(list_set_client(s, "worse.example", m, &h));
	assert_string_equal(h.message, "no mail");
	assert_true(list_set_client(s, "x.good.bad.example", m, &h));
	assert_int_equal(h.says, LIST_ALLOW);
	assert_null(h.message);
	assert_true(list_set_client(s, "quiet.example", m, &h));
	assert_null(h.message);
	assert_true(list_set_client(s, "a.neither.example", m, &h));
	assert_int_equal(h.says, LIST_NEITHER);
	assert_false(list_set_client(s, "neither.example", m, &h));
	assert_int_equal(addr_parse("192.0.2.9", &a), 0);
	assert_true(list_set_address(s, &a, &h));
	assert_string_equal(h.message, "other words");
	assert_int_equal(h.width, 120);
	list_matcher_free(&m);
	list_set_free(&s);
}

/* The name itself is narrower than all that is below a longer one, and any name than a pattern. */
static void width_of_names(void **state)
{
	struct list_set *below = set_of("*.example.com\n/./", LIST_SQLGREY_CLIENTS_FQDN);
	struct list_set *name = set_of("a.example.com\n", LIST_SQLGREY_CLIENTS_FQDN);
	struct list_matcher *m = matcher();
	struct list_hit wide, narrow, pattern;

	(void)state;
	assert_true(list_set_client(below, "a.example.com", m, &wide));
	assert_true(list_set_client(name, "a.example.com", m, &narrow));
	assert_true(list_set_client(below, "example.com", m, &pattern));
	assert_true(narrow.width > wide.width);
	assert_int_equal(pattern.line, 2);
	assert_int_equal(pattern.width, 0);
	list_matcher_free(&m);
	list_set_free(&below);
	list_set_free(&name);
}

static void what_says_nothing_new_is_not_counted(void **state)
{
	static const struct {
		enum list_format format;
		const char *text;
		uint32_t entries;
	} lists[] = {
		{LIST_CIDR, "192.0.2.0/24\n192.0.2.0/24\n192.0.2.0/25\n192.0.2.0/24\n", 2},
		{LIST_CIDR, "2001:db8::/32\n2001:db8::/48\n2001:db8::/32\n192.0.2.1\n192.0.2.1\n",
		 3},
		{LIST_POSTGREY_CLIENTS, "a.example\nb.example\na.example\n192.0.2.1\n192.0.2.1\n",
		 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char errors[400];
		struct list_report r = {.errors = errors, .size = sizeof(errors)};
		struct list_set *s = NULL;

		assert_int_equal(list_set_read("f", lists[i].text, strlen(lists[i].text),
					       lists[i].format, key, &r, &s),
				 0);
		assert_int_equal(r.bad, 0);
		assert_int_equal(r.entries, lists[i].entries);
		list_set_free(&s);
	}
}

static void patterns_that_are_none(void **state)
{
	static const char text[] = "/(/\n/a[/\n/\\C/\n/(?{die})/\ngood.example\n/ok/\na.example\n"
				   "b.example\n";
	char errors[4000];
	struct list_report r = {.errors = errors, .size = sizeof(errors)};
	struct list_set *s = NULL;

	(void)state;
	assert_int_equal(list_set_read("f", text, strlen(text), LIST_POSTGREY_CLIENTS, key, &r, &s),
			 0);
	assert_int_equal(r.bad, 4);
	assert_int_equal(r.entries, 4);
	assert_int_equal(strncmp(errors, "f:1: \"(\": not a regular expression, at byte ", 43), 0);
	assert_int_equal(client(s, "it.is.ok"), 6);
	list_set_free(&s);
}

/* A text chosen so that the pattern would go on for ages: it is given up on, and counted. */
static void patterns_without_end(void **state)
{
	struct list_set *s = set_of("/^(a+)+$/\n/^(a|aa)+[bc]/\n", LIST_POSTGREY_CLIENTS);
	struct list_matcher *m = matcher();
	struct list_hit h;
	char name[254];

	(void)state;
	memset(name, 'a', sizeof(name) - 2);
	name[sizeof(name) - 2] = '!';
	name[sizeof(name) - 1] = 0;
	assert_false(list_set_client(s, name, m, &h));
	assert_int_equal(list_matcher_given_up(m), 2);
	assert_true(list_set_client(s, "aaaa", m, &h));
	assert_int_equal(list_matcher_given_up(m), 2);
	list_matcher_free(&m);
	list_set_free(&s);
}

static void one_pattern_too_many(void **state)
{
	char *text = calloc(1, (LIST_PATTERNS + 1) * 8 + 1);
	struct list_report r = {0};
	struct list_set *s = NULL;
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i <= LIST_PATTERNS; i++)
		len += (size_t)snprintf(text + len, 9, "/a%d/\n", i);
	assert_int_equal(list_set_read("f", text, len, LIST_POSTGREY_CLIENTS, key, &r, &s), 0);
	assert_int_equal(r.bad, 1);
	assert_int_equal(r.entries, LIST_PATTERNS);
	list_set_free(&s);
	free(text);
}

static void many_names(void **state)
{
	enum { N = 20000 };
	char *text = calloc(1, N * 24), name[32];
	struct list_report r = {0};
	struct list_set *s = NULL;
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 1; i <= N; i++)
		len += (size_t)snprintf(text + len, 24, "h%d.example\n", i);
	assert_int_equal(list_set_read("f", text, len, LIST_POSTGREY_CLIENTS, key, &r, &s), 0);
	for (int i = 1; i <= N; i += 7) {
		snprintf(name, sizeof(name), "x.h%d.example", i);
		assert_int_equal(client(s, name), i);
		snprintf(name, sizeof(name), "g%d.example", i);
		assert_int_equal(client(s, name), 0);
	}
	list_set_free(&s);
	free(text);
}

static void refused_as_a_whole(void **state)
{
	struct list_report r = {0};
	struct list_set *s = NULL;

	(void)state;
	assert_int_equal(list_set_read("f", "a b\n/(/\n", 8, LIST_POSTGREY_CLIENTS, key, &r, &s),
			 -EINVAL);
	assert_null(s);
}

/* The lists that the Debian packages postgrey and sqlgrey bring, without a complaint. */
static void lists_as_shipped(void **state)
{
	static const struct {
		const char *file;
		enum list_format format;
		uint32_t least;
	} shipped[] = {
		{"/usr/share/postgrey/whitelist_clients", LIST_POSTGREY_CLIENTS, 150},
		{"/usr/share/postgrey/whitelist_recipients", LIST_POSTGREY_RECIPIENTS, 2},
		{"/etc/postgrey/whitelist_clients", LIST_POSTGREY_CLIENTS, 150},
		{"/etc/postgrey/whitelist_recipients", LIST_POSTGREY_RECIPIENTS, 2},
		{"/etc/sqlgrey/clients_ip_whitelist", LIST_SQLGREY_CLIENTS_IP, 45},
		{"/etc/sqlgrey/clients_fqdn_whitelist", LIST_SQLGREY_CLIENTS_FQDN, 40},
	};
	static char text[1 << 18];
	int read = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		char errors[2000];
		struct list_report r = {.errors = errors, .size = sizeof(errors)};
		FILE *f = fopen(shipped[i].file, "r");
		struct list_set *s = NULL;
		size_t len;

		if (!f)
			continue;
		len = fread(text, 1, sizeof(text), f);
		fclose(f);
		if (list_set_read(shipped[i].file, text, len, shipped[i].format, key, &r, &s) ||
		    r.bad)
			fail_msg("%s", errors);
		assert_true(r.entries >= shipped[i].least);
		if (shipped[i].format == LIST_POSTGREY_CLIENTS) {
			assert_true(client(s, "mail-yw1-f169.google.com"));
			assert_true(client(s, "mail7.telekom.de"));
			assert_true(address(s, "148.105.3.4"));
			assert_true(address(s, "2a01:4180:4051:800::7"));
		}
		list_set_free(&s);
		read++;
	}
	if (!read)
		skip();
	assert_true(read >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whom_it_names),
		cmocka_unit_test(names_of_postgrey),
		cmocka_unit_test(names_of_sqlgrey),
		cmocka_unit_test(recipients),
		cmocka_unit_test(words_of_an_access_map),
		cmocka_unit_test(what_says_nothing_new_is_not_counted),
		cmocka_unit_test(width_of_names),
		cmocka_unit_test(patterns_that_are_none),
		cmocka_unit_test(patterns_without_end),
		cmocka_unit_test(one_pattern_too_many),
		cmocka_unit_test(many_names),
		cmocka_unit_test(refused_as_a_whole),
		cmocka_unit_test(lists_as_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
