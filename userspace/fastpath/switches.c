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

/* ns between two, to the nearest one; 0: unlimited. */
static uint32_t interval_of(uint32_t per_second)
{
	return per_second ? (1000000000 + per_second / 2) / per_second : 0;
}

void switches_limits(struct gg_conf *c, uint32_t per_source, uint32_t per_cpu)
{
	c->budget_interval = interval_of(per_cpu);
	c->source_interval = interval_of(per_source);
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

/* What is to be in vip, in order and each once, and what of it is. */
struct vip_walk {
	struct gg_vip_key *wanted;
	bool *there;
	size_t wanted_count;
	struct gg_vip_key *gone;
	size_t gone_count;
	bool failed;
};

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct gg_vip_key));
}

/* Its place in wanted; -1: it is none of them. */
static ptrdiff_t place_of(const struct vip_walk *w, const struct gg_vip_key *key)
{
	const struct gg_vip_key *at =
		bsearch(key, w->wanted, w->wanted_count, sizeof(*key), compare_keys);

	return at ? at - w->wanted : -1;
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
	for (i = 0; i < n; i++) {
		const ptrdiff_t at = place_of(w, &key[i]);

		if (at < 0)
			w->gone[w->gone_count++] = key[i];
		else
			w->there[at] = true;
	}
	return 0;
}

static int want(struct vip_walk *w, const struct endpoint *vips, int n)
{
	size_t i, kept = 0;

	w->wanted = calloc(2 * (size_t)n + 1, sizeof(*w->wanted));
	w->there = calloc(2 * (size_t)n + 1, sizeof(*w->there));
	if (!w->wanted || !w->there)
		return -ENOMEM;
	for (i = 0; i < 2 * (size_t)n; i++)
		w->wanted[i] = vip_key(&vips[i / 2], i % 2);
	qsort(w->wanted, i, sizeof(*w->wanted), compare_keys);
	for (i = 0; i < 2 * (size_t)n; i++)
		if (!i || compare_keys(&w->wanted[i], &w->wanted[kept - 1]))
			w->wanted[kept++] = w->wanted[i];
	w->wanted_count = kept;
	return 0;
}

static int add_vip(struct fastpath *fp, const struct gg_vip_key *key)
{
	const struct gg_vip fresh = {};

	if (!bpf_map_update_elem(fp->maps[MAP_VIP], key, &fresh, BPF_NOEXIST) || errno == EEXIST)
		return 0;
	return errno == E2BIG ? -ENOSPC : -errno;
}

/* What is missing, where there is room for an endpoint and its address: what is there before what
 * is new. Returns for how many there is none, or -errno. */
static int add_vips(struct fastpath *fp, struct vip_walk *w, const struct endpoint *vips, int n)
{
	size_t room = 2 * GG_ENDPOINTS, i;
	int left_out = 0, code;

	for (i = 0; i < w->wanted_count; i++)
		room -= w->there[i];
	for (i = 0; i < (size_t)n; i++) {
		/* The address first: what protects an endpoint protects its fragments. */
		const struct gg_vip_key keys[] = {vip_key(&vips[i], true),
						  vip_key(&vips[i], false)};
		bool *const there[] = {&w->there[place_of(w, &keys[0])],
				       &w->there[place_of(w, &keys[1])]};

		if (room < (size_t) !*there[0] + !*there[1]) {
			left_out++;
			continue;
		}
		for (int k = 0; k < 2; k++) {
			if (*there[k])
				continue;
			code = add_vip(fp, &keys[k]);
			if (code)
				return code;
			*there[k] = true;
			room--;
		}
	}
	return left_out;
}

/* Where there may be no room for all, one that surely has it. */
static struct gg_vip_key first_of(const struct vip_walk *w, const struct endpoint *vips, int n)
{
	struct gg_vip_key key;

	for (int i = 0; i < n && w->wanted_count > 2 * GG_ENDPOINTS; i++) {
		key = vip_key(&vips[i], false);
		if (w->there[place_of(w, &key)])
			return key;
	}
	return n ? vip_key(&vips[0], false) : (struct gg_vip_key){};
}

int fastpath_vips(struct fastpath *fp, const struct endpoint *vips, int n)
{
	struct vip_walk w = {};
	size_t i;
	int code = want(&w, vips, n);

	if (!code)
		code = walk_map(fp->maps[MAP_VIP], vip_batch, &w);
	if (!code && w.failed)
		code = -ENOMEM;
	if (code)
		goto out;
	/* Before the deletions, so that it never names what is no longer protected. */
	pthread_mutex_lock(&fp->lock);
	fp->switches.first = first_of(&w, vips, n);
	code = switches_write(fp);
	pthread_mutex_unlock(&fp->lock);
	for (i = 0; i < w.gone_count && !code; i++)
		bpf_map_delete_elem(fp->maps[MAP_VIP], &w.gone[i]);
	if (!code)
		code = add_vips(fp, &w, vips, n);
	if (code >= 0)
		atomic_store(&fp->unguarded, code);
out:
	free(w.wanted);
	free(w.there);
	free(w.gone);
	return code < 0 ? code : 0;
}

int fastpath_unguarded(const struct fastpath *fp)
{
	return atomic_load(&fp->unguarded);
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

__u32 switches_ways(struct fastpath *fp)
{
	struct route_others others = {};

	if (fp->rules_fd >= 0)
		others = route_others(fp->rules_fd);
	else if (fp->switches.mode == GG_MODE_GATEWAY)
		others.marks = true; /* better slow than by another way */
	fp->ipsec = fp->ipsec || ipsec_changed(fp->ipsec_fd);
	fp->by_stack = fp->ipsec      ? "IPsec policies"
		       : others.marks ? "policy rules that ask for marks"
				      : NULL;
	return (others.main_only ? GG_CONF_MAIN_ROUTES : 0) |
	       (fp->by_stack ? GG_CONF_STACK_FORWARDS : 0);
}

void fastpath_heartbeat(struct fastpath *fp)
{
	const __u32 own = GG_CONF_MAIN_ROUTES | GG_CONF_STACK_FORWARDS;
	const __u32 ways = switches_ways(fp);
	__u32 was;

	pthread_mutex_lock(&fp->lock);
	was = fp->switches.flags;
	fp->switches.flags = (was & ~own) | ways;
	/* Before the heartbeat, on which the programs' trust in it depends. */
	if (fp->switches.flags != was)
		switches_write(fp);
	fp->meta.heartbeat = entries_now();
	switches_write_meta(fp);
	pthread_mutex_unlock(&fp->lock);
}

const char *fastpath_stack_forwards(const struct fastpath *fp)
{
	return fp->by_stack;
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
