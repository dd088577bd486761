/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Out of the foreground, while who called there waits for the outcome. */
#ifndef GREYGATE_BACKGROUND_H
#define GREYGATE_BACKGROUND_H

/* Returns in a new session; the process that called ends with success when background_ready is
 * called, and with failure when that can't come any more. -errno. */
int background_enter(int *ret_ready);
/* ready: from background_enter; -1: nobody waits. */
void background_ready(int ready);

#endif
