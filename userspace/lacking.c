// SPDX-License-Identifier: GPL-2.0-or-later
#include "lacking.h"

#include <errno.h>
#include <stdlib.h>

#include "verdict.h"

#define STEP_ENTRIES 20000u /* asked for in the kernel, a system call each */

/* ---- operators' entries: at once, in others' place ---- */

struct lacking {
	struct daemon *daemon;
	struct prefix *list;
	size_t count, room;
};

static bool note_lacking(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct lacking *l = arg;
	struct gg_entry have;
	struct prefix *list;

	if (e->origin != GG_BY_OPERATOR || !fastpath_get(l->daemon->fastpath, p, &have))
		return false;
	if (l->count == l->room) {
		list = realloc(l->list, (l->room + 64) * 2 * sizeof(*list));
		if (!list)
			return false;
		l->list = list;
		l->room = (l->room + 64) * 2;
	}
	l->list[l->count++] = *p;
	return false;
}

void lacking_make_whole(struct daemon *d)
{
	struct lacking l = {.daemon = d};

	if (!d->fastpath || !fastpath_full(d->fastpath))
		return;
	atomic_fetch_or(&d->lacking, fastpath_full(d->fastpath));
	verdicts_walk(d->verdicts, daemon_now(), note_lacking, &l);
	for (size_t i = 0; i < l.count; i++)
		for (int k = 0; k <= VERDICT_ROOM_TRIES; k++)
			if (verdict_kernel_put(d, &l.list[i]) != -ENOSPC ||
			    !verdict_make_room(d, &l.list[i]))
				break;
	free(l.list);
}

/* ---- the others: where there is room again ---- */

struct filling {
	struct daemon *daemon;
	unsigned maps; /* bits 1u << map that are gone through */
};

static bool fill(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	const unsigned map = 1u << fastpath_map_of(p);
	struct filling *f = arg;
	struct gg_entry have;
	int rc;

	(void)e;
	if (!(f->maps & map) || config_balancer(atomic_load(&f->daemon->config), p) ||
	    fastpath_get(f->daemon->fastpath, p, &have) != -ENOENT)
		return false;
	rc = verdict_kernel_put(f->daemon, p);
	if (!rc)
		daemon_counted(f->daemon, COUNT_kernel_late);
	if (rc == -ENOSPC)
		f->maps &= ~map;
	return false;
}

void lacking_step(struct daemon *d)
{
	static unsigned maps, part, parts; /* of the round under way; main thread only */
	struct filling f = {.daemon = d};

	/* What is refused from here on asks for the next round. */
	if (!maps) {
		maps = atomic_load(&d->lacking) & ~fastpath_full(d->fastpath);
		if (!maps)
			return;
		atomic_fetch_and(&d->lacking, ~maps);
		parts = (unsigned)(verdicts_count(d->verdicts) / STEP_ENTRIES) + 1;
		part = 0;
	}
	f.maps = maps;
	verdicts_walk_part(d->verdicts, part, parts, daemon_now(), fill, &f);
	maps = ++part < parts ? f.maps : 0;
}
