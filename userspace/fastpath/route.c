// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policy route of gateway mode: what the tc program marked is delivered here, whatever its
 * address.
 *
 *	ip rule: fwmark GG_MARK iif INTERFACE lookup TABLE	for each interface and family
 *	ip route: local default dev lo table TABLE		for each family
 *
 * They are of use before all rules of others, but that for the table local. The kernel puts a rule
 * that is made without a priority before all there are, two of them in the order that its maker
 * counts on: so there is no place that stays the first, and ours pass whatever has come before them
 * instead.
 *
 * The rules name the interface the packet came in by, so that no packet sent from here ever meets
 * them, not even with the mark (net.ipv4.tcp_fwmark_accept). Adding what is there already is no
 * error; the protocol number says that a greygated made them, and the interface which: several may
 * be at work here, on interfaces of their own. They share the route.
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
/* Of the rules. Each time that others come before them they sink; when half of the way down is gone
 * and others are not in the way, they are put back. */
#define PRIORITY 10000
/* With 0 the kernel would put the next ones of others behind each other, not before. */
#define LEAST_PRIORITY 1
#define PROTOCOL 67 /* who made it: one that no routing daemon uses */

static const unsigned char families[] = {AF_INET, AF_INET6};

static int change_rule(int fd, unsigned char family, const char *interface, uint32_t priority,
		       bool add)
{
	const struct fib_rule_hdr header = {.family = family, .action = FR_ACT_TO_TBL};
	const uint8_t protocol = PROTOCOL;
	struct netlink_message m;

	netlink_begin(&m, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0,
		      &header, sizeof(header));
	netlink_put_u32(&m, FRA_PRIORITY, priority);
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

/* The interface of a rule of ours; NULL: it is another rule, or none. */
static const char *interface_of(const struct nlmsghdr *h)
{
	const size_t header = sizeof(struct fib_rule_hdr);
	const uint32_t *mark = netlink_find(h, header, FRA_FWMARK, sizeof(*mark));
	const uint32_t *table = netlink_find(h, header, FRA_TABLE, sizeof(*table));
	const uint8_t *protocol = netlink_find(h, header, FRA_PROTOCOL, sizeof(*protocol));

	if (h->nlmsg_type != RTM_NEWRULE || !mark || *mark != GG_MARK || !table ||
	    *table != TABLE || !protocol || *protocol != PROTOCOL)
		return NULL;
	return netlink_find(h, header, FRA_IIFNAME, 1);
}

/* The kernel leaves a 0 out. */
static uint32_t priority_of(const struct nlmsghdr *h)
{
	const uint32_t *priority =
		netlink_find(h, sizeof(struct fib_rule_hdr), FRA_PRIORITY, sizeof(*priority));

	return priority ? *priority : 0;
}

static int find_rules(int fd, unsigned char family, netlink_fn see, void *arg)
{
	const struct fib_rule_hdr header = {.family = family};
	struct netlink_message m;

	netlink_begin(&m, RTM_GETRULE, 0, &header, sizeof(header));
	return netlink_dump(fd, &m, see, arg);
}

/* ---- the rules of others ---- */

struct seen {
	bool main, other, marks;
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

static uint32_t table_of(const struct nlmsghdr *h)
{
	const uint32_t *table =
		netlink_find(h, sizeof(struct fib_rule_hdr), FRA_TABLE, sizeof(*table));

	return table ? *table : RT_TABLE_UNSPEC;
}

/* That this machine's own addresses come first is no detour. */
static bool is_local(const struct nlmsghdr *h)
{
	return table_of(h) == RT_TABLE_LOCAL && is_usual(h, RT_TABLE_LOCAL);
}

static void see_any_rule(const struct nlmsghdr *h, void *arg)
{
	const uint32_t table = table_of(h);
	struct seen *s = arg;

	if (h->nlmsg_type != RTM_NEWRULE || interface_of(h))
		return;
	if (netlink_find(h, sizeof(struct fib_rule_hdr), FRA_FWMASK, sizeof(uint32_t)))
		s->marks = true;
	if (!is_usual(h, table))
		s->other = true;
	else if (table == RT_TABLE_MAIN)
		s->main = true;
}

struct route_others route_others(int fd)
{
	struct route_others o = {.main_only = true};

	for (size_t i = 0; i < sizeof(families); i++) {
		struct seen s = {};

		if (find_rules(fd, families[i], see_any_rule, &s))
			s.other = s.marks = true;
		o.main_only = o.main_only && s.main && !s.other;
		o.marks = o.marks || s.marks;
	}
	return o;
}

/* ---- whether it stands ---- */

static bool protects(const struct fastpath_conf *conf, unsigned char family)
{
	for (int i = 0; i < conf->vip_count; i++)
		if (addr_is4(&conf->vips[i].addr) == (family == AF_INET))
			return true;
	return false;
}

void route_need(const struct fastpath_conf *conf, struct route_need *ret)
{
	*ret = (struct route_need){.count = conf->interface_count};
	for (int i = 0; i < conf->interface_count; i++)
		snprintf(ret->interface[i], sizeof(ret->interface[i]), "%s", conf->interfaces[i]);
	for (size_t i = 0; i < sizeof(families); i++)
		ret->family[i] = protects(conf, families[i]);
}

/* Which of the interfaces it is, or -1. */
static int place_in(const struct route_need *need, const char *interface)
{
	for (int i = 0; i < need->count; i++)
		if (!strcmp(need->interface[i], interface))
			return i;
	return -1;
}

/* Seen in their order. */
struct there {
	const struct route_need *need;
	uint32_t lowest; /* priority of the first rule of others */
	bool others;     /* there is one */
	enum { NO_RULE, BEHIND, BEFORE } rule[FASTPATH_INTERFACES];
	uint32_t priority[FASTPATH_INTERFACES];
	bool route;
};

static void see_needed(const struct nlmsghdr *h, void *arg)
{
	const char *interface = interface_of(h);
	struct there *t = arg;
	int place = interface ? place_in(t->need, interface) : -1;

	if (!interface && h->nlmsg_type == RTM_NEWRULE && !is_local(h) && !t->others) {
		t->others = true;
		t->lowest = priority_of(h);
	}
	if (place < 0 || t->rule[place] == BEFORE)
		return;
	t->rule[place] = t->others ? BEHIND : BEFORE;
	t->priority[place] = priority_of(h);
}

static void see_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *route = NLMSG_DATA(h);
	const uint32_t *table = netlink_find(h, sizeof(*route), RTA_TABLE, sizeof(*table));
	struct there *t = arg;

	if (h->nlmsg_type == RTM_NEWROUTE && table && *table == TABLE &&
	    route->rtm_protocol == PROTOCOL && route->rtm_type == RTN_LOCAL)
		t->route = true;
}

/* The last one that is before all of others. */
static uint32_t place_before(const struct there *t)
{
	if (!t->others || t->lowest > PRIORITY)
		return PRIORITY;
	return t->lowest > LEAST_PRIORITY ? t->lowest - 1 : LEAST_PRIORITY;
}

/* As route_stands. */
static int family_stands(int fd, unsigned char family, const struct route_need *need)
{
	const struct rtmsg header = {.rtm_family = family};
	struct there t = {.need = need};
	struct netlink_message m;
	int code = find_rules(fd, family, see_needed, &t);
	bool behind = false, sunk = false;

	if (code)
		return code;
	for (int i = 0; i < need->count; i++) {
		if (t.rule[i] == NO_RULE)
			return ROUTE_GONE;
		behind = behind || t.rule[i] == BEHIND;
		sunk = sunk || t.priority[i] < PRIORITY / 2;
	}
	netlink_begin(&m, RTM_GETROUTE, 0, &header, sizeof(header));
	netlink_put_u32(&m, RTA_TABLE, TABLE);
	code = netlink_dump(fd, &m, see_route, &t);
	/* Of a table that there is not. */
	if (code && code != -ENOENT)
		return code;
	if (!t.route)
		return ROUTE_GONE;
	if (behind)
		return ROUTE_BEHIND;
	return sunk && place_before(&t) == PRIORITY ? ROUTE_SUNK : ROUTE_STANDS;
}

int route_stands(const struct route_need *need, uint32_t *ret)
{
	static const int severity[] = {
		[ROUTE_STANDS] = 0, [ROUTE_SUNK] = 1, [ROUTE_BEHIND] = 2, [ROUTE_GONE] = 3};
	int fd = netlink_open(), code = 0, worst = ROUTE_STANDS;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < sizeof(families) && code >= 0; i++) {
		if (!need->family[i])
			continue;
		code = family_stands(fd, families[i], need);
		if (code >= 0 && severity[code] > severity[worst])
			worst = code;
	}
	close(fd);
	if (code < 0)
		return code;
	*ret = (uint32_t)worst;
	return 0;
}

