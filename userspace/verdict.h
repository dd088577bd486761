/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verdict.c, which has one verdict in RAM, kernel and store, shares with daemon.c. */
#ifndef GREYGATE_VERDICT_H
#define GREYGATE_VERDICT_H

#include "daemon.h"

#define VERDICT_OF_CONFIG 255 /* list id of the verdicts that stand for greylist.exempt */
extern const struct verdict_entry verdict_of_config;
#define VERDICT_ROOM_TRIES 4 /* others may take the room that was made */

/* Queues an entry for the store, its end with e NULL. Under verdict_lock. */
void verdict_store(struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
		   const char *reason);
/* Out of the kernel; under verdict_lock. */
void verdict_kernel_del(struct daemon *d, const struct prefix *p);
/* What load balancers' addresses are to the kernel. from: NULL at start. */
void verdict_balancers(struct daemon *d, const struct config *from, const struct config *to);
/* Out of all three places; where greylist.exempt has the prefix, that is in force from now on.
 * -ENOENT. */
int verdict_del(struct daemon *d, const struct prefix *p, const char *reason);
/* The same for an operator who wants nothing known of it; what is of the settings stays. False: it
 * does. */
bool verdict_forget(struct daemon *d, const struct prefix *p);
/* greylist.exempt no longer has the prefix; what an operator has said of it stands. */
void verdict_unexempt(struct daemon *d, const struct prefix *p);
/* The same as verdict_del for one that is over; if it no longer is, nothing happens. */
void verdict_expire(struct daemon *d, const struct prefix *p);
/* An earned one that is in force lives at least until then, s of CLOCK_REALTIME. */
void verdict_extend(struct daemon *d, const struct prefix *p, uint32_t expires);
/* What memory has of it now, into the kernel: 0, -ENOENT or -ENOSPC. */
int verdict_kernel_put(struct daemon *d, const struct prefix *p);
/* Entries of the kernel's map for p go that no operator has made. False: there is none. */
bool verdict_make_room(struct daemon *d, const struct prefix *p);

#endif
