// SPDX-License-Identifier: GPL-2.0-or-later
#include "listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void listing_init(struct listing *l)
{
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->loading, NULL);
	l->kept = -1;
}

void listing_free(struct listing *l)
{
	struct imports *in = l->verdicts ? verdicts_import(l->verdicts, NULL) : NULL;

	imports_free(&in);
	free(swap_replace(&l->table, NULL));
	for (int i = 0; i < LISTING_MAX; i++) {
		struct listed *one = &l->lists[i];

		list_set_free(&one->set);
		free(one->file);
		if (one->own)
			free(one->own->message);
		free(one->own);
	}
	if (l->kept >= 0)
		close(l->kept);
	pthread_mutex_destroy(&l->loading);
	pthread_mutex_destroy(&l->lock);
}

/* Comes before the other one among lists that no section names. */
static bool is_before(const struct listed *a, const struct listed *b)
{
	return a->order != b->order ? a->order < b->order : a < b;
}

int listing_order(const struct listing *l, const struct config *c, int ret[LISTING_MAX])
{
	bool section[LISTING_MAX] = {false};
	int n = 0, first;

	for (int i = 0; i < c->list_count; i++)
		for (int k = 0; k < LISTING_MAX; k++)
			if (!strcmp(l->lists[k].name, c->lists[i].name)) {
				ret[n++] = k;
				section[k] = true;
			}
	first = n;
	for (int k = 0; k < LISTING_MAX; k++) {
		const struct listed *one = &l->lists[k];
		int at = n;

		/* A first import has its place before it is in force. */
		if (!one->name[0] || section[k] || (!one->set && !one->own))
			continue;
		for (; at > first && is_before(&l->lists[k], &l->lists[ret[at - 1]]); at--)
			ret[at] = ret[at - 1];
		ret[at] = k;
		n++;
	}
	return n;
}

uint32_t listing_last(const struct listing *l)
{
	uint32_t last = 0;

	for (int i = 0; i < LISTING_MAX; i++)
		if (l->lists[i].name[0] && l->lists[i].order > last)
			last = l->lists[i].order;
	return last + 1;
}

enum gg_verdict listing_verdict(const struct config_list *conf, enum list_says says)
{
	return says == LIST_ALLOW    ? GG_ALLOW
	       : says == LIST_DENY   ? GG_DENY
	       : says == LIST_LISTED ? config_list_verdict(conf)
				     : GG_UNKNOWN;
}

struct question {
	bool (*ask)(const struct list_set *set, const struct question *q, struct list_hit *ret);
	const void *what;
	struct list_matcher *matcher;
};

static bool ask_address(const struct list_set *set, const struct question *q, struct list_hit *ret)
{
	return list_set_address(set, q->what, ret);
}

static bool ask_client(const struct list_set *set, const struct question *q, struct list_hit *ret)
{
	return list_set_client(set, q->what, q->matcher, ret);
}

static bool ask_recipient(const struct list_set *set, const struct question *q,
			  struct list_hit *ret)
{
	return list_set_recipient(set, q->what, q->matcher, ret);
}

static void answer(const struct in_force *one, const struct list_hit *hit,
		   struct listing_answer *ret)
{
	const char *message = hit->message ? hit->message : one->conf->message;

	*ret = (struct listing_answer){.verdict = listing_verdict(one->conf, hit->says),
				       .action = one->conf->action,
				       .line = hit->line,
				       .width = hit->width,
				       .number = one->number};
	snprintf(ret->list, sizeof(ret->list), "%s", one->conf->name);
	if (message)
		snprintf(ret->message, sizeof(ret->message), "%s", message);
}

static void except(const struct listing_table *table, const struct question *q,
		   bool ret[LISTING_MAX])
{
	struct list_hit hit;

	for (int i = 0; i < table->count; i++) {
		const struct in_force *one = &table->lists[i];

		if (one->verdict == CONFIG_EXCEPT && q->ask(one->set, q, &hit))
			ret[one->rank] = true;
	}
}

/* The same of addresses as imports.h, which the kernel has it from. */
static bool ask(struct listing *l, const struct question *q, struct listing_answer *ret)
{
	const struct listing_table *table;
	const struct in_force *best = NULL;
	bool out[LISTING_MAX] = {false}; /* by rank */
	struct list_hit hit, best_hit;
	unsigned side;

	table = swap_enter(&l->table, &side);
	if (table)
		except(table, q, out);
	for (int i = 0; table && i < table->count; i++) {
		const struct in_force *one = &table->lists[i];
		enum gg_verdict verdict;

		if (one->verdict == CONFIG_EXCEPT || out[one->rank] || !q->ask(one->set, q, &hit))
			continue;
		verdict = listing_verdict(one->conf, hit.says);
		if (!verdict || (best && best_hit.width >= hit.width))
			continue;
		best = one;
		best_hit = hit;
	}
	if (best)
		answer(best, &best_hit, ret);
	swap_leave(&l->table, side);
	return best;
}

bool listing_address(struct listing *l, const struct addr *a, struct listing_answer *ret)
{
	const struct question q = {ask_address, a, NULL};

	return ask(l, &q, ret);
}

bool listing_client(struct listing *l, const char *name, struct list_matcher *m,
		    struct listing_answer *ret)
{
	const struct question q = {ask_client, name, m};

	return ask(l, &q, ret);
}

bool listing_recipient(struct listing *l, const char *mailbox, struct list_matcher *m,
		       struct listing_answer *ret)
{
	const struct question q = {ask_recipient, mailbox, m};

	return ask(l, &q, ret);
}

bool listing_allows_names(struct listing *l)
{
	const struct listing_table *table;
	bool found = false;
	unsigned side;

	table = swap_enter(&l->table, &side);
	for (int i = 0; table && i < table->count && !found; i++)
		for (int says = 0; says <= LIST_NEITHER && !found; says++)
			found = table->lists[i].set->client_says >> says & 1 &&
				listing_verdict(table->lists[i].conf, (enum list_says)says) ==
					GG_ALLOW;
	swap_leave(&l->table, side);
	return found;
}

void listing_hit(struct listing *l, const struct listing_answer *a)
{
	atomic_fetch_add_explicit(&l->lists[a->number - 1].hits, 1, memory_order_relaxed);
}
