// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists as they were kept: what of a list that is in force goes to the disk, and what a start makes
 * of what it finds there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "listing_plan.h"
#include "store/mend.h"

struct kept plan_kept(const struct listing *l, const struct stage *s)
{
	const struct listed *one = &l->lists[s->slot];
	struct kept k = {.number = (uint8_t)(s->slot + 1),
			 .order = one->order,
			 .imported = one->imported,
			 .format = one->format,
			 .verdict =
				 s->conf->verdict == CONFIG_EXCEPT ? GG_UNKNOWN : s->conf->verdict,
			 .except = s->conf->verdict == CONFIG_EXCEPT,
			 .action = s->conf->action,
			 .entries = one->entries,
			 .read = one->read,
			 .stamp = one->stamp,
			 .text = s->text,
			 .len = s->len};

	snprintf(k.name, sizeof(k.name), "%s", one->name);
	snprintf(k.message, sizeof(k.message), "%s", s->conf->message ? s->conf->message : "");
	return k;
}

/* Where somebody took the directory away it is made again. */
static int write_kept(struct listing *l, const struct kept *k)
{
	int rc = l->kept < 0 ? -ENOENT : kept_write(l->kept, k), dir;

	if (rc != -ENOENT || !l->state_dir)
		return rc;
	dir = kept_open(l->state_dir);
	if (dir < 0)
		return dir;
	pthread_mutex_lock(&l->lock);
	if (l->kept >= 0)
		close(l->kept);
	l->kept = dir;
	pthread_mutex_unlock(&l->lock);
	return kept_write(dir, k);
}

/* state_dir is a directory: the store is in it. */
const char *plan_mend(int err)
{
	return err == -ENOTDIR ? "remove the file that stands there" : store_mend(err);
}

void plan_keep(struct listing *l, struct stage *s)
{
	struct listed *one = &l->lists[s->slot];
	struct kept k;
	int rc;

	if (!s->text)
		return;
	k = plan_kept(l, s);
	rc = write_kept(l, &k);
	pthread_mutex_lock(&l->lock);
	one->unkept = rc;
	pthread_mutex_unlock(&l->lock);
	if (rc && l->state_dir)
		log_message(LOG_ERROR, "list %s: %s/lists: %s; %s", k.name, l->state_dir,
			    strerror(-rc), plan_mend(rc));
}

const char *listing_unkept(const struct listing *l, const struct listed *one, char ret[LIST_ERROR])
{
	ret[0] = 0;
	if (!one->imported || !one->set)
		return NULL;
	if (one->unkept)
		snprintf(ret, LIST_ERROR,
			 "it won't outlive a restart: %.150s/lists: %s; %s, and import it again",
			 l->state_dir ? l->state_dir : "", strerror(-one->unkept),
			 plan_mend(one->unkept));
	else if (!kept_is(l->kept, one->name))
		snprintf(ret, LIST_ERROR,
			 "it won't outlive a restart: %.150s/lists/%s" KEPT_SUFFIX
			 " is gone; import it again",
			 l->state_dir ? l->state_dir : "", one->name);
	return ret[0] ? ret : NULL;
}

int plan_take_kept(struct listing *l, struct stage *s, const struct kept *k)
{
	struct listed *one = &l->lists[s->slot];
	char errors[2 * LIST_ERROR];
	struct kept whole;
	int rc = kept_read(l->kept, k->name, true, &whole);

	if (rc)
		return rc;
	rc = listing_read(one->name, whole.text, whole.len, k->format, l->key, errors,
			  sizeof(errors), &s->got);
	free(whole.text);
	s->format = k->format;
	s->read = k->read;
	s->stamp = k->stamp;
	s->imported = k->imported;
	/* It was good when it was kept. */
	return rc == -EINVAL ? -EBADMSG : rc;
}

struct config_list *plan_own(const struct kept *k)
{
	struct config_list *own = calloc(1, sizeof(*own) + sizeof(k->name));

