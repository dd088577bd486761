// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "selftests/unit/random.h"

static const uint8_t key[HASH_KEY] = {1, 2, 3}, other[HASH_KEY] = {1, 2, 4};

static void digest_of(const uint8_t *k, const char *data, size_t len, size_t piece,
		      uint8_t ret[DIGEST_BYTES])
{
	/* Anywhere in memory. */
	static char room[sizeof(struct digest) + 64];
	struct digest *d = (struct digest *)(room + piece % 64);

	digest_begin(d, k);
	for (size_t at = 0; at < len; at += piece)
		digest_add(d, data + at, len - at < piece ? len - at : piece);
	digest_end(d, ret);
}

static void the_cut_does_not_matter(void **state)
{
	uint8_t whole[DIGEST_BYTES], cut[DIGEST_BYTES];
	uint64_t seed = 1;
	char data[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)random_below(&seed, 256);
	digest_of(key, data, sizeof(data), sizeof(data), whole);
	for (size_t piece = 1; piece < 400; piece++) {
		digest_of(key, data, sizeof(data), piece, cut);
		assert_memory_equal(whole, cut, DIGEST_BYTES);
	}
}

static void every_byte_and_the_key_matter(void **state)
{
	uint8_t one[DIGEST_BYTES], two[DIGEST_BYTES];
	char data[500] = "";

	(void)state;
	digest_of(key, data, sizeof(data), 64, one);
	digest_of(other, data, sizeof(data), 64, two);
	assert_memory_not_equal(one, two, DIGEST_BYTES);
	digest_of(key, data, sizeof(data) - 1, 64, two);
	assert_memory_not_equal(one, two, DIGEST_BYTES);
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] ^= 1;
		digest_of(key, data, sizeof(data), 64, two);
		assert_memory_not_equal(one, two, DIGEST_BYTES);
		data[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cut_does_not_matter),
		cmocka_unit_test(every_byte_and_the_key_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
