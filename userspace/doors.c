// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * By which of our addresses a client has come: trap.low_priority_mx.
 *
 * A mail server tries the MX records in their order (RFC 5321 5.1); who goes to the last one at
 * once looks for a back door. It may do so for good reason when the first ones did not serve it:
 * all that was in trouble lately, and all who have tried another address first, they or a neighbour
 * of their network, are not trapped.
 *
 * An accepted socket that is no descriptor can't be asked for its name. The listener's own address
 * tells, or where it is a wildcard or another's, the kernel's table of sockets (inet_diag).
 */
#include <endian.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/conduct.h"
#include "worker.h"

#define DIAG_UNTRIED (-1)
#define DIAG_NONE (-2)

static bool is_last(const struct config *c, const struct addr *a)
{
	for (int i = 0; i < c->trap.low_count; i++)
		if (addr_eq(&c->trap.low_priority_mx[i], a))
			return true;
	return false;
}

static void put_addr(__be32 to[4], const struct addr *a)
{
	if (addr_is4(a))
		memcpy(to, a->b + 12, 4);
	else
		memcpy(to, a->b, sizeof(a->b));
}

/* State of the socket that has these two ends, or of the listener for them; -errno. Answered at
 * once.
 */
static int socket_state(int fd, const struct endpoint *local, const struct endpoint *peer)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} ask = {
		.h = {.nlmsg_len = sizeof(ask),
		      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		      .nlmsg_flags = NLM_F_REQUEST},
		.r = {.sdiag_family = addr_is4(&local->addr) ? AF_INET : AF_INET6,
		      .sdiag_protocol = IPPROTO_TCP,
		      .idiag_states = UINT32_MAX,
		      .id = {.idiag_sport = htobe16(local->port),
			     .idiag_dport = htobe16(peer->port),
			     .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
	_Alignas(struct nlmsghdr) char buf[1024];
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	ssize_t len;

	put_addr(ask.r.id.idiag_src, &local->addr);
	put_addr(ask.r.id.idiag_dst, &peer->addr);
	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	len = recv(fd, buf, sizeof(buf), 0);
	if (len < (ssize_t)NLMSG_LENGTH(sizeof(*m)) || h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -ENOENT;
	return m->idiag_state;
}

/* A kernel that can tell finds the listener at which clients come. */
static int open_diag(const struct worker *w, const struct session *s)
{
	const struct endpoint *own = &w->listeners[s->listener].local;
	const struct endpoint nobody = {
		addr_is4(&own->addr) ? (struct addr){{[10] = 0xff, 0xff}} : (struct addr){{0}}, 0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd >= 0 && socket_state(fd, own, &nobody) == TCP_LISTEN)
		return fd;
	log_message(LOG_ERROR, "trap.low_priority_mx: the kernel does not tell which address a "
			       "client came to, so that nobody is trapped by it; it needs "
			       "CONFIG_INET_TCP_DIAG (modprobe tcp_diag)");
	if (fd >= 0)
		close(fd);
	return DIAG_NONE;
}

/* Whether there is a connection of the client to that endpoint of ours. */
static bool connected(struct worker *w, const struct session *s, const struct endpoint *local)
{
	const struct endpoint peer = {s->src, s->port};
	int state;

	if (addr_is4(&s->src) != addr_is4(&local->addr))
		return false;
	if (w->diag_fd == DIAG_UNTRIED)
		w->diag_fd = open_diag(w, s);
	state = w->diag_fd < 0 ? -ENOENT : socket_state(w->diag_fd, local, &peer);
	return state >= 0 && state != TCP_LISTEN;
}

/* Of all that is protected those that are the last door, or those that are not. */
static bool came_to(struct worker *w, const struct session *s, bool last)
{
	const struct config *c = w->config;

	for (int i = 0; i < c->protect_count; i++)
		if (is_last(c, &c->protect[i].addr) == last && connected(w, s, &c->protect[i]))
			return true;
	return false;
}

static bool at_last_door(struct worker *w, const struct session *s)
{
	const struct config *c = w->config;
	const struct endpoint *own = &w->listeners[s->listener].local;

	if (c->mode == GG_MODE_GATEWAY)
		return s->listener < c->protect_count && is_last(c, &c->protect[s->listener].addr);
	if (c->mode == GG_MODE_HOST)
		return !came_to(w, s, false) && came_to(w, s, true);
	if (!addr_is_any(&own->addr))
		return is_last(c, &own->addr);
	for (int i = 0; i < c->trap.low_count; i++) {
		const struct endpoint e = {c->trap.low_priority_mx[i], own->port};

		if (connected(w, s, &e))
			return true;
	}
	return false;
}

void doors_listener(struct listener *l, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	l->fd = fd;
	if (!getsockname(fd, (struct sockaddr *)&sa, &len))
		addr_from_sockaddr((struct sockaddr *)&sa, &l->local);
}

void doors_arrived(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct conduct_edit e = {.event = CONDUCT_VISIT,
				 .src = s->src,
				 .now = w->wall,
				 .memory = w->policy.window,
				 .row = w->policy.window};

	s->last_door = at_last_door(w, s);
	if (!s->last_door)
		table_edit(w->daemon->conducts, policy_visit_tag(&w->policy, &s->src), conduct_edit,
			   &e, NULL);
}

void doors_trouble(struct daemon *d)
{
	atomic_store_explicit(&d->trouble, daemon_now(), memory_order_relaxed);
}

static bool all_down(const struct worker *w)
{
	int count = w->config->backend_count, up = 0;

	for (int i = 0; i < count; i++)
		up += atomic_load_explicit(&w->daemon->backend_down[i], memory_order_relaxed) <=
		      w->now;
	return count && !up;
}

bool doors_trap(struct worker *w, const struct session *s)
{
	uint32_t trouble = atomic_load_explicit(&w->daemon->trouble, memory_order_relaxed);
	struct cell cell;

	if (!s->last_door || all_down(w) ||
	    w->wall - trouble < (uint32_t)(w->config->trap.low_pause / 1000))
		return false;
	return !table_get(w->daemon->conducts, policy_visit_tag(&w->policy, &s->src), &cell) ||
	       w->wall - conduct_of(&cell).last > w->policy.window;
}