	if (!own)
		return NULL;
	own->name = (char *)(own + 1);
	memcpy(own->name, k->name, sizeof(k->name));
	own->format = k->format;
	own->verdict = k->except ? CONFIG_EXCEPT : k->verdict;
	own->action = k->action;
	own->message = k->message[0] ? strdup(k->message) : NULL;
	return own;
}

/* ---- a start ---- */

struct restoring {
	struct listing *listing;
	const struct config *config;
	/* Of what it finds in the directory: */
	int (*read)(const struct listing *l, const char *name, struct kept *ret);
	bool anywhere; /* whose number another has, or who has none, gets any place */
};

static int read_head(const struct listing *l, const char *name, struct kept *ret)
{
	return kept_read(l->kept, name, false, ret);
}

static int read_aside(const struct listing *l, const char *name, struct kept *ret)
{
	return kept_read_aside(l->kept, name, ret);
}

/* The place that it had, or another where that is wanted; -1: none. */
static int place_of(const struct restoring *r, int number)
{
	struct listing *l = r->listing;
	const int slot = number <= LISTING_MAX ? number - 1 : -1;

	if (slot >= 0 && !l->lists[slot].name[0])
		return slot;
	return r->anywhere ? plan_find(l, "") : -1;
}

static bool restore(const char *name, void *restoring)
{
	const struct restoring *r = restoring;
	struct listing *l = r->listing;
	struct listed *one;
	struct kept k;
	int slot;

	if (!config_list_name_ok(name) || plan_find(l, name) >= 0)
		return false;
	if (r->read(l, name, &k)) {
		/* What it was is not known: as a list is that is new. A section says it itself. */
		if (!r->anywhere || plan_section(r->config, name))
			return false;
		k = (struct kept){.imported = true, .verdict = GG_DENY, .action = GG_REJECT};
		snprintf(k.name, sizeof(k.name), "%s", name);
	}
	slot = place_of(r, k.number);
	if (slot < 0) {
		if (r->anywhere)
			log_message(LOG_ERROR,
				    "list %s: no room for it beside %d others; remove a "
				    "list and restart",
				    name, LISTING_MAX);
		return false;
	}
	one = &l->lists[slot];
	one->order = k.order ? k.order : k.number ? k.number : listing_last(l);
	memcpy(one->name, k.name, sizeof(one->name));
	one->imported = k.imported;
	one->own = k.imported ? plan_own(&k) : NULL;
	if (slot != k.number - 1 && l->fastpath)
		fastpath_list_reset(l->fastpath, (uint8_t)(slot + 1));
	return false;
}

void plan_restore(struct listing *l, const struct config *c)
{
	struct restoring r = {.listing = l, .config = c, .read = read_head};

	kept_each(l->kept, false, restore, &r);
	r.anywhere = true;
	kept_each(l->kept, false, restore, &r);
	r.read = read_aside;
	kept_each(l->kept, true, restore, &r);
}

/* ---- what can't be read again ---- */

const char *plan_lost(const struct listing *l, const char *name, int err, char ret[LIST_ERROR])
{
	char what[2 * CONFIG_LIST_NAME + 80];
	int rc = err == -EBADMSG ? kept_set_aside(l->kept, name) : 0;

	if (rc)
		snprintf(what, sizeof(what), "damaged, and cannot be renamed: %s", strerror(-rc));
	else if (err == -EBADMSG ||
		 (err == -ENOENT && l->kept >= 0 && kept_is_aside(l->kept, name)))
		snprintf(what, sizeof(what), "damaged: renamed to %s" KEPT_ASIDE, name);
	else
		snprintf(what, sizeof(what), "cannot be read: %s", strerror(-err));
	snprintf(ret, LIST_ERROR, "%.150s/lists/%s" KEPT_SUFFIX ": %s", l->state_dir, name, what);
	return ret;
}
