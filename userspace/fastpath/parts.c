// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a start has put in the way of packets, piece by piece, and whether it is still there.
 *
 * Anybody with the rights can take a program off an interface, a rule out of its table, an
 * interface away; the kernel tells nobody. So the daemon asks, now and then, with what it may ask
 * after it has given its rights up: indexes of interfaces, ids of programs. Whose a strange id is
 * only a process with rights can tell (mend.c).
 */
#include "internal.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_kind(const struct fastpath_conf *conf, enum fastpath_kind kind)
{
	switch (kind) {
	case FASTPATH_POLICY:
	case FASTPATH_TC:
		return conf->mode == GG_MODE_GATEWAY;
	case FASTPATH_XDP:
		return conf->xdp != FASTPATH_OFF;
	case FASTPATH_TC_OUT:
		/* In host mode XDP sees what is to be seen. */
		return conf->observe && conf->mode == GG_MODE_GATEWAY;
	default:
		return conf->mode == GG_MODE_HOST;
	}
}

static bool has_interface(enum fastpath_kind kind)
{
	return kind != FASTPATH_POLICY && kind != FASTPATH_LOOKUP;
}

int parts_of(const struct fastpath_conf *conf, struct fastpath_part ret[FASTPATH_PARTS])
{
	int n = 0;

	for (int kind = 0; kind < FASTPATH_KINDS; kind++) {
		const int times = has_interface(kind) ? conf->interface_count : 1;

		for (int i = 0; i < times && has_kind(conf, kind); i++) {
			ret[n] = (struct fastpath_part){.kind = kind};
			if (has_interface(kind))
				snprintf(ret[n].interface, sizeof(ret[n].interface), "%s",
					 conf->interfaces[i]);
			n++;
		}
	}
	return n;
}

static int see_xdp(int ifindex, uint32_t *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int code = bpf_xdp_query(ifindex, 0, &query);

	if (!code)
		*ret = query.prog_id;
	return code;
}

int parts_see(const struct fastpath_part *p, const struct route_need *route, int link,
	      struct fastpath_sight *ret)
{
	struct fastpath_sight sight = {};
	int code;

	if (has_interface(p->kind)) {
		sight.ifindex = if_nametoindex(p->interface);
		if (!sight.ifindex && errno != ENODEV)
			return -errno;
	}
	if (p->kind == FASTPATH_POLICY)
		code = route_stands(route, &sight.id);
	else if (p->kind == FASTPATH_LOOKUP)
		code = lookup_id(link, &sight.id);
	else if (!sight.ifindex)
		code = 0;
	else if (p->kind == FASTPATH_XDP)
		code = see_xdp((int)sight.ifindex, &sight.id);
	else
		code = filter_id((int)sight.ifindex, p->kind == FASTPATH_TC_OUT, &sight.id);
	if (!code)
		*ret = sight;
	return code;
}

static bool is_same(const struct fastpath_sight *a, const struct fastpath_sight *b)
{
	return a->ifindex == b->ifindex && a->id == b->id;
}

/* Of an interface that isn't there by its name: it is gone, or has another one. Its programs stay
 * on it then, but the policy rules know names alone. */
static void judge_name(struct fastpath_part *p)
{
	p->state = FASTPATH_NO_INTERFACE;
	if (if_indextoname(p->ours.ifindex, p->renamed))
		snprintf(p->why, sizeof(p->why), "the interface is called %s now%s", p->renamed,
			 p->kind == FASTPATH_TC
				 ? ": what comes by it goes past the daemon, strangers too"
				 : "");
	else
		snprintf(p->why, sizeof(p->why), "there is no such interface any more");
}

/* What a sight means for a part, as far as it can be told from it. */
static void judge(struct fastpath_part *p)
{
	const bool renewed = p->seen.ifindex != p->ours.ifindex;

	p->why[0] = p->renamed[0] = '\0';
	p->rival = p->restored = false;
	if (is_same(&p->seen, &p->ours)) {
		p->state = FASTPATH_STANDS;
	} else if (p->kind == FASTPATH_POLICY && p->seen.id == ROUTE_BEHIND) {
		p->state = FASTPATH_GONE;
		snprintf(p->why, sizeof(p->why), PARTS_BEHIND);
	} else if (p->kind == FASTPATH_POLICY && p->seen.id == ROUTE_SUNK) {
		p->state = FASTPATH_GONE;
		snprintf(p->why, sizeof(p->why), PARTS_SUNK);
	} else if (has_interface(p->kind) && !p->seen.ifindex) {
		judge_name(p);
	} else if (!p->seen.id) {
		p->state = FASTPATH_GONE;
		snprintf(p->why, sizeof(p->why), "%s",
			 renewed ? "the interface was made anew" : "taken away by somebody");
	} else {
		p->state = FASTPATH_OTHER;
		snprintf(p->why, sizeof(p->why), "program id %u is in its place", p->seen.id);
	}
}

