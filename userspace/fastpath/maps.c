// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The maps of a start: taken over from the pins of an earlier one where they fit, created where
 * not, entries carried over when only the size differs.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp.skel.h>

#define RATE_LEAST (1 << 16)

const char *const map_names[MAP_COUNT] = {
	[MAP_HOST4] = "host4",   [MAP_HOST6] = "host6",   [MAP_OWN4] = "own4",
	[MAP_OWN6] = "own6",     [MAP_NET4] = "net4",     [MAP_NET6] = "net6",
	[MAP_SPARE4] = "spare4", [MAP_SPARE6] = "spare6", [MAP_NETS4] = "nets4",
	[MAP_NETS6] = "nets6",   [MAP_LISTS] = "lists",   [MAP_VIP] = "vip",
	[MAP_STATS] = "stats",   [MAP_EVENTS] = "events", [MAP_CONF] = "conf",
	[MAP_META] = "meta",     [MAP_SOCKS] = "socks",   [MAP_ASKING] = "asking",
	[MAP_INDEX4] = "index4", [MAP_INDEX6] = "index6", [MAP_RATE4] = "rate4",
	[MAP_RATE6] = "rate6",   [MAP_BUDGET] = "budget", [MAP_PORTS] = "ports",
};

/* Maps that hold what was learned; the others are written by every start. */
static bool is_carried(enum map_id id)
{
	return id <= MAP_NET6;
}

/* Maps that a set built anew must not share with the set in force: writing them would change what
 * the programs of the earlier start do before this one is sure to succeed. */
static bool is_switch(enum map_id id)
{
	return (id >= MAP_NET4 && id <= MAP_NETS6) || id == MAP_VIP || id == MAP_CONF ||
	       id == MAP_META || id == MAP_SOCKS || id == MAP_INDEX4 || id == MAP_INDEX6 ||
	       id == MAP_PORTS;
}

struct old_maps {
	int fds[MAP_COUNT]; /* -1: not there */
	struct bpf_map_info info[MAP_COUNT];
};

static void open_old(const char *dir, struct old_maps *old)
{
	char path[PINS_PATH];
	__u32 size;
	int i;

	for (i = 0; i < MAP_COUNT; i++) {
		size = sizeof(old->info[i]);
		old->fds[i] = pins_path(path, dir, map_names[i]) ? -1 : bpf_obj_get(path);
		if (old->fds[i] < 0)
			continue;
		if (bpf_obj_get_info_by_fd(old->fds[i], &old->info[i], &size)) {
			close(old->fds[i]);
			old->fds[i] = -1;
		}
	}
}

/* An exchange of the tries may have ended halfway: the names follow what the programs ask. */
static void name_in_force(const char *dir, struct old_maps *old)
{
	static const enum map_id ids[][3] = {{MAP_NETS4, MAP_NET4, MAP_SPARE4},
					     {MAP_NETS6, MAP_NET6, MAP_SPARE6}};
	char net[PINS_PATH], spare[PINS_PATH];
	__u32 zero = 0, inner;

	for (int i = 0; i < 2; i++) {
		struct bpf_map_info *a = &old->info[ids[i][1]], *b = &old->info[ids[i][2]], swap;
		int *x = &old->fds[ids[i][1]], *y = &old->fds[ids[i][2]], fd;

		if (old->fds[ids[i][0]] < 0 || *x < 0 || *y < 0 ||
		    bpf_map_lookup_elem(old->fds[ids[i][0]], &zero, &inner) || inner != b->id ||
		    pins_path(net, dir, map_names[ids[i][1]]) ||
		    pins_path(spare, dir, map_names[ids[i][2]]) ||
		    renameat2(AT_FDCWD, net, AT_FDCWD, spare, RENAME_EXCHANGE))
			continue;
		swap = *a;
		*a = *b;
		*b = swap;
		fd = *x;
		*x = *y;
		*y = fd;
	}
}

/* Whether the pins are a set that this version made or could have made. */
static bool read_meta(const struct old_maps *old, struct gg_meta *ret)
{
	struct gg_meta m;
	__u32 zero = 0;

	if (old->fds[MAP_META] < 0 || old->info[MAP_META].value_size != sizeof(m) ||
	    bpf_map_lookup_elem(old->fds[MAP_META], &zero, &m) || m.magic != GG_MAGIC ||
	    m.schema != GG_SCHEMA)
		return false;
	*ret = m;
	return true;
}

/* The kernel sets BPF_F_RDONLY_PROG by itself, on device maps; none of ours asks for it. */
static bool same_layout(const struct bpf_map *map, const struct bpf_map_info *info)
{
	return bpf_map__type(map) == info->type && bpf_map__key_size(map) == info->key_size &&
	       bpf_map__value_size(map) == info->value_size &&
	       bpf_map__map_flags(map) == (info->map_flags & ~BPF_F_RDONLY_PROG);
}

