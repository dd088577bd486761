// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Text and back. Parsing leans on inet_pton, which already refuses octal, short forms and zone
 * names; printing is our own (RFC 5952), because log lines print one or two addresses each.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "addr.h"

#define MAPPED_BITS 96

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool addr_is4(const struct addr *a)
{
	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	if (addr_is4(a))
		return memcmp(a->b + 12, zero, 4) == 0;
	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

int addr_parse(const char *text, struct addr *ret)
{
	struct addr a;

	if (strchr(text, ':')) {
		if (inet_pton(AF_INET6, text, a.b) != 1)
			return -EINVAL;
	} else {
		if (inet_pton(AF_INET, text, a.b + 12) != 1)
			return -EINVAL;
		memcpy(a.b, mapped, sizeof(mapped));
	}
	*ret = a;
	return 0;
}

static char *put_decimal(char *p, unsigned int n)
{
	char digits[10];
	int len = 0;

	do {
		digits[len++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (len)
		*p++ = digits[--len];
	return p;
}

static char *put_hex(char *p, unsigned int n)
{
	int shift = n > 0xfff ? 12 : n > 0xff ? 8 : n > 0xf ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[n >> shift & 15];
	return p;
}

static char *put4(char *p, const uint8_t b[4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_decimal(p, b[i]);
	}
	return p;
}

static char *put6(char *p, const uint8_t *b)
{
	unsigned int group[8];
	int best = -1, best_len = 1; /* a single zero group is never shortened */

	for (int i = 0; i < 8; i++, b += 2)
		group[i] = (unsigned int)b[0] << 8 | b[1];
	for (int i = 0; i < 8; i++) {
		int len = 0;

		while (i + len < 8 && !group[i + len])
			len++;
		if (len > best_len) {
			best = i;
			best_len = len;
		}
		if (len)
			i += len - 1;
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			*p++ = ':';
			*p++ = ':';
			i += best_len - 1;
			continue;
		}
		if (i && i != best + best_len)
			*p++ = ':';
		p = put_hex(p, group[i]);
	}
	return p;
}

static char *put_addr(char *p, const struct addr *a)
{
	return addr_is4(a) ? put4(p, a->b + 12) : put6(p, a->b);
}

const char *addr_text(const struct addr *a, char buf[ADDR_TEXT])
{
	*put_addr(buf, a) = '\0';
	return buf;
}

int addr_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret)
{
	struct endpoint e;

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		memcpy(e.addr.b, mapped, sizeof(mapped));
		memcpy(e.addr.b + 12, &in.sin_addr, 4);
		e.port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(e.addr.b, &in6.sin6_addr, 16);
		e.port = ntohs(in6.sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = e;
	return 0;
}

socklen_t addr_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is4(&e->addr)) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};

		memcpy(&in.sin_addr, e->addr.b + 12, 4);
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};

	memcpy(&in6.sin6_addr, e->addr.b, 16);
	memcpy(ret, &in6, sizeof(in6));
	return sizeof(in6);
}

struct prefix addr_mask(const struct addr *a, uint8_t len)
{
	struct prefix p = {.len = len > 128 ? 128 : len};
	int whole = p.len / 8;

	memcpy(p.addr.b, a->b, (size_t)whole);
	if (p.len % 8)
		p.addr.b[whole] = a->b[whole] & (uint8_t)(0xff00 >> p.len % 8);
	return p;
}

struct prefix addr_network(const struct addr *a)
{
	return addr_mask(a, addr_is4(a) ? MAPPED_BITS + 24 : 64);
}

struct prefix addr_host(const struct addr *a)
{
	return (struct prefix){.addr = *a, .len = 128};
}

bool prefix_holds(const struct prefix *p, const struct addr *a)
{
	struct prefix cut;

	if (addr_is4(&p->addr) != addr_is4(a))
		return false;
	cut = addr_mask(a, p->len);
	return addr_eq(&cut.addr, &p->addr);
}

bool prefix_is_all4(const struct prefix *p)
{
	return p->len == MAPPED_BITS && addr_is4(&p->addr);
}

/* Decimal without sign, blank or leading zero, at most max; *text moves behind it. */
static int parse_number(const char **text, unsigned int max, unsigned int *ret)
{
	const char *p = *text;
	unsigned int n = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned int)(*p - '0');
		if (n > max)
			return -EINVAL;
	}
	*text = p;
	*ret = n;
	return 0;
}

/* Address in the n bytes at text. */
static int parse_part(const char *text, size_t n, struct addr *ret)
{
	char buf[ADDR_TEXT];

	if (n >= sizeof(buf) || memchr(text, '\0', n))
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	return addr_parse(buf, ret);
}

int prefix_parse(const char *text, struct prefix *ret)
{
	const char *slash = strchrnul(text, '/');
	struct addr a;
	struct prefix p;
	unsigned int len = 128;
	bool quad = !memchr(text, ':', (size_t)(slash - text));

	if (parse_part(text, (size_t)(slash - text), &a))
		return -EINVAL;
	if (*slash) {
		slash++;
		if (parse_number(&slash, quad ? 32 : 128, &len) || *slash)
			return -EINVAL;
		if (quad)
			len += MAPPED_BITS;
	}
	p = addr_mask(&a, (uint8_t)len);
	/* Written so it is a part of IPv6 that no packet comes from, and never all of IPv4. */
	if (!quad && prefix_is_all4(&p))
		return -ERANGE;
	if (!addr_eq(&p.addr, &a))
		return -EDOM;
	*ret = p;
	return 0;
}

const char *prefix_text(const struct prefix *p, char buf[PREFIX_TEXT])
{
	char *end = put_addr(buf, &p->addr);

	if (p->len < 128) {
		*end++ = '/';
		end = put_decimal(end, addr_is4(&p->addr) ? p->len - MAPPED_BITS : p->len);
	}
	*end = '\0';
	return buf;
}

int endpoint_parse(const char *text, struct endpoint *ret)
{
	const char *colon = strrchr(text, ':');
	bool bracket = text[0] == '[';
	const char *end = colon;
	struct endpoint e;
	unsigned int port;

	if (!colon)
		return -EINVAL;
	if (bracket) {
		text++;
		end--;
		if (end <= text || *end != ']')
			return -EINVAL;
	}
	/* Brackets are for IPv6 and IPv6 needs them. */
	if (bracket != !!memchr(text, ':', (size_t)(end - text)))
		return -EINVAL;
	if (parse_part(text, (size_t)(end - text), &e.addr))
		return -EINVAL;
	colon++;
	if (parse_number(&colon, 65535, &port) || *colon || !port)
		return -EINVAL;
	e.port = (uint16_t)port;
	*ret = e;
	return 0;
}

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

const char *endpoint_text(const struct endpoint *e, char buf[ENDPOINT_TEXT])
{
	bool quad = addr_is4(&e->addr);
	char *p = buf;

	if (!quad)
		*p++ = '[';
	p = put_addr(p, &e->addr);
	if (!quad)
		*p++ = ']';
	*p++ = ':';
	*put_decimal(p, e->port) = '\0';
	return buf;
}
