// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A start whose lists have more entries than there is room for. Later on such lists change nothing:
 * what is in force stays. Here nothing is yet, so files make room first for what was last good of
 * them, then lists go that never were, then from the last one on, until the others fit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "listing_plan.h"

/* Its set becomes what was kept of it, or nothing. */
static void give_way(struct listing *l, struct stage *s, const struct kept *last_good)
{
	struct listed *one = &l->lists[s->slot];
	const uint32_t entries = s->got.entries;

	list_set_free(&s->got.set);
	s->got = (struct reading_of){.set = NULL};
	free(s->text);
	s->text = NULL;
	s->failed = true;
	if (last_good)
		plan_take_kept(l, s, last_good);
	plan_failed(l, s,
		    "%s%s%u entries are too many with those of the other lists; raise limit "
		    "imports",
		    s->conf->file ? s->conf->file : "", s->conf->file ? ": " : "", entries);
	plan_say_failed(one->name, s->conf->file ? s->conf->file : "", one->why, s->got.set);
}

/* What is kept of a list that was read from its file just now; false: nothing that would do. */
static bool last_good_of(const struct listing *l, const struct stage *s, struct kept *ret)
{
	return s->text && l->kept >= 0 && !kept_read(l->kept, l->lists[s->slot].name, false, ret) &&
	       ret->format == s->conf->format;
}

int plan_fit(struct listing *l, struct plan *p)
{
	int rc = plan_commit(l, p, false, NULL);
	bool changed = false;

	if (rc != -ENOSPC || atomic_load(&l->table.value))
		return rc;
	for (int i = 0; i < p->count; i++) {
		struct kept k;

		if (last_good_of(l, &p->stages[i], &k)) {
			give_way(l, &p->stages[i], &k);
			changed = true;
		}
	}
	if (changed)
		rc = plan_commit(l, p, false, NULL);
	/* Twice: those with a text of their own are new. */
	for (int i = 2 * p->count - 1; i >= 0 && rc == -ENOSPC; i--) {
		struct stage *s = &p->stages[i % p->count];

		if (!s->got.set || (i >= p->count && !s->text))
			continue;
		give_way(l, s, NULL);
		rc = plan_commit(l, p, false, NULL);
	}
	return rc;
}
