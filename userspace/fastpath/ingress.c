// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tc program on an interface, gateway mode: a filter of clsact's ingress, found again by its
 * priority and handle. An earlier start's is exchanged in one step. What isn't ours stays: filters
 * of others, and clsact as long as it has one.
 */
#include "internal.h"
#include "netlink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <tc.skel.h>
#include <unistd.h>

#define HANDLE 0x67726579u
#define PRIORITY 25

static struct bpf_tc_hook hook_of(int ifindex, enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook), .ifindex = ifindex, .attach_point = point};
}

/* The program there now, or -errno. */
static int standing(int ifindex)
{
	struct bpf_tc_hook hook = hook_of(ifindex, BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	int code = bpf_tc_query(&hook, &opts);

	if (code)
		return code;
	code = bpf_prog_get_fd_by_id(opts.prog_id);
	return code < 0 ? -errno : code;
}

static int put(int ifindex, int prog_fd)
{
	struct bpf_tc_hook hook = hook_of(ifindex, BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY, .prog_fd = prog_fd,
		    .flags = BPF_TC_F_REPLACE);
	int code = bpf_tc_hook_create(&hook);

	if (code && code != -EEXIST)
		return code;
	return bpf_tc_attach(&hook, &opts);
}

static void see_filter(const struct nlmsghdr *h, void *arg)
{
	int *filters = arg;

	*filters += h->nlmsg_type == RTM_NEWTFILTER;
}

static bool has_filters(int fd, int ifindex, uint32_t direction)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC,
				     .tcm_ifindex = ifindex,
				     .tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction)};
	struct netlink_message m;
	int filters = 0;

	netlink_begin(&m, RTM_GETTFILTER, 0, &header, sizeof(header));
	return netlink_dump(fd, &m, see_filter, &filters) || filters;
}

static void take_away(int ifindex)
{
	struct bpf_tc_hook ingress = hook_of(ifindex, BPF_TC_INGRESS);
	struct bpf_tc_hook both = hook_of(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	int fd;

	bpf_tc_detach(&ingress, &opts);
	fd = netlink_open();
	if (fd < 0)
		return;
	if (!has_filters(fd, ifindex, TC_H_MIN_INGRESS) &&
	    !has_filters(fd, ifindex, TC_H_MIN_EGRESS))
		bpf_tc_hook_destroy(&both);
	close(fd);
}

static int attach_one(struct ingress *in, const char *name, int prog_fd, const struct pins_ids *own,
		      char *err, size_t err_size)
{
	int ifindex = (int)if_nametoindex(name), old, code;

	old = standing(ifindex);
	if (old >= 0 && attach_owner(old, own) == OWNER_OTHER) {
		close(old);
		return words_fail(err, err_size, -EBUSY,
				  "interface %s: a tc filter of somebody else has priority %d, "
				  "handle 0x%x; remove it (tc filter del dev %s ingress pref %d)",
				  name, PRIORITY, HANDLE, name, PRIORITY);
	}
	code = put(ifindex, prog_fd);
	if (code) {
		if (old >= 0)
			close(old);
		return words_fail(err, err_size, code,
				  "interface %s: tc program not accepted: %s; the kernel needs "
				  "CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF",
				  name, words_reason(code));
	}
	in->ifindex[in->count] = ifindex;
	in->old_fd[in->count++] = old;
	return 0;
}

int ingress_attach(const struct fastpath_conf *conf, const int maps[MAP_COUNT],
		   const struct pins_ids *own, struct ingress *ret, char *err, size_t err_size)
{
	struct tc_bpf *skel = tc_bpf__open();
	int code, i;

	words_forget();
	code = skel ? maps_use(skel->obj, maps) : -errno;
	if (!code)
		code = tc_bpf__load(skel);
	if (code) {
		tc_bpf__destroy(skel);
		return words_fail(err, err_size, code, "tc program: %s", words_reason(code));
	}
	for (i = 0; i < conf->interface_count && !code; i++)
		code = attach_one(ret, conf->interfaces[i],
				  bpf_program__fd(skel->progs.greygate_tc), own, err, err_size);
	tc_bpf__destroy(skel);
	return code;
}

void ingress_undo(struct ingress *in)
{
	while (in->count > 0) {
		in->count--;
		if (in->old_fd[in->count] < 0) {
			take_away(in->ifindex[in->count]);
			continue;
		}
		put(in->ifindex[in->count], in->old_fd[in->count]);
		close(in->old_fd[in->count]);
	}
}

void ingress_close(struct ingress *in)
{
	for (int i = 0; i < in->count; i++)
		if (in->old_fd[i] >= 0)
			close(in->old_fd[i]);
	in->count = 0;
}

bool ingress_on(const char *name)
{
	struct bpf_prog_info info = {};
	int fd = standing((int)if_nametoindex(name));
	uint32_t size = sizeof(info);
	bool ours;

	if (fd < 0)
		return false;
	ours = !bpf_obj_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, "greygate_tc");
	close(fd);
	return ours;
}

bool ingress_stands(void)
{
	struct if_nameindex *all = if_nameindex(), *i;
	bool stands = false;

	for (i = all; i && i->if_index && !stands; i++)
		stands = ingress_on(i->if_name);
	if (all)
		if_freenameindex(all);
	return stands;
}

int ingress_clear(const struct pins_ids *own, bool orphans, const struct ingress *keep,
		  void (*report)(const char *line, void *arg), void *arg)
{
	struct if_nameindex *all = if_nameindex(), *i;
	enum owner owner;
	char line[128];
	int cleared = 0, fd;

	for (i = all; i && i->if_index; i++) {
		bool kept = false;

		for (int k = 0; keep && k < keep->count; k++)
			kept = kept || keep->ifindex[k] == (int)i->if_index;
		fd = kept ? -1 : standing((int)i->if_index);
		if (fd < 0)
			continue;
		owner = attach_owner(fd, own);
		close(fd);
		if (owner != OWNER_US && !(owner == OWNER_GONE && orphans))
			continue;
		take_away((int)i->if_index);
		cleared++;
		snprintf(line, sizeof(line), "%s: tc program detached", i->if_name);
		if (report)
			report(line, arg);
	}
	if (all)
		if_freenameindex(all);
	return cleared;
}