/* An LRU map takes free elements to each CPU 128 at a time and forgets live ones when they are
 * spread over too many. */
static uint32_t rate_size(void)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t enough = 128 * 8 * (cpus > 0 ? cpus : 1);

	return enough > RATE_LEAST ? enough : RATE_LEAST;
}

static void set_sizes(struct xdp_bpf *skel, const struct fastpath_conf *conf)
{
	bpf_map__set_max_entries(skel->maps.rate4, rate_size());
	bpf_map__set_max_entries(skel->maps.rate6, rate_size());
	if (conf->hosts) {
		bpf_map__set_max_entries(skel->maps.host4, conf->hosts);
		bpf_map__set_max_entries(skel->maps.host6, conf->hosts);
		bpf_map__set_max_entries(skel->maps.index4, index_elements(MAP_HOST4, conf->hosts) +
								    listed_lines(conf->imported));
		bpf_map__set_max_entries(skel->maps.index6, index_elements(MAP_HOST6, conf->hosts));
	}
	if (conf->nets) {
		bpf_map__set_max_entries(skel->maps.own4, conf->nets);
		bpf_map__set_max_entries(skel->maps.own6, conf->nets);
		bpf_map__set_max_entries(skel->maps.net4, conf->nets + conf->imported);
		bpf_map__set_max_entries(skel->maps.net6, conf->nets + conf->imported);
		bpf_map__set_max_entries(skel->maps.spare4, conf->nets + conf->imported);
		bpf_map__set_max_entries(skel->maps.spare6, conf->nets + conf->imported);
	}
}

/* What is left out by chance must not be what a prefix has an exception for: the comparison with
 * the daemon's verdicts then puts all of them, in the right order. */
static bool is_short_of_room(struct bpf_map *const map[MAP_COUNT], const struct old_maps *old)
{
	for (int i = MAP_HOST4; i <= MAP_OWN6; i++) {
		size_t count = 0;

		if (old->fds[i] < 0 || bpf_map__max_entries(map[i]) >= old->info[i].max_entries)
			continue;
		if (walk_count(old->fds[i], &count) || count > bpf_map__max_entries(map[i]))
			return true;
	}
	return false;
}

struct copy {
	int to;
	__u32 key_size, value_size;
};

static int copy_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct copy *c = arg;
	__u32 i, done = n;

	if (!bpf_map_update_batch(c->to, keys, values, &done, NULL))
		return 0;
	/* Memory is short: what fits is kept, the daemon's comparison with its own verdicts says
	 * the rest. */
	for (i = done; i < n; i++)
		bpf_map_update_elem(c->to, (const char *)keys + (size_t)i * c->key_size,
				    (const char *)values + (size_t)i * c->value_size, BPF_ANY);
	return 0;
}

/* A map that takes over a descriptor takes over its name too, and net4 and spare4 change theirs:
 * looked up before the first one does. NULL: this object hasn't got it. */
static void find_all(struct bpf_object *obj, struct bpf_map *ret[MAP_COUNT])
{
	int i;

	for (i = 0; i < MAP_COUNT; i++)
		ret[i] = bpf_object__find_map_by_name(obj, map_names[i]);
}

/* Settles for each map whether the old one is used; true when all of them are. */
static bool settle(struct bpf_map *const map[MAP_COUNT], const struct old_maps *old, bool known,
		   bool fits[])
{
	bool all = known;
	int i;

	for (i = 0; i < MAP_COUNT; i++) {
		fits[i] = known && old->fds[i] >= 0 && same_layout(map[i], &old->info[i]) &&
			  bpf_map__max_entries(map[i]) == old->info[i].max_entries &&
			  ((i != MAP_INDEX4 && i != MAP_INDEX6) || index_is_ours(old->fds[i]));
		all = all && fits[i];
	}
	for (i = 0; i < MAP_COUNT && !all; i++)
		fits[i] = fits[i] && !is_switch(i);
	return all;
}

#define DESCRIPTORS_MEND "raise the daemon's descriptor limit (LimitNOFILE, ulimit -n)"

