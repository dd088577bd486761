/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service extensions of EHLO. A parameter of MAIL or RCPT is known only while the extension
 * that brings it is offered.
 */
#ifndef SMTP_EHLO_H
#define SMTP_EHLO_H

#include "smtp.h"

enum ehlo_keyword {
	EHLO_PIPELINING, /* RFC 2920 */
	EHLO_SIZE,       /* RFC 1870 */
	EHLO_8BITMIME,   /* RFC 6152 */
	EHLO_ENHANCED,   /* RFC 2034 */
	EHLO_STARTTLS,   /* RFC 3207 */
	EHLO_HELP,       /* RFC 5321 */
	EHLO_KEYWORD_MAX
};

bool ehlo_offers(const struct smtp_conf *c, enum ehlo_keyword k);
/* Appends the whole multiline reply to EHLO, at most SMTP_REPLY_MAX bytes. */
void ehlo_reply(struct smtp_out *out, const struct smtp_conf *c);

#endif
