/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A keyed digest of a stream (Poly1305, libsodium), fast enough for every message that passes: two
 * streams meet by chance in one of 2^100 cases, and nobody without the key can make them meet, as
 * long as no digest is shown to anybody. The cut of the stream does not matter. Pure; one thread a
 * struct.
 */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "hash.h"

#define DIGEST_BYTES 16

struct digest {
	uint8_t room[256 + 64]; /* the library's state, aligned in it: the struct must not move */
};

void digest_begin(struct digest *d, const uint8_t key[HASH_KEY]);
void digest_add(struct digest *d, const void *data, size_t len);
void digest_end(struct digest *d, uint8_t ret[DIGEST_BYTES]);

#endif
