/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets that hold an address which isn't this machine's: in gateway mode the mail server's
 * towards the client, the client's towards the mail server. They need CAP_NET_RAW, and with a port
 * below 1024 CAP_NET_BIND_SERVICE.
 */
#ifndef GREYGATE_TRANSPARENT_H
#define GREYGATE_TRANSPARENT_H

#include "core/addr.h"

/* Lets a socket of that family be bound to any address. 0 or -errno. */
int transparent_allow(int fd, int family);
/* A TCP socket that connects as e; port 0: by a port of the kernel's choice. A descriptor or
 * -errno. */
int transparent_socket(const struct endpoint *e);

#endif
