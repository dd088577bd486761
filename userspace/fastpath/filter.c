// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A tc program on an interface: on the way in what marks the daemon's packets (gateway mode), on
 * the way out what watches whom the protected side writes to. A filter of clsact, found again by
 * its priority and handle. It is of use before all others, which may end the walk or send packets
 * elsewhere; what it passes goes on to them. Where another kind of filter has that priority, it
 * stands behind, and ahead.c says so. An earlier start's is exchanged in one step, or where that
 * had to stand elsewhere goes once ours stands. What isn't ours stays:
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
/* The best first; an earlier version had but the last. */
static const uint32_t priorities[] = {1, 25};
#define PRIORITIES ((int)(sizeof(priorities) / sizeof(priorities[0])))

struct place {
	uint32_t handle, id; /* of the filter, of its program */
	int priority;        /* index of priorities */
};

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

/* What stands at one of our priorities; -ENOENT: nothing. */
static int find_at(int ifindex, enum bpf_tc_attach_point point, int priority, struct place *ret)
{
	static const uint32_t handles[] = {HANDLE_MADE, HANDLE_FOUND};
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	int code = -ENOENT;

	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]) && code; i++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handles[i],
			    .priority = priorities[priority]);

		code = bpf_tc_query(&hook, &opts);
		if (!code)
			*ret = (struct place){opts.handle, opts.prog_id, priority};
	}
	return code;
}

/* The first of our places that is taken; -ENOENT: none. */
static int find(int ifindex, enum bpf_tc_attach_point point, struct place *ret)
{
	int code = point == BPF_TC_EGRESS ? lacks_egress(ifindex) : 0;

	if (code)
		return code < 0 ? code : -ENOENT;
	code = -ENOENT;
	for (int i = 0; i < PRIORITIES && code; i++)
		code = find_at(ifindex, point, i, ret);
	return code;
}

/* The program there now, or -errno. */
static int standing(int ifindex, enum bpf_tc_attach_point point, struct place *ret)
{
	int code = find(ifindex, point, ret);

	if (code)
		return code;
	code = bpf_prog_get_fd_by_id(ret->id);
	return code < 0 ? -errno : code;
}

/* The handle of a first filter of ours beside a qdisc that is there; that of the other side knows
 * whether it was there before both. */
static uint32_t handle_beside(int ifindex, enum bpf_tc_attach_point point)
{
	struct place beside;

	if (find(ifindex, point == BPF_TC_EGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS, &beside))
		return HANDLE_FOUND;
	return beside.handle;
}

/* Filters of an interface but one of ours; NULL: none is. */
struct others {
	const struct place *but;
	int count;
};

static void see_filter(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *t = NLMSG_DATA(h);
	struct others *o = arg;

	if (h->nlmsg_type != RTM_NEWTFILTER)
		return;
	/* What holds a priority's filters together is shown as one, without a handle. */
	if (o->but && TC_H_MAJ(t->tcm_info) >> 16 == priorities[o->but->priority] &&
	    (!t->tcm_handle || t->tcm_handle == o->but->handle))
		return;
	o->count++;
}

static int count_others(int fd, int ifindex, uint32_t direction, const struct place *but)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC,
				     .tcm_ifindex = ifindex,
				     .tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction)};
	struct netlink_message m;
	struct others o = {.but = but};

	netlink_begin(&m, RTM_GETTFILTER, 0, &header, sizeof(header));
	return netlink_dump(fd, &m, see_filter, &o) ? 1 : o.count;
}

/* clsact, where it came with this filter on one side and no other is in it: with the filter, in one
 * step. True: it went. */
static bool take_qdisc(int ifindex, enum bpf_tc_attach_point point, const struct place *p)
{
	struct bpf_tc_hook both = hook_of(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	const bool out = point == BPF_TC_EGRESS;
	bool alone;
	int fd;

	if (p->handle != HANDLE_MADE)
		return false;
	fd = netlink_open();
	if (fd < 0)
		return false;
	alone = !count_others(fd, ifindex, TC_H_MIN_INGRESS, out ? NULL : p) &&
		!count_others(fd, ifindex, TC_H_MIN_EGRESS, out ? p : NULL);
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
		.tcm_info = TC_H_MAKE(priorities[0] << 16, htons(ETH_P_ALL))};
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
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE_MADE, .priority = priorities[0]);
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

static void detach(int ifindex, enum bpf_tc_attach_point point, const struct place *p)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = p->handle, .priority = priorities[p->priority]);

	bpf_tc_detach(&hook, &opts);
}

/* At the first priority from that one on that is to be had, beside a qdisc that is there. */
static int put_beside(int ifindex, enum bpf_tc_attach_point point, int prog_fd, struct place *own)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	int code;

	for (;; own->priority++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = own->handle,
			    .priority = priorities[own->priority], .prog_fd = prog_fd,
			    .flags = BPF_TC_F_REPLACE);

		code = bpf_tc_attach(&hook, &opts);
		if (!code || own->priority == PRIORITIES - 1)
			return code;
	}
}

