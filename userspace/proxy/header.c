// SPDX-License-Identifier: GPL-2.0-or-later
#include "header.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define V1_LINE 107 /* longest, CRLF included */
#define V2_FIXED 16

static const char v1_begin[] = "PROXY ";
static const char v2_begin[] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- whom a header may name ---- */

#define IPV4(a, bits)                                                                              \
	{                                                                                          \
		{{[10] = 0xff, [11] = 0xff, [12] = (a)}}, 96 + (bits)                              \
	}

static const struct {
	struct prefix prefix;
	enum proxy_result result;
} special[] = {
	{IPV4(0, 8), PROXY_BAD},
	{IPV4(127, 8), PROXY_LOCAL},
	{IPV4(224, 4), PROXY_BAD},
	{{{{0}}, 128}, PROXY_BAD},
	{{{{[15] = 1}}, 128}, PROXY_LOCAL},
	{{{{[0] = 0xff}}, 8}, PROXY_BAD},
};

static enum proxy_result named(const struct addr *client)
{
	static const struct addr broadcast = {{[10] = 255, 255, 255, 255, 255, 255}};

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (prefix_holds(&special[i].prefix, client))
			return special[i].result;
	return addr_eq(client, &broadcast) ? PROXY_BAD : PROXY_CLIENT;
}

struct ends {
	struct endpoint client, here;
};

/* What the header says of both ends, where it has a client. */
static enum proxy_result both(struct ends ends, struct ends *ret)
{
	enum proxy_result result = named(&ends.client.addr);

	if (result != PROXY_CLIENT)
		return result;
	if (named(&ends.here.addr) == PROXY_BAD)
		ends.here.port = 0;
	*ret = ends;
	return result;
}

/* ---- version 1 ---- */

struct words {
	const char *at, *end;
};

/* The next word; exactly one space stands before it. */
static bool next_word(struct words *w, char *to, size_t size)
{
	const char *from = w->at + 1, *end;

	if (w->at == w->end || *w->at != ' ')
		return false;
	end = memchr(from, ' ', (size_t)(w->end - from));
	if (!end)
		end = w->end;
	if (end == from || (size_t)(end - from) >= size || memchr(from, '\0', (size_t)(end - from)))
		return false;
	memcpy(to, from, (size_t)(end - from));
	to[end - from] = '\0';
	w->at = end;
	return true;
}

static bool next_address(struct words *w, bool is4, struct addr *ret)
{
	char text[ADDR_TEXT];

	return next_word(w, text, sizeof(text)) && !strchr(text, '/') && !addr_parse(text, ret) &&
	       !strchr(text, ':') == is4;
}

/* Digits without a zero in front. */
static bool next_port(struct words *w, uint16_t *ret)
{
	uint32_t port = 0;
	char text[6];

	if (!next_word(w, text, sizeof(text)) || (text[0] == '0' && text[1]))
		return false;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		port = port * 10 + (uint32_t)(*p - '0');
	}
	*ret = (uint16_t)port;
	return port <= UINT16_MAX;
}

static enum proxy_result line(const char *buf, size_t len, struct ends *ret)
{
	struct words w = {buf + strlen("PROXY"), buf + len};
	char family[8];
	struct ends ends;
	bool is4;

	if (!next_word(&w, family, sizeof(family)))
		return PROXY_BAD;
	if (!strcmp(family, "UNKNOWN"))
		return PROXY_LOCAL; /* the rest of the line is to be ignored */
	is4 = !strcmp(family, "TCP4");
	if ((!is4 && strcmp(family, "TCP6") != 0) || !next_address(&w, is4, &ends.client.addr) ||
	    !next_address(&w, is4, &ends.here.addr) || !next_port(&w, &ends.client.port) ||
	    !next_port(&w, &ends.here.port) || w.at != w.end)
		return PROXY_BAD;
	return both(ends, ret);
}

