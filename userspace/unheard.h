/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gateway mode: whether the strangers that tc hands over reach TCP on this machine. They are
 * delivered here, so that the input rules of a firewall are theirs; one that drops them leaves them
 * to time out, without a word.
 *
 * TCP counts every segment that reaches it (tcpInSegs of RFC 4022), a SYN of a flood too. When
 * fewer came in altogether than half the connections that were handed over, something between drops
 * them. Limits: this machine's other TCP hides it while there is more of that.
 */
#ifndef GREYGATE_UNHEARD_H
#define GREYGATE_UNHEARD_H

#include "daemon.h"

/* Counted since whenever; only what is added matters. */
struct unheard_sums {
	uint64_t handed;   /* connections that tc gave to the daemon */
	uint64_t segments; /* that TCP received */
	uint64_t accepted; /* by the daemon */
};

/* What the sums of two moments make of it: whether they are dropped; was: what was known before. */
bool unheard_judge(const struct unheard_sums *before, const struct unheard_sums *after, bool was);
/* The text of /proc/net/snmp; false: it doesn't tell. */
bool unheard_segments(const char *snmp, uint64_t *ret);

/* Once a second: looks now and then, and says in the log what has changed. Main thread. */
void unheard_step(struct daemon *d);
/* What it means and what mends it, for people; NULL: all is well, or not known. Any thread. */
const char *unheard_why(void);

#endif
