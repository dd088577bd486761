/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening sockets and the endpoints that the kernel's programs protect, both from the
 * configuration.
 */
#ifndef GREYGATE_LISTENERS_H
#define GREYGATE_LISTENERS_H

#include "config/config.h"
#include "worker.h"

struct listeners {
	int count;
	struct endpoint at[WORKER_LISTENERS];
	int fd[DAEMON_WORKERS][WORKER_LISTENERS]; /* one group (SO_REUSEPORT) an endpoint */
};

/* Binds and listens for `workers` workers. host mode gets a loopback listener for each protected
 * family that has none: the socket lookup program hands connections over whatever they are bound
 * to. gateway mode gets one on each protected endpoint itself, in the order of `protect`, though
 * the address is the mail server's. Sockets that `held` has of an endpoint are taken out of it
 * instead of being made: those of a predecessor, with the connections that wait in them. On failure
 * nothing is open and err names the endpoint, the cause and the mend. */
int listeners_open(const struct config *c, int workers, struct listeners *held,
		   struct listeners *ret, char *err, size_t err_size);
/* Whether it could bind all of them, as things are now; nothing is left open. -errno and err as of
 * listeners_open. */
int listeners_check(const struct config *c, char *err, size_t err_size);
void listeners_close(struct listeners *l);
/* First listener of a family, for the socket map; -1: none. */
int listeners_of(const struct listeners *l, bool is4);

/* What is protected: `protect` in host and gateway mode; in relay mode the listening endpoints, a
 * wildcard replaced by this machine's addresses of that family. Returns how many, or -errno; *ret
 * is the caller's to free. */
int listeners_vips(const struct config *c, struct endpoint **ret);

#endif
