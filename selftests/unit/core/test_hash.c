// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/hash.h"

static const uint8_t key[HASH_KEY] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void the_published_vectors_of_siphash_come_out(void **state)
{
	/* Aumasson and Bernstein, "SipHash", appendix A; and the empty message. */
	static const uint8_t message[15] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

	(void)state;
	assert_true(hash_bytes(key, message, sizeof(message)) == UINT64_C(0xa129ca6149be45e5));
	assert_true(hash_bytes(key, message, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

static void another_key_gives_another_hash(void **state)
{
	uint8_t other[HASH_KEY];

	(void)state;
	for (int i = 0; i < HASH_KEY; i++) {
		memcpy(other, key, sizeof(other));
		other[i] ^= 0x80;
		assert_true(hash_bytes(other, "x", 1) != hash_bytes(key, "x", 1));
	}
}

static uint64_t pair(const char *a, const char *b)
{
	struct hash_piece p[] = {{a, strlen(a)}, {b, strlen(b)}};

	return hash_pieces(key, p, 2);
}

static void where_one_piece_ends_counts(void **state)
{
	struct hash_piece one = {"abc", 3}, none = {NULL, 0};

	(void)state;
	assert_true(pair("ab", "c") == pair("ab", "c"));
	assert_true(pair("ab", "c") != pair("a", "bc"));
	assert_true(pair("abc", "") != pair("", "abc"));
	assert_true(pair("abc", "") != hash_pieces(key, &one, 1));
	assert_true(hash_pieces(key, &none, 1) != hash_pieces(key, &none, 0));
	/* The length of one piece cannot be played by the bytes of another. */
	assert_true(pair("a\001", "") != pair("a", "\001"));
}

static void bytes_beyond_the_limit_do_not_count(void **state)
{
	char big[HASH_PIECES_MAX + 1];
	struct hash_piece whole = {big, HASH_PIECES_MAX}, over = {big, sizeof(big)};
	struct hash_piece many[HASH_PIECES], tail[2] = {{big, HASH_PIECES_MAX}, {"tail", 4}};
	struct hash_piece other[2] = {{big, HASH_PIECES_MAX}, {"liat", 4}};
	uint64_t h;

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_true(hash_pieces(key, &whole, 1) == hash_pieces(key, &over, 1));
	assert_true(hash_pieces(key, tail, 2) == hash_pieces(key, other, 2));
	h = hash_pieces(key, &whole, 1);
	big[HASH_PIECES_MAX - 1] = 'y';
	assert_true(hash_pieces(key, &whole, 1) != h);
	for (int i = 0; i < HASH_PIECES; i++)
		many[i] = (struct hash_piece){big, sizeof(big)};
	assert_true(hash_pieces(key, many, HASH_PIECES) != hash_pieces(key, many, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_vectors_of_siphash_come_out),
		cmocka_unit_test(another_key_gives_another_hash),
		cmocka_unit_test(where_one_piece_ends_counts),
		cmocka_unit_test(bytes_beyond_the_limit_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
