/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An upgrade in place, from the side of the daemon that is there: has its successor started, gives
 * it the listeners and the locks, and goes on as before when that one does not get ready, as soon
 * as nothing is left of it (retreat.h). Once the successor serves, this process only brings its own
 * sessions to their end: what they change goes to the successor, which alone writes store and
 * kernel maps.
 *
 * All calls: main thread.
 */
#ifndef GREYGATE_UPGRADE_H
#define GREYGATE_UPGRADE_H

#include "control/control.h"
#include "daemon.h"
#include "retreat.h"

struct heir;

struct upgrade {
	struct daemon *daemon;
	struct control *control;
	int starter;            /* -1: there is none */
	int channel;            /* -1: no upgrade under way; to be watched for input */
	int32_t successor;      /* its process id; 0: not known yet */
	uint64_t until;         /* ms, CLOCK_MONOTONIC: the successor has to be ready */
	bool met;               /* the successor is fit, and waits for what it is given */
	uint64_t still;         /* ms: until then nothing must be loaded or imported any more */
	struct heir *heir;      /* the successor's store, once it serves */
	struct retreat retreat; /* from the last attempt */
	char why[1500];         /* that one was given up; said when the retreat is over */
};

/* Asks for a successor; says in the log why not. */
void upgrade_begin(struct upgrade *u);
/* A channel has input, or some time has passed. True: the successor serves. */
bool upgrade_step(struct upgrade *u);
/* The daemon is to be stopped instead: the successor is told off, and waited for. */
void upgrade_cancel(struct upgrade *u);
/* How many sessions are left here; for its status. */
void upgrade_tell(struct upgrade *u, uint32_t sessions);
/* After the store's writer has ended. */
void upgrade_end(struct upgrade *u);

#endif
