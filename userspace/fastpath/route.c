// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policy route of gateway mode: what the tc program marked is delivered here, whatever its
 * address.
 *
 *	ip rule: fwmark GG_MARK iif INTERFACE lookup TABLE	for each interface and family
 *	ip route: local default dev lo table TABLE		for each family
 *
 * The rules name the interface the packet came in by, so that no packet sent from here ever meets
 * them, not even with the mark (net.ipv4.tcp_fwmark_accept). Adding what is there already is no
 * error; the protocol number says whose they are.
 */
#include "internal.h"
#include "netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TABLE 26489
#define PRIORITY 25 /* of the rules: before what else may send the packet somewhere */
#define PROTOCOL 67 /* who made it: one that no routing daemon uses */

static const unsigned char families[] = {AF_INET, AF_INET6};

static int change_rule(int fd, unsigned char family, const char *interface, bool add)
{
	const struct fib_rule_hdr header = {.family = family, .action = FR_ACT_TO_TBL};
	const uint8_t protocol = PROTOCOL;
	struct netlink_message m;

	netlink_begin(&m, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0,
		      &header, sizeof(header));
	netlink_put_u32(&m, FRA_PRIORITY, PRIORITY);
	netlink_put_u32(&m, FRA_FWMARK, GG_MARK);
	netlink_put_u32(&m, FRA_FWMASK, 0xffffffff);
	netlink_put_u32(&m, FRA_TABLE, TABLE);
	netlink_put(&m, FRA_PROTOCOL, &protocol, sizeof(protocol));
	netlink_put(&m, FRA_IIFNAME, interface, strlen(interface) + 1);
	return netlink_do(fd, &m);
}

static int change_route(int fd, unsigned char family, bool add)
{
	const struct rtmsg header = {.rtm_family = family,
				     .rtm_protocol = PROTOCOL,
				     .rtm_scope = RT_SCOPE_HOST,
				     .rtm_type = RTN_LOCAL};
	struct netlink_message m;

	netlink_begin(&m, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
		      &header, sizeof(header));
	netlink_put_u32(&m, RTA_TABLE, TABLE);
	netlink_put_u32(&m, RTA_OIF, if_nametoindex("lo"));
	return netlink_do(fd, &m);
}

struct found {
	char interface[32][IF_NAMESIZE];
	int count;
};

static void see_rule(const struct nlmsghdr *h, void *arg)
{
	const size_t header = sizeof(struct fib_rule_hdr);
	const uint32_t *mark = netlink_find(h, header, FRA_FWMARK, sizeof(*mark));
	const uint32_t *table = netlink_find(h, header, FRA_TABLE, sizeof(*table));
	const uint8_t *protocol = netlink_find(h, header, FRA_PROTOCOL, sizeof(*protocol));
	const char *interface = netlink_find(h, header, FRA_IIFNAME, 1);
	struct found *f = arg;

	if (h->nlmsg_type != RTM_NEWRULE || !mark || *mark != GG_MARK || !table ||
	    *table != TABLE || !protocol || *protocol != PROTOCOL || !interface || f->count == 32)
		return;
	snprintf(f->interface[f->count++], IF_NAMESIZE, "%s", interface);
}

static void find_rules(int fd, unsigned char family, struct found *ret)
{
	const struct fib_rule_hdr header = {.family = family};
	struct netlink_message m;

	ret->count = 0;
	netlink_begin(&m, RTM_GETRULE, 0, &header, sizeof(header));
	netlink_dump(fd, &m, see_rule, ret);
}

static void see_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *route = NLMSG_DATA(h);
	const uint32_t *table = netlink_find(h, sizeof(*route), RTA_TABLE, sizeof(*table));
	uint32_t *count = arg;

	*count += h->nlmsg_type == RTM_NEWROUTE && table && *table == TABLE &&
		  route->rtm_protocol == PROTOCOL && route->rtm_type == RTN_LOCAL;
}

static int count_family(int fd, unsigned char family, uint32_t *count)
{
	const struct fib_rule_hdr rule = {.family = family};
	const struct rtmsg route = {.rtm_family = family};
	struct netlink_message m;
	struct found f = {};
	int code;

	netlink_begin(&m, RTM_GETRULE, 0, &rule, sizeof(rule));
	code = netlink_dump(fd, &m, see_rule, &f);
	if (code)
		return code;
	*count += (uint32_t)f.count;
	netlink_begin(&m, RTM_GETROUTE, 0, &route, sizeof(route));
	netlink_put_u32(&m, RTA_TABLE, TABLE);
	code = netlink_dump(fd, &m, see_route, count);
	/* Of a table that there is not. */
	return code == -ENOENT ? 0 : code;
}

int route_count(uint32_t *ret)
{
	int fd = netlink_open(), code = fd < 0 ? fd : 0;
	uint32_t count = 0;

	for (size_t i = 0; i < sizeof(families) && !code; i++)
		code = count_family(fd, families[i], &count);
	if (fd >= 0)
		close(fd);
	if (!code)
		*ret = count;
	return code;
}

/* ---- the rules of others ---- */

struct seen {
	bool main, other;
};

