// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "selftests/unit/random.h"

static struct addr parsed(const char *text)
{
	struct addr a = {0};

	if (addr_parse(text, &a))
		fail_msg("%s does not parse", text);
	return a;
}

static void addresses_print_in_their_canonical_form(void **state)
{
	/* RFC 5952: longest run of zeros, the first of two equal, never a single group. */
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"0.0.0.0", "0.0.0.0"},
		{"192.0.2.1", "192.0.2.1"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"::1", "::1"},
		{"1::", "1::"},
		{"2001:DB8::A", "2001:db8::a"},
		{"2001:db8:0:0:0:0:0:1", "2001:db8::1"},
		{"2001:0db8:0001:0010:0100:1000:0:1", "2001:db8:1:10:100:1000:0:1"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"0:0:1:2:3:4:5:6", "::1:2:3:4:5:6"},
		{"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
		{"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
		{"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::ffff:c000:201", "192.0.2.1"},
		{"::192.0.2.1", "::c000:201"},
		{"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
	};
	char buf[ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parsed(rows[i].in);

		assert_string_equal(addr_text(&a, buf), rows[i].out);
		assert_ptr_equal(addr_text(&a, buf), buf);
	}
}

static void malformed_addresses_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"1",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.4.",
		".1.2.3.4",
		"1..2.3",
		"256.1.1.1",
		"1.2.3.04",
		"01.2.3.4",
		"0x1.2.3.4",
		"1.2.3.-4",
		"+1.2.3.4",
		" 1.2.3.4",
		"1.2.3.4 ",
		"1.2.3.4\n",
		"1.2.3.4/32",
		"3232235521",
		"localhost",
		":",
		":::",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7:8::",
		"::00001",
		"::g",
		"fe80::1%eth0",
		"fe80::1%1",
		"[::1]",
		"::1/128",
		"::ffff:1.2.3",
		"::ffff:1.2.3.256",
		"::ffff:01.2.3.4",
		"1.2.3.4::",
		"::1 ",
		"2001:db8::1.",
		"1:2:3:4:5:6:7:1.2.3.4",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a, before;

		memset(&a, 0x5a, sizeof(a));
		before = a;
		if (addr_parse(rows[i], &a) != -EINVAL)
			fail_msg("\"%s\" was taken", rows[i]);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static struct addr random_addr(uint64_t *rnd)
{
	struct addr a;
	uint64_t zeros = random_next(rnd);

	if (random_below(rnd, 3) == 0)
		a = parsed("0.0.0.0");
	else
		memset(&a, 0, sizeof(a));
	for (int i = addr_is4(&a) ? 12 : 0; i < 16; i++)
		if (zeros >> i / 2 & 1)
			a.b[i] = (uint8_t)random_next(rnd);
	return a;
}

static void every_address_survives_text_and_socket(void **state)
{
	uint64_t rnd = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct endpoint e = {random_addr(&rnd), (uint16_t)random_next(&rnd)}, back;
		char buf[ADDR_TEXT], theirs[INET6_ADDRSTRLEN];
		struct sockaddr_storage ss;
		struct addr a;

		assert_int_equal(addr_parse(addr_text(&e.addr, buf), &a), 0);
		assert_true(addr_eq(&a, &e.addr));
		/* Another implementation reads the same out of it. */
		if (!addr_is4(&a)) {
			assert_int_equal(inet_pton(AF_INET6, buf, &a), 1);
			assert_memory_equal(&a, &e.addr, 16);
			inet_ntop(AF_INET6, &e.addr, theirs, sizeof(theirs));
			if (!strchr(theirs, '.'))
				assert_string_equal(buf, theirs);
		}
		assert_int_equal(addr_to_sockaddr(&e, &ss), addr_is4(&e.addr)
								    ? sizeof(struct sockaddr_in)
								    : sizeof(struct sockaddr_in6));
		assert_int_equal(ss.ss_family, addr_is4(&e.addr) ? AF_INET : AF_INET6);
		assert_int_equal(addr_from_sockaddr((struct sockaddr *)&ss, &back), 0);
		assert_true(addr_eq(&back.addr, &e.addr));
		assert_int_equal(back.port, e.port);
	}
}

static void a_mapped_socket_address_is_ipv4(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct endpoint e = {.port = 7};

	(void)state;
	inet_pton(AF_INET6, "::ffff:192.0.2.9", &in6.sin6_addr);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&in6, &e), 0);
	assert_true(addr_is4(&e.addr));
	assert_int_equal(e.port, 25);
	assert_int_equal(addr_from_sockaddr(&other, &e), -EAFNOSUPPORT);
	assert_int_equal(e.port, 25);
}

