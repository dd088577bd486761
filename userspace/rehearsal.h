/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a start would be refused for, asked without making anything: by the start itself before it
 * attaches anything, and by greygate doctor. 0, or -errno and err says what the start says: the
 * thing, the cause and, behind a semicolon, the mend.
 *
 * All calls: a process that has no threads yet, or the main thread.
 */
#ifndef GREYGATE_REHEARSAL_H
#define GREYGATE_REHEARSAL_H

#include "config/config.h"

/* Rings, as the workers ask for them: the kernel may let nobody but root have any. A user that
 * isn't there, or NULL: as the caller is. */
int rehearsal_rings(const char *user, char *err, size_t err_size);
/* Addresses and ports, as they are free now: not while a daemon with these settings runs. */
int rehearsal_listeners(const struct config *c, char *err, size_t err_size);
/* state_dir, or its parent, where it is to be made. */
int rehearsal_state(const struct config *c, char *err, size_t err_size);

#endif
