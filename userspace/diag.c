// SPDX-License-Identifier: GPL-2.0-or-later
#include "diag.h"

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

#define DIAG_NONE (-2)

static void put_addr(__be32 to[4], const struct addr *a)
{
	if (addr_is4(a))
		memcpy(to, a->b + 12, 4);
	else
		memcpy(to, a->b, sizeof(a->b));
}

static int ask(int fd, const struct endpoint *local, const struct endpoint *peer,
	       uint32_t *ret_unheard)
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
	*ret_unheard = m->idiag_wqueue;
	return m->idiag_state;
}

/* A kernel that can tell finds the listener at which clients come. */
static int open_diag(const struct worker *w, const struct session *s)
{
	const struct endpoint *own = &w->listeners[s->listener].local;
	const struct endpoint nobody = {
		addr_is4(&own->addr) ? (struct addr){{[10] = 0xff, 0xff}} : (struct addr){{0}}, 0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	uint32_t unheard;

	if (fd >= 0 && ask(fd, own, &nobody, &unheard) == TCP_LISTEN)
		return fd;
	log_message(LOG_ERROR, "the kernel does not tell of connections, so that nobody is trapped "
			       "by trap.low_priority_mx, and messages are remembered that their "
			       "clients have heard of; it needs CONFIG_INET_TCP_DIAG (modprobe "
			       "tcp_diag)");
	if (fd >= 0)
		close(fd);
	return DIAG_NONE;
}

int diag_connection(struct worker *w, const struct session *s, const struct endpoint *local,
		    const struct endpoint *peer, uint32_t *ret_unheard)
{
	if (w->diag_fd == DIAG_UNTRIED)
		w->diag_fd = open_diag(w, s);
	return w->diag_fd < 0 ? -ENOENT : ask(w->diag_fd, local, peer, ret_unheard);
}
