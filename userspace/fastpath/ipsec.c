// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whether the kernel has IPsec policies. They are asked after the route is found, and what XDP
 * sends on never meets them: what has to be encrypted would leave in clear.
 *
 * Who asks for them needs rights that the daemon gives up, who listens to changes only when it
 * begins to. So they are counted at the start, and the first one that comes later counts until the
 * next: where there are any, there mostly are always some.
 */
#include "internal.h"
#include "netlink.h"

#include <errno.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_socket(uint32_t groups, int flags)
{
	const struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_XFRM), code;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (const struct sockaddr *)&own, sizeof(own)))
		return fd;
	code = -errno;
	close(fd);
	return code;
}

static void see_count(const struct nlmsghdr *h, void *arg)
{
	const struct xfrmu_spdinfo *info =
		netlink_find(h, sizeof(uint32_t), XFRMA_SPD_INFO, sizeof(*info));
	bool *any = arg;

	if (h->nlmsg_type == XFRM_MSG_NEWSPDINFO && info)
		*any = info->outcnt || info->fwdcnt;
}

int ipsec_open(bool *ret_any)
{
	const uint32_t flags = 0;
	struct netlink_message m;
	int fd, asked;

	*ret_any = false;
	/* First, so that none comes in between. */
	fd = open_socket(XFRMGRP_POLICY, SOCK_NONBLOCK);
	if (fd == -EPROTONOSUPPORT) /* a kernel that has none */
		return -1;
	asked = open_socket(0, 0);
	netlink_begin(&m, XFRM_MSG_GETSPDINFO, 0, &flags, sizeof(flags));
	if (fd < 0 || asked < 0 || netlink_get(asked, &m, see_count, ret_any))
		*ret_any = true; /* better slow than in clear */
	if (asked >= 0)
		close(asked);
	return fd < 0 ? -1 : fd;
}

bool ipsec_changed(int fd)
{
	char first;

	return fd >= 0 && (recv(fd, &first, sizeof(first), 0) >= 0 || errno == ENOBUFS);
}
