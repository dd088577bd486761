/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a start has attached to the kernel goes again when the start fails, although the rights to
 * remove it are gone by then: threads and rings can only be made without them. A process that is
 * forked before and keeps them waits for how it ends. It reads no byte of anybody, and is gone once
 * the daemon runs.
 *
 * All calls: main thread.
 */
#ifndef GREYGATE_ROLLBACK_H
#define GREYGATE_ROLLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rollback {
	int fd; /* -1: none waits */
	pid_t child;
};

/* Forks it, before there are threads. bpffs: as for fastpath_clear. -errno and err. */
int rollback_begin(struct rollback *r, const char *bpffs, char *err, size_t err_size);
/* From now on everything below bpffs is this start's own: it goes unless rollback_end says
 * otherwise, also when this process is killed. For fastpath_conf: of a struct rollback. */
void rollback_arm(void *rollback);
/* The start has succeeded, or has failed and holds no lock of bpffs any more. Waits until all is as
 * it is to be. */
void rollback_end(struct rollback *r, bool succeeded);

#endif
