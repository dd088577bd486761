/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tickets: what a refusal gives the sender to quote. 64 bits as 13 digits of Crockford's base 32
 * (no I, L, O, U), which survive a telephone. The number is the tag of the record the refusal is
 * about, so a ticket leads back to its record for as long as that lives.
 */
#ifndef CORE_TICKET_H
#define CORE_TICKET_H

#include <stdint.h>

#define TICKET_TEXT 14 /* 13 digits, NUL */

const char *ticket_text(uint64_t tag, char buf[TICKET_TEXT]);
/* Case and hyphens do not matter, I and L read as 1, O as 0. 0 or -EINVAL. */
int ticket_parse(const char *text, uint64_t *ret);

#endif
