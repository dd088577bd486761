// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A tc program on an interface: on the way in what marks the daemon's packets (gateway mode), on
 * the way out what watches whom the protected side writes to. A filter of clsact, found again by
 * its priority and handle. An earlier start's is exchanged in one step. What isn't ours stays:
 * filters of others, clsact as long as it has one, and a clsact (or ingress) that was there before.
 * Who made it stands in the handle of the filter: that lasts exactly as long as it matters.
 */
#include "internal.h"
#include "netlink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <egress.skel.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <tc.skel.h>
#include <unistd.h>

#define HANDLE_MADE 0x67726579u  /* clsact came with the filter, and goes with it */
#define HANDLE_FOUND 0x6772657au /* it was there */
#define PRIORITY 25

static struct bpf_tc_hook hook_of(int ifindex, enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook), .ifindex = ifindex, .attach_point = point};
}

struct kind {
	int ifindex;
	bool ingress;
};

static void see_qdisc(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *t = NLMSG_DATA(h);
	const char *kind = netlink_find(h, sizeof(*t), TCA_KIND, 1);
	struct kind *k = arg;

	if (h->nlmsg_type == RTM_NEWQDISC && t->tcm_ifindex == k->ifindex && kind &&
	    t->tcm_parent == TC_H_INGRESS && strcmp(kind, "clsact"))
		k->ingress = true;
}

/* An ingress qdisc takes a filter of the way out, too, and runs it on the way in. 1, 0, -errno. */
static int lacks_egress(int ifindex)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex};
	struct kind k = {.ifindex = ifindex};
	struct netlink_message m;
	int fd = netlink_open(), code;

	if (fd < 0)
		return fd;
	netlink_begin(&m, RTM_GETQDISC, 0, &header, sizeof(header));
	code = netlink_dump(fd, &m, see_qdisc, &k);
	close(fd);
	return code ? code : k.ingress;
}

/* Id of the program there now; -ENOENT: none. */
static int find(int ifindex, enum bpf_tc_attach_point point, uint32_t *ret_handle, uint32_t *ret_id)
{
	static const uint32_t handles[] = {HANDLE_MADE, HANDLE_FOUND};
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	int code = point == BPF_TC_EGRESS ? lacks_egress(ifindex) : 0;

	if (code)
		return code < 0 ? code : -ENOENT;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handles[i], .priority = PRIORITY);

		code = bpf_tc_query(&hook, &opts);
		if (code)
			continue;
		*ret_handle = handles[i];
		*ret_id = opts.prog_id;
		return 0;
	}
	return code;
}

/* The program there now, or -errno. */
static int standing(int ifindex, enum bpf_tc_attach_point point, uint32_t *ret_handle)
{
	uint32_t id;
	int code = find(ifindex, point, ret_handle, &id);

	if (code)
		return code;
	code = bpf_prog_get_fd_by_id(id);
	return code < 0 ? -errno : code;
}

/* Finds or makes clsact. The handle of a first filter of ours; that of the other side knows whether
 * clsact was there before both. */
static int prepare(int ifindex, enum bpf_tc_attach_point point, uint32_t *ret_handle)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	int code = bpf_tc_hook_create(&hook), other;

	if (code && code != -EEXIST)
		return code;
	*ret_handle = code ? HANDLE_FOUND : HANDLE_MADE;
	if (!code)
		return 0;
	other = standing(ifindex, point == BPF_TC_EGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS,
			 ret_handle);
	if (other >= 0)
		close(other);
	return 0;
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

/* clsact, where it came with a filter of this handle and none is left. */
static void tidy(int ifindex, uint32_t handle)
{
	struct bpf_tc_hook both = hook_of(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	int fd;

	if (handle != HANDLE_MADE)
		return;
	fd = netlink_open();
	if (fd < 0)
		return;
	if (!has_filters(fd, ifindex, TC_H_MIN_INGRESS) &&
	    !has_filters(fd, ifindex, TC_H_MIN_EGRESS))
		bpf_tc_hook_destroy(&both);
	close(fd);
}

static int put(int ifindex, enum bpf_tc_attach_point point, int prog_fd)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = PRIORITY, .prog_fd = prog_fd,
		    .flags = BPF_TC_F_REPLACE);
	int old = standing(ifindex, point, &opts.handle), code = 0;

	if (old >= 0)
		close(old);
	else
		code = prepare(ifindex, point, &opts.handle);
	if (code)
		return code;
	code = bpf_tc_attach(&hook, &opts);
	if (code && old < 0)
		tidy(ifindex, opts.handle);
	return code;
}

