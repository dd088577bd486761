// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to rtnetlink: one message out, its acknowledgement or a dump back.
 */
#include "netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int netlink_open(void)
{
	const struct timeval patience = {.tv_sec = 5};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), one = 1;

	if (fd < 0)
		return -errno;
	/* Dumps that filter in the kernel; one that can't is filtered by whoever reads it. */
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

void netlink_begin(struct netlink_message *m, uint16_t type, uint16_t flags, const void *header,
		   size_t size)
{
	memset(m, 0, sizeof(*m));
	m->h.nlmsg_type = type;
	m->h.nlmsg_flags = NLM_F_REQUEST | flags;
	m->h.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + NLMSG_ALIGN(size));
	memcpy(m->rest, header, size);
}

void netlink_put(struct netlink_message *m, uint16_t type, const void *value, size_t size)
{
	struct rtattr *a = (void *)((char *)&m->h + NLMSG_ALIGN(m->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(a), value, size);
	m->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->h.nlmsg_len) + RTA_SPACE(size));
}

void netlink_put_u32(struct netlink_message *m, uint16_t type, uint32_t value)
{
	netlink_put(m, type, &value, sizeof(value));
}

struct rtattr *netlink_nest(struct netlink_message *m, uint16_t type)
{
	struct rtattr *outer = (void *)((char *)&m->h + NLMSG_ALIGN(m->h.nlmsg_len));

	netlink_put(m, type, NULL, 0);
	return outer;
}

void netlink_nest_end(struct netlink_message *m, struct rtattr *outer)
{
	outer->rta_len = (unsigned short)((char *)&m->h + m->h.nlmsg_len - (char *)outer);
}

static int ask(int fd, struct netlink_message *m)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(fd, &m->h, m->h.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

/* Until the end of the answer, which is its error code. */
static int read_answer(int fd, netlink_fn see, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	const struct nlmsghdr *h;
	ssize_t got;

	for (;;) {
		got = recv(fd, buf, sizeof(buf), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EPROTO;
		for (h = (void *)buf; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (see)
				see(h, arg);
		}
	}
}

int netlink_get(int fd, struct netlink_message *m, netlink_fn see, void *arg)
{
	int code;

	m->h.nlmsg_flags |= NLM_F_ACK;
	code = ask(fd, m);
	return code ? code : read_answer(fd, see, arg);
}

int netlink_do(int fd, struct netlink_message *m)
{
	return netlink_get(fd, m, NULL, NULL);
}

int netlink_do_both(int fd, struct netlink_message *first, struct netlink_message *second,
		    int *ret_first)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct iovec both[] = {{&first->h, NLMSG_ALIGN(first->h.nlmsg_len)},
			       {&second->h, second->h.nlmsg_len}};
	const struct msghdr message = {.msg_name = &kernel,
				       .msg_namelen = sizeof(kernel),
				       .msg_iov = both,
				       .msg_iovlen = 2};

	first->h.nlmsg_flags |= NLM_F_ACK;
	second->h.nlmsg_flags |= NLM_F_ACK;
	if (sendmsg(fd, &message, 0) < 0)
		return *ret_first = -errno;
	*ret_first = read_answer(fd, NULL, NULL);
	return read_answer(fd, NULL, NULL);
}

int netlink_dump(int fd, struct netlink_message *m, netlink_fn see, void *arg)
{
	int code;

	m->h.nlmsg_flags |= NLM_F_DUMP;
	code = ask(fd, m);
	return code ? code : read_answer(fd, see, arg);
}

const void *netlink_find(const struct nlmsghdr *h, size_t header, uint16_t type, size_t size)
{
	const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(header));
	int left = (int)(h->nlmsg_len - NLMSG_LENGTH(NLMSG_ALIGN(header)));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type && RTA_PAYLOAD(a) >= size)
			return RTA_DATA(a);
	return NULL;
}
