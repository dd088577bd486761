/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The harvest's side of trapping.c for those who have left; the rest of it is in worker.h. */
#ifndef GREYGATE_TRAPPING_H
#define GREYGATE_TRAPPING_H

#include "askers.h"
#include "daemon.h"

/* What the mail server says of the recipient by now: code, and its reply as in relay/rcpt.h. It
 * counts for him as it would have in his session. Any thread. */
void trapping_late(struct daemon *d, const struct asker *who, int code, const char *reply);

#endif
