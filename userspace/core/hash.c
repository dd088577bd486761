// SPDX-License-Identifier: GPL-2.0-or-later
#include <assert.h>
#include <endian.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <string.h>

#include "hash.h"

_Static_assert(crypto_shorthash_siphash24_KEYBYTES == HASH_KEY, "key of SipHash");
_Static_assert(crypto_shorthash_siphash24_BYTES == sizeof(uint64_t), "64 bits");

uint64_t hash_bytes(const uint8_t key[HASH_KEY], const void *data, size_t len)
{
	uint64_t h;

	crypto_shorthash_siphash24((unsigned char *)&h, data, len, key);
	h = le64toh(h);
	return h ? h : 1;
}

uint64_t hash_pieces(const uint8_t key[HASH_KEY], const struct hash_piece *pieces, size_t n)
{
	uint8_t buf[HASH_PIECES_MAX + HASH_PIECES * sizeof(uint16_t)];
	size_t room = HASH_PIECES_MAX, used = 0;

	assert(n <= HASH_PIECES);
	for (size_t i = 0; i < n; i++) {
		size_t len = pieces[i].len < room ? pieces[i].len : room;

		/* Little-endian whatever the machine: tags outlive it in the store. */
		buf[used++] = (uint8_t)len;
		buf[used++] = (uint8_t)(len >> 8);
		if (len)
			memcpy(buf + used, pieces[i].data, len);
		used += len;
		room -= len;
	}
	return hash_bytes(key, buf, used);
}
