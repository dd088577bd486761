/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the answer to RCPT says of the recipient, as far as it says something of it and not of the
 * one who asks, of the load, or of the sender.
 */
#ifndef RELAY_RCPT_H
#define RELAY_RCPT_H

enum rcpt_says {
	RCPT_VALID,   /* 2xx: taken, which a backend that takes anything says of anything */
	RCPT_UNKNOWN, /* refused for good, because of its address */
	RCPT_UNCLEAR, /* anything else: nothing to be remembered */
};

/*
 * Of a whole reply: its code, and its lines as they came, code and CRLF included. A 5xx counts as
 * "unknown" by its enhanced status (RFC 3463): 5.1.x but for those of the sender
 * (5.1.7, 5.1.8), 5.2.1 (mailbox disabled), and 5.4.1, which Exchange gives to recipients it
 * doesn't have. Without one the codes 550, 551 and 553 do (RFC 5321 4.2.3).
 */
enum rcpt_says rcpt_says(int code, const char *reply);

#endif
