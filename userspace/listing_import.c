// SPDX-License-Identifier: GPL-2.0-or-later
/* greygate import: one list from a text, and what that changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "listing_plan.h"

#define TELL_EVERY 5 /* s */

/* ---- what changes ---- */

static int by_place(const struct list_prefix *a, const struct list_prefix *b)
{
	int c = addr_is4(&b->addr) - addr_is4(&a->addr);

	if (!c)
		c = memcmp(&a->addr, &b->addr, sizeof(a->addr));
	return c ? c : a->len - b->len;
}

/* A list as it was, or as it is to be. */
struct side {
	const struct list_set *set;
	const struct config_list *conf;
};

/* What is said of whom an entry names. */
struct told {
	enum gg_verdict verdict;
	enum gg_action action;
	const char *message;
};

static struct told told(const struct side *s, uint8_t says, uint32_t message, bool address)
{
	struct told t = {.verdict = listing_verdict(s->conf, says), .message = ""};

	/* Only of whom it denies; a name is always rejected. */
	if (t.verdict != GG_DENY)
		return t;
	t.action = address ? s->conf->action : GG_REJECT;
	if (message)
		t.message = s->set->messages + message;
	else if (s->conf->message)
		t.message = s->conf->message;
	return t;
}

static void count_both(struct told a, struct told b, struct listing_imported *ret)
{
	if (a.verdict == b.verdict && a.action == b.action && !strcmp(a.message, b.message))
		ret->unchanged++;
	else
		ret->changed++;
}

static void count_prefixes(const struct side *was, const struct side *now,
			   struct listing_imported *ret)
{
	const struct list_prefixes *a = &was->set->prefixes, *b = &now->set->prefixes;
	size_t i = 0, k = 0;

	while (i < a->count || k < b->count) {
		int c = i == a->count ? 1 : k == b->count ? -1 : by_place(&a->list[i], &b->list[k]);

		if (!c)
			count_both(told(was, a->list[i].says, a->list[i].message, true),
				   told(now, b->list[k].says, b->list[k].message, true), ret);
		ret->removed += c < 0;
		ret->added += c > 0;
		i += c <= 0;
		k += c >= 0;
	}
}

static int by_hash(const void *a, const void *b)
{
	const struct list_name *x = a, *y = b;

	return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : x->kind - y->kind;
}

/* Sorted by the hash of their texts, which has one key in all lists, and by their kind. */
static struct list_name *sorted(const struct list_names *l)
{
	struct list_name *copy = malloc((l->count ? l->count : 1) * sizeof(*copy));

	if (copy && l->count) {
		memcpy(copy, l->list, l->count * sizeof(*copy));
		qsort(copy, l->count, sizeof(*copy), by_hash);
	}
	return copy;
}

static int count_names(const struct side *was, const struct side *now, struct listing_imported *ret)
{
	const struct list_names *a = &was->set->names, *b = &now->set->names;
	struct list_name *x = sorted(a), *y = sorted(b);
	size_t i = 0, k = 0;
	int rc = x && y ? 0 : -ENOMEM;

	while (!rc && (i < a->count || k < b->count)) {
		int c = i == a->count ? 1 : k == b->count ? -1 : by_hash(&x[i], &y[k]);

		if (!c)
			count_both(told(was, x[i].says, x[i].message, false),
				   told(now, y[k].says, y[k].message, false), ret);
		ret->removed += c < 0;
		ret->added += c > 0;
		i += c <= 0;
		k += c >= 0;
	}
	free(x);
	free(y);
	return rc;
}

/* A pattern is only known compiled: all of them are new. */
static int compare(struct side was, struct side now, struct listing_imported *ret)
{
	static const struct list_set nothing;

	was.set = was.set ? was.set : &nothing;
	/* It was of a section that has just gone. */
	was.conf = was.conf ? was.conf : now.conf;
	ret->added += now.set->patterns.count;
	ret->removed += was.set->patterns.count;
	count_prefixes(&was, &now, ret);
	return count_names(&was, &now, ret);
}

/* ---- one list ---- */

