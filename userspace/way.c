// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way to the mail server: a socket to it, and in whose name. In gateway mode delivery.backend
 * counts the tries.
 */
#include <errno.h>
#include <unistd.h>

#include "delivery.h"
#include "transparent.h"

#define CLIENT_TRIES 2

/* In the client's own name: its address, and its port, which no connection of its own to the mail
 * server can have while this session is open. After a first delivery the port may be in TIME_WAIT;
 * then any other will do. A descriptor, -1: no more tries. */
static int open_as_client(struct worker *w, struct delivery *d)
{
	const struct session *s = worker_session(w, d->session);
	const struct endpoint client = {s->src, s->port};
	int fd;

	d->peer = w->config->protect[s->listener];
	for (; d->backend < CLIENT_TRIES; d->backend++) {
		fd = transparent_socket(&client, d->backend > 0);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static int open_backend(const struct worker *w, struct delivery *d)
{
	d->peer = w->config->backend[d->backend];
	return socket(addr_is4(&d->peer.addr) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int way_open(struct worker *w, struct delivery *d)
{
	return w->config->mode == GG_MODE_GATEWAY ? open_as_client(w, d) : open_backend(w, d);
}

bool way_again(const struct worker *w, struct delivery *d, int error)
{
	/* Only a taken port is a reason to take another one. */
	return w->config->mode == GG_MODE_GATEWAY && error == -EADDRNOTAVAIL &&
	       ++d->backend < CLIENT_TRIES;
}
