/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a DNS list (RFC 5782) says with its reply. A reply means something only if it lies in
 * 127.0.0.0/8 and in one of the list's masks; codes that tell of a refused or over-quota question
 * (127.255.255.x, 127.0.0.255) and addresses that no list sends make the whole answer worthless.
 * Pure; any thread.
 */
#ifndef DNS_LISTS_H
#define DNS_LISTS_H

#include <stdint.h>

#define DNSLIST_MASKS 8

struct dnslist_mask {
	uint8_t low[4], high[4];
};

struct dnslist_replies {
	uint32_t count;
	struct dnslist_mask mask[DNSLIST_MASKS];
};

/* "127.0.0.2-11", "127.0.*.1,127.0.1.4": up to DNSLIST_MASKS of them with commas, each of four
 * parts N, N-M or "*", the first one 127. 0 or -EINVAL. */
int dnslist_replies_parse(const char *text, struct dnslist_replies *ret);

enum dnslist_says {
	DNSLIST_UNKNOWN, /* no answer in time, or a failure */
	DNSLIST_NOT,     /* not listed */
	DNSLIST_LISTED,
	DNSLIST_REFUSED, /* the list does not serve us, or somebody lies in its place */
};

struct dns_answer;
/* a: answer to an A question. */
enum dnslist_says dnslist_read(const struct dnslist_replies *r, const struct dns_answer *a);

#endif
