// SPDX-License-Identifier: GPL-2.0-or-later
#include <sodium/crypto_onetimeauth_poly1305.h>
#include <string.h>

#include "digest.h"

#define ALIGN 64
#define PAIR (2 * sizeof(uint64_t)) /* bytes for one multiplication */

_Static_assert(sizeof(crypto_onetimeauth_poly1305_state) + ALIGN <=
		       sizeof(((struct digest *)NULL)->room),
	       "room for the state");
_Static_assert(crypto_onetimeauth_poly1305_BYTES == DIGEST_BYTES, "length of a digest");
_Static_assert(crypto_onetimeauth_poly1305_KEYBYTES == sizeof(((struct digest_key *)NULL)->outer),
	       "length of the outer key");

/* A struct digest may stand anywhere in a larger one. */
static crypto_onetimeauth_poly1305_state *state_of(struct digest *d)
{
	uintptr_t at = (uintptr_t)d->room;

	return (crypto_onetimeauth_poly1305_state *)((at + ALIGN - 1) / ALIGN * ALIGN);
}

static void derive(void *to, size_t bytes, const uint8_t key[HASH_KEY], uint8_t what)
{
	for (uint8_t i = 0; i < bytes / sizeof(uint64_t); i++) {
		const uint8_t head[] = {what, i};
		uint64_t part = hash_bytes(key, head, sizeof(head));

		memcpy((uint8_t *)to + i * sizeof(part), &part, sizeof(part));
	}
}

void digest_key(struct digest_key *ret, const uint8_t key[HASH_KEY])
{
	_Static_assert(DIGEST_BLOCK / sizeof(uint64_t) <= UINT8_MAX, "numbered by a byte");

	derive(ret->words, sizeof(ret->words), key, 'n');
	derive(ret->outer, sizeof(ret->outer), key, 'd');
}

void digest_begin(struct digest *d, const struct digest_key *key)
{
	d->key = key;
	d->len = 0;
	crypto_onetimeauth_poly1305_init(state_of(d), key->outer);
}

/* len: a multiple of PAIR, a block at most. */
static void add_block(struct digest *d, const uint8_t *data, size_t len)
{
	const uint64_t *k = d->key->words;
	unsigned __int128 sum = 0;

	for (size_t at = 0; at < len; at += PAIR, k += 2) {
		uint64_t word[2];

		memcpy(word, data + at, PAIR);
		sum += (unsigned __int128)(word[0] + k[0]) * (word[1] + k[1]);
	}
	crypto_onetimeauth_poly1305_update(state_of(d), (const unsigned char *)&sum, sizeof(sum));
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	size_t have = d->len % DIGEST_BLOCK;
	const uint8_t *from = data;

	d->len += len;
	if (have) {
		size_t n = len < DIGEST_BLOCK - have ? len : DIGEST_BLOCK - have;

		memcpy(d->part + have, from, n);
		if (have + n < DIGEST_BLOCK)
			return;
		add_block(d, d->part, DIGEST_BLOCK);
		from += n;
		len -= n;
	}
	for (; len >= DIGEST_BLOCK; from += DIGEST_BLOCK, len -= DIGEST_BLOCK)
		add_block(d, from, DIGEST_BLOCK);
	if (len)
		memcpy(d->part, from, len);
}

void digest_end(struct digest *d, uint8_t ret[DIGEST_BYTES])
{
	size_t have = d->len % DIGEST_BLOCK, whole = (have + PAIR - 1) / PAIR * PAIR;

	/* Zeros behind it: the length tells them from a stream's own. */
	if (have) {
		memset(d->part + have, 0, whole - have);
		add_block(d, d->part, whole);
	}
	crypto_onetimeauth_poly1305_update(state_of(d), (const unsigned char *)&d->len,
					   sizeof(d->len));
	crypto_onetimeauth_poly1305_final(state_of(d), ret);
}
