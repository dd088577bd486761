// SPDX-License-Identifier: GPL-2.0-or-later
#include "funnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spsc.h"

struct funnel {
	size_t item_size;
	int producers, next; /* whose turn it is */
	struct spsc *queues[];
};

int funnel_new(int producers, size_t items, size_t item_size, struct funnel **ret)
{
	struct funnel *f;
	int rc = 0;

	if (producers < 1)
		return -EINVAL;
	f = calloc(1, sizeof(*f) + (size_t)producers * sizeof(f->queues[0]));
	if (!f)
		return -ENOMEM;
	f->item_size = item_size;
	f->producers = producers;
	for (int i = 0; i < producers && !rc; i++)
		rc = spsc_new(items, item_size, &f->queues[i]);
	if (rc)
		funnel_free(&f);
	else
		*ret = f;
	return rc;
}

void funnel_free(struct funnel **fp)
{
	struct funnel *f = *fp;

	if (!f)
		return;
	for (int i = 0; i < f->producers; i++)
		spsc_free(&f->queues[i]);
	free(f);
	*fp = NULL;
}

void *funnel_slot(struct funnel *f, int producer)
{
	return spsc_slot(f->queues[producer]);
}

void funnel_push(struct funnel *f, int producer)
{
	spsc_push(f->queues[producer]);
}

bool funnel_next(struct funnel *f, void *ret)
{
	for (int i = 0; i < f->producers; i++) {
		struct spsc *q = f->queues[f->next];
		const void *item = spsc_peek(q, 0);

		f->next = (f->next + 1) % f->producers;
		if (!item)
			continue;
		memcpy(ret, item, f->item_size);
		spsc_pop(q, 1);
		return true;
	}
	return false;
}
