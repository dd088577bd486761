/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keyed hash behind every tag: SipHash-2-4 (libsodium's crypto_shorthash), 64 bits. The key is
 * the secret of this installation, kept in the store, so that tags stay valid over a restart and
 * nobody outside can aim at them. Pure; any thread.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_KEY 16

/* Never 0. */
uint64_t hash_bytes(const uint8_t key[HASH_KEY], const void *data, size_t len);
/* Hash of several pieces with their lengths, so that ("ab","c") and ("a","bc") differ. At most
 * HASH_PIECES pieces, together at most HASH_PIECES_MAX bytes; bytes beyond do not count. Never 0.
 */
#define HASH_PIECES 16
#define HASH_PIECES_MAX 1024
struct hash_piece {
	const void *data;
	size_t len;
};
uint64_t hash_pieces(const uint8_t key[HASH_KEY], const struct hash_piece *pieces, size_t n);

#endif
