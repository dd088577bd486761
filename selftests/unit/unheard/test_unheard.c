// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../../userspace/unheard.c"

static struct fastpath_part parts[2] = {{.kind = FASTPATH_POLICY}, {.kind = FASTPATH_XDP}};
static bool port;
static uint64_t handed;

int fastpath_parts(struct fastpath *fp, struct fastpath_part ret[FASTPATH_PARTS])
{
	(void)fp;
	memcpy(ret, parts, sizeof(parts));
	return 2;
}

bool fastpath_port(const char *interface, char ret[FASTPATH_PORT])
{
	(void)interface;
	(void)ret;
	return port;
}

bool fastpath_ahead(const char *interface, char ret[FASTPATH_PORT], char ret_mend[FASTPATH_PORT])
{
	(void)interface;
	(void)ret;
	(void)ret_mend;
	return false;
}

bool fastpath_upper(const char *interface, char *const *interfaces, int interface_count,
		    char ret_name[16], char ret_kind[16])
{
	(void)interface;
	(void)interfaces;
	(void)interface_count;
	(void)ret_name;
	(void)ret_kind;
	return false;
}

int fastpath_stats(struct fastpath *fp, uint64_t ret[GG_STAT_MAX])
{
	(void)fp;
	ret[GG_STAT_tc_daemon] = handed;
	return 0;
}

uint64_t daemon_count(const struct daemon *d, enum counter which)
{
	(void)d;
	(void)which;
	return 0;
}

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

/* Far more are handed over than TCP of this machine can have received meanwhile. */
static bool is_told_after(struct daemon *d, int looks)
{
	for (int i = 0; i < looks * LOOK_EVERY; i++) {
		handed += i % LOOK_EVERY == 5 ? 1ULL << 40 : 0;
		unheard_step(d);
	}
	return unheard_why();
}

static void what_goes_past_for_want_of_a_part_is_no_firewall(void **state)
{
	char name[] = "g0", *interfaces[] = {name};
	struct config config = {
		.mode = GG_MODE_GATEWAY, .interfaces = interfaces, .interface_count = 1};
	struct daemon d = {.fastpath = (struct fastpath *)&d}; /* nobody looks into it */

	(void)state;
	atomic_store(&d.config, &config);
	assert_true(is_told_after(&d, 2));
	parts[1].state = FASTPATH_GONE; /* XDP hands nobody over */
	assert_true(is_told_after(&d, 1));
	parts[0].state = FASTPATH_GONE;
	assert_false(is_told_after(&d, 3));
	parts[0].state = FASTPATH_STANDS;
	port = true;
	assert_false(is_told_after(&d, 3));
	port = false;
	/* By what was counted since. */
	assert_false(is_told_after(&d, 1));
	assert_true(is_told_after(&d, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_dropped),
		cmocka_unit_test(segments_of_tcp),
		cmocka_unit_test(the_machine_at_hand),
		cmocka_unit_test(what_goes_past_for_want_of_a_part_is_no_firewall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
