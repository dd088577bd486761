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
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <netinet/in.h>
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

/* What an interface has for filters of its own. */
struct qdisc {
	int ifindex;
	bool there, ingress; /* ingress: of that name, which has no way out */
};

static void see_qdisc(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *t = NLMSG_DATA(h);
	const char *kind = netlink_find(h, sizeof(*t), TCA_KIND, 1);
	struct qdisc *q = arg;

	if (h->nlmsg_type != RTM_NEWQDISC || t->tcm_ifindex != q->ifindex || !kind ||
	    t->tcm_parent != TC_H_INGRESS)
		return;
	q->there = true;
	q->ingress = strcmp(kind, "clsact") != 0;
}

static int find_qdisc(int ifindex, struct qdisc *ret)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex};
	struct netlink_message m;
	int fd = netlink_open(), code;

	if (fd < 0)
		return fd;
	*ret = (struct qdisc){.ifindex = ifindex};
	netlink_begin(&m, RTM_GETQDISC, 0, &header, sizeof(header));
	code = netlink_dump(fd, &m, see_qdisc, ret);
	close(fd);
	return code;
}

/* An ingress qdisc takes a filter of the way out, too, and runs it on the way in. 1, 0, -errno. */
static int lacks_egress(int ifindex)
{
	struct qdisc q;
	int code = find_qdisc(ifindex, &q);

	return code ? code : q.ingress;
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

/* The handle of a first filter of ours beside a qdisc that is there; that of the other side knows
 * whether it was there before both. */
static uint32_t handle_beside(int ifindex, enum bpf_tc_attach_point point)
{
	uint32_t handle = HANDLE_FOUND;
	int other =
		standing(ifindex, point == BPF_TC_EGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS, &handle);

	if (other >= 0)
		close(other);
	return handle;
}

/* Filters of an interface but one of ours; but: its handle, 0: none. */
struct others {
	uint32_t but;
	int count;
};

static void see_filter(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *t = NLMSG_DATA(h);
	struct others *o = arg;

	if (h->nlmsg_type != RTM_NEWTFILTER)
		return;
	/* What holds a priority's filters together is shown as one, without a handle. */
	if (o->but && TC_H_MAJ(t->tcm_info) >> 16 == PRIORITY &&
	    (!t->tcm_handle || t->tcm_handle == o->but))
		return;
	o->count++;
}

static int count_others(int fd, int ifindex, uint32_t direction, uint32_t but)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC,
				     .tcm_ifindex = ifindex,
				     .tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction)};
	struct netlink_message m;
	struct others o = {.but = but};

	netlink_begin(&m, RTM_GETTFILTER, 0, &header, sizeof(header));
	return netlink_dump(fd, &m, see_filter, &o) ? 1 : o.count;
}

/* clsact, where it came with the filter of this handle on one side and no other is in it: with the
 * filter, in one step. True: it went. */
static bool take_qdisc(int ifindex, enum bpf_tc_attach_point point, uint32_t handle)
{
	struct bpf_tc_hook both = hook_of(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	const bool out = point == BPF_TC_EGRESS;
	bool alone;
	int fd;

	if (handle != HANDLE_MADE)
		return false;
	fd = netlink_open();
	if (fd < 0)
		return false;
	alone = !count_others(fd, ifindex, TC_H_MIN_INGRESS, out ? 0 : handle) &&
		!count_others(fd, ifindex, TC_H_MIN_EGRESS, out ? handle : 0);
	close(fd);
	return alone && !bpf_tc_hook_destroy(&both);
}

static void filter_message(struct netlink_message *m, int ifindex, enum bpf_tc_attach_point point,
			   int prog_fd, const struct bpf_prog_info *info)
{
	const struct tcmsg header = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_handle = HANDLE_MADE,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, point == BPF_TC_EGRESS ? TC_H_MIN_EGRESS
									    : TC_H_MIN_INGRESS),
		.tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL))};
	char name[sizeof(info->name) + 16];
	struct rtattr *options;

	netlink_begin(m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_put(m, TCA_KIND, "bpf", sizeof("bpf"));
	options = netlink_nest(m, TCA_OPTIONS);
	netlink_put_u32(m, TCA_BPF_FD, (uint32_t)prog_fd);
	snprintf(name, sizeof(name), "%s:[%u]", info->name, info->id);
	netlink_put(m, TCA_BPF_NAME, name, strlen(name) + 1);
	netlink_put_u32(m, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	netlink_nest_end(m, options);
}

/* clsact and the filter that says who made it in one call: whoever is killed leaves no clsact that
 * a later start takes for somebody else's. -EEXIST: there is one by now. */
static int put_with_qdisc(int ifindex, enum bpf_tc_attach_point point, int prog_fd)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC,
				     .tcm_ifindex = ifindex,
				     .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
				     .tcm_parent = TC_H_CLSACT};
	struct bpf_tc_hook hook = hook_of(ifindex, point),
			   both = hook_of(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE_MADE, .priority = PRIORITY);
	struct netlink_message qdisc, filter;
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	int fd = netlink_open(), code, made;

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(prog_fd, &info, &size)) {
		close(fd);
		return -errno;
	}
	netlink_begin(&qdisc, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_put(&qdisc, TCA_KIND, "clsact", sizeof("clsact"));
	filter_message(&filter, ifindex, point, prog_fd, &info);
	code = netlink_do_both(fd, &qdisc, &filter, &made);
	close(fd);
	if (made && !code)
		bpf_tc_detach(&hook, &opts);
	if (!made && code)
		bpf_tc_hook_destroy(&both);
	return made ? made : code;
}

static int put(int ifindex, enum bpf_tc_attach_point point, int prog_fd)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = PRIORITY, .prog_fd = prog_fd,
		    .flags = BPF_TC_F_REPLACE);
	int old = standing(ifindex, point, &opts.handle), code;
	struct qdisc q;

	if (old >= 0) {
		close(old);
		return bpf_tc_attach(&hook, &opts);
	}
	code = find_qdisc(ifindex, &q);
	if (!code && !q.there) {
		code = put_with_qdisc(ifindex, point, prog_fd);
		if (code != -EEXIST)
			return code;
		code = 0;
	}
	opts.handle = handle_beside(ifindex, point);
	return code ? code : bpf_tc_attach(&hook, &opts);
}

static void take_away(int ifindex, enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = PRIORITY);
	int fd = standing(ifindex, point, &opts.handle);

	if (fd < 0)
		return;
	close(fd);
	if (!take_qdisc(ifindex, point, opts.handle))
		bpf_tc_detach(&hook, &opts);
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
