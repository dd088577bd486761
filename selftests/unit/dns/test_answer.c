// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "dns/answer.h"
#include "selftests/unit/random.h"

static struct dns_answer a;

/* A message under construction: one question for NAME at offset 12. */
static uint8_t msg[65536];
static size_t len;

static void put16(unsigned v)
{
	msg[len++] = (uint8_t)(v >> 8);
	msg[len++] = (uint8_t)v;
}

static void put_name(const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		msg[len++] = (uint8_t)n;
		memcpy(msg + len, name, n);
		len += n;
		name += n + (name[n] == '.');
	}
	msg[len++] = 0;
}

static void begin(unsigned rcode, const char *name, unsigned type)
{
	len = 0;
	put16(7);
	put16(0x8180 | rcode);
	put16(1);
	put16(0);
	put16(0);
	put16(0);
	put_name(name);
	put16(type);
	put16(1);
}

/* Opens a record; section 0 answers, 1 authority. owner NULL: a pointer to the question. */
static size_t open_rr(int section, const char *owner, unsigned type, unsigned ttl)
{
	msg[6 + 2 * section] += ++msg[7 + 2 * section] == 0;
	if (owner)
		put_name(owner);
	else
		put16(0xc00c);
	put16(type);
	put16(1);
	put16(ttl >> 16);
	put16(ttl);
	put16(0);
	return len;
}

static void close_rr(size_t data)
{
	msg[data - 2] = (uint8_t)((len - data) >> 8);
	msg[data - 1] = (uint8_t)(len - data);
}

static void rr(const char *owner, unsigned type, unsigned ttl, const void *data, size_t n)
{
	size_t at = open_rr(0, owner, type, ttl);

	memcpy(msg + len, data, n);
	len += n;
	close_rr(at);
}

static int parse(const char *name, enum dns_type type)
{
	return dns_parse(msg, len, name, type, &a);
}

static void addresses(void **state)
{
	(void)state;
	begin(0, "Mail.example", DNS_A);
	rr(NULL, DNS_A, 300, "\xc0\0\2\7", 4);
	rr("mail.EXAMPLE", DNS_A, 100, "\xc0\0\2\10", 4);
	rr("other.example", DNS_A, 5, "\xc0\0\2\11", 4);
	rr(NULL, DNS_TXT, 5, "\1x", 2);
	assert_int_equal(parse("mail.example", DNS_A), 0);
	assert_int_equal(a.status, DNS_FOUND);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.ttl, 100);
	assert_memory_equal(a.data, "\0\4\xc0\0\2\7\0\4\xc0\0\2\10", 12);
	begin(0, "mail.example", DNS_A);
	rr(NULL, DNS_A, 300, "\xc0\0\2", 3);
	assert_int_equal(parse("mail.example", DNS_A), -EBADMSG);
}

static void aliases(void **state)
{
	static const char target[] = "\4real\7example";

	(void)state;
	/* in any order, and no further than to the name's own end */
	begin(0, "www.example", DNS_A);
	rr("real.example", DNS_A, 300, "\xc0\0\2\7", 4);
	rr(NULL, 5, 20, target, sizeof(target));
	rr("stranger.example", DNS_A, 300, "\xc0\0\2\11", 4);
	assert_int_equal(parse("www.example", DNS_A), 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.ttl, 20);
	/* in a circle */
	begin(0, "real.example", DNS_A);
	rr(NULL, 5, 20, target, sizeof(target));
	assert_int_equal(parse("real.example", DNS_A), 0);
	assert_int_equal(a.status, DNS_NONE);
}

static void texts_are_joined(void **state)
{
	(void)state;
	begin(0, "t.example", DNS_TXT);
	rr(NULL, DNS_TXT, 1, "\3v=s\0\4pf1 ", 10);
	rr(NULL, DNS_TXT, 1, "\0", 1);
	assert_int_equal(parse("t.example", DNS_TXT), 0);
	assert_int_equal(a.count, 2);
	assert_memory_equal(a.data, "\0\7v=spf1 \0\0", 11);
	begin(0, "t.example", DNS_TXT);
	rr(NULL, DNS_TXT, 1, "\5v=s", 4);
	assert_int_equal(parse("t.example", DNS_TXT), -EBADMSG);
}

static void names(void **state)
{
	size_t at;

	(void)state;
	begin(0, "7.2.0.192.in-addr.arpa", DNS_PTR);
	at = open_rr(0, NULL, DNS_PTR, 60);
	put_name("MAIL.Example");
	close_rr(at);
	at = open_rr(0, NULL, DNS_PTR, 60);
	memcpy(msg + len, "\3a.b\0", 5); /* a dot inside a label */
	len += 5;
	close_rr(at);
	at = open_rr(0, NULL, DNS_PTR, 60);
	memcpy(msg + len, "\1x\xc0\x0c", 4);
	len += 4;
	close_rr(at);
	assert_int_equal(parse("7.2.0.192.in-addr.arpa", DNS_PTR), 0);
	assert_int_equal(a.count, 2);
	assert_memory_equal(a.data, "\0\14mail.example\0\30x.7.2.0.192.in-addr.arpa", 40);
	begin(0, "example", DNS_MX);
	at = open_rr(0, NULL, DNS_MX, 60);
	put16(10);
	put_name("");
	close_rr(at);
	assert_int_equal(parse("example", DNS_MX), 0);
	assert_memory_equal(a.data, "\0\2\0\12", 4);
}