/* ---- adding and removing ---- */

/* The rule of one interface at its place; then the one that stands elsewhere goes. */
static int add_rule(int fd, unsigned char family, const struct there *t, int place)
{
	const char *interface = t->need->interface[place];
	const uint32_t priority = place_before(t);
	int code;

	if (t->rule[place] != NO_RULE && t->priority[place] == priority)
		return 0;
	code = change_rule(fd, family, interface, priority, true);
	if (code && code != -EEXIST)
		return code;
	if (t->rule[place] != NO_RULE)
		change_rule(fd, family, interface, t->priority[place], false);
	return 0;
}

static int add_family(int fd, unsigned char family, const struct route_need *need, char *err,
		      size_t err_size)
{
	const char *name = family == AF_INET ? "IPv4" : "IPv6";
	struct there t = {.need = need};
	int code = change_route(fd, family, true);

	if (code)
		return words_fail(err, err_size, code,
				  "policy route, %s: local default dev lo table %d: %s; is lo up "
				  "(ip link set lo up)?",
				  name, TABLE, strerror(-code));
	code = find_rules(fd, family, see_needed, &t);
	if (code)
		return words_fail(err, err_size, code, "policy rules, %s: %s", name,
				  strerror(-code));
	for (int i = 0; i < need->count; i++) {
		code = add_rule(fd, family, &t, i);
		if (code)
			return words_fail(err, err_size, code,
					  "policy rule, %s: fwmark 0x%x iif %s: %s; the kernel "
					  "needs CONFIG_IP_MULTIPLE_TABLES and "
					  "CONFIG_IPV6_MULTIPLE_TABLES",
					  name, GG_MARK, need->interface[i], strerror(-code));
	}
	return 0;
}

