/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that reads the configuration again: files of lists take their time, and imports that
 * are under way go before. The main thread meanwhile has the kernel's heartbeat to give.
 *
 * Whoever asks while a reload is under way gets another one, after it; all who ask in that time
 * share that one.
 */
#ifndef GREYGATE_RELOADER_H
#define GREYGATE_RELOADER_H

#include "daemon.h"

/* Starts it. 0 or a negative errno. */
int reloader_start(struct daemon *d);
/* Ends it, and waits for a reload that is under way; who waits for another gets none. Nothing
 * happens when it does not run. */
void reloader_stop(void);

/* SIGHUP: the service manager is told of it, the log has what comes of it. Any thread. */
void reloader_ask(void);
/* The same for a client, who waits: as daemon_reload, or -ECANCELED when the daemon is stopped
 * before. tell: called every few seconds until then; err: nobody's but the caller's. Any thread
 * that may wait. */
int reloader_wait(char *err, size_t err_size, void (*tell)(void *arg), void *arg);

#endif
