/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PROXY protocol's header, version 1 (a line of text) and 2 (binary), as haproxy's
 * proxy-protocol.txt has it. Read strictly: it decides whom the client is taken for.
 */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include <stddef.h>

#include "../core/addr.h"

/* Longest that is taken: version 2 with as much behind its 16 bytes as it can announce. */
#define PROXY_HEADER (16 + 65535)

enum proxy_result {
	PROXY_MORE,   /* so far it may be one */
	PROXY_CLIENT, /* *ret_client is whom the connection is for */
	PROXY_LOCAL,  /* the balancer's own connection: a health check, a family it can't tell or
			 that is not TCP over IP, or from its own loopback address */
	PROXY_BAD,    /* no header, a malformed one, or one with a client that can't be one: the
			 unspecified address, multicast, broadcast, 0.0.0.0/8 */
};

/* *ret_here: where the balancer says that the client came to, set with CLIENT; its port is 0 where
 * that can't be a destination (as the client's address, or no port).
 * *ret_len: bytes of the header, set with CLIENT and LOCAL; what follows is the client's. The
 * answer does not depend on how the bytes were cut. What stands behind the addresses of version 2
 * (its 2.2) has to be whole and its checksum, where there is one, right; behind the command LOCAL
 * everything is skipped, as the document wants it. */
enum proxy_result proxy_header(const char *buf, size_t len, struct endpoint *ret_client,
			       struct endpoint *ret_here, size_t *ret_len);

/* Of bytes that were PROXY_BAD: what is wrong with them, in a few words; static text. */
const char *proxy_fault(const char *buf, size_t len);

#define PROXY_SAID 52 /* longest that is written */

/* The header of version 2 for a client that reached us at `here`; client NULL: for a connection of
 * our own. Of two families both are written as IPv6, IPv4 mapped into it. Returns its length. */
size_t proxy_say(const struct endpoint *client, const struct endpoint *here, char buf[PROXY_SAID]);

#endif
