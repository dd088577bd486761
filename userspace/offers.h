/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the mail servers offer in their EHLO, and so what ours may offer: the extensions that all of
 * those have that answer now and have been heard, and the smallest SIZE that one of them names. A
 * message may go to any of them, and must find there what it needs.
 *
 * While none of them answers no message can go anywhere, and a sender that misses an extension
 * bounces its message for good: so all is offered then that any of them may have, which is
 * everything we can carry for one that was never heard. What was heard outlives the daemon
 * (offers_file.h) and a change of the list.
 */
#ifndef GREYGATE_OFFERS_H
#define GREYGATE_OFFERS_H

#include "daemon.h"
#include "relay/upstream.h"

/* The mail servers of these settings: what is known of those that stay, stays. Main thread. */
void offers_targets(struct daemon *d, const struct config *c);
/* Its EHLO as the probe heard it. Any thread. */
void offers_learn(struct daemon *d, const struct config *c, const struct endpoint *peer,
		  const struct upstream *up);
/* As a delivery heard it, perhaps in a client's name: what is missing is missed at once, what is
 * new waits for the probe, for others may not be given it. Any thread. */
void offers_confirm(struct daemon *d, const struct config *c, const struct endpoint *peer,
		    const struct upstream *up);
/* A mail server went down or came back. Any thread. */
void offers_again(struct daemon *d, const struct config *c);

/* What was known when the daemon stopped, from state_dir; and there again, where it has changed.
 * Main thread. */
void offers_restore(struct daemon *d, const struct config *c);
void offers_keep(struct daemon *d, const struct config *c);

/* enum upstream_cap that may be offered; *ret_known: at least one has been heard. */
uint32_t offers_caps(const struct daemon *d, bool *ret_known);
uint64_t offers_size(const struct daemon *d); /* bytes, 0: no limit */

#endif
