// SPDX-License-Identifier: GPL-2.0-or-later
#include "handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char room[CMSG_SPACE(sizeof(int) * HANDOVER_FDS)];
	struct cmsghdr align;
};

int handover_send(int fd, enum handover_kind kind, const void *data, size_t length, const int *fds,
		  int fd_count)
{
	uint32_t head = kind;
	struct iovec parts[2] = {{&head, sizeof(head)}, {(void *)data, length}};
	union control control = {{0}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = length ? 2 : 1};
	struct cmsghdr *c = &control.align;

	if (fd_count) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)fd_count);
	}
	while (sendmsg(fd, &m, MSG_NOSIGNAL) < 0) {
		if (errno == ECONNRESET)
			return -EPIPE;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

void handover_fail(int fd, const char *why)
{
	handover_send(fd, HANDOVER_FAILED, why, strnlen(why, HANDOVER_TEXT - 1), NULL, 0);
}

static void take_fds(struct msghdr *m, struct handover_message *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		ret->fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(ret->fds, CMSG_DATA(c), sizeof(int) * (size_t)ret->fd_count);
	}
}

int handover_receive(int fd, struct handover_message *ret)
{
	struct iovec parts[2] = {{&ret->kind, sizeof(ret->kind)}, {ret->data, sizeof(ret->data)}};
	union control control;
	struct msghdr m = {.msg_iov = parts,
			   .msg_iovlen = 2,
			   .msg_control = control.room,
			   .msg_controllen = sizeof(control.room)};
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	ret->fd_count = 0;
	if (n < 0 && errno != ECONNRESET)
		return -errno;
	if (n <= 0)
		return -EPIPE;
	take_fds(&m, ret);
	if ((size_t)n < sizeof(ret->kind) || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		handover_close(ret);
		return -EPROTO;
	}
	ret->length = (uint32_t)((size_t)n - sizeof(ret->kind));
	return 0;
}

void handover_close(struct handover_message *m)
{
	while (m->fd_count > 0)
		close(m->fds[--m->fd_count]);
}