/* from: index of the best priority that it may have. */
static int put(int ifindex, enum bpf_tc_attach_point point, int prog_fd, int from)
{
	struct place old, own = {.priority = from};
	bool was = !find(ifindex, point, &old);
	struct qdisc q;
	int code = was ? 0 : find_qdisc(ifindex, &q);

	if (!code && !was && !q.there) {
		code = put_with_qdisc(ifindex, point, prog_fd);
		if (code != -EEXIST)
			return code;
		code = 0;
	}
	if (code)
		return code;
	own.handle = was ? old.handle : handle_beside(ifindex, point);
	code = put_beside(ifindex, point, prog_fd, &own);
	/* Another version may have left one at each of them. */
	for (int i = 0; i < PRIORITIES && !code; i++)
		if (i != own.priority && !find_at(ifindex, point, i, &old))
			detach(ifindex, point, &old);
	return code;
}

static void take_away(int ifindex, enum bpf_tc_attach_point point)
{
	struct place p;

	if (find(ifindex, point, &p))
		return;
	if (!take_qdisc(ifindex, point, &p))
		detach(ifindex, point, &p);
}

static enum bpf_tc_attach_point point_of(const struct filters *f)
{
	return f->out ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

/* The program there now, -1: none; -errno where it must stay. */
static int look(const struct filters *f, const char *name, const struct pins_ids *own, int *ret_old,
		int *ret_priority, char *err, size_t err_size)
{
	int ifindex = (int)if_nametoindex(name), old;
	enum owner owner;
	struct place p;

	*ret_old = -1;
	if (find(ifindex, point_of(f), &p))
		return 0;
	*ret_priority = p.priority;
	old = bpf_prog_get_fd_by_id(p.id);
	if (old < 0)
		return 0;
	owner = owner_of(old, own);
	if (owner == OWNER_US || owner == OWNER_GONE) {
		*ret_old = old;
		return 0;
	}
	close(old);
	if (owner == OWNER_ALIVE)
		return attach_rival(name, p.id, err, err_size);
	return words_fail(err, err_size, -EBUSY,
			  "interface %s: a tc filter of somebody else has priority %u, handle "
			  "0x%x; remove it (tc filter del dev %s %s pref %u)",
			  name, priorities[p.priority], p.handle, name,
			  f->out ? "egress" : "ingress", priorities[p.priority]);
}

static int attach_one(struct filters *f, const char *name, int prog_fd, const struct pins_ids *own,
		      char *err, size_t err_size)
{
	int ifindex = (int)if_nametoindex(name), old, priority = 0, code;

	if (f->out && lacks_egress(ifindex))
		return words_fail(err, err_size, -EOPNOTSUPP,
				  "interface %s: its qdisc is ingress, which has no way out; have "
				  "clsact in its place (tc qdisc del dev %s ingress, tc qdisc add "
				  "dev %s clsact, and its filters again)",
				  name, name, name);
	code = look(f, name, own, &old, &priority, err, err_size);
	if (code)
		return code;
	code = put(ifindex, point_of(f), prog_fd, 0);
	if (code) {
		if (old >= 0)
			close(old);
		return words_fail(err, err_size, code,
				  "interface %s: tc program not accepted: %s; the kernel needs "
				  "CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF",
				  name, words_reason(code));
	}
	f->ifindex[f->count] = ifindex;
	f->old_priority[f->count] = priority;
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
		put(f->ifindex[f->count], point_of(f), f->old_fd[f->count],
		    f->old_priority[f->count]);
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
	struct place p = {};
	int code = find(ifindex, out ? BPF_TC_EGRESS : BPF_TC_INGRESS, &p);

	/* The kernel's words for: no filter, no clsact, no such interface. */
	if (code && code != -ENOENT && code != -EINVAL && code != -ENODEV)
		return code;
	*ret = p.id;
	return 0;
}

uint32_t fastpath_filter(const struct fastpath_part *part)
{
	struct place p = {};

	find((int)if_nametoindex(part->interface),
	     part->kind == FASTPATH_TC_OUT ? BPF_TC_EGRESS : BPF_TC_INGRESS, &p);
	return priorities[p.priority];
}

enum owner filter_owner(int ifindex, bool out, const struct pins_ids *own)
{
	struct place p;
	int fd = standing(ifindex, out ? BPF_TC_EGRESS : BPF_TC_INGRESS, &p);
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
	uint32_t size = sizeof(info);
	struct place p;
	int fd = standing((int)if_nametoindex(name), BPF_TC_INGRESS, &p);
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
	struct place p;
	int fd = standing((int)i->if_index, point, &p);
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
		/* Another version may have left one at each of our priorities. */
		for (int k = 0; k < PRIORITIES && !is_kept(keep_in, i->if_index); k++)
			cleared += clear_one(i, false, own, orphans, report, arg);
		for (int k = 0; k < PRIORITIES && !is_kept(keep_out, i->if_index); k++)
			cleared += clear_one(i, true, own, orphans, report, arg);
	}
	if (all)
		if_freenameindex(all);
	return cleared;
}
