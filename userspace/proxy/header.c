// SPDX-License-Identifier: GPL-2.0-or-later
#include "header.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define V1_LINE 107 /* longest, CRLF included */
#define V2_FIXED 16

static const char v1_begin[] = "PROXY ";
static const char v2_begin[] = "\r\n\r\n\0\r\nQUIT\n";

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

static enum proxy_result line(const char *buf, size_t len, struct endpoint *ret)
{
	struct words w = {buf + strlen("PROXY"), buf + len};
	char family[8];
	struct endpoint client, here;
	bool is4;

	if (!next_word(&w, family, sizeof(family)))
		return PROXY_BAD;
	if (!strcmp(family, "UNKNOWN"))
		return PROXY_LOCAL; /* the rest of the line is to be ignored */
	is4 = !strcmp(family, "TCP4");
	if ((!is4 && strcmp(family, "TCP6") != 0) || !next_address(&w, is4, &client.addr) ||
	    !next_address(&w, is4, &here.addr) || !next_port(&w, &client.port) ||
	    !next_port(&w, &here.port) || w.at != w.end || addr_is_any(&client.addr))
		return PROXY_BAD;
	*ret = client;
	return PROXY_CLIENT;
}

static enum proxy_result version_1(const char *buf, size_t len, struct endpoint *ret_client,
				   size_t *ret_len)
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
	result = line(buf, (size_t)(cr - buf), ret_client);
	if (result != PROXY_BAD)
		*ret_len = (size_t)(lf + 1 - buf);
	return result;
}

/* ---- version 2 ---- */

static const struct {
	uint8_t family; /* and transport: TCP over it */
	size_t address;
} families[] = {{0x11, 4}, {0x21, 16}};

/* Byte 12: version and command, 13: family and transport, 14 and 15: length of what follows. */
static enum proxy_result version_2(const char *buf, size_t len, struct endpoint *ret_client,
				   size_t *ret_len)
{
	const uint8_t *b = (const uint8_t *)buf, *body = b + V2_FIXED;
	size_t rest;

	if (len > 12 && (b[12] >> 4 != 2 || (b[12] & 15) > 1))
		return PROXY_BAD;
	if (len < V2_FIXED)
		return PROXY_MORE;
	rest = (size_t)b[14] << 8 | b[15];
	if (rest > PROXY_HEADER - V2_FIXED)
		return PROXY_BAD;
	if (len < V2_FIXED + rest)
		return PROXY_MORE;
	if ((b[12] & 15) == 0 || b[13] == 0) {
		*ret_len = V2_FIXED + rest;
		return PROXY_LOCAL;
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		size_t size = families[i].address;
		struct endpoint client = {.addr = {{[10] = 0xff, [11] = 0xff}}};

		if (b[13] != families[i].family || rest < 2 * size + 4)
			continue;
		memcpy(client.addr.b + sizeof(client.addr.b) - size, body, size);
		if (addr_is_any(&client.addr))
			return PROXY_BAD;
		client.port = (uint16_t)(body[2 * size] << 8 | body[2 * size + 1]);
		*ret_client = client;
		*ret_len = V2_FIXED + rest;
		return PROXY_CLIENT;
	}
	return PROXY_BAD;
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
			       size_t *ret_len)
{
	if (!len)
		return PROXY_MORE;
	if (begins(buf, len, v1_begin, sizeof(v1_begin) - 1))
		return version_1(buf, len, ret_client, ret_len);
	if (begins(buf, len, v2_begin, sizeof(v2_begin) - 1))
		return version_2(buf, len, ret_client, ret_len);
	return PROXY_BAD;
}
