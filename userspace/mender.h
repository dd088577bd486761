/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts back what was taken away of the kernel half while the daemon runs, which has no rights to:
 * a child of the process that keeps them (starter.h). It follows the settings of the start and
 * reads nothing of anybody.
 */
#ifndef GREYGATE_MENDER_H
#define GREYGATE_MENDER_H

#include "config/config.h"

/* Says on channel what there is afterwards: HANDOVER_PART for each part (struct fastpath_part, and
 * the descriptor of a new socket lookup link), then HANDOVER_DONE; or HANDOVER_FAILED. Ends the
 * process, within half a minute. */
void mender_run(const struct config *c, int channel) __attribute__((noreturn));

#endif
