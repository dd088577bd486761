// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "policy/policy.h"

static void mailboxes_have_one_spelling(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"", ""},
		{"User@Example.NET", "user@example.net"},
		{"\"user\"@example.net", "user@example.net"},
		{"\"us\\er\"@example.net", "user@example.net"},
		{"\"a b\"@example.net", "a b@example.net"},
		{"\"a@b\"@example.net", "a@b@example.net"},
		{"\"a\\\"b\"@example.net", "a\"b@example.net"},
		{"\"a\\\\b\"@example.net", "a\\b@example.net"},
		{"\"\"@example.net", "@example.net"},
		{"\"", "\""},
		{"\"@x", "\"@x"},
		{"a\"b\"@x", "a\"b\"@x"},
		{"@Example.NET", "@example.net"},
		{"Postmaster", "postmaster"},
		{"u@[IPv6:2001:DB8::1]", "u@[ipv6:2001:db8::1]"},
		{"\xc3\x84@x", "\xc3\x84@x"}, /* not ASCII: left alone */
		/* U-labels and A-labels are one domain; what is no label stays as it is */
		{"u@B\xc3\xbc"
		 "cher.example",
		 "u@xn--bcher-kva.example"},
		{"u@bu\xcc\x88"
		 "cher.example",
		 "u@xn--bcher-kva.example"},
		{"u@XN--BCHER-KVA.example", "u@xn--bcher-kva.example"},
		{"\xc3\x84@b\xc3\xbc"
		 "cher.example",
		 "\xc3\x84@xn--bcher-kva.example"},
		{"\"a\"@\xe5\x85\xac\xe5\x8f\xb8.cn", "a@xn--55qx5d.cn"},
		{"b\xc3\xbc"
		 "cher.example",
		 "xn--bcher-kva.example"},
		{"@\xe5\x85\xac\xe5\x8f\xb8.cn", "@xn--55qx5d.cn"},
		{"u@-\xc3\xbc.example", "u@-\xc3\xbc.example"},
		{"[Z`z{@x", "[z`z{@x"}, /* neighbours of the letters */
	};
	char out[POLICY_MAILBOX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		policy_canonical(rows[i].in, out, sizeof(out));
		assert_string_equal(out, rows[i].out);
	}
}

static void canonical_form_is_cut_at_every_size(void **state)
{
	static const char *const texts[] = {"Someone@Example.NET", "\"So\\meone\"@Example.NET"};
	static const char full[] = "someone@example.net";
	char out[64];

	(void)state;
	for (size_t t = 0; t < 2; t++) {
		for (size_t size = 1; size <= sizeof(out); size++) {
			size_t want = size - 1 < strlen(full) ? size - 1 : strlen(full);

			memset(out, '#', sizeof(out));
			policy_canonical(texts[t], out, size);
			assert_int_equal(strlen(out), want);
			assert_memory_equal(out, full, want);
			if (size < sizeof(out))
				assert_int_equal(out[size], '#');
		}
	}
}

static void postmaster_and_abuse_are_exempt(void **state)
{
	static const struct {
		const char *recipient;
		bool exempt;
	} rows[] = {
		{"postmaster@example.net", true},
		{"Postmaster", true},
		{"POSTMASTER@EXAMPLE.NET", true},
		{"\"postmaster\"@example.net", true},
		{"abuse@example.net", true},
		{"Abuse@[192.0.2.1]", true},
		{"postmaster2@example.net", false},
		{"postmaste@example.net", false},
		{"not.postmaster@example.net", false},
		{"postmaster+x@example.net", false},
		{"user@postmaster", false},
		{"user@abuse.example.net", false},
		{"\"postmaster@x\"@example.net", false},
		{"", false},
		{"@example.net", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(policy_recipient_exempt(rows[i].recipient), rows[i].exempt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mailboxes_have_one_spelling),
		cmocka_unit_test(canonical_form_is_cut_at_every_size),
		cmocka_unit_test(postmaster_and_abuse_are_exempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
