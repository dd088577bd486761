// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "settings.h"

static void proof_is_spf_or_the_confirmed_name(void **state)
{
	static const struct {
		struct policy_evidence evidence;
		const char *names[POLICY_PROVEN + 1];
	} rows[] = {
		{{.spf = SPF_PASS, .spf_domain = "bounce.example.org"}, {"example.org"}},
		{{.spf = SPF_NEUTRAL, .spf_domain = "example.org"}, {NULL}},
		{{.spf = SPF_SOFTFAIL, .spf_domain = "example.org"}, {NULL}},
		{{.spf = SPF_FAIL, .spf_domain = "example.org"}, {NULL}},
		{{.spf = SPF_TEMPERROR, .spf_domain = "example.org"}, {NULL}},
		{{.spf = SPF_PASS}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "co.uk"}, {NULL}},
		{{.name_state = NAME_CONFIRMED, .name = "mx1.mail.example.org"}, {"example.org"}},
		{{.name_state = NAME_UNCONFIRMED, .name = "mx1.example.org"}, {NULL}},
		{{.name_state = NAME_CONFIRMED, .name = "192-0-2-7.dsl.example.org"}, {NULL}},
		{{.spf = SPF_PASS,
		  .spf_domain = "example.org",
		  .name_state = NAME_CONFIRMED,
		  .name = "mx.example.co.uk"},
		 {"example.org", "example.co.uk"}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .early_talk = true}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .early_pipelining = true}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .bad_helo = true}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .not_smtp = true}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .many_errors = true}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .bad_path = true}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .list_score = 1}, {NULL}},
		{{.spf = SPF_PASS, .spf_domain = "example.org", .list_score = -1}, {"example.org"}},
		{{0}, {NULL}},
	};
	struct policy_attempt a = attempt("192.0.2.7", "x@example.org", "y@example.net");
	const char *names[POLICY_PROVEN];

	(void)state;
	assert_int_equal(policy_proven(NULL, &a.src, names), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int n = policy_proven(&rows[i].evidence, &a.src, names), want = 0;

		while (rows[i].names[want])
			want++;
		if (n != want)
			fail_msg("row %zu: %d names", i, n);
		for (int k = 0; k < n; k++)
			assert_string_equal(names[k], rows[i].names[k]);
	}
}

static void a_correspondent_does_not_wait(void **state)
{
	static const struct {
		uint8_t record;
		enum policy_mode mode;
		enum policy_reason reason;
	} rows[] = {
		{RECORD_NONE, POLICY_ENFORCE, REASON_CORRESPONDENT},
		{RECORD_GREY, POLICY_ENFORCE, REASON_CORRESPONDENT},
		{RECORD_PASSED, POLICY_ENFORCE, REASON_KNOWN},
		{RECORD_NONE, POLICY_LEARN, REASON_CORRESPONDENT},
		{RECORD_NONE, POLICY_OFF, REASON_OFF},
	};
	struct policy_attempt a = attempt("192.0.2.7", "x@example.org", "y@example.net");

	(void)state;
	a.correspondent = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record r = {.tag = 77,
				   .state = rows[i].record,
				   .first = NOW,
				   .last = NOW,
				   .delay_class = CLASS_DEFAULT};
		struct policy_conf c = settings();
		struct policy_decision d;

		c.mode = rows[i].mode;
		d = decide_one(&c, &a, &r, NOW);
		assert_int_equal(d.verdict, POLICY_PASS);
		assert_int_equal(d.reason, rows[i].reason);
		assert_int_equal(d.wait, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proof_is_spf_or_the_confirmed_name),
		cmocka_unit_test(a_correspondent_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
