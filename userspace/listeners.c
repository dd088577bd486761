// SPDX-License-Identifier: GPL-2.0-or-later
#include "listeners.h"
#include "transparent.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 40   /* tries of a port in use, 50 ms apart */
#define BACKLOG 65535 /* the kernel takes the smaller of this and net.core.somaxconn */

static const char *bind_mend(int err, bool transparent)
{
	switch (err) {
	case EADDRINUSE:
		if (transparent)
			return "stop the program that listens there (ss -ltnp shows it), another "
			       "greygated maybe, or change protect";
		return "stop the program that listens there (ss -ltnp shows it) or change listen";
	case EACCES:
		return "start as root or give the service CAP_NET_BIND_SERVICE";
	case EADDRNOTAVAIL:
		return "give the machine that address (ip address add) or change listen";
	default:
		return "change listen";
	}
}

static int open_one(const struct endpoint *e, bool transparent, struct endpoint *ret_bound)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(e, &sa);
	int one = 1, fd, err;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	/* Inherited by what is accepted: a stuttered byte must not wait for the next one. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	err = transparent ? transparent_allow(fd, sa.ss_family) : 0;
	if (!err && (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, BACKLOG)))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	len = sizeof(sa);
	if (!getsockname(fd, (struct sockaddr *)&sa, &len))
		addr_from_sockaddr((struct sockaddr *)&sa, ret_bound);
	return fd;
}

/* SO_REUSEPORT would let a second program of this user share the port in silence: one try without
 * it tells whether the port is free. */
static int probe_free(const struct endpoint *e, bool transparent)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(e, &sa);
	int one = 1, err = 0;
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (transparent)
		err = transparent_allow(fd, sa.ss_family);
	if (!err && bind(fd, (struct sockaddr *)&sa, len))
		err = -errno;
	close(fd);
	return err;
}

/* At a port that the kernel chooses. */
static struct endpoint loopback(const char *address)
{
	struct endpoint e = {.port = 0};

	addr_parse(address, &e.addr);
	return e;
}

static void plan(const struct config *c, struct listeners *l)
{
	bool need4 = false, need6 = false;

	for (int i = 0; c->mode == GG_MODE_GATEWAY && i < c->protect_count; i++)
		l->at[l->count++] = c->protect[i];
	for (int i = 0; i < c->listen_count && l->count < WORKER_LISTENERS; i++)
		l->at[l->count++] = c->listen[i];
	if (c->mode != GG_MODE_HOST)
		return;
	for (int i = 0; i < c->protect_count; i++)
		*(addr_is4(&c->protect[i].addr) ? &need4 : &need6) = true;
	for (int i = 0; i < l->count; i++)
		*(addr_is4(&l->at[i].addr) ? &need4 : &need6) = false;
	if (need4 && l->count < WORKER_LISTENERS)
		l->at[l->count++] = loopback("127.0.0.1");
	if (need6 && l->count < WORKER_LISTENERS)
		l->at[l->count++] = loopback("::1");
}

static bool same_place(const struct endpoint *wanted, const struct endpoint *have)
{
	return !memcmp(&wanted->addr, &have->addr, sizeof(wanted->addr)) &&
	       (!wanted->port || wanted->port == have->port);
}

static bool take_held(struct listeners *held, int workers, struct listeners *l, int i)
{
	for (int k = 0; k < held->count; k++) {
		if (held->fd[0][k] < 0 || !same_place(&l->at[i], &held->at[k]))
			continue;
		l->at[i] = held->at[k];
		for (int w = 0; w < workers; w++) {
			l->fd[w][i] = held->fd[w][k];
			held->fd[w][k] = -1;
		}
		return true;
	}
	return false;
}

