// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Interfaces that are ports of another one: of a bridge, a bond, a VRF; and what stands over one
 * with addresses of its own, a macvlan or ipvlan. What comes by a port is the master's by the time
 * the policy rules see it, as what is for such an address is the upper one's, and those of the
 * port's name, or the lower one's, never hold.
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

/* Of an interface, or of the master whose port it is; "": not known. */
static void read_kind(const struct nlmsghdr *h, unsigned short which, char *ret, size_t size)
{
	const char *info =
		netlink_find(h, sizeof(struct ifinfomsg), IFLA_LINKINFO, sizeof(struct rtattr));
	const struct rtattr *a = (const void *)info;
	int left;

	*ret = '\0';
	if (!info)
		return;
	left = (int)RTA_PAYLOAD((const struct rtattr *)(const void *)(info - RTA_LENGTH(0)));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == which)
			snprintf(ret, size, "%.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
}

static void see_link(const struct nlmsghdr *h, void *arg)
{
	const uint32_t *master =
		netlink_find(h, sizeof(struct ifinfomsg), IFLA_MASTER, sizeof(*master));
	struct port *p = arg;

	if (!master)
		return;
	p->master = *master;
	read_kind(h, IFLA_INFO_SLAVE_KIND, p->kind, sizeof(p->kind));
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

/* ---- over it ---- */

struct upper {
	uint32_t lower;
	char *const *named;
	int named_count;
	char *name, *kind; /* of the first one that is not named */
};

static bool takes_packets(const char *kind)
{
	return !strcmp(kind, "macvlan") || !strcmp(kind, "ipvlan");
}

static void see_upper(const struct nlmsghdr *h, void *arg)
{
	const size_t header = sizeof(struct ifinfomsg);
	const uint32_t *lower = netlink_find(h, header, IFLA_LINK, sizeof(*lower));
	const char *name = netlink_find(h, header, IFLA_IFNAME, 1);
	struct upper *u = arg;
	char kind[16];

	/* An index in another network namespace is another interface's. */
	if (*u->name || !lower || *lower != u->lower || !name ||
	    netlink_find(h, header, IFLA_LINK_NETNSID, sizeof(uint32_t)))
		return;
	read_kind(h, IFLA_INFO_KIND, kind, sizeof(kind));
	for (int i = 0; i < u->named_count; i++)
		if (!strcmp(u->named[i], name))
			return;
	if (!takes_packets(kind))
		return;
	snprintf(u->name, IF_NAMESIZE, "%s", name);
	snprintf(u->kind, sizeof(kind), "%s", kind);
}

bool fastpath_upper(const char *interface, char *const *interfaces, int interface_count,
		    char ret_name[16], char ret_kind[16])
{
	const struct ifinfomsg header = {};
	struct upper u = {if_nametoindex(interface), interfaces, interface_count, ret_name,
			  ret_kind};
	int fd = u.lower ? netlink_open() : -1;
	struct netlink_message m;

	*ret_name = '\0';
	if (fd < 0)
		return false;
	netlink_begin(&m, RTM_GETLINK, 0, &header, sizeof(header));
	netlink_dump(fd, &m, see_upper, &u);
	close(fd);
	return *ret_name;
}
