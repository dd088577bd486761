// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "selftests/unit/policy/settings.h"
#include "selftests/unit/random.h"

static void evidence_gives_the_class(void **state)
{
	static const struct {
		struct policy_evidence e;
		enum policy_class class;
	} rows[] = {
		/* what is not known is held against nobody */
		{{.name = ""}, CLASS_DEFAULT},
		{{.spf = SPF_NONE}, CLASS_DEFAULT},
		{{.spf = SPF_PASS, .spf_domain = "example.org"}, CLASS_DEFAULT},
		{{.spf = SPF_TEMPERROR}, CLASS_DEFAULT},
		{{.spf = SPF_PERMERROR}, CLASS_DEFAULT},
		{{.name_state = NAME_CONFIRMED, .name = "mx.example.org"}, CLASS_DEFAULT},
		{{.name_state = NAME_CONFIRMED, .name = "mx.example.org", .spf = SPF_SOFTFAIL},
		 CLASS_DEFAULT},
		{{.name_state = NAME_CONFIRMED, .name = "mx.example.org", .spf = SPF_NEUTRAL},
		 CLASS_DEFAULT},
		{{.name_state = NAME_CONFIRMED, .name = "mx.example.org", .spf = SPF_PASS},
		 CLASS_CLEAN},
		{{.name_state = NAME_CONFIRMED,
		  .name = "mx.example.org",
		  .spf = SPF_PASS,
		  .list_score = 1},
		 CLASS_SUSPICIOUS},
		{{.name_state = NAME_CONFIRMED,
		  .name = "mx.example.org",
		  .spf = SPF_PASS,
		  .early_talk = true},
		 CLASS_SUSPICIOUS},
		{{.name_state = NAME_CONFIRMED,
		  .name = "mx.example.org",
		  .spf = SPF_PASS,
		  .early_pipelining = true},
		 CLASS_SUSPICIOUS},
		{{.name_state = NAME_CONFIRMED,
		  .name = "mx.example.org",
		  .spf = SPF_PASS,
		  .bad_helo = true},
		 CLASS_SUSPICIOUS},
		{{.name_state = NAME_CONFIRMED,
		  .name = "mx.example.org",
		  .spf = SPF_PASS,
		  .many_errors = true},
		 CLASS_SUSPICIOUS},
		{{.name_state = NAME_CONFIRMED,
		  .name = "mx.example.org",
		  .spf = SPF_PASS,
		  .bad_path = true},
		 CLASS_SUSPICIOUS},
		/* SPF never absolves */
		{{.name_state = NAME_NONE, .spf = SPF_PASS}, CLASS_SUSPICIOUS},
		{{.name_state = NAME_UNCONFIRMED, .spf = SPF_PASS}, CLASS_SUSPICIOUS},
		{{.name_state = NAME_CONFIRMED, .name = "dsl-17.isp.example", .spf = SPF_PASS},
		 CLASS_SUSPICIOUS},
		{{.name_state = NAME_CONFIRMED, .name = "mx.example.org", .spf = SPF_FAIL},
		 CLASS_SUSPICIOUS},
		{{.list_score = 32000}, CLASS_SUSPICIOUS},
		/* a list of good senders vouches, unless the session itself says otherwise */
		{{.list_score = -1}, CLASS_EXEMPT},
		{{.list_score = -1, .name_state = NAME_NONE}, CLASS_EXEMPT},
		{{.list_score = -1, .early_talk = true}, CLASS_SUSPICIOUS},
		{{.list_score = -1, .early_pipelining = true}, CLASS_SUSPICIOUS},
		{{.list_score = -9, .bad_helo = true}, CLASS_SUSPICIOUS},
		{{.list_score = -9, .not_smtp = true}, CLASS_SUSPICIOUS},
		{{.list_score = -9, .many_errors = true}, CLASS_SUSPICIOUS},
		{{.list_score = -9, .bad_path = true}, CLASS_SUSPICIOUS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");

		a.evidence = &rows[i].e;
		if (policy_classify(&a) != rows[i].class)
			fail_msg("row %zu: %s", i, policy_class_text(policy_classify(&a)));
		a.exempt = true;
		assert_int_equal(policy_classify(&a), CLASS_EXEMPT);
	}
}

static void without_evidence_the_default(void **state)
{
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");

	(void)state;
	assert_int_equal(policy_classify(&a), CLASS_DEFAULT);
	a.recipient = "Postmaster@y";
	assert_int_equal(policy_classify(&a), CLASS_EXEMPT);
}

static struct policy_evidence anything(uint64_t *x)
{
	static const char *const names[] = {"", "mx.example.org", "dsl-7.isp.example", "co.uk",
					    "192-0-2-7.isp.example"};
	struct policy_evidence e = {
		.name_state = (uint8_t)random_below(x, 4),
		.spf = (uint8_t)random_below(x, 8),
		.early_talk = !random_below(x, 8),
		.early_pipelining = !random_below(x, 8),
		.bad_helo = !random_below(x, 8),
		.not_smtp = !random_below(x, 8),
		.many_errors = !random_below(x, 8),
		.bad_path = !random_below(x, 8),
		.list_score = (int16_t)(random_below(x, 5)) - 2,
	};

	if (e.name_state == NAME_CONFIRMED)
		snprintf(e.name, sizeof(e.name), "%s", names[random_below(x, 5)]);
	if (e.spf == SPF_PASS)
		snprintf(e.spf_domain, sizeof(e.spf_domain), "example.org");
	return e;
}

/* Whatever the evidence, no unknown source passes at its first attempt unless it is exempt; and the
 * decision's class is the one that the evidence alone gives. */
static void nothing_unknown_passes_whatever_the_evidence(void **state)
{
	uint64_t x = 17;

	(void)state;
	for (int round = 0; round < 30000; round++) {
		struct policy_evidence e = anything(&x);
		struct policy_attempt a = attempt(round % 2 ? "192.0.2.7" : "2001:db8::7",
						  round % 5 ? "a@x" : "", "b@y");
		struct policy_identity ids[POLICY_RUNGS];
		struct record records[POLICY_RUNGS] = {0};
		struct policy_conf c = settings();
		struct policy_decision d;
		int n;

		a.evidence = &e;
		c.match = round % 3 ? MATCH_NETWORK : MATCH_ADDRESS;
		c.jitter = 20;
		n = policy_identities(&c, &a, ids);
		assert_in_range(n, 1, POLICY_RUNGS);
		d = policy_decide(&c, &a, ids, records, n, NOW);
		assert_int_equal(d.delay_class, policy_classify(&a));
		assert_int_equal(d.verdict == POLICY_PASS, d.delay_class == CLASS_EXEMPT);
		assert_int_equal(d.reason, d.verdict == POLICY_PASS ? REASON_EXEMPT : REASON_FIRST);
	}
}

/* Random evidence against random records: never a better class than the first attempt's, never less
 * than suspicious where the evidence speaks against the host, else exactly the record's; whoever is
 * told a wait passes after it. */
static void a_host_never_gains_by_its_company(void **state)
{
	uint64_t x = 23;

	(void)state;
	for (int round = 0; round < 30000; round++) {
		struct policy_evidence e = anything(&x);
		struct policy_attempt a =
			attempt(round % 2 ? "192.0.2.7" : "2001:db8::7", "a@x", "b@y");
		struct policy_identity ids[POLICY_RUNGS];
		struct record records[POLICY_RUNGS] = {0};
		struct policy_conf c = settings();
		struct policy_decision d;
		enum policy_class class;
		bool against;
		int n, met;

		a.evidence = &e;
		c.jitter = 20;
		n = policy_identities(&c, &a, ids);
		met = (int)random_below(&x, (uint32_t)n);
		class = (enum policy_class)(1 + random_below(&x, 3));
		records[met] = (struct record){
			.tag = ids[met].tag,
			.first = NOW - random_below(&x, 1200),
			.state = RECORD_GREY,
			.delay_class = (uint8_t) class,
		};
		d = policy_decide(&c, &a, ids, records, n, NOW);
		if (d.reason == REASON_EXEMPT)
			continue;
		against = e.early_talk || e.early_pipelining || e.bad_helo || e.not_smtp ||
			  e.many_errors || e.bad_path || e.list_score > 0 || e.spf == SPF_FAIL ||
			  (e.name_state == NAME_CONFIRMED && policy_dynamic(e.name, &a.src));
		assert_int_equal(d.tag, ids[met].tag);
		assert_int_equal(d.delay_class, against ? CLASS_SUSPICIOUS : class);
		if (d.verdict == POLICY_PASS)
			assert_true(d.age >= policy_delay(&c, d.delay_class, d.tag));
		else
			assert_int_equal(
				policy_decide(&c, &a, ids, records, n, NOW + d.wait).reason,
				REASON_MATURE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_gives_the_class),
		cmocka_unit_test(without_evidence_the_default),
		cmocka_unit_test(nothing_unknown_passes_whatever_the_evidence),
		cmocka_unit_test(a_host_never_gains_by_its_company),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
