// SPDX-License-Identifier: GPL-2.0-or-later
#include "backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024

void backlog_init(struct backlog *b)
{
	*b = (struct backlog){0};
	pthread_mutex_init(&b->lock, NULL);
}

void backlog_free(struct backlog *b)
{
	free(b->items);
	pthread_mutex_destroy(&b->lock);
}

static size_t share(const struct store_item *item)
{
	if (item->kind != STORE_RECORD)
		return BACKLOG_ITEMS;
	return item->rec.state == RECORD_GREY && !item->del && !item->notice
		       ? BACKLOG_ITEMS / 4
		       : BACKLOG_ITEMS / 4 * 3;
}

/* Under the lock: a place behind the last one. */
static int make_place(struct backlog *b)
{
	struct store_item *items;
	size_t room;

	if (b->first + b->count < b->room)
		return 0;
	if (b->first > b->room / 2) {
		memmove(b->items, b->items + b->first, b->count * sizeof(*items));
		b->first = 0;
		return 0;
	}
	room = b->room ? b->room * 2 : FIRST_ROOM;
	items = realloc(b->items, room * sizeof(*items));
	if (!items)
		return -ENOMEM;
	b->items = items;
	b->room = room;
	return 0;
}

int backlog_add(struct backlog *b, const struct store_item *item)
{
	int rc;

	if (b->count >= share(item))
		return -ENOBUFS;
	pthread_mutex_lock(&b->lock);
	rc = make_place(b);
	if (!rc)
		b->items[b->first + b->count++] = *item;
	pthread_mutex_unlock(&b->lock);
	return rc;
}

const struct store_item *backlog_at(const struct backlog *b, size_t i)
{
	return &b->items[b->first + i];
}

void backlog_drop(struct backlog *b, size_t n)
{
	struct store_item *old = NULL;

	pthread_mutex_lock(&b->lock);
	b->first += n;
	b->count -= n;
	if (!b->count) {
		old = b->items;
		b->items = NULL;
		b->room = b->first = 0;
	}
	pthread_mutex_unlock(&b->lock);
	free(old);
}

void backlog_each(struct backlog *b, enum store_kind kind, store_see_fn see, void *arg)
{
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->count; i++)
		if (b->items[b->first + i].kind == kind && !see(&b->items[b->first + i], arg))
			break;
	pthread_mutex_unlock(&b->lock);
}
