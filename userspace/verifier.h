/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that asks the mail server about recipients (RFC 5321 3.5.3: by MAIL and RCPT): takes
 * the questions of verify.h, never more than upstream verify_probes of them at once, from the null
 * sender and in nobody's name, and writes down what was said. Before the first recipient of a
 * domain it asks for one that nobody can have: a domain in which that is taken is left alone.
 */
#ifndef GREYGATE_VERIFIER_H
#define GREYGATE_VERIFIER_H

#include "daemon.h"

#define VERIFIER_PROBES 64

/* Starts it on d->verify. 0 or a negative errno. */
int verifier_start(struct daemon *d);
/* Ends it, and waits for that. Nothing happens when it does not run. */
void verifier_stop(void);

#endif
