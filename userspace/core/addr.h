/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, prefixes and endpoints as values.
 *
 * One representation for both families: 16 bytes in network order, IPv4 as IPv4-mapped
 * (::ffff:a.b.c.d, RFC 4291 2.5.5.2). A prefix length always counts from the left of the 16 bytes:
 * 192.0.2.0/24 is length 120. Pure functions, any thread, no allocation.
 */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT 46     /* longest text of an address, with NUL */
#define PREFIX_TEXT 50   /* address, "/128", NUL */
#define ENDPOINT_TEXT 56 /* "[address]:65535", NUL */

struct addr {
	uint8_t b[16];
};

struct prefix {
	struct addr addr; /* bits right of len are zero */
	uint8_t len;      /* 0..128, see above */
};

struct endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

bool addr_is4(const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_is_any(const struct addr *a); /* 0.0.0.0 or :: */

/* Text to value; IPv6 without brackets. 0, or -EINVAL and *ret untouched. */
int addr_parse(const char *text, struct addr *ret);
/* Value to text: IPv4-mapped prints as dotted quad. Returns buf. */
const char *addr_text(const struct addr *a, char buf[ADDR_TEXT]);

/* AF_INET and AF_INET6; anything else is -EAFNOSUPPORT. */
int addr_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret);
/* Fills AF_INET for IPv4-mapped, else AF_INET6; returns the length for bind/connect. */
socklen_t addr_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *ret);

/* The network that stands for a source: /24 of IPv4, /64 of IPv6. */
struct prefix addr_network(const struct addr *a);
/* The single address as a prefix of length 128. */
struct prefix addr_host(const struct addr *a);
/* First len bits of a; len as in struct prefix. */
struct prefix addr_mask(const struct addr *a, uint8_t len);
/* An IPv4 address lies in IPv4 prefixes only: ::/0 is all of IPv6, 0.0.0.0/0 all of IPv4. */
bool prefix_holds(const struct prefix *p, const struct addr *a);

/* 0.0.0.0/0. */
bool prefix_is_all4(const struct prefix *p);

/* "ADDR" or "ADDR/LEN", LEN as people write it (24 for an IPv4 /24, 120 for ::ffff:192.0.2.0).
 * Bits right of LEN must be zero: -EDOM names that case. All of IPv4 is 0.0.0.0/0 only: -ERANGE
 * names ::ffff:0:0/96, with which lists of bogons mean a part of IPv6 that nobody sends from (RFC
 * 6890 2.2.3). Other errors are -EINVAL. */
int prefix_parse(const char *text, struct prefix *ret);
/* Prints "/LEN" only when it is not a single address. Returns buf. */
const char *prefix_text(const struct prefix *p, char buf[PREFIX_TEXT]);

/* "192.0.2.1:25" or "[2001:db8::1]:25"; port 1..65535. 0 or -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *ret);
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);
const char *endpoint_text(const struct endpoint *e, char buf[ENDPOINT_TEXT]);

#endif
