// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "selftests/unit/random.h"
#include "selftests/unit/replay/trace.h"

#define HEADER "time\tip\thelo\tsender\trecipient\trdns\tspf"

static struct replay_tsv columns(const char *header)
{
	struct replay_tsv t = {.count = 0};
	char line[200], why[REPLAY_WHY];

	snprintf(line, sizeof(line), "%s", header);
	assert_int_equal(replay_tsv_header(&t, line, why), 0);
	return t;
}

static void a_row_is_read(void **state)
{
	struct replay_tsv t = columns(HEADER);
	char line[] = "61\t198.18.64.10\tcol01.hotmail.example\talice@hotmail.example\t"
		      "bob@example.net\tCol01.Hotmail.Example.\tpass";
	struct replay_attempt a;
	char why[REPLAY_WHY], ip[ADDR_TEXT];

	(void)state;
	assert_int_equal(replay_tsv_row(&t, line, &a, why), 0);
	assert_int_equal(a.time, 61000);
	assert_string_equal(addr_text(&a.src, ip), "198.18.64.10");
	assert_string_equal(a.helo, "col01.hotmail.example");
	assert_string_equal(a.sender, "alice@hotmail.example");
	assert_string_equal(a.recipient, "bob@example.net");
	assert_int_equal(a.evidence.name_state, NAME_CONFIRMED);
	assert_string_equal(a.evidence.name, "col01.hotmail.example");
	assert_int_equal(a.evidence.spf, SPF_PASS);
	assert_string_equal(a.evidence.spf_domain, "hotmail.example");
	assert_int_equal(a.evidence.list_score, 0);
	assert_false(a.evidence.bad_helo || a.evidence.early_talk || a.evidence.early_pipelining ||
		     a.evidence.not_smtp || a.evidence.many_errors || a.evidence.bad_path);
}

static void fractions_are_thousandths(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
		{"0", 0},          {"0.", 0},
		{"0.9", 900},      {"7.05", 7050},
		{"7.0059", 7005},  {"7.9999999999999", 7999},
		{"007.125", 7125}, {"2147483647.999", 2147483647999},
	};
	struct replay_tsv t = columns("time\tip\tsender\trecipient");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[100], why[REPLAY_WHY];
		struct replay_attempt a;

		snprintf(line, sizeof(line), "%s\t192.0.2.1\ta@x\tb@y", rows[i].text);
		assert_int_equal(replay_tsv_row(&t, line, &a, why), 0);
		assert_int_equal(a.time, rows[i].ms);
	}
}

static void columns_may_stand_anywhere(void **state)
{
	struct replay_tsv t = columns("note\trecipient\tsender\tip\ttime");
	char line[] = "x\t<b@y>\t<>\t2001:db8::7\t12.75";
	struct replay_attempt a;
	char why[REPLAY_WHY];

	(void)state;
	assert_int_equal(replay_tsv_row(&t, line, &a, why), 0);
	assert_int_equal(a.time, 12750);
	assert_string_equal(a.sender, "");
	assert_string_equal(a.recipient, "b@y");
	assert_string_equal(a.helo, "");
	/* a column that is missing is not the same as an empty field */
	assert_int_equal(a.evidence.name_state, NAME_UNKNOWN);
	assert_int_equal(a.evidence.spf, SPF_UNKNOWN);
}

static void an_empty_name_is_none(void **state)
{
	struct replay_tsv t = columns(HEADER);
	char line[] = "0\t192.0.2.1\thelo.example\t\tb@y\t\t";
	struct replay_attempt a;
	char why[REPLAY_WHY];

	(void)state;
	assert_int_equal(replay_tsv_row(&t, line, &a, why), 0);
	assert_int_equal(a.evidence.name_state, NAME_NONE);
	assert_int_equal(a.evidence.spf, SPF_UNKNOWN);
	/* without a sender SPF speaks of HELO */
	assert_string_equal(a.evidence.spf_domain, "helo.example");
}

static void bad_headers(void **state)
{
	static const struct {
		const char *header, *named;
	} rows[] = {
		{"", "\"time\""},
		{"ip\thelo\tsender\trecipient\trdns\tspf", "\"time\""},
		{"time\thelo\tsender\trecipient", "\"ip\""},
		{"time\tip\trecipient", "\"sender\""},
		{"time\tip\tsender", "\"recipient\""},
		{"time ip helo sender recipient rdns spf", "\"time\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct replay_tsv t = {.count = 77};
		char line[200], why[REPLAY_WHY];

		snprintf(line, sizeof(line), "%s", rows[i].header);
		assert_int_equal(replay_tsv_header(&t, line, why), -EINVAL);
		assert_non_null(strstr(why, rows[i].named));
		assert_int_equal(t.count, 77);
	}
}

static void bad_rows(void **state)
{
	static const struct {
		const char *row, *why;
	} rows[] = {
		{"", "1 fields instead of the 7"},
		{"0\t192.0.2.1\th\ta@x\tb@y\tn", "6 fields"},
		{"0\t192.0.2.1\th\ta@x\tb@y\tn\tpass\tmore", "8 fields"},
		{"\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time \"\""},
		{"-1\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time \"-1\""},
		{"1e3\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time"},
		{"1,5\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time"},
		{"1.5.5\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time"},
		{"1.5s\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time"},
		{"2147483648\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time"},
		{"99999999999999999999\t192.0.2.1\th\ta@x\tb@y\tn\tpass", "time"},
		{"0\t192.0.2\th\ta@x\tb@y\tn\tpass", "ip \"192.0.2\""},
		{"0\t\th\ta@x\tb@y\tn\tpass", "ip \"\""},
		{"0\t192.0.2.1\th\ta@x\t\tn\tpass", "recipient"},
		{"0\t192.0.2.1\th\ta@x\t<>\tn\tpass", "recipient"},
		{"0\t192.0.2.1\th\ta@x\tb@y\tn\tPASS", "spf \"PASS\""},
		{"0\t192.0.2.1\th\ta@x\tb@y\tn\tmaybe", "spf \"maybe\""},
	};
	struct replay_tsv t = columns(HEADER);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct replay_attempt a;
		char line[200], why[REPLAY_WHY] = "";

		snprintf(line, sizeof(line), "%s", rows[i].row);
		assert_int_equal(replay_tsv_row(&t, line, &a, why), -EINVAL);
		if (!strstr(why, rows[i].why))
			fail_msg("row %zu: %s", i, why);
	}
}

static void anything_is_an_answer(void **state)
{
	static const char bytes[] = "\t\t\t0123456789.:<>@abcpass\xff ";
	struct replay_tsv t = columns(HEADER);
	uint64_t x = 6;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		char line[600], why[REPLAY_WHY] = "";
		struct replay_attempt a;
		uint32_t len = random_below(&x, round % 50 ? 60 : 599);
		int rc;

		for (uint32_t i = 0; i < len; i++)
			line[i] = bytes[random_below(&x, sizeof(bytes) - 1)];
		line[len] = 0;
		rc = replay_tsv_row(&t, line, &a, why);
		assert_true(rc == 0 || (rc == -EINVAL && *why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_read),
		cmocka_unit_test(fractions_are_thousandths),
		cmocka_unit_test(columns_may_stand_anywhere),
		cmocka_unit_test(an_empty_name_is_none),
		cmocka_unit_test(bad_headers),
		cmocka_unit_test(bad_rows),
		cmocka_unit_test(anything_is_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
