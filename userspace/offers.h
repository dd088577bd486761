/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the mail servers offer in their EHLO, and so what ours may offer: the extensions that all of
 * those have that answer now and have been heard, and the smallest SIZE that one of them names. A
 * message may go to any of them, and must find there what it needs. Before the first greeting
 * nothing is known and nothing offered; while all are down what was known stands.
 */
#ifndef GREYGATE_OFFERS_H
#define GREYGATE_OFFERS_H

#include "daemon.h"
#include "relay/upstream.h"

/* Its EHLO as the probe heard it. Any thread. */
void offers_learn(struct daemon *d, const struct config *c, const struct endpoint *peer,
		  const struct upstream *up);
/* As a delivery heard it, perhaps in a client's name: what is missing is missed at once, what is
 * new waits for the probe, for others may not be given it. Any thread. */
void offers_confirm(struct daemon *d, const struct config *c, const struct endpoint *peer,
		    const struct upstream *up);
/* A mail server went down or came back. Any thread. */
void offers_again(struct daemon *d, const struct config *c);
/* The list of mail servers has changed. */
void offers_forget(struct daemon *d);

/* enum upstream_cap of them all; *ret_known: at least one has been heard. */
uint32_t offers_caps(const struct daemon *d, bool *ret_known);
uint64_t offers_size(const struct daemon *d); /* bytes, 0: no limit */

#endif