static void take_away(int ifindex, enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = PRIORITY);
	int fd = standing(ifindex, point, &opts.handle);

	if (fd < 0)
		return;
	close(fd);
	bpf_tc_detach(&hook, &opts);
	tidy(ifindex, opts.handle);
}

static enum bpf_tc_attach_point point_of(const struct filters *f)
{
	return f->out ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

/* The program there now, -1: none; -errno where it must stay. */
static int look(const struct filters *f, const char *name, const struct pins_ids *own, int *ret_old,
		char *err, size_t err_size)
{
	int ifindex = (int)if_nametoindex(name), old;
	uint32_t handle, id;
	enum owner owner;

	*ret_old = -1;
	if (find(ifindex, point_of(f), &handle, &id))
		return 0;
	old = bpf_prog_get_fd_by_id(id);
	if (old < 0)
		return 0;
	owner = owner_of(old, own);
	if (owner == OWNER_US || owner == OWNER_GONE) {
		*ret_old = old;
		return 0;
	}
	close(old);
	if (owner == OWNER_ALIVE)
		return attach_rival(name, id, err, err_size);
	return words_fail(err, err_size, -EBUSY,
			  "interface %s: a tc filter of somebody else has priority %d, handle "
			  "0x%x; remove it (tc filter del dev %s %s pref %d)",
			  name, PRIORITY, handle, name, f->out ? "egress" : "ingress", PRIORITY);
}

static int attach_one(struct filters *f, const char *name, int prog_fd, const struct pins_ids *own,
		      char *err, size_t err_size)
{
	int ifindex = (int)if_nametoindex(name), old, code;

	if (f->out && lacks_egress(ifindex))
		return words_fail(err, err_size, -EOPNOTSUPP,
				  "interface %s: its qdisc is ingress, which has no way out; have "
				  "clsact in its place (tc qdisc del dev %s ingress, tc qdisc add "
				  "dev %s clsact, and its filters again)",
				  name, name, name);
	code = look(f, name, own, &old, err, err_size);
	if (code)
		return code;
	code = put(ifindex, point_of(f), prog_fd);
	if (code) {
		if (old >= 0)
			close(old);
		return words_fail(err, err_size, code,
				  "interface %s: tc program not accepted: %s; the kernel needs "
				  "CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF",
				  name, words_reason(code));
	}
	f->ifindex[f->count] = ifindex;
	f->old_fd[f->count++] = old;
	return 0;
}

static int attach_each(struct filters *f, const struct fastpath_conf *conf, int prog_fd,
		       const int maps[MAP_COUNT], const struct pins_ids *own, char *err,
		       size_t err_size)
{
	int i, code = 0;

	owner_sign(prog_fd, maps);
	for (i = 0; i < conf->interface_count && !code; i++)
		code = attach_one(f, conf->interfaces[i], prog_fd, own, err, err_size);
	return code;
}

static int load(struct bpf_object *obj, const int maps[MAP_COUNT], char *err, size_t err_size)
{
	int code;

	words_forget();
	code = obj ? maps_use(obj, maps) : -errno;
	if (!code)
		code = bpf_object__load(obj);
	return code ? words_fail(err, err_size, code, "tc program: %s", words_reason(code)) : 0;
}

int filter_attach(const struct fastpath_conf *conf, const int maps[MAP_COUNT],
		  const struct pins_ids *own, struct filters *ret, char *err, size_t err_size)
{
	struct tc_bpf *skel = tc_bpf__open();
	int code = load(skel ? skel->obj : NULL, maps, err, err_size);

	if (!code)
		code = attach_each(ret, conf, bpf_program__fd(skel->progs.greygate_tc), maps, own,
				   err, err_size);
	tc_bpf__destroy(skel);
	return code;
}

int filter_watch(const struct fastpath_conf *conf, const int maps[MAP_COUNT],
		 const struct pins_ids *own, struct filters *ret, char *err, size_t err_size)
{
	struct egress_bpf *skel = egress_bpf__open();
	int code = load(skel ? skel->obj : NULL, maps, err, err_size);

	ret->out = true;
	if (!code)
		code = attach_each(ret, conf, bpf_program__fd(skel->progs.greygate_egress), maps,
				   own, err, err_size);
	egress_bpf__destroy(skel);
	return code;
}

void filter_undo(struct filters *f)
{
	while (f->count > 0) {
		f->count--;
		if (f->old_fd[f->count] < 0) {
			take_away(f->ifindex[f->count], point_of(f));
			continue;
		}
		put(f->ifindex[f->count], point_of(f), f->old_fd[f->count]);
		close(f->old_fd[f->count]);
	}
}

void filter_close(struct filters *f)
{
	for (int i = 0; i < f->count; i++)
		if (f->old_fd[i] >= 0)
			close(f->old_fd[i]);
	f->count = 0;
}

int filter_id(int ifindex, bool out, uint32_t *ret)
{
	uint32_t handle, id = 0;
	int code = find(ifindex, out ? BPF_TC_EGRESS : BPF_TC_INGRESS, &handle, &id);

	/* The kernel's words for: no filter, no clsact, no such interface. */
	if (code && code != -ENOENT && code != -EINVAL && code != -ENODEV)
		return code;
	*ret = id;
	return 0;
}

enum owner filter_owner(int ifindex, bool out, const struct pins_ids *own)
{
	uint32_t handle;
	int fd = standing(ifindex, out ? BPF_TC_EGRESS : BPF_TC_INGRESS, &handle);
	enum owner owner;

