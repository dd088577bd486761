// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keys and wallets that whole services give people for addresses: they look like what machines make
 * up for one message, and are somebody's name.
 */
#include <string.h>

#include "internal.h"

#define ETHER 42 /* 0x and 40 hex digits */
#define BASE58_MIN 26
#define BASE58_MAX 35
#define CHECKSUM 6 /* characters, of bech32 */

/* One more character's five bits: BIP 173. */
static uint32_t polymod(uint32_t sum, uint32_t value)
{
	static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					     0x2a1462b3};
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (size_t i = 0; i < sizeof(generator) / sizeof(generator[0]); i++)
		sum ^= top >> i & 1 ? generator[i] : 0;
	return sum;
}

/* A word, "1", what it is of and a checksum (BIP 173, BIP 350): keys of Nostr, wallets of many
 * currencies. */
static bool is_bech32(const char *p, size_t len)
{
	static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	size_t mark = len;
	uint32_t sum = 1;

	while (mark && p[mark - 1] != '1')
		mark--;
	if (mark < 2 || len - mark < CHECKSUM)
		return false;
	for (size_t i = 0; i + 1 < mark; i++)
		sum = polymod(sum, (uint32_t)p[i] >> 5);
	sum = polymod(sum, 0);
	for (size_t i = 0; i + 1 < mark; i++)
		sum = polymod(sum, (uint32_t)p[i] & 31);
	for (size_t i = mark; i < len; i++) {
		const char *at = strchr(alphabet, p[i]);

		if (!at)
			return false;
		sum = polymod(sum, (uint32_t)(at - alphabet));
	}
	return sum == 1 || sum == 0x2bc830a3;
}

/* Its checksum is lost with the case of its letters; no zero, and of hex digits alone hardly one.
 * First stands what the kind of wallet begins with. */
static bool is_base58(const char *p, size_t len)
{
	bool hex = true;

	if (len < BASE58_MIN || len > BASE58_MAX || !strchr("13dlrt", *p) || memchr(p, '0', len))
		return false;
	for (size_t i = 0; i < len; i++)
		hex = hex && is_hex(p[i]);
	return !hex;
}

static bool is_ether(const char *p, size_t len)
{
	if (len != ETHER || p[0] != '0' || p[1] != 'x')
		return false;
	for (size_t i = 2; i < len; i++)
		if (!is_hex(p[i]))
			return false;
	return true;
}

bool is_wallet(const char *p, size_t len)
{
	return is_ether(p, len) || is_bech32(p, len) || is_base58(p, len);
}
