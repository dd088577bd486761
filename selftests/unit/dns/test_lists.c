// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "dns/answer.h"
#include "dns/lists.h"

static struct dnslist_replies replies(const char *text)
{
	struct dnslist_replies r;

	if (dnslist_replies_parse(text, &r))
		fail_msg("%s does not parse", text);
	return r;
}

/* What a list with these masks says with these addresses ("" is none). */
static enum dnslist_says says(const char *masks, const char *first, const char *second)
{
	static struct dns_answer a;
	struct dnslist_replies r = replies(masks);
	const char *addresses[] = {first, second};
	struct addr addr;

	memset(&a, 0, offsetof(struct dns_answer, data));
	for (int i = 0; i < 2; i++) {
		if (!*addresses[i])
			continue;
		assert_int_equal(addr_parse(addresses[i], &addr), 0);
		assert_true(dns_record_add(&a, addr.b + 12, 4));
	}
	a.status = a.count ? DNS_FOUND : DNS_NONE;
	return dnslist_read(&r, &a);
}

static void masks_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"127",
		"127.0.0",
		"127.0.0.2.3",
		"127.0.0.256",
		"127.0.0.11-2",
		"127.0.0.2-",
		"127.0.0.-2",
		"128.0.0.2",
		"*.0.0.2",
		"126-127.0.0.2",
		"127.0.0.2,",
		",127.0.0.2",
		"127.0.0.2 ",
		"127.0.0.2;127.0.0.3",
		"127.0.0.0002",
		"127..0.2",
		"127.0.0.a",
		"127.0.0.2-256",
		"127.0.0.**",
		"127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8,"
		"127.0.0.9",
	};
	struct dnslist_replies r = {.count = 99};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (dnslist_replies_parse(bad[i], &r) != -EINVAL)
			fail_msg("\"%s\" parses", bad[i]);
		assert_int_equal(r.count, 99);
	}
}

static void masks_hold_what_they_say(void **state)
{
	(void)state;
	assert_int_equal(says("127.0.0.2-11", "127.0.0.2", ""), DNSLIST_LISTED);
	assert_int_equal(says("127.0.0.2-11", "127.0.0.11", ""), DNSLIST_LISTED);
	assert_int_equal(says("127.0.0.2-11", "127.0.0.12", ""), DNSLIST_NOT);
	assert_int_equal(says("127.0.0.2-11", "127.0.1.2", ""), DNSLIST_NOT);
	assert_int_equal(says("127.0.0.2-11", "127.0.1.2", "127.0.0.3"), DNSLIST_LISTED);
	assert_int_equal(says("127.0.0.4,127.0.*.1-3", "127.0.10.2", ""), DNSLIST_LISTED);
	assert_int_equal(says("127.0.0.4,127.0.*.1-3", "127.0.0.4", ""), DNSLIST_LISTED);
	assert_int_equal(says("127.0.0.4,127.0.*.1-3", "127.0.10.4", ""), DNSLIST_NOT);
	assert_int_equal(says("127.*.*.*", "127.200.3.4", ""), DNSLIST_LISTED);
	assert_int_equal(says("127.*.*.*", "", ""), DNSLIST_NOT);
}

static void replies_that_are_no_listing(void **state)
{
	(void)state;
	/* over quota, refused, asked through an open resolver */
	assert_int_equal(says("127.*.*.*", "127.0.0.255", ""), DNSLIST_REFUSED);
	assert_int_equal(says("127.*.*.*", "127.255.255.252", ""), DNSLIST_REFUSED);
	assert_int_equal(says("127.*.*.*", "127.255.255.0", ""), DNSLIST_REFUSED);
	assert_int_equal(says("127.0.0.255", "127.0.0.255", ""), DNSLIST_REFUSED);
	assert_int_equal(says("127.*.*.*", "127.255.254.1", ""), DNSLIST_LISTED);
	/* a resolver that lies about names that are not there, a domain that was sold */
	assert_int_equal(says("127.*.*.*", "192.0.2.1", ""), DNSLIST_REFUSED);
	assert_int_equal(says("127.*.*.*", "127.0.0.2", "192.0.2.1"), DNSLIST_REFUSED);
	assert_int_equal(says("127.*.*.*", "192.0.2.1", "127.0.0.2"), DNSLIST_REFUSED);
	/* RFC 5782 5 */
	assert_int_equal(says("127.*.*.*", "127.0.0.1", ""), DNSLIST_NOT);
	assert_int_equal(says("127.*.*.*", "127.0.0.1", "127.0.0.2"), DNSLIST_LISTED);
}

static void no_answer_says_nothing(void **state)
{
	static struct dns_answer a;
	struct dnslist_replies r = replies("127.*.*.*");

	(void)state;
	a.status = DNS_TIMEOUT;
	assert_int_equal(dnslist_read(&r, &a), DNSLIST_UNKNOWN);
	a.status = DNS_FAILED;
	assert_int_equal(dnslist_read(&r, &a), DNSLIST_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_that_are_none),
		cmocka_unit_test(masks_hold_what_they_say),
		cmocka_unit_test(replies_that_are_no_listing),
		cmocka_unit_test(no_answer_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
