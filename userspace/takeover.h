/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An upgrade in place, from the side of the daemon that comes: takes listeners and locks over, says
 * when it is ready, and from then on what the sessions of its predecessor still change.
 *
 * All calls: main thread.
 */
#ifndef GREYGATE_TAKEOVER_H
#define GREYGATE_TAKEOVER_H

#include "daemon.h"
#include "listeners.h"

struct takeover {
	struct daemon *daemon;
	int channel;                /* -1: this is an ordinary start */
	bool serving;               /* the predecessor has let go */
	struct listeners listeners; /* what it listened on, each with its workers' sockets */
	int control, store_lock, pins_lock; /* 0: none. Theirs who open those. */
	pthread_t thread;
	bool started;
};

/* Finds out whether there is a predecessor. */
void takeover_find(struct takeover *t);
/* Introduces this process and gets what it takes over. -errno, and err says why not. */
int takeover_begin(struct takeover *t, struct daemon *d, char *err, size_t err_size);
/* All is there: waits for the word of the predecessor, which is served until then. */
int takeover_ready(struct takeover *t, char *err, size_t err_size);
/* Starts to take what comes from it; after the store's writer. */
int takeover_serve(struct takeover *t);
/* It won't do: the predecessor goes on. */
void takeover_fail(struct takeover *t, const char *why);
/* Before the store's writer is stopped. A predecessor that is still there is on its own. */
void takeover_end(struct takeover *t);
/* Whether it still has sessions. */
bool takeover_lasts(const struct takeover *t);

#endif