/* A feed of whom to deny lets nobody through. */
static int goes_with(const struct config_list *conf, enum list_format format)
{
	return list_usual(format) == LIST_DENY && config_list_verdict(conf) == GG_ALLOW ? -EDOM : 0;
}

/* What the configuration says of a list is said there. */
static bool says_otherwise(const struct listing_import *what, const struct config_list *section)
{
	return (what->verdict && what->verdict != config_list_verdict(section)) ||
	       (what->action && what->action != section->action) || what->message;
}

/* What the list is to be: of its section, else as it is told, as it was, as is usual. */
static int settle(const struct listing_import *what, const struct config_list *section,
		  const struct listed *one, struct stage *s)
{
	const struct config_list *was = one ? one->own : NULL;
	struct kept k = {.format = what->format};
	enum gg_verdict verdict = what->verdict;

	snprintf(k.name, sizeof(k.name), "%s", what->name);
	s->conf = section;
	s->imported = true;
	s->format = what->has_format ? what->format
		    : section        ? section->format
		    : was            ? was->format
				     : LIST_CIDR;
	s->stamp = kept_stamp(section ? section->file : NULL);
	if (section)
		return says_otherwise(what, section) ? -EEXIST : goes_with(section, s->format);
	k.format = s->format;
	if (!verdict && was && was->format == s->format)
		verdict = was->verdict;
	if (!verdict && list_usual(s->format) == LIST_LISTED && !list_has_verdicts(s->format))
		verdict = GG_DENY;
	k.except = verdict == CONFIG_EXCEPT;
	k.verdict = k.except ? GG_UNKNOWN : verdict;
	k.action = what->action ? what->action : was ? was->action : GG_REJECT;
	if (what->message || (was && was->message))
		snprintf(k.message, sizeof(k.message), "%s",
			 what->message ? what->message : was->message);
	s->own = plan_own(&k);
	s->conf = s->own;
	return s->own ? goes_with(s->own, s->format) : -ENOMEM;
}

static struct stage *planned(struct plan *p, int slot)
{
	for (int i = 0; i < p->count; i++)
		if (p->stages[i].slot == slot)
			return &p->stages[i];
	if (p->count == LISTING_MAX)
		return NULL;
	p->stages[p->count] = (struct stage){.slot = slot};
	return &p->stages[p->count++];
}

static int slot_for(const struct listing *l, const char *name)
{
	int free_one = -ENOSPC;

	for (int i = LISTING_MAX - 1; i >= 0; i--) {
		if (!strcmp(l->lists[i].name, name))
			return i;
		if (!l->lists[i].name[0])
			free_one = i;
	}
	return free_one;
}

static void tell(const struct listing_import *what, size_t done, size_t all)
{
	if (what->progress && what->progress->tell)
		what->progress->tell(done, all, what->progress->arg);
}

static int take_text(struct listing *l, const struct listing_import *what, struct stage *s,
		     struct listing_imported *ret)
{
	const struct listed *one = &l->lists[s->slot];
	int rc;

	tell(what, 0, 0);
	rc = listing_read(what->file, what->text, what->len, s->format, l->key, what->errors,
			  what->size, &s->got);
	ret->entries = s->got.entries;
	ret->bad = s->got.bad;
	ret->lines = s->got.lines;
	if (!rc && s->got.bad && !what->skip_bad)
		rc = -EBADMSG;
	if (!rc && !s->got.entries)
		rc = -ENODATA;
	s->text = rc ? NULL : malloc(what->len + 1);
	if (!rc && !s->text)
		rc = -ENOMEM;
	if (rc)
		return rc;
	memcpy(s->text, what->text, what->len);
	s->len = what->len;
	ret->cut = listing_cut(what->text, what->len, s->got.entries, one->entries);
	return compare((struct side){one->set, s->own ? one->own : s->conf},
		       (struct side){s->got.set, s->conf}, ret);
}

/* Under l->loading; p is the plan without it. */
static int import(struct listing *l, const struct listing_import *what, struct plan *p,
		  struct listing_imported *ret)
{
	const struct config_list *section = plan_section(p->config, what->name);
	int slot = slot_for(l, what->name), rc;
	const bool is_new = slot >= 0 && !l->lists[slot].name[0];
	struct stage *s;