int route_add(const struct fastpath_conf *conf, char *err, size_t err_size)
{
	int fd = netlink_open(), code = 0;
	struct route_need need;

	if (fd < 0)
		return words_fail(err, err_size, fd, "policy route: netlink: %s", strerror(-fd));
	route_need(conf, &need);
	for (size_t i = 0; i < sizeof(families) && !code; i++)
		if (need.family[i])
			code = add_family(fd, families[i], &need, err, err_size);
	close(fd);
	return code;
}

/* Rules that nobody needs, some at a time: their interface has no tc program, whoever's, or is of
 * the settings kept, in a family that these don't protect. */
struct idle {
	const struct route_need *keep;
	bool kept; /* this family */
	struct {
		char interface[IF_NAMESIZE];
		uint32_t priority;
	} rule[32];
	int count;
	int others; /* rules that stay, for now */
};

static void see_idle(const struct nlmsghdr *h, void *arg)
{
	const char *interface = interface_of(h);
	struct idle *f = arg;

	if (!interface)
		return;
	if ((place_in(f->keep, interface) >= 0 ? f->kept : filter_on(interface)) || f->count == 32)
		f->others++;
	else {
		snprintf(f->rule[f->count].interface, IF_NAMESIZE, "%s", interface);
		f->rule[f->count++].priority = priority_of(h);
	}
}

/* The route goes with the last rule, of whatever greygated. */
static int clear_family(int fd, unsigned char family, const struct route_need *keep, bool kept)
{
	int cleared = 0, before, code;
	struct idle f;

	do {
		f = (struct idle){.keep = keep, .kept = kept};
		before = cleared;
		code = find_rules(fd, family, see_idle, &f);
		for (int i = 0; i < f.count && !code; i++)
			cleared += !change_rule(fd, family, f.rule[i].interface, f.rule[i].priority,
						false);
	} while (cleared > before);
	if (!code && !kept && !f.count && !f.others)
		cleared += !change_route(fd, family, false);
	return cleared;
}

int route_clear(const struct fastpath_conf *keep)
{
	int fd = netlink_open(), cleared = 0;
	struct route_need need = {};

	if (fd < 0)
		return 0;
	if (keep)
		route_need(keep, &need);
	for (size_t i = 0; i < sizeof(families); i++)
		cleared += clear_family(fd, families[i], &need, need.family[i]);
	close(fd);
	return cleared;
}
