/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of the domain name system as text, without a dot at the end. Pure; any thread. */
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "../core/addr.h"
#include "answer.h"

/* Whether a question can be made of it: labels of 1 to 63 bytes, at most 253 in all, none outside
 * ASCII or below the blank (RFC 1035 2.3.4). */
bool name_askable(const char *name);
/* A host's name: askable, letters, digits, "-" and "_" only, at least two labels, the last one not
 * a number. */
bool name_is_host(const char *name);
/* Whether it is `domain` or lies below it, whatever the case. */
bool name_below(const char *name, const char *domain);

#define NAME_REVERSE 74 /* 32 nibbles with dots, "ip6.arpa", NUL */
/* Where the PTR of an address stands: 7.2.0.192.in-addr.arpa, or nibbles under ip6.arpa. */
const char *name_reverse(const struct addr *a, char buf[NAME_REVERSE]);
/* The same octets or nibbles under a list's zone (RFC 5782 2.1, 2.4). False when the zone is too
 * long for that. */
bool name_listed(const struct addr *a, const char *zone, char buf[DNS_NAME]);

#endif