static int open_group(struct listeners *l, int i, int workers, bool transparent)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	int rc = probe_free(&l->at[i], transparent);

	/* The sockets of a daemon that was just killed go when the kernel has ended its rings. */
	for (int k = 0; rc == -EADDRINUSE && k < PATIENCE; k++) {
		nanosleep(&pause, NULL);
		rc = probe_free(&l->at[i], transparent);
	}
	for (int w = 0; w < workers && rc >= 0; w++) {
		/* The first bind of port 0 chooses the port that the others share. */
		rc = open_one(&l->at[i], transparent, &l->at[i]);
		l->fd[w][i] = rc;
	}
	return rc;
}

static int refused(const struct config *c, const struct endpoint *at, int rc, char *err,
		   size_t err_size)
{
	char text[ENDPOINT_TEXT];

	snprintf(err, err_size, "listen %s: %s; %s", endpoint_text(at, text), strerror(-rc),
		 bind_mend(-rc, c->mode == GG_MODE_GATEWAY));
	return rc;
}

int listeners_check(const struct config *c, char *err, size_t err_size)
{
	static struct listeners planned;
	int rc = 0;

	planned.count = 0;
	plan(c, &planned);
	for (int i = 0; i < planned.count && !rc; i++) {
		rc = probe_free(&planned.at[i], c->mode == GG_MODE_GATEWAY);
		if (rc)
			refused(c, &planned.at[i], rc, err, err_size);
	}
	return rc;
}

int listeners_open(const struct config *c, int workers, struct listeners *held,
		   struct listeners *ret, char *err, size_t err_size)
{
	memset(ret, 0, sizeof(*ret));
	memset(ret->fd, -1, sizeof(ret->fd));
	plan(c, ret);
	for (int i = 0; i < ret->count; i++) {
		int rc = 0;

		if (!take_held(held, workers, ret, i))
			rc = open_group(ret, i, workers, c->mode == GG_MODE_GATEWAY);
		if (rc < 0) {
			refused(c, &ret->at[i], rc, err, err_size);
			listeners_close(ret);
			return rc;
		}
	}
	return 0;
}

void listeners_close(struct listeners *l)
{
	for (int w = 0; w < DAEMON_WORKERS; w++)
		for (int i = 0; i < WORKER_LISTENERS; i++) {
			if (l->fd[w][i] >= 0)
				close(l->fd[w][i]);
			l->fd[w][i] = -1;
		}
}

int listeners_of(const struct listeners *l, bool is4)
{
	for (int i = 0; i < l->count; i++)
		if (addr_is4(&l->at[i].addr) == is4)
			return l->fd[0][i];
	return -1;
}

static int add_local(const struct ifaddrs *all, const struct endpoint *wildcard,
		     struct endpoint *ret, int n)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct endpoint e;

		if (!i->ifa_addr || addr_from_sockaddr(i->ifa_addr, &e) ||
		    addr_is4(&e.addr) != addr_is4(&wildcard->addr))
			continue;
		ret[n] = e;
		ret[n++].port = wildcard->port;
	}
	return n;
}

int listeners_vips(const struct config *c, struct endpoint **ret)
{
	bool relay = c->mode == GG_MODE_RELAY;
	const struct endpoint *from = relay ? c->listen : c->protect;
	int count = relay ? c->listen_count : c->protect_count;
	struct ifaddrs *all = NULL;
	struct endpoint *vips;
	bool wildcard = false;
	size_t room = 1;
	int n = 0;

	for (int i = 0; i < count; i++)
		wildcard = wildcard || addr_is_any(&from[i].addr);
	if (wildcard && getifaddrs(&all))
		return -errno;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next)
		room++;
	vips = calloc(room * (size_t)(count + 1), sizeof(*vips));
	for (int i = 0; i < count && vips; i++) {
		if (addr_is_any(&from[i].addr))
			n = add_local(all, &from[i], vips, n);
		else
			vips[n++] = from[i];
	}
	if (all)
		freeifaddrs(all);
	if (!vips)
		return -ENOMEM;
	*ret = vips;
	return n;
}
