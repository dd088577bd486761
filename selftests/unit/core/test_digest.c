// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium/crypto_onetimeauth_poly1305.h>
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
	struct digest *d = (struct digest *)(room + piece % 8 * 8);
	struct digest_key made;

	digest_key(&made, k);
	digest_begin(d, &made);
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
	char data[2 * DIGEST_BLOCK + 100] = "";

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

/* Where a block begins and ends nothing is lost, and no zeros are made up. */
static void every_length_differs(void **state)
{
	enum { LENGTHS = 3 * DIGEST_BLOCK };
	static uint8_t all[LENGTHS][DIGEST_BYTES];
	static const char zeros[LENGTHS];

	(void)state;
	for (size_t len = 0; len < LENGTHS; len++)
		digest_of(key, zeros, len, LENGTHS, all[len]);
	for (size_t a = 0; a < LENGTHS; a++)
		for (size_t b = 0; b < a; b++)
			assert_memory_not_equal(all[a], all[b], DIGEST_BYTES);
}

static void the_order_matters(void **state)
{
	static const size_t steps[] = {1, sizeof(uint64_t), 2 * sizeof(uint64_t), DIGEST_BLOCK};
	uint8_t one[DIGEST_BYTES], two[DIGEST_BYTES];
	char data[2 * DIGEST_BLOCK] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		data[0] = 'a', data[steps[i]] = 'b';
		digest_of(key, data, sizeof(data), 64, one);
		data[0] = 'b', data[steps[i]] = 'a';
		digest_of(key, data, sizeof(data), 64, two);
		assert_memory_not_equal(one, two, DIGEST_BYTES);
		data[0] = data[steps[i]] = '\0';
	}
}

/* The part that is ours, as it is written down; the sums run over. */
static void blocks_are_compressed_by_nh(void **state)
{
	enum { WORDS = DIGEST_BLOCK / sizeof(uint64_t) };
	uint64_t words[2 * WORDS], seed = 7, len = sizeof(words);
	uint8_t expected[DIGEST_BYTES], got[DIGEST_BYTES];
	crypto_onetimeauth_poly1305_state outer;
	struct digest_key k;

	(void)state;
	digest_key(&k, key);
	crypto_onetimeauth_poly1305_init(&outer, k.outer);
	for (size_t i = 0; i < 2 * WORDS; i++)
		words[i] = i % 5 ? random_next(&seed) : UINT64_MAX;
	for (size_t block = 0; block < 2; block++) {
		unsigned __int128 sum = 0;

		for (size_t i = 0; i < WORDS; i += 2) {
			uint64_t a = words[block * WORDS + i] + k.words[i];
			uint64_t b = words[block * WORDS + i + 1] + k.words[i + 1];

			sum += (unsigned __int128)a * b;
		}
		crypto_onetimeauth_poly1305_update(&outer, (uint8_t *)&sum, sizeof(sum));
	}
	crypto_onetimeauth_poly1305_update(&outer, (uint8_t *)&len, sizeof(len));
	crypto_onetimeauth_poly1305_final(&outer, expected);
	digest_of(key, (const char *)words, sizeof(words), 100, got);
	assert_memory_equal(got, expected, DIGEST_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cut_does_not_matter),
		cmocka_unit_test(every_byte_and_the_key_matter),
		cmocka_unit_test(every_length_differs),
		cmocka_unit_test(the_order_matters),
		cmocka_unit_test(blocks_are_compressed_by_nh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
