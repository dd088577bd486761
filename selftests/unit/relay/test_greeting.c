// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "relay/answer.h"
#include "relay/greeting.h"

#define ALL 0x1ff /* attributes */

static struct upstream up;

static void learn(const char *text)
{
	enum answer a;

	answer_begin(&up);
	assert_int_equal(answer_take(&up, text, strlen(text), &a), strlen(text));
	assert_int_equal(a, ANSWER_WHOLE);
	greeting_learn(&up);
}

static void keywords_are_learned(void **state)
{
	static const struct {
		const char *text;
		uint32_t caps; /* besides UPSTREAM_ESMTP */
		uint32_t xclient;
		uint64_t size;
	} rows[] = {
		{"250 mx\r\n", 0, 0, 0},
		{"250 PIPELINING\r\n", 0, 0, 0}, /* the server's name, however it is called */
		{"250-mx\r\n250 PIPELINING\r\n", UPSTREAM_PIPELINING, 0, 0},
		{"250-mx\r\n250-pipelining\r\n250 8bitmime\r\n",
		 UPSTREAM_PIPELINING | UPSTREAM_8BITMIME, 0, 0},
		{"250-mx\r\n250 SIZE\r\n", UPSTREAM_SIZE, 0, 0},
		{"250-mx\r\n250 SIZE 0\r\n", UPSTREAM_SIZE, 0, 0},
		{"250-mx\r\n250 SIZE 52428800\r\n", UPSTREAM_SIZE, 0, 52428800},
		{"250-mx\r\n250 SIZE  10 \r\n", UPSTREAM_SIZE, 0, 10},
		{"250-mx\r\n250 SIZE 10x\r\n", UPSTREAM_SIZE, 0, 0},
		{"250-mx\r\n250 SIZE 99999999999999999999999\r\n", UPSTREAM_SIZE, 0, 0},
		{"250-mx\r\n250 SIZE=10\r\n", 0, 0, 0},
		{"250-mx\r\n250 PIPELININGS\r\n", 0, 0, 0},
		{"250-mx\r\n250-\r\n250-   \r\n250 DSN\r\n", UPSTREAM_DSN, 0, 0},
		{"250-mx\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-STARTTLS\r\n"
		 "250 ENHANCEDSTATUSCODES\r\n",
		 UPSTREAM_SMTPUTF8 | UPSTREAM_CHUNKING | UPSTREAM_STARTTLS | UPSTREAM_ENHANCED, 0,
		 0},
		{"250-mx\r\n250 XCLIENT\r\n", UPSTREAM_XCLIENT, 0, 0},
		{"250-mx\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n",
		 UPSTREAM_XCLIENT, 0xff, 0},
		{"250-mx\r\n250 XCLIENT REVERSE_NAME REVERSE NAME2\r\n", UPSTREAM_XCLIENT,
		 XCLIENT_REVERSE_NAME, 0},
		{"250-mx\r\n250 xclient addr NEW helo\r\n", UPSTREAM_XCLIENT,
		 XCLIENT_ADDR | XCLIENT_HELO, 0},
		{"250-mx\r\n250-AUTH LOGIN PLAIN\r\n250 AUTH=LOGIN\r\n", 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		up.caps = up.xclient = ~0u;
		up.size_limit = 7;
		learn(rows[i].text);
		if (up.caps != (rows[i].caps | UPSTREAM_ESMTP) || up.xclient != rows[i].xclient ||
		    up.size_limit != rows[i].size)
			fail_msg("%s: %x %x", rows[i].text, up.caps, up.xclient);
	}
}

static struct upstream_client client_at(const char *endpoint, const char *helo)
{
	struct upstream_client c = {.our_name = "gate.example", .helo = helo, .esmtp = true};

	assert_int_equal(endpoint_parse(endpoint, &c.addr), 0);
	return c;
}

static const char *xclient_of(uint32_t attributes, const struct upstream_client *c)
{
	static char buf[GREETING_XCLIENT + 1];
	size_t len;

	up.xclient = attributes;
	memset(buf, 'x', sizeof(buf));
	len = greeting_xclient(&up, c, buf);
	if (!len)
		return NULL;
	assert_int_equal(strlen(buf), len);
	assert_true(len <= GREETING_XCLIENT);
	return buf;
}

static void xclient_says_what_the_backend_listed(void **state)
{
	struct upstream_client c = client_at("192.0.2.7:40000", "client.example");

	(void)state;
	assert_string_equal(xclient_of(ALL, &c),
			    "XCLIENT ADDR=192.0.2.7 PORT=40000 PROTO=ESMTP LOGIN=[UNAVAILABLE] "
			    "DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE] HELO=client.example "
			    "NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE]\r\n");
	assert_string_equal(xclient_of(XCLIENT_ADDR, &c), "XCLIENT ADDR=192.0.2.7\r\n");
	assert_string_equal(xclient_of(XCLIENT_PORT | XCLIENT_LOGIN, &c),
			    "XCLIENT PORT=40000 LOGIN=[UNAVAILABLE]\r\n");
	assert_null(xclient_of(0, &c));
	assert_int_equal(endpoint_parse("192.0.2.25:2525", &c.here), 0);
	assert_string_equal(xclient_of(XCLIENT_DESTADDR | XCLIENT_DESTPORT, &c),
			    "XCLIENT DESTADDR=192.0.2.25 DESTPORT=2525\r\n");
	assert_int_equal(endpoint_parse("[2001:db8::25]:25", &c.here), 0);
	assert_string_equal(xclient_of(XCLIENT_DESTADDR, &c),
			    "XCLIENT DESTADDR=IPV6:2001:db8::25\r\n");
	c.esmtp = false;
	assert_string_equal(xclient_of(XCLIENT_PROTO, &c), "XCLIENT PROTO=SMTP\r\n");
	c = client_at("[2001:db8::7]:25", "[IPv6:2001:db8::7]");
	assert_string_equal(xclient_of(XCLIENT_ADDR | XCLIENT_HELO, &c),
			    "XCLIENT ADDR=IPV6:2001:db8::7 HELO=[IPv6:2001:db8::7]\r\n");
}

/* A name that does not exist is not the same as name servers that do not answer. */
static void names_as_far_as_they_are_known(void **state)
{
	struct upstream_client c = client_at("192.0.2.7:1", "client.example");
	const uint32_t names = XCLIENT_NAME | XCLIENT_REVERSE_NAME;

	(void)state;
	c.name = c.reverse_name = "mta.example";
	assert_string_equal(xclient_of(names, &c),
			    "XCLIENT NAME=mta.example REVERSE_NAME=mta.example\r\n");
	c.name = NULL;
	c.reverse_name = "a=b.example";
	assert_string_equal(xclient_of(names, &c),
			    "XCLIENT NAME=[UNAVAILABLE] REVERSE_NAME=a+3Db.example\r\n");
	c.name_unsure = true;
	assert_string_equal(xclient_of(names, &c),
			    "XCLIENT NAME=[TEMPUNAVAIL] REVERSE_NAME=a+3Db.example\r\n");
	c.reverse_name = "";
	assert_string_equal(xclient_of(names, &c),
			    "XCLIENT NAME=[TEMPUNAVAIL] REVERSE_NAME=[TEMPUNAVAIL]\r\n");
}

/* Three names of the greatest length: the command keeps its limit, and none of them is cut. */
static void long_names_give_way(void **state)
{
	struct upstream_client c =
		client_at("[2001:db8:1111:2222:3333:4444:5555:6666]:65535", NULL);
	char name[256];

	(void)state;
	assert_int_equal(endpoint_parse("[2001:db8:1111:2222:3333:4444:5555:7777]:65535", &c.here),
			 0);
	c.helo = c.name = c.reverse_name = name;
	for (size_t len = 1; len < sizeof(name); len++) {
		char want[300];
		const char *text;

		memset(name, 'n', len);
		name[len] = '\0';
		text = xclient_of(ALL, &c);
		snprintf(want, sizeof(want), " HELO=%s NAME=", name);
		if (len <= 200)
			assert_non_null(strstr(text, want));
		snprintf(want, sizeof(want), " REVERSE_NAME=%s\r\n", name);
		if (!strstr(text, want))
			assert_non_null(strstr(text, " REVERSE_NAME=[UNAVAILABLE]\r\n"));
		snprintf(want, sizeof(want), " NAME=%s REVERSE_NAME=", name);
		if (!strstr(text, want))
			assert_non_null(strstr(text, " NAME=[UNAVAILABLE] REVERSE_NAME="));
	}
}

static void a_helo_name_is_xtext_and_never_cut(void **state)
{
	struct upstream_client c = client_at("192.0.2.7:1", "a+b=c d\x7f\xe4");
	char name[600];

	(void)state;
	assert_string_equal(xclient_of(XCLIENT_HELO, &c), "XCLIENT HELO=a+2Bb+3Dc+20d+7F+E4\r\n");
	c.helo = "";
	assert_string_equal(xclient_of(XCLIENT_HELO, &c), "XCLIENT HELO=[UNAVAILABLE]\r\n");
	c.helo = NULL;
	assert_string_equal(xclient_of(XCLIENT_HELO, &c), "XCLIENT HELO=[UNAVAILABLE]\r\n");
	c = client_at("[2001:db8:1111:2222:3333:4444:5555:6666]:65535", name);
	for (size_t len = 1; len < sizeof(name); len++) {
		const char *text;

		memset(name, 'h', len);
		name[len] = '\0';
		text = strstr(xclient_of(ALL & ~XCLIENT_REVERSE_NAME & ~XCLIENT_NAME, &c),
			      " HELO=");
		assert_non_null(text);
		if (strlen(text) != strlen(" HELO=\r\n") + len)
			assert_string_equal(text, " HELO=[UNAVAILABLE]\r\n");
		else
			assert_true(len < 360);
		if (len <= 255)
			assert_memory_equal(text + 6, name, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keywords_are_learned),
		cmocka_unit_test(xclient_says_what_the_backend_listed),
		cmocka_unit_test(names_as_far_as_they_are_known),
		cmocka_unit_test(long_names_give_way),
		cmocka_unit_test(a_helo_name_is_xtext_and_never_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