static enum proxy_result version_1(const char *buf, size_t len, struct ends *ret, size_t *ret_len)
{
	size_t limit = len < V1_LINE ? len : V1_LINE;
	const char *cr = memchr(buf, '\r', limit), *lf = memchr(buf, '\n', limit);
	enum proxy_result result;

	if (lf && (!cr || lf != cr + 1))
		return PROXY_BAD;
	if (cr && (size_t)(cr - buf) + 1 < limit && !lf)
		return PROXY_BAD;
	if (!lf)
		return len < V1_LINE ? PROXY_MORE : PROXY_BAD;
	result = line(buf, (size_t)(cr - buf), ret);
	if (result != PROXY_BAD)
		*ret_len = (size_t)(lf + 1 - buf);
	return result;
}

/* ---- version 2 ---- */

/* CRC-32C (RFC 4960 appendix B), four bits at a time. */
static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t len)
{
	static const uint32_t of[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ of[crc & 15];
		crc = crc >> 4 ^ of[crc & 15];
	}
	return crc;
}

/* Over the whole header, with zeros in its own place. */
static bool crc_right(const uint8_t *header, size_t len, const uint8_t *value)
{
	static const uint8_t zeros[4];
	uint32_t crc = crc_add(UINT32_MAX, header, (size_t)(value - header));

	crc = crc_add(crc, zeros, sizeof(zeros));
	crc = ~crc_add(crc, value + sizeof(zeros), len - (size_t)(value - header) - sizeof(zeros));
	return crc == ((uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 |
		       (uint32_t)value[2] << 8 | value[3]);
}

#define TLV_CRC32C 3

/* Values whose length the document limits. */
static const struct {
	uint8_t type;
	uint16_t least, most;
} tlvs[] = {
	{TLV_CRC32C, 4, 4},
	{0x05, 0, 128},        /* unique id */
	{0x20, 5, UINT16_MAX}, /* TLS: what the client did, whether its certificate is good */
};

static bool tlv_fits(uint8_t type, size_t len)
{
	for (size_t i = 0; i < sizeof(tlvs) / sizeof(tlvs[0]); i++)
		if (tlvs[i].type == type)
			return len >= tlvs[i].least && len <= tlvs[i].most;
	return true;
}

/* Type, two bytes of length, value, one after the other from `at` to the end of the header. */
static bool tlvs_good(const uint8_t *header, size_t len, size_t at)
{
	bool checked = false;

	while (at < len) {
		size_t size;

		if (len - at < 3)
			return false;
		size = (size_t)header[at + 1] << 8 | header[at + 2];
		if (size > len - at - 3 || !tlv_fits(header[at], size))
			return false;
		if (header[at] == TLV_CRC32C) {
			if (checked || !crc_right(header, len, header + at + 3))
				return false;
			checked = true;
		}
		at += 3 + size;
	}
	return true;
}

static const struct {
	uint8_t family; /* and transport: TCP over it */
	size_t address;
} families[] = {{0x11, 4}, {0x21, 16}};

/* What may stand there and is no client of ours, UDP and sockets of UNIX: as if no family were
 * told. */
static const struct {
	uint8_t family;
	size_t addresses; /* bytes that both ends take */
} others[] = {{0x12, 12}, {0x22, 36}, {0x31, 216}, {0x32, 216}};

static void read_end(const uint8_t *address, const uint8_t *port, size_t size, struct endpoint *ret)
{
	memcpy(ret->addr.b + sizeof(ret->addr.b) - size, address, size);
	ret->port = (uint16_t)(port[0] << 8 | port[1]);
}

/* A header of `len` bytes with the command PROXY. */
static enum proxy_result proxied(const uint8_t *header, size_t len, struct ends *ret)
{
	const uint8_t *body = header + V2_FIXED;
	size_t rest = len - V2_FIXED;

	if (header[13] == 0)
		return tlvs_good(header, len, V2_FIXED) ? PROXY_LOCAL : PROXY_BAD;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		size_t size = families[i].address;
		const struct endpoint mapped = {.addr = {{[10] = 0xff, [11] = 0xff}}};
		struct ends ends = {mapped, mapped};

		if (header[13] != families[i].family || rest < 2 * size + 4)
			continue;
		if (!tlvs_good(header, len, V2_FIXED + 2 * size + 4))
			return PROXY_BAD;
		read_end(body, body + 2 * size, size, &ends.client);
		read_end(body + size, body + 2 * size + 2, size, &ends.here);
		return both(ends, ret);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (header[13] == others[i].family && rest >= others[i].addresses &&
		    tlvs_good(header, len, V2_FIXED + others[i].addresses))
			return PROXY_LOCAL;
	return PROXY_BAD;
}

/* Byte 12: version and command, 13: family and transport, 14 and 15: length of what follows. */
static enum proxy_result version_2(const char *buf, size_t len, struct ends *ret, size_t *ret_len)
{
	const uint8_t *b = (const uint8_t *)buf;
	enum proxy_result result = PROXY_LOCAL;
	size_t whole;

	if (len > 12 && (b[12] >> 4 != 2 || (b[12] & 15) > 1))
		return PROXY_BAD;
	if (len < V2_FIXED)
		return PROXY_MORE;
	whole = V2_FIXED + ((size_t)b[14] << 8 | b[15]);
	if (len < whole)
		return PROXY_MORE;
	if (b[12] & 15)
		result = proxied(b, whole, ret);
	if (result != PROXY_BAD)
		*ret_len = whole;
	return result;
}

static char *put(char *to, const void *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return to + len;
}

size_t proxy_say(const struct endpoint *client, const struct endpoint *here, char buf[PROXY_SAID])
{
	bool local = !client;
	bool is4 = !local && addr_is4(&client->addr) && addr_is4(&here->addr);
	size_t size = is4 ? 4 : sizeof(client->addr.b), skip = sizeof(client->addr.b) - size;
	size_t rest = local ? 0 : 2 * size + 4;
	uint8_t kind[] = {local ? 0x20 : 0x21, local ? 0 : is4 ? 0x11 : 0x21, 0, (uint8_t)rest};
	char *at = put(put(buf, v2_begin, sizeof(v2_begin) - 1), kind, sizeof(kind));

	if (!local) {
		uint8_t ports[] = {(uint8_t)(client->port >> 8), (uint8_t)client->port,
				   (uint8_t)(here->port >> 8), (uint8_t)here->port};

		at = put(put(at, client->addr.b + skip, size), here->addr.b + skip, size);
		at = put(at, ports, sizeof(ports));
	}
	return (size_t)(at - buf);
}

static bool begins(const char *buf, size_t len, const char *with, size_t with_len)
{
	return memcmp(buf, with, len < with_len ? len : with_len) == 0;
}

enum proxy_result proxy_header(const char *buf, size_t len, struct endpoint *ret_client,
			       struct endpoint *ret_here, size_t *ret_len)
{
	enum proxy_result result = PROXY_BAD;
	struct ends ends;

	if (!len)
		return PROXY_MORE;
	if (begins(buf, len, v1_begin, sizeof(v1_begin) - 1))
		result = version_1(buf, len, &ends, ret_len);
	else if (begins(buf, len, v2_begin, sizeof(v2_begin) - 1))
		result = version_2(buf, len, &ends, ret_len);
	if (result == PROXY_CLIENT) {
		*ret_client = ends.client;
		*ret_here = ends.here;
	}
	return result;
}

const char *proxy_fault(const char *buf, size_t len)
{
	if (len && begins(buf, len, v1_begin, sizeof(v1_begin) - 1))
		return "version 1: not a line of PROXY, TCP4 or TCP6, two addresses and two ports, "
		       "or of a client that can't be one";
	if (!len || !begins(buf, len, v2_begin, sizeof(v2_begin) - 1))
		return "no PROXY header: the balancer has to send one to this port";
	if (len > 12 && (buf[12] >> 4 != 2 || (buf[12] & 15) > 1))
		return "version 2: another version or command than it has";
	return "version 2: cut, of an unknown family, with a wrong checksum, or of a client that "
	       "can't be one";
}