/* What a rule may say without choosing between packets or routes. */
static bool is_harmless(const struct rtattr *a)
{
	const uint32_t *value = RTA_DATA(a);

	switch (a->rta_type) {
	case FRA_TABLE:
	case FRA_PRIORITY:
	case FRA_PROTOCOL:
	case FRA_PAD:
		return true;
	case FRA_SUPPRESS_PREFIXLEN:
		return RTA_PAYLOAD(a) >= sizeof(*value) && *value == UINT32_MAX;
	default:
		return false;
	}
}

static bool is_usual(const struct nlmsghdr *h, uint32_t table)
{
	const struct fib_rule_hdr *rule = NLMSG_DATA(h);
	const struct rtattr *a = (const void *)((const char *)rule + NLMSG_ALIGN(sizeof(*rule)));
	int left = (int)(h->nlmsg_len - NLMSG_LENGTH(NLMSG_ALIGN(sizeof(*rule))));

	if (rule->action != FR_ACT_TO_TBL || rule->src_len || rule->dst_len || rule->tos ||
	    rule->flags & FIB_RULE_INVERT)
		return false;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (!is_harmless(a))
			return false;
	return table == RT_TABLE_LOCAL || table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT;
}

static void see_any_rule(const struct nlmsghdr *h, void *arg)
{
	const uint32_t *table =
		netlink_find(h, sizeof(struct fib_rule_hdr), FRA_TABLE, sizeof(*table));
	struct found ours = {};
	struct seen *s = arg;

	if (h->nlmsg_type != RTM_NEWRULE)
		return;
	see_rule(h, &ours);
	if (ours.count)
		return;
	if (!table || !is_usual(h, *table))
		s->other = true;
	else if (*table == RT_TABLE_MAIN)
		s->main = true;
}

bool route_main_only(int fd)
{
	for (size_t i = 0; i < sizeof(families); i++) {
		const struct fib_rule_hdr header = {.family = families[i]};
		struct netlink_message m;
		struct seen s = {};

		netlink_begin(&m, RTM_GETRULE, 0, &header, sizeof(header));
		if (netlink_dump(fd, &m, see_any_rule, &s) || !s.main || s.other)
			return false;
	}
	return true;
}

static bool is_named(const struct fastpath_conf *conf, const char *interface)
{
	for (int i = 0; i < conf->interface_count; i++)
		if (!strcmp(conf->interfaces[i], interface))
			return true;
	return false;
}

static bool protects(const struct fastpath_conf *conf, unsigned char family)
{
	for (int i = 0; i < conf->vip_count; i++)
		if (addr_is4(&conf->vips[i].addr) == (family == AF_INET))
			return true;
	return false;
}

static int add_family(int fd, unsigned char family, const struct fastpath_conf *conf, char *err,
		      size_t err_size)
{
	const char *name = family == AF_INET ? "IPv4" : "IPv6";
	int code = change_route(fd, family, true);

	if (code)
		return words_fail(err, err_size, code,
				  "policy route, %s: local default dev lo table %d: %s; is lo up "
				  "(ip link set lo up)?",
				  name, TABLE, strerror(-code));
	for (int i = 0; i < conf->interface_count; i++) {
		code = change_rule(fd, family, conf->interfaces[i], true);
		if (code && code != -EEXIST)
			return words_fail(err, err_size, code,
					  "policy rule, %s: fwmark 0x%x iif %s: %s; the kernel "
					  "needs CONFIG_IP_MULTIPLE_TABLES and "
					  "CONFIG_IPV6_MULTIPLE_TABLES",
					  name, GG_MARK, conf->interfaces[i], strerror(-code));
	}
	return 0;
}

int route_add(const struct fastpath_conf *conf, char *err, size_t err_size)
{
	int fd = netlink_open(), code = 0;

	if (fd < 0)
		return words_fail(err, err_size, fd, "policy route: netlink: %s", strerror(-fd));
	for (size_t i = 0; i < sizeof(families) && !code; i++)
		if (protects(conf, families[i]))
			code = add_family(fd, families[i], conf, err, err_size);
	close(fd);
	return code;
}

void route_undo(const struct fastpath_conf *conf)
{
	int fd = netlink_open();

	if (fd < 0)
		return;
	for (int i = 0; i < conf->interface_count; i++)
		for (size_t k = 0; k < sizeof(families); k++)
			if (!filter_on(conf->interfaces[i]))
				change_rule(fd, families[k], conf->interfaces[i], false);
	close(fd);
}

int route_clear(const struct fastpath_conf *keep)
{
	int fd = netlink_open(), cleared = 0;
	struct found f;

	if (fd < 0)
		return 0;
	for (size_t i = 0; i < sizeof(families); i++) {
		bool kept = keep && protects(keep, families[i]);

		find_rules(fd, families[i], &f);
		while (f.count-- > 0)
			if (!(kept && is_named(keep, f.interface[f.count])))
				cleared +=
					!change_rule(fd, families[i], f.interface[f.count], false);
		if (!kept)
			cleared += !change_route(fd, families[i], false);
	}
	close(fd);
	return cleared;
}

/* ---- ways to others ---- */

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
