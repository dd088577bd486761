/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the header of a message has a Message-ID field (RFC 5322 3.6.4) with something in it. The
 * message comes in pieces cut anywhere, as the client sent it; a struct begins as zeros.
 */
#ifndef SMTP_MESSAGEID_H
#define SMTP_MESSAGEID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct messageid {
	uint8_t state; /* enum in messageid.c */
	uint8_t at;    /* bytes of the name that fit so far */
};

void messageid_scan(struct messageid *m, const char *buf, size_t len);
bool messageid_found(const struct messageid *m);

#endif