static void the_any_address_is_known_in_both_families(void **state)
{
	static const struct {
		const char *text;
		bool any, is4;
	} rows[] = {
		{"0.0.0.0", true, true}, {"::", true, false},          {"0.0.0.1", false, true},
		{"::1", false, false},   {"::fffe:0:0", false, false}, {"1.0.0.0", false, true},
		{"1::", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parsed(rows[i].text);

		assert_int_equal(addr_is_any(&a), rows[i].any);
		assert_int_equal(addr_is4(&a), rows[i].is4);
	}
}

static bool bit(const struct addr *a, int i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

static void a_mask_keeps_exactly_its_bits(void **state)
{
	uint64_t rnd = 2;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct addr a = random_addr(&rnd);

		for (int len = 0; len <= 128; len++) {
			struct prefix p = addr_mask(&a, (uint8_t)len);

			assert_int_equal(p.len, len);
			for (int i = 0; i < 128; i++)
				assert_int_equal(bit(&p.addr, i), i < len && bit(&a, i));
		}
		assert_int_equal(addr_mask(&a, 255).len, 128);
		assert_int_equal(addr_host(&a).len, 128);
		assert_int_equal(addr_network(&a).len, addr_is4(&a) ? 120 : 64);
	}
}

static void a_prefix_holds_what_shares_its_bits_and_family(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool holds;
	} rows[] = {
		{"192.0.2.0/24", "192.0.2.0", true},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "192.0.1.255", false},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.6", false},
		{"0.0.0.0/0", "255.1.2.3", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "192.0.2.1", false},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"::/95", "::1", true},
		{"::/80", "::ffff:192.0.2.1", false},
		{"::fffe:0:0/95", "192.0.2.1", false},
		{"::fffe:0:0/95", "::fffe:192.0.2.1", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parsed(rows[i].addr);
		struct prefix p;

		assert_int_equal(prefix_parse(rows[i].prefix, &p), 0);
		if (prefix_holds(&p, &a) != rows[i].holds)
			fail_msg("%s and %s", rows[i].prefix, rows[i].addr);
	}
}

static void prefixes_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *in;
		int rc;
		uint8_t len;
		const char *out;
	} rows[] = {
		{"192.0.2.0/24", 0, 120, "192.0.2.0/24"},
		{"192.0.2.1", 0, 128, "192.0.2.1"},
		{"192.0.2.1/32", 0, 128, "192.0.2.1"},
		{"0.0.0.0/0", 0, 96, "0.0.0.0/0"},
		{"128.0.0.0/1", 0, 97, "128.0.0.0/1"},
		{"::/0", 0, 0, "::/0"},
		{"2001:db8::/32", 0, 32, "2001:db8::/32"},
		{"2001:db8::1/128", 0, 128, "2001:db8::1"},
		{"2001:db8::/127", 0, 127, "2001:db8::/127"},
		{"::ffff:192.0.2.0/120", 0, 120, "192.0.2.0/24"},
		{"::ffff:0.0.0.0/97", 0, 97, "0.0.0.0/1"},
		{"::ffff:192.0.2.7", 0, 128, "192.0.2.7"},
		{"::ffff:0:0", 0, 128, "0.0.0.0"},
		{"::ffff:0:0/96", -ERANGE, 0, NULL},
		{"::ffff:0.0.0.0/96", -ERANGE, 0, NULL},
		{"0:0:0:0:0:ffff::/96", -ERANGE, 0, NULL},
		{"::ffff:192.0.2.7/96", -ERANGE, 0, NULL},
		{"::fffe:0:0/95", 0, 95, "::fffe:0:0/95"},
		{"::/96", 0, 96, "::/96"},
		{"::ffff:0.0.0.0/95", -EDOM, 0, NULL},
		{"192.0.2.1/24", -EDOM, 0, NULL},
		{"192.0.2.0/22", -EDOM, 0, NULL},
		{"2001:db8::1/64", -EDOM, 0, NULL},
		{"1.2.3.4/0", -EDOM, 0, NULL},
		{"192.0.2.0/33", -EINVAL, 0, NULL},
		{"192.0.2.0/120", -EINVAL, 0, NULL},
		{"2001:db8::/129", -EINVAL, 0, NULL},
		{"192.0.2.0/", -EINVAL, 0, NULL},
		{"192.0.2.0/024", -EINVAL, 0, NULL},
		{"192.0.2.0/00", -EINVAL, 0, NULL},
		{"192.0.2.0/-1", -EINVAL, 0, NULL},
		{"192.0.2.0/+24", -EINVAL, 0, NULL},
		{"192.0.2.0/ 24", -EINVAL, 0, NULL},
		{"192.0.2.0/24 ", -EINVAL, 0, NULL},
		{"192.0.2.0/24/24", -EINVAL, 0, NULL},
		{"192.0.2.0/4294967320", -EINVAL, 0, NULL},
		{"192.0.2.0/18446744073709551640", -EINVAL, 0, NULL},
		{"192.0.2/24", -EINVAL, 0, NULL},
		{"/24", -EINVAL, 0, NULL},
		{"", -EINVAL, 0, NULL},
		{"192.0.2.0/255.255.255.0", -EINVAL, 0, NULL},
		{"11111111111111111111111111111111111111111111111111/8", -EINVAL, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prefix p = {.len = 77}, again;
		char buf[PREFIX_TEXT];
		int rc = prefix_parse(rows[i].in, &p);

		if (rc != rows[i].rc)
			fail_msg("\"%s\": %d", rows[i].in, rc);
		assert_int_equal(p.len, rc ? 77 : rows[i].len);
		if (rc)
			continue;
		assert_string_equal(prefix_text(&p, buf), rows[i].out);
		assert_int_equal(prefix_parse(buf, &again), 0);
		assert_memory_equal(&p, &again, sizeof(p));
	}
}

