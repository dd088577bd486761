// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "selftests/unit/policy/settings.h"
#include "selftests/unit/random.h"

static bool dynamic(const char *name, const char *src)
{
	struct addr a;

	assert_int_equal(addr_parse(src, &a), 0);
	return policy_dynamic(name, &a);
}

static void vectors(void **state)
{
	static const struct {
		const char *name, *src;
		bool dynamic;
	} rows[] = {
		/* the address, in any order and base */
		{"198-51-100-7.isp.example", "198.51.100.7", true},
		{"7.100.51.198.isp.example", "198.51.100.7", true},
		{"h198x51x100x7.isp.example", "198.51.100.7", true},
		{"100-7-198-51.isp.example", "198.51.100.7", true},
		{"host198051100007.isp.example", "198.51.100.7", true},
		{"c6336407.isp.example", "198.51.100.7", true},
		{"ip-076433c6.isp.example", "198.51.100.7", true},
		{"c6-33-64-07.isp.example", "198.51.100.7", true},
		{"pc6336407x.isp.example", "198.51.100.7", true},
		{"306063144007.isp.example", "198.51.100.7", true}, /* octal */
		{"306-063-144-007.isp.example", "198.51.100.7", true},
		{"7.0144.63.0306.isp.example", "198.51.100.7", true},
		{"0xc6-0x33-0x64-7.isp.example", "198.51.100.7", true},
		{"0xcb-0x0-0x71-7.isp.example", "203.0.113.7", true},
		{"0xcb0x000x710x07.isp.example", "203.0.113.7", true},
		{"host-0xcb007107.isp.example", "203.0.113.7", true},
		{"0x077100cb.isp.example", "203.0.113.7", true},
		{"0313-0-0x71-007.isp.example", "203.0.113.7", true},
		{"0x7.113.00.0313.isp.example", "203.0.113.7", true},
		{"203-000-113-007.isp.example", "203.0.113.7", true},
		{"007113000203.isp.example", "203.0.113.7", true},
		{"c0x33x64x07.isp.example", "198.51.100.7", false},
		{"0xcb-0x0-0x71-8.isp.example", "203.0.113.7", false},
		{"0xcb-0x0-7.isp.example", "203.0.113.7", false},
		{"0x-0xg-0x71-7.isp.example", "203.0.113.7", false},
		{"306-063-144-006.isp.example", "198.51.100.7", false},
		{"3325256711.isp.example", "198.51.100.7", true},
		{"7-100-51.isp.example", "198.51.100.7", true},
		{"2001-db8-1-2--7.isp.example", "2001:db8:1:2::7", true},
		{"20010db8000100020000000000000007.isp.example", "2001:db8:1:2::7", true},
		{"x0000000000000007.isp.example", "2001:db8:1:2::7", true},
		{"1000000000000007.isp.example", "2001:db8::7", false},
		{"2001db8.isp.example", "2001:db8::7", false},
		{"host-2001-0db8-0001-0002-0000-0000-0000-0007.isp.example", "2001:db8:1:2::7",
		 true},
		{"2-0-0-1-0-d-b-8-0-0-0-1-0-0-0-2-0-0-0-0-0-0-0-0-0-0-0-0-0-0-0-7.isp.example",
		 "2001:db8:1:2::7", true},
		{"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.v6.isp.example", "2001:db8:1:2::7", true},
		/* words */
		{"dsl-17.isp.example", "198.51.100.7", true},
		{"adsl-pool17.isp.example", "198.51.100.7", true},
		{"host17.dyn.isp.example", "198.51.100.7", true},
		{"p5.dip0.isp.example", "198.51.100.7", true},
		{"ppp17.isp.example", "198.51.100.7", true},
		{"pool-17.city.isp.example", "198.51.100.7", true},
		{"dhcp17.campus.example", "198.51.100.7", true},
		{"c-17.hsd1.ca.isp.example", "198.51.100.7", true},
		{"host17.client.isp.example", "198.51.100.7", true},
		{"ftth-17.isp.example", "2001:db8::1", true},
		{"host-100-7.isp.example", "198.51.100.7", true},
		{"mail.dyn-198-51-100-7.isp.example", "198.51.100.7", true},
		/* providers */
		{"ec2-198-51-100-7.compute-1.amazonaws.com", "198.51.100.7", true},
		{"7.100.51.198.bc.googleusercontent.com", "198.51.100.7", true},
		{"p57a1b2c3.dip0.t-ipconnect.de", "87.161.178.195", true},
		{"vmi12.contaboserver.net", "198.51.100.7", true},
		/* mail servers */
		{"mail-01.google.example", "198.18.0.10", false},
		{"omr01.aol.example", "198.18.128.10", false},
		{"sonic312-21.consmr.mail.bf2.yahoo.com", "74.6.128.83", false},
		{"mail-wr1-f41.google.com", "209.85.221.41", false},
		{"a8-29.smtp-out.amazonses.com", "54.240.8.29", false},
		{"mail-eopbgr80041.outbound.protection.outlook.com", "40.107.8.41", false},
		{"mail180-14.suw31.mandrillapp.com", "198.2.180.14", false},
		{"o1.email.example.org", "198.51.100.7", false},
		{"mx1.example.org", "198.51.100.1", false},
		{"mail1.example.com", "203.0.113.1", false},
		{"mx-10-20.big.example", "198.51.10.20", false},
		{"mta-203-113.big.example", "203.0.113.7", false},
		{"web7.dc203.big.example", "203.0.113.7", false},
		{"server0x10.big.example", "198.51.100.16", false},
		{"smtp-0xcb-0x0-0x71-7.isp.example", "203.0.113.7", false},
		{"a8-cb.big.example", "203.0.113.168", false},
		{"node203.big.example", "203.0.113.7", false},
		{"mout-p-101.mailbox.example", "80.241.56.151", false},
		{"smtp-out-198-51-100-7.isp.example", "198.51.100.7", false},
		{"static-198-51-100-7.isp.example", "198.51.100.7", false},
		{"smtp.dsl.isp.example", "198.51.100.7", false},
		{"mail-pool-3.sender.example", "198.51.100.7", false},
		{"host17.hoster.example", "198.51.100.7", false},
		{"vps-100-7.hoster.example", "198.51.100.7", false},
		{"server.example.org", "2001:db8::1", false},
		{"mail.example.org", "2001:db8:1:2::7", false},
		/* a company may be called as it likes */
		{"mx.dslextreme.com", "198.51.100.7", false},
		{"www.pool.example", "198.51.100.7", false},
		{"dyn.com", "198.51.100.7", false},
		{"example", "198.51.100.7", false},
		{"", "198.51.100.7", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dynamic(rows[i].name, rows[i].src) != rows[i].dynamic)
			fail_msg("%s of %s: %s", rows[i].name, rows[i].src,
				 rows[i].dynamic ? "is dynamic" : "is not");
}

/* Every order of the octets, in every base, with every border between them. */
static void any_order_any_base(void **state)
{
	static const char *const borders[] = {"-", ".", "x", ""};
	uint64_t x = 9;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		uint8_t o[4], order[4] = {0, 1, 2, 3};
		const char *border = borders[random_below(&x, 4)];
		char name[100], src[40];
		size_t len = 0;
		uint32_t base = random_below(&x, 3);

		for (int i = 0; i < 4; i++)
			o[i] = (uint8_t)(1 + random_below(&x, 255));
		for (uint32_t i = 3; i; i--) {
			uint32_t k = random_below(&x, i + 1);
			uint8_t t = order[i];

			order[i] = order[k];
			order[k] = t;
		}
		if (base == 1 && *border == 'x')
			border = "-";
		for (int i = 0; i < 4; i++) {
			const char *b = i ? border : "";

			if (base == 0)
				len += (size_t)snprintf(name + len, sizeof(name) - len, "%s%03u", b,
							o[order[i]]);
			else if (base == 1)
				len += (size_t)snprintf(name + len, sizeof(name) - len, "%s%02x", b,
							o[order[i]]);
			else
				len += (size_t)snprintf(name + len, sizeof(name) - len, "%s%u",
							*border ? b
							: i     ? "-"
								: "",
							o[order[i]]);
		}
		snprintf(name + len, sizeof(name) - len, ".isp.example");
		snprintf(src, sizeof(src), "%u.%u.%u.%u", o[0], o[1], o[2], o[3]);
		if (!dynamic(name, src))
			fail_msg("%s of %s", name, src);
		/* with another address it is just a name */
		snprintf(src, sizeof(src), "%u.%u.%u.%u", o[0] ^ 0x80, o[1] ^ 0x40, o[2] ^ 0x20,
			 o[3] ^ 0x10);
		if (*border && base == 2)
			assert_false(dynamic("mail.example.org", src));
	}
}

/* Random names stay in bounds; the answer is the same twice. */
static void any_name(void **state)
{
	static const char letters[] = "abcdefxyzdslpool0123456789-.._";
	uint64_t x = 21;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		char name[EVIDENCE_NAME];
		uint32_t len = random_below(&x, round % 2 ? 255 : 30);
		const char *src = round % 3 ? "198.51.100.7" : "2001:db8::7";

		for (uint32_t i = 0; i < len; i++)
			name[i] = letters[random_below(&x, sizeof(letters) - 1)];
		name[len] = 0;
		assert_int_equal(dynamic(name, src), dynamic(name, src));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(any_order_any_base),
		cmocka_unit_test(any_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
