// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plan of what is to be in force next goes into the kernel, and only when the kernel has it to
 * the workers. Whatever fails before leaves everything as it was.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "listing_plan.h"

/* ---- slots ---- */

int plan_find(const struct listing *l, const char *name)
{
	for (int i = 0; i < LISTING_MAX; i++)
		if (!strcmp(l->lists[i].name, name))
			return i;
	return -1;
}

const struct config_list *plan_section(const struct config *c, const char *name)
{
	for (int i = 0; i < c->list_count; i++)
		if (!strcmp(c->lists[i].name, name))
			return &c->lists[i];
	return NULL;
}

static void own_free(struct config_list *own)
{
	if (own)
		free(own->message);
	free(own);
}

void plan_forget(struct listed *one)
{
	list_set_free(&one->set);
	free(one->file);
	own_free(one->own);
	memset(one, 0, sizeof(*one));
}

/* The list's place, a free one if it is new; -ENOSPC. Under l->lock. */
static int place(struct listing *l, const char *name)
{
	int slot = plan_find(l, name);

	if (slot >= 0)
		return slot;
	slot = plan_find(l, "");
	if (slot < 0)
		return -ENOSPC;
	l->lists[slot].order = listing_last(l);
	snprintf(l->lists[slot].name, sizeof(l->lists[slot].name), "%s", name);
	return slot;
}

/* ---- plan ---- */

int plan_current(struct listing *l, const struct config *c, struct plan *ret)
{
	int slots[LISTING_MAX], n;

	memset(ret, 0, sizeof(*ret));
	ret->config = c;
	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < c->list_count; i++)
		place(l, c->lists[i].name);
	n = listing_order(l, c, slots);
	for (int i = 0; i < n; i++) {
		const struct config_list *conf = plan_section(c, l->lists[slots[i]].name);

		if (!conf)
			conf = l->lists[slots[i]].own;
		if (conf)
			ret->stages[ret->count++] = (struct stage){.slot = slots[i], .conf = conf};
	}
	pthread_mutex_unlock(&l->lock);
	return 0;
}

void plan_free(struct plan *p)
{
	for (int i = 0; i < p->count; i++) {
		list_set_free(&p->stages[i].got.set);
		own_free(p->stages[i].own);
		free(p->stages[i].text);
	}
	p->count = 0;
}

static const struct list_set *set_of(const struct listing *l, const struct stage *s)
{
	return s->got.set ? s->got.set : l->lists[s->slot].set;
}

static bool is_exception(const struct stage *s)
{
	return config_list_verdict(s->conf) == CONFIG_EXCEPT;
}

/* As of imports_make: a list's place; of one that excepts that of the nearest before it which names
 * clients and isn't such a one itself. */
static uint8_t rank_of(const struct plan *p, int place)
{
	int at = place;

	while (at >= 0 && (is_exception(&p->stages[at]) ||
			   (at < place && list_of_recipients(p->stages[at].conf->format))))
		at--;
	return (uint8_t)(at < 0 ? place : at);
}

