// SPDX-License-Identifier: GPL-2.0-or-later
#include <sodium/crypto_onetimeauth_poly1305.h>
#include <string.h>

#include "digest.h"

#define ALIGN 64

_Static_assert(sizeof(crypto_onetimeauth_poly1305_state) + ALIGN <= sizeof(struct digest),
	       "room for the state");
_Static_assert(crypto_onetimeauth_poly1305_BYTES == DIGEST_BYTES, "length of a digest");

/* A struct digest may stand anywhere in a larger one. */
static crypto_onetimeauth_poly1305_state *state_of(struct digest *d)
{
	uintptr_t at = (uintptr_t)d->room;

	return (crypto_onetimeauth_poly1305_state *)((at + ALIGN - 1) / ALIGN * ALIGN);
}

void digest_begin(struct digest *d, const uint8_t key[HASH_KEY])
{
	uint8_t wide[crypto_onetimeauth_poly1305_KEYBYTES];

	for (uint8_t i = 0; i < sizeof(wide) / sizeof(uint64_t); i++) {
		const uint8_t head[] = {'d', i};
		uint64_t part = hash_bytes(key, head, sizeof(head));

		memcpy(wide + i * sizeof(part), &part, sizeof(part));
	}
	crypto_onetimeauth_poly1305_init(state_of(d), wide);
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	crypto_onetimeauth_poly1305_update(state_of(d), data, len);
}

void digest_end(struct digest *d, uint8_t ret[DIGEST_BYTES])
{
	crypto_onetimeauth_poly1305_final(state_of(d), ret);
}
