// SPDX-License-Identifier: GPL-2.0-or-later
/* The ways from here to protected addresses, as the kernel's routes are now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "netlink.h"

static void see_way(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *route = NLMSG_DATA(h);
	const uint32_t *out = netlink_find(h, sizeof(*route), RTA_OIF, sizeof(*out));

	if (out && route->rtm_type == RTN_UNICAST)
		*(uint32_t *)arg = *out;
}

int fastpath_way_out(const struct addr *to, char ret[IF_NAMESIZE])
{
	const bool is4 = addr_is4(to);
	const struct rtmsg header = {.rtm_family = is4 ? AF_INET : AF_INET6,
				     .rtm_dst_len = is4 ? 32 : 128};
	char name[IF_NAMESIZE];
	struct netlink_message m;
	int fd = netlink_open(), code;
	uint32_t out = 0;

	if (fd < 0)
		return fd;
	netlink_begin(&m, RTM_GETROUTE, 0, &header, sizeof(header));
	netlink_put(&m, RTA_DST, to->b + (is4 ? 12 : 0), is4 ? 4 : 16);
	code = netlink_get(fd, &m, see_way, &out);
	close(fd);
	if (!code && (!out || !if_indextoname(out, name)))
		code = -ENODEV;
	if (!code)
		memcpy(ret, name, sizeof(name));
	return code;
}

static bool is_among(const char *name, char *const *interfaces, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(interfaces[i], name))
			return true;
	return false;
}

static bool is_seen(const struct fastpath_way *ways, int n, const char *out)
{
	for (int i = 0; i < n; i++)
		if (!ways[i].code && !strcmp(ways[i].out, out))
			return true;
	return false;
}

/* The only interface there is, or the one by which another address is reached. */
static const char *inner(const struct fastpath_way *ways, int n, char *const *interfaces,
			 int interface_count)
{
	if (interface_count == 1)
		return interfaces[0];
	for (int i = 0; i < n; i++)
		if (!ways[i].code)
			return ways[i].out;
	return "";
}

int fastpath_ways(const struct endpoint *to, int n, char *const *interfaces, int interface_count,
		  struct fastpath_way *ret)
{
	int count = 0;

	for (int i = 0; i < n; i++) {
		struct fastpath_way *w = &ret[count];

		*w = (struct fastpath_way){.to = &to[i]};
		w->code = fastpath_way_out(&to[i].addr, w->out);
		w->named = !w->code && is_among(w->out, interfaces, interface_count);
		count += w->code || !is_seen(ret, count, w->out);
	}
	for (int i = 0; i < count; i++)
		if (ret[i].code)
			snprintf(ret[i].out, sizeof(ret[i].out), "%s",
				 inner(ret, count, interfaces, interface_count));
	return count;
}

void fastpath_no_way(const struct fastpath_way *w, char ret[FASTPATH_NO_WAY],
		     char ret_mend[FASTPATH_NO_WAY])
{
	char text[ENDPOINT_TEXT], address[ADDR_TEXT];

	endpoint_text(w->to, text);
	addr_text(&w->to->addr, address);
	if (w->code == -ENODEV) {
		snprintf(ret, FASTPATH_NO_WAY,
			 "no interface leads to %s: is it an address of this machine?", text);
		snprintf(ret_mend, FASTPATH_NO_WAY, "ip route get %s", address);
		return;
	}
	snprintf(ret, FASTPATH_NO_WAY, "no route to %s: %s", text, strerror(-w->code));
	snprintf(ret_mend, FASTPATH_NO_WAY, "ip %sroute replace %s dev %s",
		 addr_is4(&w->to->addr) ? "" : "-6 ", address, w->out[0] ? w->out : "INTERFACE");
}
