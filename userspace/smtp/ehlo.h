/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service extensions of EHLO: those that are ours to give, and those that only the mail server
 * behind can keep, which smtp_conf.offers names. What a client was offered holds until it greets
 * again, whatever the settings say meanwhile.
 */
#ifndef SMTP_EHLO_H
#define SMTP_EHLO_H

#include "smtp.h"

enum ehlo_keyword {
	EHLO_PIPELINING, /* RFC 2920 */
	EHLO_SIZE,       /* RFC 1870 */
	EHLO_8BITMIME,   /* RFC 6152 */
	EHLO_SMTPUTF8,   /* RFC 6531 */
	EHLO_DSN,        /* RFC 3461 */
	EHLO_CHUNKING,   /* RFC 3030 */
	EHLO_ENHANCED,   /* RFC 2034 */
	EHLO_STARTTLS,   /* RFC 3207 */
	EHLO_HELP,       /* RFC 5321 */
	EHLO_KEYWORD_MAX
};

static inline uint32_t ehlo_bit(enum ehlo_keyword k)
{
	return UINT32_C(1) << k;
}

/* What is offered now: a bit for each keyword. */
uint32_t ehlo_offered(const struct smtp_conf *c);
/* Appends the whole multiline reply to EHLO, at most SMTP_REPLY_MAX bytes. */
void ehlo_reply(struct smtp_out *out, const struct smtp_conf *c);

#endif
