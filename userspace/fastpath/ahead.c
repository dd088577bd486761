// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What sees packets before the program of gateway mode does, on an interface that has it: filters
 * of clsact that stand before it, and programs of tcx, which the kernel runs before all filters.
 * Any of them may end the walk or send the packet elsewhere, and then strangers go past the daemon.
 * Whether it does so is not asked.
 */
#include "internal.h"
#include "netlink.h"

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TCX_INGRESS 46 /* enum bpf_attach_type of Linux 6.6 */

/* They are seen in the order in which the kernel asks them. */
struct ahead {
	uint32_t own;   /* id of our program; 0: none */
	bool met;       /* it was seen */
	uint32_t first; /* priority of the first one before it; 0: none */
	char kind[16];  /* of that */
};

static bool is_own(const struct nlmsghdr *h, uint32_t id)
{
	const size_t header = sizeof(struct tcmsg);
	const char *options = netlink_find(h, header, TCA_OPTIONS, sizeof(struct rtattr));
	const struct rtattr *a = (const void *)options;
	int left;

	if (!options)
		return false;
	left = (int)RTA_PAYLOAD((const struct rtattr *)(const void *)(options - RTA_LENGTH(0)));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == TCA_BPF_ID && RTA_PAYLOAD(a) >= sizeof(id) &&
		    !memcmp(RTA_DATA(a), &id, sizeof(id)))
			return true;
	return false;
}

static void see_filter(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *t = NLMSG_DATA(h);
	const char *kind = netlink_find(h, sizeof(*t), TCA_KIND, 1);
	const uint32_t *chain = netlink_find(h, sizeof(*t), TCA_CHAIN, sizeof(*chain));
	struct ahead *a = arg;

	/* Other chains are where a filter of this one sends to; one without a handle is the head of
	 * those that share a priority. */
	if (h->nlmsg_type != RTM_NEWTFILTER || (chain && *chain) || !kind || !t->tcm_handle)
		return;
	a->met |= !strcmp(kind, "bpf") && is_own(h, a->own);
	if (a->met || a->first)
		return;
	a->first = TC_H_MAJ(t->tcm_info) >> 16;
	snprintf(a->kind, sizeof(a->kind), "%s", kind);
}

bool fastpath_ahead(const char *interface, char ret[FASTPATH_PORT], char ret_mend[FASTPATH_PORT])
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC,
				     .tcm_ifindex = (int)if_nametoindex(interface),
				     .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)};
	struct netlink_message m;
	struct ahead a = {};
	int fd, code;

	if (!header.tcm_ifindex || filter_id(header.tcm_ifindex, false, &a.own) || !a.own)
		return false;
	fd = netlink_open();
	if (fd < 0)
		return false;
	netlink_begin(&m, RTM_GETTFILTER, 0, &header, sizeof(header));
	code = netlink_dump(fd, &m, see_filter, &a);
	close(fd);
	if (code || !a.met || !a.first)
		return false;
	snprintf(ret, FASTPATH_PORT,
		 "interface %s: a tc filter of somebody else (%s, priority %u) stands before "
		 "greygate's: strangers whom it takes or sends elsewhere go past the daemon",
		 interface, a.kind, a.first);
	snprintf(ret_mend, FASTPATH_PORT,
		 "give it a priority of 2 or more and restart: tc filter show dev %s ingress",
		 interface);
	return true;
}

bool fastpath_tcx(const char *interface, char ret[FASTPATH_PORT], char ret_mend[FASTPATH_PORT])
{
	const int ifindex = (int)if_nametoindex(interface);
	__u32 ids[64], count = sizeof(ids) / sizeof(ids[0]);

	/* An older kernel knows no such place. */
	if (!ifindex ||
	    bpf_prog_query(ifindex, (enum bpf_attach_type)TCX_INGRESS, 0, NULL, ids, &count) ||
	    !count)
		return false;
	snprintf(ret, FASTPATH_PORT,
		 "interface %s: the tcx program with id %u runs before greygate's: strangers whom "
		 "it takes or sends elsewhere go past the daemon",
		 interface, ids[0]);
	snprintf(ret_mend, FASTPATH_PORT, "bpftool prog show id %u", ids[0]);
	return true;
}