/* The addresses of all of them as one. */
static int join(const struct listing *l, const struct plan *p, struct imports **ret)
{
	struct import_item *items;
	uint8_t rank[GG_LISTS] = {0};
	size_t n = 0, at = 0;
	int rc;

	for (int i = 0; i < p->count; i++)
		n += set_of(l, &p->stages[i]) ? set_of(l, &p->stages[i])->prefixes.count : 0;
	items = malloc((n ? n : 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (int i = 0; i < p->count; i++) {
		const struct stage *s = &p->stages[i];
		const struct list_set *set = set_of(l, s);
		uint8_t number = (uint8_t)(s->slot + 1);

		rank[number] = rank_of(p, i);
		for (size_t k = 0; set && k < set->prefixes.count; k++) {
			const struct list_prefix *from = &set->prefixes.list[k];
			enum gg_verdict verdict = listing_verdict(s->conf, from->says);

			_Static_assert((int)CONFIG_EXCEPT == (int)IMPORT_EXCEPT, "the same");
			items[at++] = (struct import_item){.addr = from->addr,
							   .len = from->len,
							   .list = number,
							   .says = (uint8_t)verdict};
		}
	}
	rc = imports_make(items, n, rank, ret);
	free(items);
	for (int i = 0; i < p->count && !rc; i++)
		(*ret)->action[p->stages[i].slot + 1] = (uint8_t)p->stages[i].conf->action;
	return rc;
}

/* Under l->lock. */
static void install(struct listing *l, struct plan *p, int place)
{
	struct stage *s = &p->stages[place];
	struct listed *one = &l->lists[s->slot];
	const uint8_t rank = rank_of(p, place);
	const char *from = rank == place ? "" : l->lists[p->stages[rank].slot].name;
	char *file = s->conf->file ? strdup(s->conf->file) : NULL;

	if (file || !s->conf->file) {
		free(one->file);
		one->file = file;
	}
	one->verdict = config_list_verdict(s->conf);
	snprintf(one->from, sizeof(one->from), "%s", from);
	if (!s->got.set)
		return;
	list_set_free(&one->set);
	one->set = s->got.set;
	one->entries = s->got.entries;
	one->bad = s->got.bad;
	one->format = s->format;
	one->read = s->read ? s->read : (uint32_t)time(NULL);
	one->stamp = s->stamp;
	one->imported = s->imported;
	if (!s->failed) {
		one->failed = 0;
		one->why[0] = 0;
	}
	s->got.set = NULL;
	s->fresh = true;
}

/* Whether addresses mean the same by both, and the kernel is told of the same ones. */
static bool is_same(const struct listing_table *a, const struct listing_table *b)
{
	if (!a || a->count != b->count || a->balancer_count != b->balancer_count ||
	    (a->balancer_count && memcmp(a->balancers, b->balancers,
					 (size_t)a->balancer_count * sizeof(*a->balancers)) != 0))
		return false;
	for (int i = 0; i < a->count; i++) {
		const struct in_force *x = &a->lists[i], *y = &b->lists[i];

		if (x->set != y->set || x->number != y->number || x->action != y->action ||
		    x->rank != y->rank || x->verdict != y->verdict)
			return false;
	}
	return true;
}

/* The addresses into the kernel, then into the daemon's own view. */
static int put_addresses(struct listing *l, const struct plan *p,
			 const struct fastpath_progress *progress)
{
	struct imports *in = NULL, *old;
	int rc = join(l, p, &in);

	if (!rc && l->fastpath)
		rc = fastpath_import(l->fastpath, in, p->config->balancers,
				     p->config->balancer_count, progress);
	if (rc) {
		imports_free(&in);
		return rc;
	}
	old = verdicts_import(l->verdicts, in);
	imports_free(&old);
	return 0;
}

int plan_commit(struct listing *l, struct plan *p, bool again,
		const struct fastpath_progress *progress)
{
	struct listing_table *table = calloc(1, sizeof(*table));
	int rc;

	if (!table)
		return -ENOMEM;
	table->balancers = p->config->balancers;
	table->balancer_count = p->config->balancer_count;
	for (int i = 0; i < p->count; i++) {
		const struct stage *s = &p->stages[i];
		const struct list_set *set = set_of(l, s);

		if (set)
			table->lists[table->count++] =
				(struct in_force){.conf = s->conf,
						  .set = set,
						  .number = s->slot + 1,
						  .rank = rank_of(p, i),
						  .verdict = config_list_verdict(s->conf),
						  .action = s->conf->action};
	}
	if (again || !is_same(atomic_load(&l->table.value), table)) {
		rc = put_addresses(l, p, progress);
		if (rc) {
			free(table);
			return rc;
		}
	}
	/* From here on nobody asks the sets that are replaced. */
	free(swap_replace(&l->table, table));
	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < p->count; i++) {
		struct stage *s = &p->stages[i];

		install(l, p, i);
		if (s->own) {
			own_free(l->lists[s->slot].own);
			l->lists[s->slot].own = s->own;
			s->own = NULL;
		}
	}
	l->why[0] = 0;
	pthread_mutex_unlock(&l->lock);
	return 0;
}