static void every_prefix_survives_text(void **state)
{
	uint64_t rnd = 3;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct addr a = random_addr(&rnd);
		uint32_t shortest = addr_is4(&a) ? 96 : 0;
		struct prefix p, back;
		char buf[PREFIX_TEXT];

		p = addr_mask(&a, (uint8_t)(shortest + random_below(&rnd, 129 - shortest)));
		assert_int_equal(prefix_parse(prefix_text(&p, buf), &back), 0);
		assert_memory_equal(&p, &back, sizeof(p));
		assert_true(prefix_holds(&p, &a));
	}
}

static void endpoints_need_brackets_around_ipv6_only(void **state)
{
	static const struct {
		const char *in;
		int rc;
		uint16_t port;
		const char *out;
	} rows[] = {
		{"192.0.2.1:25", 0, 25, "192.0.2.1:25"},
		{"0.0.0.0:1", 0, 1, "0.0.0.0:1"},
		{"[::]:65535", 0, 65535, "[::]:65535"},
		{"[2001:db8::1]:25", 0, 25, "[2001:db8::1]:25"},
		{"[::ffff:192.0.2.1]:25", 0, 25, "192.0.2.1:25"},
		{"[2001:db8:1111:2222:3333:4444:5555:6666]:65535", 0, 65535,
		 "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"},
		{"192.0.2.1", -EINVAL, 0, NULL},
		{"192.0.2.1:", -EINVAL, 0, NULL},
		{"192.0.2.1:0", -EINVAL, 0, NULL},
		{"192.0.2.1:025", -EINVAL, 0, NULL},
		{"192.0.2.1:65536", -EINVAL, 0, NULL},
		{"192.0.2.1:99999999999", -EINVAL, 0, NULL},
		{"192.0.2.1:smtp", -EINVAL, 0, NULL},
		{"192.0.2.1:25 ", -EINVAL, 0, NULL},
		{"192.0.2.1:-1", -EINVAL, 0, NULL},
		{"[192.0.2.1]:25", -EINVAL, 0, NULL},
		{"::1:25", -EINVAL, 0, NULL},
		{"2001:db8::1:25", -EINVAL, 0, NULL},
		{"[::1]", -EINVAL, 0, NULL},
		{"[::1]25", -EINVAL, 0, NULL},
		{"[::1]:", -EINVAL, 0, NULL},
		{"[::1:25", -EINVAL, 0, NULL},
		{"::1]:25", -EINVAL, 0, NULL},
		{"[]:25", -EINVAL, 0, NULL},
		{"[:25", -EINVAL, 0, NULL},
		{"[", -EINVAL, 0, NULL},
		{":25", -EINVAL, 0, NULL},
		{":", -EINVAL, 0, NULL},
		{"", -EINVAL, 0, NULL},
		{"mail.example.net:25", -EINVAL, 0, NULL},
		{"[fe80::1%lo]:25", -EINVAL, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint e = {.port = 7}, same;
		char buf[ENDPOINT_TEXT];
		int rc = endpoint_parse(rows[i].in, &e);

		if (rc != rows[i].rc)
			fail_msg("\"%s\": %d", rows[i].in, rc);
		assert_int_equal(e.port, rc ? 7 : rows[i].port);
		if (rc)
			continue;
		assert_string_equal(endpoint_text(&e, buf), rows[i].out);
		assert_int_equal(endpoint_parse(buf, &same), 0);
		assert_true(endpoint_eq(&e, &same));
		same.port ^= 1;
		assert_false(endpoint_eq(&e, &same));
		same.port ^= 1;
		same.addr.b[15] ^= 1;
		assert_false(endpoint_eq(&e, &same));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_print_in_their_canonical_form),
		cmocka_unit_test(malformed_addresses_are_refused),
		cmocka_unit_test(every_address_survives_text_and_socket),
		cmocka_unit_test(a_mapped_socket_address_is_ipv4),
		cmocka_unit_test(the_any_address_is_known_in_both_families),
		cmocka_unit_test(a_mask_keeps_exactly_its_bits),
		cmocka_unit_test(a_prefix_holds_what_shares_its_bits_and_family),
		cmocka_unit_test(prefixes_are_read_as_people_write_them),
		cmocka_unit_test(every_prefix_survives_text),
		cmocka_unit_test(endpoints_need_brackets_around_ipv6_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
