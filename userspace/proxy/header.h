/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PROXY protocol's header, version 1 (a line of text) and 2 (binary), as haproxy's
 * proxy-protocol.txt has it. Read strictly: it decides whom the client is taken for.
 */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include <stddef.h>

#include "../core/addr.h"

#define PROXY_HEADER                                                                               \
	536 /* longest that is taken: version 2 with two IPv6 endpoints and 484 bytes of           \
	       further values */

enum proxy_result {
	PROXY_MORE,   /* so far it may be one */
	PROXY_CLIENT, /* *ret_client is whom the connection is for */
	PROXY_LOCAL,  /* the balancer's own connection: a health check, or a family it can't tell */
	PROXY_BAD,    /* no header, or a malformed one */
};

/* *ret_len: bytes of the header, set with CLIENT and LOCAL; what follows is the client's. The
 * answer does not depend on how the bytes were cut. */
enum proxy_result proxy_header(const char *buf, size_t len, struct endpoint *ret_client,
			       size_t *ret_len);

#endif
