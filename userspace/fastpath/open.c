// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A start: build everything aside, put it in force, then let go of what was there before.
 */
#include "internal.h"
#include "netlink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* What this start has made and a failure takes back. */
struct start {
	const struct fastpath_conf *conf;
	struct pins_ids own;
	char used[PINS_PATH], built[PINS_PATH];
	struct attach attach[FASTPATH_INTERFACES];
	int attached;
	struct lookup lookup;
	bool has_lookup;
	struct filters ingress, egress;
	bool has_route;
	bool building;         /* built exists */
	bool strange;          /* what stood in its place was not to be read */
	struct gg_conf before; /* what the programs were told */
};

/* The key outlives a restart, one with other limits too, or everybody in the tarpit would be let
 * go.
 */
static int take_tarpit_key(struct fastpath *fp, const struct gg_conf *before)
{
	__u64 *key = &fp->switches.tarpit_key;

	*key = before->tarpit_key;
	return *key || getrandom(key, sizeof(*key), 0) == sizeof(*key) ? 0 : -errno;
}

static int build(struct fastpath *fp, struct start *s, char *err, size_t err_size)
{
	struct maps_result taken;
	int code;

	code = maps_take(s->conf, s->used, fp->maps, &taken, err, err_size);
	if (code)
		return code;
	fp->room_hosts = s->conf->hosts;
	fp->room_nets = s->conf->nets;
	fp->imported = s->conf->imported;
	fp->reused = taken.meta.magic == GG_MAGIC;
	fp->meta = (struct gg_meta){
		.magic = GG_MAGIC,
		.schema = GG_SCHEMA,
		.generation = taken.meta.generation + 1,
		.heartbeat = entries_now(),
	};
	snprintf(fp->meta.build, sizeof(fp->meta.build), "%s", GREYGATE_VERSION);
	if (s->conf->mode == GG_MODE_GATEWAY) {
		fp->ipsec_fd = ipsec_open(&fp->ipsec);
		fp->rules_fd = netlink_open();
		fp->switches.mode = s->conf->mode;
	}
	fp->switches = (struct gg_conf){
		.mode = s->conf->mode,
		.flags = (s->conf->open_when_down ? GG_CONF_OPEN_WHEN_DOWN : 0) |
			 (s->conf->mode == GG_MODE_GATEWAY ? switches_ways(fp) : 0) |
			 (s->conf->observe && s->conf->mode == GG_MODE_HOST ? GG_CONF_OBSERVE : 0),
		.heartbeat_limit = s->conf->heartbeat_limit,
		.sample = s->conf->sample,
	};
	s->before = taken.before;
	code = take_tarpit_key(fp, &s->before);
	if (code)
		return words_fail(err, err_size, code, "random numbers: %s", strerror(-code));
	fp->switches.flags |= s->before.flags & GG_CONF_OPENINGS_ONLY;
	switches_limits(&fp->switches, s->conf->new_per_source, s->conf->new_per_cpu);
	s->building = !taken.reused;
	if (!s->building)
		return 0;
	if (mkdir(s->built, 0755))
		return words_fail(err, err_size, -errno, "pins %s: %s", s->built, strerror(errno));
	return maps_pin(fp->maps, s->built, err, err_size);
}

/* Writes what the programs read. Maps taken over as they are get it only when all is attached:
 * until then they belong to the programs of the earlier start. */
static int fill(struct fastpath *fp, const struct start *s, char *err, size_t err_size)
{
	int code, slot;

	code = nets_count(fp, s->building ? NULL : &s->before);
	if (!code)
		code = switches_write(fp);
	if (!code)
		code = switches_write_meta(fp);
	if (!code)
		code = switches_ports(fp->maps[MAP_PORTS], s->conf);
	if (!code)
		code = fastpath_vips(fp, s->conf->vips, s->conf->vip_count);
	for (slot = 0; slot < GG_SOCK_MAX && !code; slot++)
		if (s->conf->listeners[slot])
			code = fastpath_listener(fp, slot, s->conf->listeners[slot]);
	if (code)
		return words_fail(
			err, err_size, code,
			"maps: cannot be filled: %s (%d protected endpoints); free memory",
			strerror(-code), s->conf->vip_count);
	return 0;
}

/* The route before the marks that need it, both before XDP sends anything past them. */
static int attach_gateway(struct fastpath *fp, struct start *s, char *err, size_t err_size)
{
	const struct fastpath_conf *conf = s->conf;
	int i, code;

	s->has_route = true;
	code = route_add(conf, err, err_size);
	if (!code)
		code = filter_attach(conf, fp->maps, &s->own, &s->ingress, err, err_size);
	for (i = 0; i < conf->interface_count && conf->xdp == FASTPATH_OFF && !code; i++) {
		struct fastpath_attachment *a = &fp->attachments[fp->attachment_count++];

		snprintf(a->interface, sizeof(a->interface), "%s", conf->interfaces[i]);
		a->how = "no XDP";
		a->with = "tc";
		snprintf(a->why, sizeof(a->why), "switched off (xdp = off)");
	}
	return code;
}