static void pointers_that_lead_nowhere(void **state)
{
	size_t at;

	(void)state;
	/* to itself */
	begin(0, "a.example", DNS_PTR);
	at = open_rr(0, NULL, DNS_PTR, 60);
	put16(0xc000 | (unsigned)len);
	close_rr(at);
	assert_int_equal(parse("a.example", DNS_PTR), -EBADMSG);
	/* beyond the end */
	begin(0, "a.example", DNS_PTR);
	at = open_rr(0, NULL, DNS_PTR, 60);
	put16(0xffff);
	close_rr(at);
	assert_int_equal(parse("a.example", DNS_PTR), -EBADMSG);
	/* a kind of label that is none */
	begin(0, "a.example", DNS_PTR);
	at = open_rr(0, NULL, DNS_PTR, 60);
	put16(0x8001);
	close_rr(at);
	assert_int_equal(parse("a.example", DNS_PTR), -EBADMSG);
}

static void there_is_none(void **state)
{
	size_t at;

	(void)state;
	begin(3, "no.example", DNS_A);
	at = open_rr(1, "example", 6, 900);
	put_name("ns.example");
	put_name("root.example");
	for (int i = 0; i < 4; i++) {
		put16(0);
		put16(1);
	}
	put16(0);
	put16(120);
	close_rr(at);
	assert_int_equal(parse("no.example", DNS_A), 0);
	assert_int_equal(a.status, DNS_NONE);
	assert_int_equal(a.ttl, 120);
	begin(0, "no.example", DNS_A);
	assert_int_equal(parse("no.example", DNS_A), 0);
	assert_int_equal(a.status, DNS_NONE);
	assert_int_equal(a.ttl, 0);
	for (unsigned rcode = 1; rcode < 16; rcode++) {
		begin(rcode, "no.example", DNS_A);
		assert_int_equal(parse("no.example", DNS_A), 0);
		assert_int_equal(a.status, rcode == 3 ? DNS_NONE : DNS_FAILED);
	}
}

/* As many records as the longest message has room for; of `size` bytes with their head. */
static int fill(enum dns_type type, const void *data, size_t size)
{
	begin(0, "a.example", type);
	while (len + 12 + size <= DNS_MESSAGE)
		rr(NULL, type, 60, data, size);
	return parse("a.example", type);
}

static void the_longest_messages(void **state)
{
	static const char text[256] = "\377v=spf2.0/pra";

	(void)state;
	assert_int_equal(fill(DNS_A, "\xc0\0\2\7", 4), 0);
	assert_int_equal(a.status, DNS_FOUND);
	assert_int_equal(a.count, (DNS_MESSAGE - 27) / 16);
	assert_int_equal(fill(DNS_AAAA, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16), 0);
	assert_int_equal(a.status, DNS_FOUND);
	assert_int_equal(a.count, (DNS_MESSAGE - 27) / 28);
	assert_int_equal(fill(DNS_PTR, "\xc0\xc", 2), 0);
	assert_int_equal(a.count, DNS_NAMES);
	assert_int_equal(fill(DNS_MX, "\0\1\xc0\xc", 4), 0);
	assert_int_equal(a.count, DNS_NAMES);
	assert_int_equal(fill(DNS_TXT, "\0", 1), 0);
	assert_int_equal(a.count, 2);
	assert_int_equal(fill(DNS_TXT, text, sizeof(text)), 0);
	assert_int_equal(a.status, DNS_FOUND);
	assert_int_equal(a.count, 2);
	len = DNS_MESSAGE + 1;
	assert_int_equal(parse("a.example", DNS_TXT), -EBADMSG);
}

/* Cut anywhere, and with any byte changed: an answer or an error, never a step outside. */
static void damaged_messages(void **state)
{
	static uint8_t good[4096];
	uint64_t r = 0x1234567;
	size_t whole;

	(void)state;
	names(NULL);
	begin(0, "www.example", DNS_TXT);
	rr(NULL, DNS_TXT, 60, "\3abc", 4);
	rr(NULL, 5, 20, "\4real\xc0\x10", 7);
	rr(NULL, DNS_MX, 20, "\0\1\4real\xc0\x10", 9);
	whole = len;
	memcpy(good, msg, whole);
	for (size_t cut = 0; cut < whole; cut++) {
		int rc = dns_parse(good, cut, "www.example", DNS_TXT, &a);

		assert_true(rc == -EBADMSG);
	}
	for (int i = 0; i < 20000; i++) {
		static const enum dns_type types[] = {DNS_TXT, DNS_MX, DNS_A, DNS_PTR};
		int rc;

		memcpy(msg, good, whole);
		for (int k = 0; k < 3; k++)
			msg[random_below(&r, (uint32_t)whole)] = (uint8_t)random_next(&r);
		rc = dns_parse(msg, whole, "www.example", types[i % 4], &a);
		assert_true(rc == 0 || rc == -EBADMSG);
		assert_true(rc || a.len <= sizeof(a.data));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(aliases),
		cmocka_unit_test(texts_are_joined),
		cmocka_unit_test(names),
		cmocka_unit_test(pointers_that_lead_nowhere),
		cmocka_unit_test(there_is_none),
		cmocka_unit_test(the_longest_messages),
		cmocka_unit_test(damaged_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
