// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/cache.h"
#include "selftests/unit/random.h"

static const uint8_t key[16] = "a secret of ours";
static struct dns_answer in, out;

static struct cache *fresh(uint32_t answers)
{
	struct cache *c = NULL;

	assert_int_equal(cache_new(answers, key, &c), 0);
	return c;
}

/* An answer of `len` bytes that tells its number. */
static void fill(uint32_t number, size_t len)
{
	in.status = DNS_FOUND;
	in.count = 0;
	in.len = in.ttl = 0;
	uint8_t data[4096];

	memset(data, (int)number, sizeof(data));
	assert_true(dns_record_add(&in, data, len));
}

static void an_answer_comes_back(void **state)
{
	struct cache *c = fresh(100);

	(void)state;
	fill(7, 40);
	assert_false(cache_get(c, "mail.example", DNS_A, 1000, &out));
	cache_put(c, "Mail.Example", DNS_A, &in, 60, 1000);
	assert_true(cache_get(c, "mAIL.eXAMPLE", DNS_A, 2000, &out));
	assert_int_equal(out.status, DNS_FOUND);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.ttl, 59);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);
	assert_false(cache_get(c, "mail.example", DNS_AAAA, 2000, &out));
	assert_false(cache_get(c, "mail.exampl", DNS_A, 2000, &out));
	cache_free(&c);
	assert_null(c);
}

static void it_ends_with_its_time(void **state)
{
	struct cache *c = fresh(100);

	(void)state;
	fill(1, 4);
	cache_put(c, "a", DNS_A, &in, 10, 5000);
	assert_true(cache_get(c, "a", DNS_A, 14999, &out));
	assert_false(cache_get(c, "a", DNS_A, 15000, &out));
	in.status = DNS_NONE;
	in.count = 0;
	in.len = 0;
	cache_put(c, "a", DNS_A, &in, 10, 20000);
	assert_true(cache_get(c, "a", DNS_A, 20000, &out));
	assert_int_equal(out.status, DNS_NONE);
	assert_int_equal(out.len, 0);
	cache_free(&c);
}

static void a_new_answer_replaces_the_old_one(void **state)
{
	struct cache *c = fresh(100);

	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		fill(i, 100 + i);
		cache_put(c, "same.example", DNS_TXT, &in, 60, i);
		assert_true(cache_get(c, "same.example", DNS_TXT, i, &out));
		assert_int_equal(out.len, in.len);
		assert_memory_equal(out.data, in.data, in.len);
	}
	cache_free(&c);
}

/* Whatever was put in: what comes out is right, the newest is always there, and the memory is
 * bounded. */
static void never_a_wrong_answer(void **state)
{
	struct cache *c = fresh(64);
	static uint8_t last[1000];
	static uint16_t size[1000];
	uint64_t r = 0x9e3779b97f4a7c15ull;
	int found = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint32_t n = (uint32_t)(random_next(&r) % 1000);
		char name[40];

		snprintf(name, sizeof(name), "host-%u.example", n);
		if (random_next(&r) % 3 == 0) {
			last[n] = (uint8_t)random_next(&r);
			size[n] = (uint16_t)(random_next(&r) % (i % 50 ? 300 : 4000) + 1);
			fill(last[n], size[n]);
			cache_put(c, name, DNS_TXT, &in, 3600, (uint64_t)i);
			assert_true(cache_get(c, name, DNS_TXT, (uint64_t)i, &out));
		} else if (!cache_get(c, name, DNS_TXT, (uint64_t)i, &out)) {
			continue;
		}
		found++;
		assert_int_equal(out.len, size[n] + 2);
		assert_int_equal(out.data[2], last[n]);
		assert_int_equal(out.data[out.len - 1], last[n]);
	}
	assert_true(found > 70000);
	cache_free(&c);
}

static void the_largest_answer_fits(void **state)
{
	struct cache *c = fresh(1);

	(void)state;
	in.status = DNS_FOUND;
	in.count = 1;
	in.len = sizeof(in.data);
	memset(in.data, 0x5a, sizeof(in.data));
	for (int i = 0; i < 20; i++) {
		char name[40];

		snprintf(name, sizeof(name), "n%d", i);
		cache_put(c, name, DNS_TXT, &in, 60, 0);
		assert_true(cache_get(c, name, DNS_TXT, 1, &out));
		assert_memory_equal(out.data, in.data, sizeof(in.data));
	}
	cache_free(&c);
	assert_int_equal(cache_new(0, key, &c), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_comes_back),
		cmocka_unit_test(it_ends_with_its_time),
		cmocka_unit_test(a_new_answer_replaces_the_old_one),
		cmocka_unit_test(never_a_wrong_answer),
		cmocka_unit_test(the_largest_answer_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
