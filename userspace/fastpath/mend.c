// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Puts back what somebody has taken away of a start whose daemon still runs: the programs over the
 * maps that are pinned, which stay as they are. Nothing that stands is touched, be it ours or
 * another's; what a successor has left that did not stay, over other maps, is exchanged.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The same settings for one interface alone. */
static struct fastpath_conf only(const struct fastpath_conf *conf, const struct fastpath_part *p)
{
	struct fastpath_conf c = *conf;

	c.interfaces[0] = p->interface;
	c.interface_count = 1;
	return c;
}

static int put_policy(struct mend *m, struct fastpath_part *p)
{
	return route_add(m->conf, p->why, sizeof(p->why));
}

static int put_filter(struct mend *m, struct fastpath_part *p)
{
	const struct fastpath_conf conf = only(m->conf, p);
	struct filters f = {};
	int code = (p->kind == FASTPATH_TC ? filter_attach : filter_watch)(
		&conf, m->maps, &m->own, &f, p->why, sizeof(p->why));

	if (code)
		filter_undo(&f);
	filter_close(&f);
	return code;
}

static int put_xdp(struct mend *m, struct fastpath_part *p)
{
	struct fastpath_attachment how;
	struct attach a;
	int code = attach_interface(p->interface, attach_mode(m->conf), m->maps, &m->own, &a, &how,
				    p->why, sizeof(p->why));

	if (code)
		return code;
	p->generic = a.flags & XDP_FLAGS_SKB_MODE;
	p->dispatched = a.dispatched;
	attach_commit(&a, &m->own);
	return 0;
}

static int put_lookup(struct mend *m, struct fastpath_part *p)
{
	struct lookup l;
	int code = lookup_attach(m->maps, m->dir, m->pin_dir, &l, p->why, sizeof(p->why));

	if (code)
		return code;
	if (m->link >= 0)
		close(m->link);
	m->link = l.link_fd;
	m->made_link = true;
	l.link_fd = -1;
	lookup_close(&l);
	return 0;
}

static int (*const put[FASTPATH_KINDS])(struct mend *m, struct fastpath_part *p) = {
	[FASTPATH_POLICY] = put_policy, [FASTPATH_TC] = put_filter,     [FASTPATH_XDP] = put_xdp,
	[FASTPATH_TC_OUT] = put_filter, [FASTPATH_LOOKUP] = put_lookup,
};

/* Of what is there, whether it is one over these maps. */
static bool is_ours(const struct mend *m, struct fastpath_part *p)
{
	struct attach a = {};
	bool ours;

	switch (p->kind) {
	case FASTPATH_XDP:
		ours = attach_stands((int)p->seen.ifindex, &m->mine, &a) &&
		       !(m->alone && a.dispatched);
		p->generic = a.flags & XDP_FLAGS_SKB_MODE;
		p->dispatched = a.dispatched;
		return ours;
	case FASTPATH_POLICY:
		return p->seen.id == ROUTE_STANDS;
	case FASTPATH_LOOKUP:
		return lookup_ours(m->link, &m->mine) && !strcmp(m->dir, m->pin_dir);
	default:
		return filter_owner((int)p->seen.ifindex, p->kind == FASTPATH_TC_OUT, &m->mine) ==
		       OWNER_US;
	}
}

/* Whether what was put back is there. */
static int judge_put(struct fastpath_part *p)
{
	if (p->kind == FASTPATH_POLICY && p->seen.id == ROUTE_BEHIND)
		snprintf(p->why, sizeof(p->why), PARTS_BEHIND "; give it a priority of 2 or more");
	else if (!p->seen.id)
		snprintf(p->why, sizeof(p->why), "put back, and gone again at once");
	else
		return 0;
	return -ENOENT;
}

void mend_part(struct mend *m, struct fastpath_part *p)
{
	int code = parts_see(p, &m->route, m->link, &p->seen);

	if (p->kind == FASTPATH_LOOKUP && m->link < 0)
		code = 0;
	if (!code && p->interface[0] && !p->seen.ifindex) {
		p->state = FASTPATH_NO_INTERFACE;
		snprintf(p->why, sizeof(p->why), "there is no such interface any more");
		return;
	}
	if (!code && (!p->seen.id || !is_ours(m, p))) {
		code = put[p->kind](m, p);
		if (!code)
			code = parts_see(p, &m->route, m->link, &p->seen);
		if (!code)
			code = judge_put(p);
		p->restored = !code;
	}
	if (!code) {
		p->state = FASTPATH_STANDS;
		p->ours = p->seen;
		return;
	}
	p->rival = code == -EADDRINUSE;
	p->state = p->rival || code == -EBUSY ? FASTPATH_OTHER : FASTPATH_GONE;
	if (!p->why[0])
		snprintf(p->why, sizeof(p->why), "cannot be asked for: %s", strerror(-code));
}

void mend_begin(struct mend *m)
{
	m->link = -1;
	memcpy(m->pin_dir, m->dir, sizeof(m->dir));
	pins_own(m->conf->bpffs, &m->own);
	pins_add(&m->own, m->maps);
	pins_add(&m->mine, m->maps);
	route_need(m->conf, &m->route);
}

void mend_end(const struct mend *m, const struct fastpath_part *parts, int n,
	      void (*see)(const struct fastpath_part *part, int link, void *arg), void *arg)
{
	int i;

	/* Before the daemon is told that all is well: an interface made anew has a new index. */
	switches_ports(m->maps[MAP_PORTS], m->conf);
	for (i = 0; i < n; i++)
		see(&parts[i], parts[i].kind == FASTPATH_LOOKUP && m->made_link ? m->link : -1,
		    arg);
	if (m->link >= 0)
		close(m->link);
}

int fastpath_mend(const struct fastpath_conf *conf,
		  void (*see)(const struct fastpath_part *part, int link, void *arg), void *arg,
		  char *err, size_t err_size)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	struct mend m = {.conf = conf};
	int code, i, n;

	words_mute();
	code = probe_capabilities(err, err_size);
	if (!code)
		code = pins_dir(m.dir, conf->bpffs, false);
	if (!code)
		code = maps_open(m.dir, m.maps, err, err_size);
	if (code)
		return code;
	mend_begin(&m);
	if (conf->mode == GG_MODE_HOST)
		m.link = lookup_open(m.dir);
	n = parts_of(conf, parts);
	for (i = 0; i < n; i++)
		mend_part(&m, &parts[i]);
	mend_end(&m, parts, n, see, arg);
	maps_close(m.maps);
	return 0;
}