/* Nothing depends on it: where it can't be had, correspondents are not observed, and that is all.
 */
static void watch_out(struct fastpath *fp, struct start *s)
{
	if (!s->conf->observe || s->conf->mode != GG_MODE_GATEWAY)
		return;
	if (filter_watch(s->conf, fp->maps, &s->own, &s->egress, fp->observe_why,
			 sizeof(fp->observe_why)))
		filter_undo(&s->egress);
}

static int attach_all(struct fastpath *fp, struct start *s, char *err, size_t err_size)
{
	const struct fastpath_conf *conf = s->conf;
	enum fastpath_xdp mode = attach_mode(conf);
	int i, code;

	if (conf->mode == GG_MODE_GATEWAY && mode == FASTPATH_GENERIC)
		return words_fail(err, err_size, -EINVAL,
				  "xdp: generic can't be had in gateway mode; set xdp = auto, or "
				  "xdp = off for a driver without native XDP");
	if (conf->mode == GG_MODE_GATEWAY) {
		code = attach_gateway(fp, s, err, err_size);
		if (code)
			return code;
	}

	for (i = 0; i < conf->interface_count && conf->xdp != FASTPATH_OFF; i++) {
		code = attach_interface(conf->interfaces[i], mode, fp->maps, &s->own, &s->attach[i],
					&fp->attachments[i], err, err_size);
		if (code)
			return code;
		fp->attachment_count = s->attached = i + 1;
	}
	watch_out(fp, s);
	if (conf->mode != GG_MODE_HOST)
		return 0;
	code = lookup_attach(fp->maps, s->used, s->building ? s->built : s->used, &s->lookup, err,
			     err_size);
	s->has_lookup = !code;
	return code;
}

static int see_record(void *ctx, void *data, size_t size)
{
	struct fastpath *fp = ctx;

	if (size >= sizeof(struct gg_event) && fp->see_event)
		fp->see_event(data, fp->see_arg);
	return 0;
}

static void take_back(struct start *s)
{
	if (s->has_lookup)
		lookup_undo(&s->lookup);
	while (s->attached > 0)
		attach_undo(&s->attach[--s->attached]);
	filter_undo(&s->ingress);
	filter_undo(&s->egress);
	if (s->has_route)
		route_clear(NULL);
	if (s->building)
		pins_remove(s->built);
	/* Succeeds when this start made it. */
	rmdir(s->conf->bpffs);
}

/* Everything is in force: what is left of earlier starts goes. */
static void finish(struct fastpath *fp, struct start *s)
{
	int keep[FASTPATH_INTERFACES], i;

	for (i = 0; i < s->attached; i++) {
		keep[i] = s->attach[i].ifindex;
		attach_commit(&s->attach[i], &s->own);
	}
	attach_clear(&s->own, false, keep, s->attached, NULL, NULL);
	filter_clear(&s->own, false, &s->ingress, &s->egress, NULL, NULL);
	route_clear(s->has_route ? s->conf : NULL);
	filter_close(&s->ingress);
	filter_close(&s->egress);
	if (s->has_lookup) {
		fp->link_fd = s->lookup.link_fd;
		s->lookup.link_fd = -1;
		lookup_close(&s->lookup);
	} else if (!lookup_detach(s->used)) {
		lookup_detach(s->built);
	}
	/* After the swap the former pins stand where this start built; a link that is in use has
	 * its second pin in the new place. */
	if (s->building)
		s->strange = pins_remove(s->built) > 0 && !fp->reused;
	parts_begin(fp, s->conf);
}

static int start(struct fastpath *fp, struct start *s, char *err, size_t err_size)
{
	bool had_old;
	int code;

	pins_own(fp->dir, &s->own);
	pins_remove(s->built);
	code = build(fp, s, err, err_size);
	if (code)
		return code;
	code = index_open(fp);
	if (code)
		return words_fail(err, err_size, code, "maps index4, index6: %s", strerror(-code));
	fp->ring = ring_buffer__new(fp->maps[MAP_EVENTS], see_record, fp, NULL);
	if (!fp->ring)
		return words_fail(err, err_size, -errno, "events ring: %s", strerror(errno));
	if (s->building) {
		code = fill(fp, s, err, err_size);
		if (code)
			return code;
	}
	code = attach_all(fp, s, err, err_size);
	if (code)
		return code;
	if (!s->building)
		return fill(fp, s, err, err_size);
	code = pins_swap(fp->dir, &had_old);
	if (code)
		return words_fail(err, err_size, code, "pins %s: cannot be put in place: %s",
				  s->used, strerror(-code));
	return 0;
}

