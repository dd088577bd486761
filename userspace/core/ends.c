// SPDX-License-Identifier: GPL-2.0-or-later
/* A binary heap: those below an end come no sooner. */
#include "ends.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_MIN 1024

void ends_add(struct ends *e, const struct prefix *p, uint32_t at)
{
	struct end *heap = e->heap;
	size_t i = e->count;

	if (i == e->room) {
		e->missed++;
		return;
	}
	e->count++;
	for (; i && heap[(i - 1) / 2].at > at; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = (struct end){.prefix = *p, .at = at};
}

bool ends_take(struct ends *e, uint32_t now, struct prefix *ret)
{
	struct end *heap = e->heap, last;
	size_t i = 0, below;

	if (!e->count || heap[0].at > now)
		return false;
	*ret = heap[0].prefix;
	last = heap[--e->count];
	for (below = 1; below < e->count; below = 2 * i + 1) {
		if (below + 1 < e->count && heap[below + 1].at < heap[below].at)
			below++;
		if (heap[below].at >= last.at)
			break;
		heap[i] = heap[below];
		i = below;
	}
	heap[i] = last;
	return true;
}

void ends_clear(struct ends *e)
{
	e->count = 0;
	e->missed = 0;
}

int ends_grow(struct ends *e)
{
	const size_t wanted = e->count + e->missed;
	const size_t room = 2 * wanted > ROOM_MIN ? 2 * wanted : ROOM_MIN;
	struct end *heap;

	if (room <= e->room)
		return 0;
	heap = realloc(e->heap, room * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	e->heap = heap;
	e->room = room;
	return 0;
}

void ends_free(struct ends *e)
{
	free(e->heap);
	*e = (struct ends){0};
}
