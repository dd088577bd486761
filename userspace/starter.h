/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one process that keeps the rights of the start. It can do three things, when the daemon asks:
 * start the program of this path with these arguments once more, for an upgrade in place; end that
 * process, and put back what this start had attached, when the upgrade comes to nothing; and put
 * back what somebody has taken away of that.
 *
 * The daemon itself gives its rights up for good and could not load the kernel programs of its
 * successor. To keep them there would put them within reach of what parses the Internet; to ask for
 * a set-user-ID program or for the help of the service manager would bind upgrades to an
 * installation. So they stay in a process that reads no byte of anybody: of a request it looks at
 * nothing but which of the three it is and the descriptors that come with it. What to start and
 * what to attach was settled before there was a daemon; over which maps the daemon says, which has
 * them open and can write what it likes into them.
 */
#ifndef GREYGATE_STARTER_H
#define GREYGATE_STARTER_H

#include "config/config.h"
#include "fastpath/fastpath.h"

/* Forks it, before there are threads; of the descriptors it keeps the standard ones. It ends with
 * the process that called. *ret_fd: for starter_ask. -errno. */
int starter_begin(char **argv, const struct config *c, int *ret_fd);

/* Whether it has ended, without asking it for anything. */
bool starter_gone(int fd);

/* Has a mender started (mender.h), with the settings of the start: fds[0] becomes its channel; it
 * holds fds[1], the lock of the pins, while it is at work. 0, -errno. */
int starter_mend(int fd, const int fds[2]);

/* Has the program started. `channel` becomes the successor's, which finds its number in the
 * environment variable HANDOVER_ENV; on failure to start it the channel says why (HANDOVER_FAILED)
 * and closes. 0, -errno. */
int starter_ask(int fd, int channel);

/* The upgrade has come to nothing: has the successor started last ended, and what it has put into
 * the kernel replaced (mender.h). fds[0]: its channel becomes that of who does it. Where the
 * successor had the kernel maps: fds[1], the lock of the pins, is held until it is done; the rest,
 * FASTPATH_HELD of them, are the maps before. n: 1 or STARTER_RETREAT. 0, -errno. */
#define STARTER_RETREAT (2 + FASTPATH_HELD)
int starter_retreat(int fd, const int *fds, int n);

#endif
