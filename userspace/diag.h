/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's table of sockets (inet_diag) says of a connection. A client's socket is no
 * descriptor, and can't be asked itself.
 */
#ifndef GREYGATE_DIAG_H
#define GREYGATE_DIAG_H

#include "worker.h"

#define DIAG_UNTRIED (-1) /* worker.diag_fd */

/* State (TCP_ESTABLISHED...) of the worker's socket that has these two ends, or of the listener for
 * them; -ENOENT: there is none, or the kernel does not tell, which is said once. *ret_unheard:
 * bytes that the other end has not acknowledged. The session names the listener that it came by.
 * Answered at once. */
int diag_connection(struct worker *w, const struct session *s, const struct endpoint *local,
		    const struct endpoint *peer, uint32_t *ret_unheard);

#endif
