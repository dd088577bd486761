// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Interfaces that are ports of another one: of a bridge, a bond, a VRF. What comes by a port is the
 * master's by the time the policy rules see it, and those of the port's name never hold.
 */
#include "internal.h"
#include "netlink.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct port {
	uint32_t master; /* 0: none */
	char kind[16];   /* of it, "": not known */
};

static void see_link(const struct nlmsghdr *h, void *arg)
{
	const size_t header = sizeof(struct ifinfomsg);
	const uint32_t *master = netlink_find(h, header, IFLA_MASTER, sizeof(*master));
	const char *info = netlink_find(h, header, IFLA_LINKINFO, sizeof(struct rtattr));
	const struct rtattr *a = (const void *)info;
	struct port *p = arg;
	int left;

	if (!master)
		return;
	p->master = *master;
	if (!info)
		return;
	left = (int)RTA_PAYLOAD((const struct rtattr *)(const void *)(info - RTA_LENGTH(0)));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_INFO_SLAVE_KIND)
			snprintf(p->kind, sizeof(p->kind), "%.*s", (int)RTA_PAYLOAD(a),
				 (const char *)RTA_DATA(a));
}

/* Masters that can be named in the place of their ports: tc sees what comes by these. */
static bool can_stand_for_it(const char *kind)
{
	static const char *const kinds[] = {"bridge", "bond", "team"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i], kind))
			return true;
	return false;
}

bool fastpath_master(const char *interface, struct fastpath_master *ret)
{
	const struct ifinfomsg header = {.ifi_index = (int)if_nametoindex(interface)};
	int fd = header.ifi_index ? netlink_open() : -1, code;
	struct netlink_message m;
	struct port p = {};

	if (fd < 0)
		return false;
	netlink_begin(&m, RTM_GETLINK, 0, &header, sizeof(header));
	code = netlink_get(fd, &m, see_link, &p);
	close(fd);
	if (code || !p.master || !if_indextoname(p.master, ret->name))
		return false;
	snprintf(ret->kind, sizeof(ret->kind), "%s", p.kind);
	ret->stands_in = can_stand_for_it(p.kind);
	return true;
}

bool fastpath_port(const char *interface, char ret[FASTPATH_PORT])
{
	struct fastpath_master m;
	int len;

	if (!fastpath_master(interface, &m))
		return false;
	len = snprintf(ret, FASTPATH_PORT,
		       "interface %s: its master is %s (%s), whose are the packets that come by "
		       "it: strangers go past the daemon to the mail server; ",
		       interface, m.name, m.kind[0] ? m.kind : "kind not known");
	if (m.stands_in)
		len += snprintf(ret + len, FASTPATH_PORT - (size_t)len,
				"name %s in interfaces in its place, with xdp = off where its "
				"driver has no native XDP, or take %s out of it: ",
				m.name, interface);
	snprintf(ret + len, FASTPATH_PORT - (size_t)len, "ip link set dev %s nomaster", interface);
	return true;
}
