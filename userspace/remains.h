/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an earlier start has put into the kernel, and this one has no use for: all of it when there
 * are no interfaces any more or xdp is off, and what stands under another bpffs. It would go on
 * judging by maps that nobody keeps. Which bpffs that was stands in state_dir/kernel, so that of
 * several daemons each knows its own:
 *
 *   greygate kernel 1
 *   /sys/fs/bpf/greygate
 *
 * Main thread, with the rights of a start.
 */
#ifndef GREYGATE_REMAINS_H
#define GREYGATE_REMAINS_H

#include <stddef.h>

#include "config/config.h"

#define REMAINS_FILE "kernel"

/* Notes that this start uses c->bpffs, or nothing in the kernel, after what is no longer used was
 * detached, each thing of it a line in the log. held_lock: of a predecessor, on c->bpffs; 0: none.
 * -errno and err, in the words of fastpath_detach, and all that is left stays in force. */
int remains_clear(const struct config *c, int held_lock, char *err, size_t err_size);

#endif
