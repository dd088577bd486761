/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The values that delivery status notifications bring to MAIL and RCPT (RFC 3461 4, RFC 6533 3).
 */
#ifndef SMTP_DSN_H
#define SMTP_DSN_H

#include <stdbool.h>
#include <stddef.h>

/* RET: FULL or HDRS. */
bool dsn_ret(const char *p, size_t len);
/* ENVID: xtext of printable ASCII, at most 100 bytes. */
bool dsn_envid(const char *p, size_t len);
/* NOTIFY: NEVER, or SUCCESS, FAILURE and DELAY in any order, each once. */
bool dsn_notify(const char *p, size_t len);
/* ORCPT: an address type, ";" and xtext, at most 500 bytes. utf8: the message is an
 * internationalized one, and an address of type utf-8 may be written as it is. */
bool dsn_orcpt(const char *p, size_t len, bool utf8);

#endif
