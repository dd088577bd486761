/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A keyed digest of a stream, fast enough for every message that passes: NH (RFC 4418 5.2, here
 * with words of 64 bits) makes 16 bytes of each block, and Poly1305 (libsodium) one digest of
 * these and of the length. Two streams meet in one of 2^64 cases, whatever is in them: nobody
 * without the key can make them meet, as long as no digest is shown to anybody. The cut of the
 * stream does not matter. Pure; one thread a struct. A digest is for this machine: its byte order
 * is in it.
 */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "hash.h"

#define DIGEST_BYTES 16
#define DIGEST_BLOCK 1024

/* Made once of a key of the installation; read-only then, for every thread. */
struct digest_key {
	uint64_t words[DIGEST_BLOCK / sizeof(uint64_t)];
	uint8_t outer[32];
};

struct digest {
	const struct digest_key *key; /* must live until digest_end */
	uint64_t len;
	uint8_t room[256 + 64]; /* the library's state, aligned in it: the struct must not move */
	uint8_t part[DIGEST_BLOCK]; /* of a block that is not whole yet */
};

void digest_key(struct digest_key *ret, const uint8_t key[HASH_KEY]);
void digest_begin(struct digest *d, const struct digest_key *key);
void digest_add(struct digest *d, const void *data, size_t len);
void digest_end(struct digest *d, uint8_t ret[DIGEST_BYTES]);

#endif