/* Renamed once more, or gone for good: seen by its name alone it is the same. */
static bool is_called_otherwise(const struct fastpath_part *p)
{
	char name[IF_NAMESIZE];

	if (p->state != FASTPATH_NO_INTERFACE)
		return false;
	return strcmp(if_indextoname(p->ours.ifindex, name) ? name : "", p->renamed) != 0;
}

void parts_begin(struct fastpath *fp, const struct fastpath_conf *conf)
{
	fp->part_count = 0;
	route_need(conf, &fp->route);
	for (int i = 0, n = parts_of(conf, fp->parts); i < n; i++) {
		struct fastpath_part *p = &fp->parts[i];

		/* What is not observed although it was to be was told at the start. */
		if (p->kind == FASTPATH_TC_OUT && fp->observe_why[0])
			continue;
		/* Another's start may have met the rules before there were programs for them: what
		 * is missing of them by now is for the first look to find. */
		if (p->kind == FASTPATH_POLICY)
			p->ours.id = ROUTE_STANDS;
		else
			parts_see(p, &fp->route, fp->link_fd, &p->ours);
		p->seen = p->ours;
		fp->parts[fp->part_count++] = *p;
	}
}

bool fastpath_look(struct fastpath *fp)
{
	bool changed = false;

	for (int i = 0; i < fp->part_count; i++) {
		struct fastpath_part *p = &fp->parts[i];
		struct fastpath_sight now;

		if (parts_see(p, &fp->route, fp->link_fd, &now))
			continue;
		/* The link lasts as long as somebody has it open, and this process does. */
		if (p->kind == FASTPATH_LOOKUP && !pins_has(fp, LOOKUP_PIN))
			now.id = 0;
		if (is_same(&now, &p->seen) && !is_called_otherwise(p))
			continue;
		changed = true;
		pthread_mutex_lock(&fp->lock);
		p->seen = now;
		judge(p);
		pthread_mutex_unlock(&fp->lock);
	}
	return changed;
}

int fastpath_parts(struct fastpath *fp, struct fastpath_part ret[FASTPATH_PARTS])
{
	pthread_mutex_lock(&fp->lock);
	memcpy(ret, fp->parts, sizeof(*ret) * (size_t)fp->part_count);
	pthread_mutex_unlock(&fp->lock);
	return fp->part_count;
}

static void note_attachment(struct fastpath *fp, const struct fastpath_part *p)
{
	for (int i = 0; i < fp->attachment_count; i++) {
		struct fastpath_attachment *a = &fp->attachments[i];

		if (strcmp(a->interface, p->interface) != 0)
			continue;
		a->how = p->generic ? "generic" : "native";
		a->with = p->dispatched ? "dispatcher" : "alone";
	}
}

void fastpath_mended(struct fastpath *fp, const struct fastpath_part *part, int link)
{
	struct fastpath_sight ours;

	pthread_mutex_lock(&fp->lock);
	for (int i = 0; i < fp->part_count; i++) {
		struct fastpath_part *p = &fp->parts[i];

		if (p->kind != part->kind || strcmp(p->interface, part->interface) != 0)
			continue;
		ours = p->ours;
		*p = *part;
		if (p->state != FASTPATH_STANDS)
			p->ours = ours;
		/* The mender doesn't know which one it was. */
		if (p->state == FASTPATH_NO_INTERFACE)
			judge_name(p);
		if (p->kind == FASTPATH_XDP && p->state == FASTPATH_STANDS)
			note_attachment(fp, p);
	}
	if (link >= 0 && fp->link_fd >= 0)
		close(fp->link_fd);
	if (link >= 0)
		fp->link_fd = link;
	pthread_mutex_unlock(&fp->lock);
}
