// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way to the mail server: a socket to it, and in whose name. In gateway mode delivery.backend
 * counts the tries.
 */
#include <errno.h>
#include <unistd.h>

#include "backend.h"
#include "delivery.h"
#include "proxy/header.h"
#include "transparent.h"

/* Connections of the client's own that are forwarded stand in no table here, and one of the same
 * two ends would break them. Clients take their ports from above these, and NAT seldom takes one of
 * them. The kernel can't be told to choose among them: IP_LOCAL_PORT_RANGE counts only within
 * net.ipv4.ip_local_port_range. */
#define ASIDE_FIRST 1024
#define ASIDE_LAST 9999

#define CLIENT_TRIES 8

/* Its own port, which no connection of its own to the mail server can have while this session is
 * open. After a first delivery that may be in TIME_WAIT, or a server of this machine listens there:
 * then another, and at last whatever the kernel has (0). */
static uint16_t choose_port(struct worker *w, uint16_t own, int attempt)
{
	if (!attempt)
		return own;
	if (attempt == CLIENT_TRIES - 1)
		return 0;
	return (uint16_t)(ASIDE_FIRST + worker_random(w) % (ASIDE_LAST - ASIDE_FIRST + 1));
}

/* In the client's own name. A descriptor, -1: no more tries. */
static int open_as_client(struct worker *w, struct delivery *d)
{
	const struct session *s = worker_session(w, d->session);
	struct endpoint client = {s->src, s->port};
	int fd;

	d->peer = w->config->protect[s->listener];
	for (; d->backend < CLIENT_TRIES; d->backend++) {
		client.port = choose_port(w, s->port, d->backend);
		fd = transparent_socket(&client);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static int open_backend(const struct worker *w, struct delivery *d)
{
	d->peer = w->config->backend[d->backend];
	return backend_socket(w->config, &d->peer, 0);
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

/* ---- whom we tell about ---- */

/* What the client asked for, as far as the settings say it; the address may be a wildcard. */
static struct endpoint asked_for(const struct config *c, const struct session *s)
{
	if (c->mode == GG_MODE_GATEWAY)
		return c->protect[s->listener];
	if (c->mode == GG_MODE_RELAY)
		return c->listen[s->listener];
	for (int i = 0; i < c->protect_count; i++)
		if (addr_is4(&c->protect[i].addr) == addr_is4(&s->src))
			return c->protect[i];
	return c->protect[0];
}

/* Our address on the way back to the client: what a datagram to it would come from. *ret stays as
 * it is where there is none. */
static void towards(const struct endpoint *client, struct addr *ret)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(client, &sa), size = sizeof(sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct endpoint here;

	if (fd < 0)
		return;
	if (!connect(fd, (struct sockaddr *)&sa, len) &&
	    !getsockname(fd, (struct sockaddr *)&sa, &size) &&
	    !addr_from_sockaddr((struct sockaddr *)&sa, &here))
		*ret = here.addr;
	close(fd);
}

/* Sockets of clients live in a ring's table, where getsockname can't see them. */
struct endpoint way_here(struct worker *w, uint32_t n)
{
	const struct session *s = worker_session(w, n);
	const struct endpoint client = {s->src, s->port};
	struct endpoint here;

	if (s->forwarded)
		return w->reached[n];
	here = asked_for(w->config, s);
	if (addr_is_any(&here.addr) || addr_is4(&here.addr) != addr_is4(&s->src))
		towards(&client, &here.addr);
	if (addr_is_any(&here.addr))
		here.port = 0;
	return here;
}

bool way_header(struct worker *w, struct delivery *d)
{
	const struct session *s = worker_session(w, d->session);
	const struct endpoint client = {s->src, s->port};

	if (!w->config->upstream.proxy)
		return false;
	d->out.len = proxy_say(&client, &d->here, d->out.buf);
	return true;
}
