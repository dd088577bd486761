/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts things right that the daemon has no rights to: a child of the process that keeps them
 * (starter.h). It follows the settings of the start and reads nothing of anybody.
 */
#ifndef GREYGATE_MENDER_H
#define GREYGATE_MENDER_H

#include <sys/types.h>

#include "config/config.h"
#include "fastpath/fastpath.h"

/* What was taken away of the kernel half is put back. Says on channel what there is afterwards:
 * HANDOVER_PART for each part (struct fastpath_part, and the descriptor of a new socket lookup
 * link), then HANDOVER_DONE; or HANDOVER_FAILED. Ends the process, within half a minute. */
void mender_run(const struct config *c, int channel) __attribute__((noreturn));

/* The successor started last. */
struct mender_next {
	pid_t pid;
	int fd; /* of that process; -1: none was started */
};

/* An upgrade came to nothing: the successor is ended where it doesn't end by itself
 * (HANDOVER_ENDED), and with held, descriptors of FASTPATH_HELD maps, what it has left in the
 * kernel gives way to those (fastpath_restore). Says what mender_run says; with DONE then comes the
 * descriptor of the pins. Within a minute. */
void mender_retreat(const struct config *c, const struct mender_next *next, int channel,
		    const int *held) __attribute__((noreturn));

#endif
