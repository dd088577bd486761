// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose program it is that stands somewhere, and what stands on an interface.
 *
 * A program is known by the maps it uses, never by its name: ours are in our pin directory, those
 * of another greygated have a meta map, whose heartbeat tells whether it is at work.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

/* Heartbeats older than this come from a daemon that is gone, s. */
#define ALIVE_LIMIT 10
/* As libxdp names its dispatcher. */
#define DISPATCHER "xdp_dispatcher"

/* Another greygate, by its meta map: one whose daemon is gone leaves its place. */
static enum owner owner_by_meta(int map_fd)
{
	struct gg_meta m;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(map_fd, &zero, &m) || m.magic != GG_MAGIC)
		return OWNER_OTHER;
	return m.heartbeat + ALIVE_LIMIT > entries_now() ? OWNER_ALIVE : OWNER_GONE;
}

static enum owner owner_and_info(int prog_fd, const struct pins_ids *own, struct bpf_prog_info *ret)
{
	struct bpf_prog_info info = {};
	struct bpf_map_info map;
	enum owner owner = OWNER_OTHER;
	__u32 ids[2 * MAP_COUNT], i, size;
	int j, fd;

	size = sizeof(info);
	info.map_ids = (__u64)(unsigned long)ids;
	info.nr_map_ids = sizeof(ids) / sizeof(ids[0]);
	if (bpf_obj_get_info_by_fd(prog_fd, &info, &size))
		return OWNER_OTHER;
	if (ret)
		*ret = info;
	for (i = 0; i < info.nr_map_ids && i < sizeof(ids) / sizeof(ids[0]); i++) {
		for (j = 0; j < own->count; j++)
			if (own->ids[j] == ids[i])
				return OWNER_US;
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		size = sizeof(map);
		memset(&map, 0, sizeof(map));
		if (!bpf_obj_get_info_by_fd(fd, &map, &size) &&
		    !strcmp(map.name, map_names[MAP_META]) &&
		    map.value_size == sizeof(struct gg_meta))
			owner = owner_by_meta(fd);
		close(fd);
	}
	return owner;
}

enum owner owner_of(int prog_fd, const struct pins_ids *own)
{
	return owner_and_info(prog_fd, own, NULL);
}

void owner_sign(int prog_fd, const int maps[MAP_COUNT])
{
	bpf_prog_bind_map(prog_fd, maps[MAP_META], NULL);
}

/* Whether one of the programs of a dispatcher is at work for another greygated, or is ours. */
static void look_inside(struct xdp_multiprog *multi, const struct pins_ids *own,
			struct occupant *ret)
{
	struct xdp_program *program = NULL;
	enum owner owner;

	ret->owner = OWNER_OTHER;
	while ((program = xdp_multiprog__next_prog(program, multi)) && ret->owner != OWNER_ALIVE) {
		owner = owner_and_info(xdp_program__fd(program), own, &ret->info);
		if (owner == OWNER_ALIVE || owner == OWNER_US)
			ret->owner = owner;
	}
}

int owner_look(int ifindex, const struct pins_ids *own, struct occupant *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct xdp_multiprog *multi;
	int code;

	*ret = (struct occupant){.fd = -1};
	code = bpf_xdp_query(ifindex, 0, &query);
	if (code)
		return code;
	if (!query.prog_id)
		return 0;
	ret->flags =
		query.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	ret->fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (ret->fd < 0)
		return -errno;
	ret->owner = owner_and_info(ret->fd, own, &ret->info);
	/* Only then is libxdp asked: of any other program it keeps a descriptor for good, which
	 * holds the program in the kernel. */
	if (strcmp(ret->info.name, DISPATCHER) != 0)
		return 0;
	multi = xdp_multiprog__get_from_ifindex(ifindex);
	if (libxdp_get_error(multi))
		return 0;
	ret->dispatched = !xdp_multiprog__is_legacy(multi);
	if (ret->dispatched) {
		close(ret->fd);
		ret->fd = -1;
		look_inside(multi, own, ret);
	}
	xdp_multiprog__close(multi);
	return 0;
}