static int create(struct xdp_bpf *skel, struct bpf_map *const map[MAP_COUNT],
		  const struct old_maps *old, const bool fits[], int maps[MAP_COUNT], char *err,
		  size_t err_size)
{
	int i, code;

	bpf_program__set_autoload(skel->progs.greygate_xdp, false);
	for (i = 0; i < MAP_COUNT; i++) {
		if (!fits[i])
			continue;
		code = bpf_map__reuse_fd(map[i], old->fds[i]);
		if (code)
			return words_fail(err, err_size, code, "map %s: cannot be taken over: %s%s",
					  map_names[i], words_reason(code),
					  code == -EMFILE ? "; " DESCRIPTORS_MEND : "");
	}
	code = xdp_bpf__load(skel);
	if (code)
		return words_fail(
			err, err_size, code, "maps: cannot be created: %s; %s", words_reason(code),
			code == -EMFILE ? DESCRIPTORS_MEND
					: "lower limit hosts and nets if memory is short");
	for (i = 0; i < MAP_COUNT; i++) {
		maps[i] = fcntl(bpf_map__fd(map[i]), F_DUPFD_CLOEXEC, 3);
		if (maps[i] < 0)
			return words_fail(err, err_size, -errno, "map %s: %s; raise LimitNOFILE",
					  map_names[i], strerror(errno));
	}
	return 0;
}

/* What the programs were told of entries that are kept or carried over. Zero: nobody knows. */
static struct gg_conf told_before(const struct old_maps *old, const struct bpf_map *conf)
{
	struct gg_conf before;
	__u32 zero = 0;

	if (old->fds[MAP_CONF] < 0 || !same_layout(conf, &old->info[MAP_CONF]) ||
	    bpf_map_lookup_elem(old->fds[MAP_CONF], &zero, &before))
		return (struct gg_conf){};
	return before;
}

int maps_take(const struct fastpath_conf *conf, const char *dir, int maps[MAP_COUNT],
	      struct maps_result *ret, char *err, size_t err_size)
{
	struct old_maps old;
	struct gg_meta meta = {};
	struct bpf_map *map[MAP_COUNT];
	bool fits[MAP_COUNT], known, all, less;
	struct xdp_bpf *skel;
	int i, code;

	open_old(dir, &old);
	name_in_force(dir, &old);
	known = read_meta(&old, &meta);
	skel = xdp_bpf__open();
	if (!skel) {
		code = words_fail(err, err_size, -errno, "maps: %s", words_reason(errno));
		goto out;
	}
	set_sizes(skel, conf);
	find_all(skel->obj, map);
	ret->before = known ? told_before(&old, map[MAP_CONF]) : (struct gg_conf){.flags = ~0u};
	all = settle(map, &old, known, fits);
	less = known && is_short_of_room(map, &old);
	for (i = MAP_HOST4; i <= MAP_OWN6 && less; i++)
		fits[i] = false;
	code = create(skel, map, &old, fits, maps, err, err_size);
	if (code)
		goto out;
	for (i = 0; i < MAP_COUNT; i++) {
		struct copy copy = {maps[i], old.info[i].key_size, old.info[i].value_size};

		if (known && !less && !fits[i] && is_carried(i) && old.fds[i] >= 0 &&
		    same_layout(map[i], &old.info[i]))
			walk_map(old.fds[i], copy_batch, &copy);
	}
	ret->reused = all;
	ret->meta = meta;
out:
	xdp_bpf__destroy(skel);
	maps_close(old.fds);
	return code;
}

int maps_pin(const int maps[MAP_COUNT], const char *dir, char *err, size_t err_size)
{
	char path[PINS_PATH];
	int i;

	for (i = 0; i < MAP_COUNT; i++)
		if (pins_path(path, dir, map_names[i]) || bpf_obj_pin(maps[i], path))
			return words_fail(err, err_size, -errno, "pin %s/%s: %s", dir, map_names[i],
					  strerror(errno));
	return 0;
}

int maps_open(const char *dir, int maps[MAP_COUNT], char *err, size_t err_size)
{
	struct old_maps old;

	open_old(dir, &old);
	name_in_force(dir, &old);
	for (int i = 0; i < MAP_COUNT; i++) {
		if (old.fds[i] >= 0)
			continue;
		maps_close(old.fds);
		return words_fail(err, err_size, -ENOENT,
				  "pin %s/%s is gone; restart greygated, which makes it anew", dir,
				  map_names[i]);
	}
	memcpy(maps, old.fds, sizeof(old.fds));
	return 0;
}

void maps_close(int maps[MAP_COUNT])
{
	int i;

	for (i = 0; i < MAP_COUNT; i++) {
		if (maps[i] >= 0)
			close(maps[i]);
		maps[i] = -1;
	}
}

int maps_use(struct bpf_object *obj, const int maps[MAP_COUNT])
{
	struct bpf_map *map[MAP_COUNT];
	int i, code;

	find_all(obj, map);
	for (i = 0; i < MAP_COUNT; i++) {
		code = map[i] ? bpf_map__reuse_fd(map[i], maps[i]) : 0;
		if (code)
			return code;
	}
	return 0;
}
