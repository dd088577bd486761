// SPDX-License-Identifier: GPL-2.0-or-later
#include "recent.h"

#include <errno.h>
#include <stdlib.h>

#include "core/trail.h"

_Static_assert(sizeof(struct recent_entry) % sizeof(uint64_t) == 0, "an entry is whole words");

struct recent {
	struct trail *trail;
	uint64_t entries;
};

int recent_new(size_t entries, struct recent **ret)
{
	struct recent *r = malloc(sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->entries = entries;
	rc = trail_new(entries, sizeof(struct recent_entry), &r->trail);
	if (rc)
		free(r);
	else
		*ret = r;
	return rc;
}

void recent_free(struct recent **r)
{
	if (*r)
		trail_free(&(*r)->trail);
	free(*r);
	*r = NULL;
}

void recent_add(struct recent *r, const struct recent_entry *e)
{
	trail_add(r->trail, e);
}

void recent_walk(const struct recent *r, recent_see_fn see, void *arg)
{
	uint64_t newest = trail_newest(r->trail);
	uint64_t oldest = newest > r->entries ? newest - r->entries : 0;
	struct recent_entry e;

	for (uint64_t n = newest; n > oldest; n--)
		if (trail_get(r->trail, n, &e) && !see(&e, arg))
			return;
}