int fastpath_open(const struct fastpath_conf *conf, struct fastpath **ret, char *err,
		  size_t err_size)
{
	struct start s = {.conf = conf};
	struct fastpath *fp;
	int code, i;

	words_mute();
	code = probe_capabilities(err, err_size);
	if (!code)
		code = probe_clock(err, err_size);
	if (!code)
		code = probe_interfaces(conf, err, err_size);
	if (!code)
		code = probe_forwarding(conf, err, err_size);
	if (!code)
		code = probe_kernel(conf, err, err_size);
	if (code)
		return code;
	fp = calloc(1, sizeof(*fp));
	if (!fp)
		return words_fail(err, err_size, -ENOMEM, "fast path: out of memory");
	for (i = 0; i < MAP_COUNT; i++)
		fp->maps[i] = -1;
	fp->lock_fd = fp->rules_fd = fp->ipsec_fd = fp->pins_fd = fp->link_fd = -1;
	pthread_mutex_init(&fp->lock, NULL);
	nets_open(fp);

	if (conf->held_lock)
		fp->lock_fd = conf->held_lock;
	else
		code = pins_lock(conf->bpffs, true, &fp->lock_fd, err, err_size);
	if (!code) {
		snprintf(fp->dir, sizeof(fp->dir), "%s", conf->bpffs);
		pins_dir(s.used, fp->dir, false);
		pins_dir(s.built, fp->dir, true);
		if (conf->first && !pins_any(fp->dir))
			conf->first(conf->first_arg);
		code = start(fp, &s, err, err_size);
		if (code)
			take_back(&s);
		else
			finish(fp, &s);
		if (!code)
			pins_clear_others(fp->dir, s.strange, fp->replaced, sizeof(fp->replaced));
	}
	if (!code) {
		index_off(fp);
		fp->pins_fd = open(s.used, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fp->pins_fd < 0)
			code = words_fail(err, err_size, -errno, "pins %s: %s", s.used,
					  strerror(errno));
		fp->mount_len = fastpath_mount(s.used, fp->pins_fd);
	}
	if (code) {
		fastpath_leave(&fp);
		return code;
	}
	*ret = fp;
	return 0;
}

void fastpath_close(struct fastpath **fpp)
{
	struct fastpath *fp = *fpp;

	if (!fp)
		return;
	*fpp = NULL;
	/* A daemon that leaves says so: what is in force acts as when_down says at once, and
	 * another start need not wait for the heartbeat to grow old. */
	if (fp->meta.magic) {
		fp->meta.heartbeat = 0;
		switches_write_meta(fp);
	}
	ring_buffer__free(fp->ring);
	index_close(fp);
	maps_close(fp->maps);
	if (fp->rules_fd >= 0)
		close(fp->rules_fd);
	if (fp->ipsec_fd >= 0)
		close(fp->ipsec_fd);
	if (fp->lock_fd >= 0)
		close(fp->lock_fd);
	if (fp->pins_fd >= 0)
		close(fp->pins_fd);
	if (fp->link_fd >= 0)
		close(fp->link_fd);
	nets_close(fp);
	pthread_mutex_destroy(&fp->lock);
	free(fp);
}

void fastpath_leave(struct fastpath **fpp)
{
	if (*fpp)
		(*fpp)->meta.magic = 0;
	fastpath_close(fpp);
}

int fastpath_lock_fd(const struct fastpath *fp)
{
	return fp->lock_fd;
}

void fastpath_lock_leave(struct fastpath *fp)
{
	if (fp->lock_fd >= 0)
		close(fp->lock_fd);
	fp->lock_fd = -1;
}

void fastpath_again(struct fastpath *fp)
{
	index_off(fp);
	pthread_mutex_lock(&fp->lock);
	nets_again(fp);
	switches_again(fp);
	switches_write_meta(fp);
	pthread_mutex_unlock(&fp->lock);
}

int fastpath_attachments(const struct fastpath *fp, const struct fastpath_attachment **ret)
{
	*ret = fp->attachments;
	return fp->attachment_count;
}

const char *fastpath_observe_why(const struct fastpath *fp)
{
	return fp->observe_why[0] ? fp->observe_why : NULL;
}

const char *fastpath_replaced(const struct fastpath *fp)
{
	return fp->replaced;
}

bool fastpath_reused(const struct fastpath *fp)
{
	return fp->reused;
}
