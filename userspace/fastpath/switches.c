// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What steers the programs while they run: protected endpoints, listeners, heartbeat, when_down.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* s: so long may a source that was quiet send at any rate, within what its limit is for them. */
#define LIMIT_BURST 2

int switches_write(struct fastpath *fp)
{
	__u32 zero = 0;

	return bpf_map_update_elem(fp->maps[MAP_CONF], &zero, &fp->switches, BPF_ANY) ? -errno : 0;
}

int switches_write_meta(struct fastpath *fp)
{
	__u32 zero = 0;

	return bpf_map_update_elem(fp->maps[MAP_META], &zero, &fp->meta, BPF_ANY) ? -errno : 0;
}

void switches_limits(struct gg_conf *c, uint32_t per_source, uint32_t per_cpu)
{
	c->budget = (uint32_t)(((uint64_t)per_cpu << 27) / 1000000000);
	if (per_cpu && !c->budget)
		c->budget = 1;
	c->source_interval = per_source ? 1000000000 / per_source : 0;
	c->source_burst = (uint64_t)LIMIT_BURST * 1000000000;
}

int switches_expect(struct fastpath *fp, enum gg_verdict verdict, enum gg_action action)
{
	if (!(fp->switches.flags & GG_CONF_OPENINGS_ONLY) || !gg_concerns_segments(verdict, action))
		return 0;
	fp->switches.flags &= ~GG_CONF_OPENINGS_ONLY;
	return switches_write(fp);
}

int switches_again(struct fastpath *fp)
{
	struct gg_conf now;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &now))
		return -errno;
	fp->switches.flags &= now.flags | ~GG_CONF_OPENINGS_ONLY;
	return switches_write(fp);
}

static struct gg_vip_key vip_key(const struct endpoint *e, bool marker)
{
	struct gg_vip_key key = {.port = marker ? 0 : e->port};

	memcpy(key.addr, e->addr.b, sizeof(key.addr));
	return key;
}

struct vip_walk {
	const struct endpoint *vips;
	int n;
	struct gg_vip_key *gone;
	size_t gone_count, room;
	bool failed;
};

static bool is_wanted(const struct vip_walk *w, const struct gg_vip_key *key)
{
	int i;

	for (i = 0; i < w->n; i++)
		if (!memcmp(key->addr, w->vips[i].addr.b, sizeof(key->addr)) &&
		    (!key->port || key->port == w->vips[i].port))
			return true;
	return false;
}

static int vip_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_vip_key *key = keys;
	struct vip_walk *w = arg;
	struct gg_vip_key *gone;
	uint32_t i;

	(void)values;
	gone = realloc(w->gone, (w->gone_count + n) * sizeof(*gone));
	if (!gone) {
		w->failed = true;
		return -ENOMEM;
	}
	w->gone = gone;
	for (i = 0; i < n; i++)
		if (!is_wanted(w, &key[i]))
			w->gone[w->gone_count++] = key[i];
	return 0;
}

static int add_vip(struct fastpath *fp, const struct gg_vip_key *key)
{
	const struct gg_vip fresh = {};

	if (!bpf_map_update_elem(fp->maps[MAP_VIP], key, &fresh, BPF_NOEXIST) || errno == EEXIST)
		return 0;
	return errno == E2BIG ? -ENOSPC : -errno;
}

int fastpath_vips(struct fastpath *fp, const struct endpoint *vips, int n)
{
	struct vip_walk w = {.vips = vips, .n = n};
	struct gg_vip_key key;
	size_t gone;
	int i, code;

	/* Before the deletions, so that it never names what is no longer protected. */
	pthread_mutex_lock(&fp->lock);
	fp->switches.first = n ? vip_key(&vips[0], false) : (struct gg_vip_key){};
	code = switches_write(fp);
	pthread_mutex_unlock(&fp->lock);
	if (!code)
		code = walk_map(fp->maps[MAP_VIP], vip_batch, &w);
	if (!code && w.failed)
		code = -ENOMEM;
	for (gone = 0; gone < w.gone_count && !code; gone++)
		bpf_map_delete_elem(fp->maps[MAP_VIP], &w.gone[gone]);
	free(w.gone);
	for (i = 0; i < n && !code; i++) {
		key = vip_key(&vips[i], false);
		code = add_vip(fp, &key);
		key = vip_key(&vips[i], true);
		if (!code)
			code = add_vip(fp, &key);
	}
	return code;
}

static bool is_port(const struct fastpath_conf *conf, __u32 ifindex)
{
	for (int i = 0; i < conf->interface_count && conf->mode == GG_MODE_GATEWAY; i++)
		if (if_nametoindex(conf->interfaces[i]) == ifindex)
			return true;
	return false;
}

int switches_ports(int ports, const struct fastpath_conf *conf)
{
	__u32 key, next, ifindex;
	int i, more;

	more = !bpf_map_get_next_key(ports, NULL, &next);
	while (more) {
		key = next;
		more = !bpf_map_get_next_key(ports, &key, &next);
		if (!is_port(conf, key))
			bpf_map_delete_elem(ports, &key);
	}
	for (i = 0; i < conf->interface_count && conf->mode == GG_MODE_GATEWAY; i++) {
		ifindex = if_nametoindex(conf->interfaces[i]);
		if (ifindex && bpf_map_update_elem(ports, &ifindex, &ifindex, BPF_ANY))
			return -errno;
	}
	return 0;
}

int fastpath_listener(struct fastpath *fp, enum gg_sock slot, int fd)
{
	__u64 value = fd;
	__u32 key = slot;

	return bpf_map_update_elem(fp->maps[MAP_SOCKS], &key, &value, BPF_ANY) ? -errno : 0;
}

void fastpath_heartbeat(struct fastpath *fp)
{
	__u32 routes = 0, was;

	if (fp->rules_fd >= 0 && route_main_only(fp->rules_fd))
		routes = GG_CONF_MAIN_ROUTES;
	pthread_mutex_lock(&fp->lock);
	was = fp->switches.flags;
	fp->switches.flags = (was & ~GG_CONF_MAIN_ROUTES) | routes;
	/* Before the heartbeat, on which the programs' trust in it depends. */
	if (fp->switches.flags != was)
		switches_write(fp);
	fp->meta.heartbeat = entries_now();
	switches_write_meta(fp);
	pthread_mutex_unlock(&fp->lock);
}

void fastpath_set_when_down(struct fastpath *fp, bool open)
{
	pthread_mutex_lock(&fp->lock);
	fp->switches.flags &= ~GG_CONF_OPEN_WHEN_DOWN;
	if (open)
		fp->switches.flags |= GG_CONF_OPEN_WHEN_DOWN;
	switches_write(fp);
	pthread_mutex_unlock(&fp->lock);
}

void fastpath_set_limits(struct fastpath *fp, uint32_t per_source, uint32_t per_cpu)
{
	pthread_mutex_lock(&fp->lock);
	switches_limits(&fp->switches, per_source, per_cpu);
	switches_write(fp);
	pthread_mutex_unlock(&fp->lock);
}

void fastpath_set_sample(struct fastpath *fp, uint32_t sample)
{
	pthread_mutex_lock(&fp->lock);
	fp->switches.sample = sample;
	switches_write(fp);
	pthread_mutex_unlock(&fp->lock);
}
