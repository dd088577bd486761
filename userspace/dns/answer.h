/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An answer of the domain name system as a list of records of one type: what the parser of a
 * server's message fills, the cache keeps and everybody else reads. Pure; any thread.
 */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME 254      /* longest name as text, no dot at the end, with NUL */
#define DNS_MESSAGE 65535 /* RFC 1035 4.2.2: the longest there is, over TCP */
#define DNS_NAMES 32      /* of a PTR or MX answer: nobody reads more */

/* Bytes of all records of an answer, whatever the message: as many IPv6 addresses as it may hold,
 * 28 bytes each in there and 18 in here. */
#define DNS_DATA (DNS_MESSAGE / 28 * 18)

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

enum dns_status {
	DNS_FOUND,
	DNS_NONE,   /* no such name, or no record of this type */
	DNS_FAILED, /* the server refused, failed or sent nonsense; or the question can't be asked
		     */
	DNS_TIMEOUT,
};

struct dns_answer {
	uint8_t status; /* enum dns_status; not DNS_FOUND: there are no records */
	uint16_t count;
	uint32_t ttl; /* s, of the shortest-lived record as the server gave it */
	uint32_t len;
	uint8_t data[DNS_DATA];
};

/*
 * The next record of an answer, *at beginning with 0: false behind the last. A and AAAA are the
 * address, TXT its strings joined, PTR the name as text, MX two bytes of preference and the name.
 * Names are in lower case without a dot at the end and without NUL; "" is the root.
 */
bool dns_record(const struct dns_answer *a, size_t *at, const uint8_t **data, size_t *len);

/* Appends a record; false when there is no room. */
bool dns_record_add(struct dns_answer *a, const void *data, size_t len);

/*
 * Reads a server's message, which answers `name`: records of `type` that belong to the name, along
 * its aliases. Records that are broken by themselves (a name with a dot inside a label) are left
 * out, so are names beyond DNS_NAMES, and of texts all but what spf_keep does. -EBADMSG: the
 * message is damaged, *ret is undefined.
 */
int dns_parse(const uint8_t *msg, size_t len, const char *name, enum dns_type type,
	      struct dns_answer *ret);

#endif
