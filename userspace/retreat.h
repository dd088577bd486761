/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows an upgrade in place that came to nothing, as far as it needs rights: the successor
 * is ended where it doesn't end by itself, and then its programs and pins, where it got so far,
 * give way to those of this process. Until that is over the maps stay lent: a successor that still
 * runs may write them.
 *
 * All calls: main thread.
 */
#ifndef GREYGATE_RETREAT_H
#define GREYGATE_RETREAT_H

#include "daemon.h"

struct retreat {
	struct daemon *daemon;
	int channel;    /* -1: none is under way; to be watched for input */
	uint64_t until; /* s, CLOCK_MONOTONIC: it has to be over by then */
	bool kernel;    /* the successor had the maps */
};

/* Begins one. False: nobody could be asked. */
bool retreat_begin(struct retreat *r, struct daemon *d, int starter);
/* The channel has input, or some time has passed. True: it is over, and the log says what went
 * wrong. */
bool retreat_step(struct retreat *r);

#endif
