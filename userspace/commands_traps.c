// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * trap list: those of the configuration, and those made at run time. Memory knows only marks of the
 * latter; their words are the store's, and for as long as it cannot be written the writer's.
 */
#include <stdlib.h>
#include <string.h>

#include "commands_show.h"

struct waiting_trap {
	char address[STORE_TEXT];
	uint32_t added;
	bool del;
};

struct traps {
	trap_row_fn see;
	void *arg;
	struct waiting_trap *waiting;
	size_t count, room;
};

static void show(struct traps *t, const char *address, uint32_t added)
{
	t->see(json_pack("{s:o, s:s, s:I}", "address", row_text(address), "origin", "operator",
			 "since", (json_int_t)added),
	       t->arg);
}

static struct waiting_trap *waiting_find(const struct traps *t, const char *address)
{
	for (size_t i = 0; i < t->count; i++)
		if (!strcmp(t->waiting[i].address, address))
			return &t->waiting[i];
	return NULL;
}

/* The last one that speaks of an address counts. */
static bool on_waiting(const struct store_item *item, void *arg)
{
	struct traps *t = arg;
	struct waiting_trap *w = waiting_find(t, item->text);

	if (!w && t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct waiting_trap *grown = realloc(t->waiting, room * sizeof(*grown));

		if (!grown)
			return false;
		t->waiting = grown;
		t->room = room;
	}
	if (!w)
		w = &t->waiting[t->count++];
	memcpy(w->address, item->text, sizeof(w->address));
	w->address[sizeof(w->address) - 1] = '\0';
	w->added = item->added;
	w->del = item->del;
	return true;
}

static bool on_stored(const struct store_item *item, void *arg)
{
	struct traps *t = arg;

	if (!waiting_find(t, item->text))
		show(t, item->text, item->added);
	return true;
}

/* What waits is asked first: it may be written before the store is, and is then found twice, but
 * never missed. */
int traps_each(struct daemon *d, struct control_reply *r, trap_row_fn see, void *arg)
{
	const struct config *c = atomic_load(&d->config);
	struct traps t = {.see = see, .arg = arg};
	int rc = 0;

	for (int i = 0; i < c->trap.address_count; i++)
		see(json_pack("{s:o, s:s}", "address", row_text(c->trap.addresses[i]), "origin",
			      "config"),
		    arg);
	if (d->writer)
		store_writer_waiting(d->writer, STORE_TRAP, on_waiting, &t);
	if (d->store)
		rc = walk_store(d, r, STORE_TRAP, on_stored, &t);
	for (size_t i = 0; !rc && i < t.count; i++)
		if (!t.waiting[i].del)
			show(&t, t.waiting[i].address, t.waiting[i].added);
	free(t.waiting);
	return rc;
}

struct reading {
	struct control_reply *r;
	json_int_t count;
	bool gone; /* the reader left: the rest is idle */
};

static void on_trap(json_t *row, void *arg)
{
	struct reading *l = arg;

	if (l->gone) {
		json_decref(row);
		return;
	}
	l->gone = !control_row(l->r, row);
	l->count++;
}

int show_traps(struct control_reply *r, json_t *args, void *daemon)
{
	struct reading l = {.r = r};
	int rc;

	(void)args;
	rc = traps_each(daemon, r, on_trap, &l);
	json_object_set_new(control_summary(r), "count", json_integer(l.count));
	return rc;
}
