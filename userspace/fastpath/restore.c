// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A start whose daemon still runs, put back as it was before a successor came that did not stay.
 *
 * A successor with maps of another layout or size has replaced the programs, pinned its own maps,
 * removed the pins of those before, and may have been killed between any two of these steps. The
 * maps before are the daemon's as long as it has them open: programs over them take the place of
 * the successor's, each in one step, and then they are pinned again. So that another try finds what
 * is left where this one is killed, whose programs are replaced has its pins until that is done.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The successor may have exchanged tries that were the daemon's too: the names follow what the
 * programs ask, as the daemon itself does afterwards (nets_again). */
static void name_in_force(int maps[MAP_COUNT])
{
	static const enum map_id ids[][3] = {{MAP_NETS4, MAP_NET4, MAP_SPARE4},
					     {MAP_NETS6, MAP_NET6, MAP_SPARE6}};

	for (int i = 0; i < 2; i++) {
		int *net = &maps[ids[i][1]], *spare = &maps[ids[i][2]], fd;
		struct bpf_map_info info = {};
		__u32 size = sizeof(info), zero = 0, inner;

		if (bpf_obj_get_info_by_fd(*spare, &info, &size) ||
		    bpf_map_lookup_elem(maps[ids[i][0]], &zero, &inner) || inner != info.id)
			continue;
		fd = *net;
		*net = *spare;
		*spare = fd;
	}
}

/* Beside what is in force, where that are not these maps. */
static int build_pins(struct mend *m, const char *built, char *err, size_t err_size)
{
	int code;

	if (pins_are(m->dir, m->maps))
		return 0;
	pins_remove(built);
	if (mkdir(built, 0755))
		return words_fail(err, err_size, -errno, "pins %s: %s", built, strerror(errno));
	code = maps_pin(m->maps, built, err, err_size);
	if (code)
		return code;
	snprintf(m->pin_dir, sizeof(m->pin_dir), "%s", built);
	return 0;
}

static void keep(struct filters *f, const struct fastpath_part *p, enum fastpath_kind kind)
{
	if (p->kind == kind)
		f->ifindex[f->count++] = (int)if_nametoindex(p->interface);
}

/* What the successor has attached where these settings have nothing. */
static void clear_rest(const struct mend *m, const struct fastpath_part *parts, int n)
{
	struct filters xdp = {}, in = {}, out = {};

	for (int i = 0; i < n; i++) {
		keep(&xdp, &parts[i], FASTPATH_XDP);
		keep(&in, &parts[i], FASTPATH_TC);
		keep(&out, &parts[i], FASTPATH_TC_OUT);
	}
	attach_clear(&m->own, false, xdp.ifindex, xdp.count, NULL, NULL);
	filter_clear(&m->own, false, &in, &out, NULL, NULL);
	route_clear(m->conf->mode == GG_MODE_GATEWAY ? m->conf : NULL);
}

/* The maps' pins come into force, and those of others go: unless a program of theirs could not be
 * replaced, which is known by them. */
static int settle_pins(struct mend *m, const char *built, bool left, char *err, size_t err_size)
{
	const bool building = strcmp(m->dir, m->pin_dir) != 0;
	char others[64];
	bool had_old;
	int code = building ? pins_swap(m->conf->bpffs, &had_old) : 0;

	if (code)
		return words_fail(err, err_size, code, "pins %s: cannot be put in place: %s",
				  m->dir, strerror(-code));
	if (left)
		return 0;
	pins_remove(built);
	pins_clear_others(m->conf->bpffs, false, others, sizeof(others));
	return 0;
}

int fastpath_restore(const struct fastpath_conf *conf, const int held[FASTPATH_HELD],
		     void (*see)(const struct fastpath_part *part, int link, void *arg), void *arg,
		     int *ret_pins, char *err, size_t err_size)
{
	struct fastpath_part parts[FASTPATH_PARTS];
	struct mend m = {.conf = conf, .alone = true};
	char built[PINS_PATH];
	bool left = false;
	int code, i, n;

	words_mute();
	code = probe_capabilities(err, err_size);
	if (!code)
		code = pins_dir(m.dir, conf->bpffs, false);
	if (!code)
		code = pins_dir(built, conf->bpffs, true);
	if (code)
		return code;
	memcpy(m.maps, held, sizeof(m.maps));
	name_in_force(m.maps);
	mend_begin(&m);
	n = parts_of(conf, parts);
	for (i = 0; i < n && parts[i].kind != FASTPATH_LOOKUP; i++)
		mend_part(&m, &parts[i]);
	clear_rest(&m, parts, n);
	code = build_pins(&m, built, err, err_size);
	if (conf->mode == GG_MODE_HOST)
		m.link = lookup_open(m.dir);
	for (; i < n; i++)
		mend_part(&m, &parts[i]);
	for (i = 0; i < n; i++)
		left = left || (parts[i].state == FASTPATH_GONE && parts[i].seen.id);
	if (!code)
		code = settle_pins(&m, built, left, err, err_size);
	mend_end(&m, parts, n, see, arg);
	if (code)
		return code;
	*ret_pins = open(m.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_pins < 0
		       ? words_fail(err, err_size, -errno, "pins %s: %s", m.dir, strerror(errno))
		       : 0;
}

/* ---- the daemon's side ---- */

void fastpath_held(struct fastpath *fp, int ret[FASTPATH_HELD])
{
	pthread_mutex_lock(&fp->lock);
	memcpy(ret, fp->maps, sizeof(fp->maps));
	pthread_mutex_unlock(&fp->lock);
}

void fastpath_restored(struct fastpath *fp, int pins)
{
	/* In one step: others use it by its number. */
	dup3(pins, fp->pins_fd, O_CLOEXEC);
}