	if (fd < 0)
		return OWNER_OTHER;
	owner = owner_of(fd, own);
	close(fd);
	return owner;
}

bool filter_on(const char *name)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info), handle;
	int fd = standing((int)if_nametoindex(name), BPF_TC_INGRESS, &handle);
	bool ours;

	if (fd < 0)
		return false;
	ours = !bpf_obj_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, "greygate_tc");
	close(fd);
	return ours;
}

/* The program of one side of an interface, where it is ours to take: 1, else 0. */
static int clear_one(const struct if_nameindex *i, bool out, const struct pins_ids *own,
		     bool orphans, void (*report)(const char *line, void *arg), void *arg)
{
	enum bpf_tc_attach_point point = out ? BPF_TC_EGRESS : BPF_TC_INGRESS;
	uint32_t handle;
	int fd = standing((int)i->if_index, point, &handle);
	enum owner owner;
	char line[128];

	if (fd < 0)
		return 0;
	owner = owner_of(fd, own);
	close(fd);
	if (owner != OWNER_US && !(owner == OWNER_GONE && orphans))
		return 0;
	take_away((int)i->if_index, point);
	snprintf(line, sizeof(line), "%s: tc program detached%s", i->if_name,
		 out ? " from the way out" : "");
	if (report)
		report(line, arg);
	return 1;
}

static bool is_kept(const struct filters *keep, unsigned int ifindex)
{
	for (int k = 0; keep && k < keep->count; k++)
		if (keep->ifindex[k] == (int)ifindex)
			return true;
	return false;
}

int filter_clear(const struct pins_ids *own, bool orphans, const struct filters *keep_in,
		 const struct filters *keep_out, void (*report)(const char *line, void *arg),
		 void *arg)
{
	struct if_nameindex *all = if_nameindex(), *i;
	int cleared = 0;

	for (i = all; i && i->if_index; i++) {
		if (!is_kept(keep_in, i->if_index))
			cleared += clear_one(i, false, own, orphans, report, arg);
		if (!is_kept(keep_out, i->if_index))
			cleared += clear_one(i, true, own, orphans, report, arg);
	}
	if (all)
		if_freenameindex(all);
	return cleared;
}