	s = slot < 0 ? NULL : planned(p, slot);
	if (!s)
		return -EUSERS;
	rc = settle(what, section, &l->lists[slot], s);
	if (!rc)
		rc = take_text(l, what, s, ret);
	if (rc)
		return rc;
	if (is_new) {
		if (l->fastpath)
			fastpath_list_reset(l->fastpath, (uint8_t)(slot + 1));
		pthread_mutex_lock(&l->lock);
		l->lists[slot].order = listing_last(l);
		snprintf(l->lists[slot].name, sizeof(l->lists[slot].name), "%s", what->name);
		pthread_mutex_unlock(&l->lock);
	}
	rc = plan_commit(l, p, false, what->progress);
	if (rc) {
		pthread_mutex_lock(&l->lock);
		if (is_new && !section)
			l->lists[slot].name[0] = 0;
		pthread_mutex_unlock(&l->lock);
		return rc;
	}
	plan_keep(l, s);
	free(s->text);
	s->text = NULL;
	pthread_mutex_lock(&l->lock);
	listing_unkept(l, &l->lists[slot], ret->unkept);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

/* False: it has taken longer than TELL_EVERY. */
static bool await_turn(struct listing *l)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TELL_EVERY;
	return !pthread_mutex_clocklock(&l->loading, CLOCK_MONOTONIC, &until);
}

int listing_begin(struct listing *l, void (*wait)(void *arg), void *arg)
{
	bool mine = !pthread_mutex_trylock(&l->loading);

	while (!mine && !atomic_load(&l->lent)) {
		wait(arg);
		mine = await_turn(l);
	}
	if (mine && !atomic_load(&l->lent))
		return 0;
	if (mine)
		pthread_mutex_unlock(&l->loading);
	return -EAGAIN;
}

void listing_end(struct listing *l)
{
	pthread_mutex_unlock(&l->loading);
}

int listing_lend(struct listing *l)
{
	/* Whoever gets the lock after this finds it said. */
	atomic_store(&l->lent, true);
	if (pthread_mutex_trylock(&l->loading))
		return -EBUSY;
	pthread_mutex_unlock(&l->loading);
	return 0;
}

void listing_take_back(struct listing *l)
{
	atomic_store(&l->lent, false);
}

int listing_import(struct listing *l, const struct listing_import *what,
		   struct listing_imported *ret)
{
	static struct plan p; /* under l->loading */
	struct listing_imported got = {0};
	int rc = plan_current(l, l->config, &p);

	if (!rc)
		rc = import(l, what, &p, &got);
	if (!rc)
		plan_finish(l, &p);
	else
		plan_free(&p);
	if (!rc || rc == -EBADMSG)
		*ret = got;
	return rc;
}

int listing_remove(struct listing *l, const char *name, char ret_kept[LIST_ERROR])
{
	static struct plan p; /* under l->loading */
	const bool section = plan_section(l->config, name);
	int slot, kept = 0, rc = -ENOENT;

	ret_kept[0] = 0;
	plan_current(l, l->config, &p);
	slot = slot_for(l, name);
	if (slot >= 0 && l->lists[slot].name[0] && l->lists[slot].imported) {
		for (int i = 0; i < p.count && !section; i++)
			if (p.stages[i].slot == slot)
				memmove(&p.stages[i], &p.stages[i + 1],
					(size_t)(--p.count - i) * sizeof(p.stages[0]));
		if (section) { /* of another time than any file: it is read again */
			l->lists[slot].stamp = (struct kept_stamp){.ns = -1};
			l->lists[slot].imported = false;
		}
		rc = section ? 0 : plan_commit(l, &p, false, NULL);
		if (!rc && !section)
			kept = plan_finish(l, &p);
	}
	plan_free(&p);
	if (!rc && section) {
		plan_load(l, l->config);
		kept = l->lists[slot].unkept;
	}
	if (kept)
		snprintf(ret_kept, LIST_ERROR,
			 "what was imported comes back at the next start: %.150s/lists: %s; %s, "
			 "then import it and remove it again",
			 l->state_dir ? l->state_dir : "", strerror(-kept), plan_mend(kept));
	return rc;
}
