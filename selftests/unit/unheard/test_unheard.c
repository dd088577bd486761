// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unheard.h"

static void who_is_dropped(void **state)
{
	static const struct {
		struct unheard_sums before, after;
		bool was, is;
	} t[] = {
		{{0, 0, 0}, {0, 0, 0}, false, false},
		{{0, 0, 0}, {3, 0, 0}, false, true},
		{{7, 100, 2}, {17, 104, 2}, false, true},
		{{7, 100, 2}, {17, 105, 2}, false, false},        /* other TCP of this machine */
		{{7, 100, 2}, {9, 100, 2}, false, false},         /* too few to tell */
		{{0, 0, 0}, {1000000, 1000000, 0}, false, false}, /* SYNs without a handshake */
		{{0, 0, 0}, {1000000, 999990, 0}, false, false},
		{{0, 0, 0}, {1000000, 10, 1}, false, false}, /* one came through */
		/* Once known, it stays until somebody comes through. */
		{{0, 0, 0}, {0, 50, 0}, true, true},
		{{0, 0, 0}, {9, 50, 0}, true, true},
		{{0, 0, 0}, {9, 50, 1}, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (unheard_judge(&t[i].before, &t[i].after, t[i].was) != t[i].is)
			fail_msg("case %zu", i);
}

static void segments_of_tcp(void **state)
{
	static const struct {
		const char *text;
		bool told;
	} t[] = {
		{"Ip: InSegs\nIp: 9\nTcp: A InSegs B\nTcp: 1 4711 2\n", true},
		{"Ip: X\nIp: 9\nTcp: A InSegs\nTcp: 1 4711\n", true},
		{"Ip: X\nIp: 9\nTcp: InSegs\nTcp: 4711", true},
		{"Ip: X\nIp: 9\nTcp: A InSegsX\nTcp: 1 4711\n", false},
		{"Ip: X\nIp: 9\nTcp: A InSegs\nTcp: 1\n", false},
		{"Ip: X\nIp: 9\nTcp: A InSegs\nTcp: 1 many\n", false},
		{"Ip: X\nIp: 9\nTcp: A InSegs\nUdp: 1 4711\n", false},
		{"Ip: InSegs\nIp: 9\n", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t n = 5;

		if (unheard_segments(t[i].text, &n) != t[i].told)
			fail_msg("%s", t[i].text);
		assert_int_equal(n, t[i].told ? 4711 : 5);
	}
}

/* As the kernel at hand writes it. */
static void the_machine_at_hand(void **state)
{
	char text[4096] = "";
	FILE *f = fopen("/proc/net/snmp", "r");
	uint64_t n;

	(void)state;
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	assert_true(unheard_segments(text, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_dropped),
		cmocka_unit_test(segments_of_tcp),
		cmocka_unit_test(the_machine_at_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
