// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is to be in force next is planned and staged while what is in force goes on; then it goes
 * into the kernel, and only when the kernel has it to the workers. Whatever fails before leaves
 * everything as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "listing.h"
#include "listing_plan.h"

static uint32_t wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint32_t)t.tv_sec;
}

/* ---- what is said of it ---- */

static void begin(struct log_line *line, const char *name, const char *reason)
{
	log_begin(line, LOG_LIST);
	log_str(line, "list", name);
	log_str(line, "reason", reason);
}

static void say_lines(const char *name, char *errors)
{
	struct log_line line;
	char *end;

	for (int i = 0; i < LISTING_COMPLAINTS && (end = strchr(errors, '\n')); i++) {
		*end = 0;
		begin(&line, name, "line");
		log_str(&line, "message", errors);
		log_end(&line);
		errors = end + 1;
	}
}

static void say_read(const struct listed *one, const char *reason)
{
	struct log_line line;

	begin(&line, one->name, reason);
	log_str(&line, "file", one->file);
	log_int(&line, "entries", one->entries);
	log_int(&line, "bad", one->bad);
	log_end(&line);
}

void plan_say_failed(const char *name, const char *file, const char *why, bool kept)
{
	struct log_line line;

	begin(&line, name, kept ? "kept" : "missing");
	log_str(&line, "file", file);
	log_str(&line, "message", why);
	log_end(&line);
}

void plan_failed(struct listing *l, const struct stage *s, const char *format, ...)
{
	struct listed *one = &l->lists[s->slot];
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&l->lock);
	one->failed = wall();
	vsnprintf(one->why, sizeof(one->why), format, args);
	pthread_mutex_unlock(&l->lock);
	va_end(args);
}

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

static void forget(struct listed *one)
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
	one->read = s->read ? s->read : wall();
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

/* ---- files ---- */

/* Reads the file of a section into s; had: entries before. 0, or -errno and s->got.why. */
static int take_file(struct listing *l, struct stage *s, uint32_t had)
{
	const char *file = s->conf->file, *cut;
	char errors[(LISTING_COMPLAINTS + 2) * LIST_ERROR];
	int fd, rc;

	s->format = s->conf->format;
	s->stamp = kept_stamp(file);
	s->imported = false;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	rc = fd < 0 ? -errno : listing_file(fd, &s->text, &s->len);
	if (fd >= 0)
		close(fd);
	if (rc) {
		snprintf(s->got.why, sizeof(s->got.why), "%.400s: cannot be read: %s", file,
			 strerror(-rc));
		return rc;
	}
	rc = listing_read(file, s->text, s->len, s->format, l->key, errors, sizeof(errors),
			  &s->got);
	if (rc)
		return rc;
	cut = listing_cut(s->text, s->len, s->got.entries, had);
	if (cut) {
		snprintf(s->got.why, sizeof(s->got.why),
			 "%.300s: %s, %u entries; greygate import %s FILE puts it in force", file,
			 cut, s->got.entries, l->lists[s->slot].name);
		list_set_free(&s->got.set);
		return -ENODATA;
	}
	say_lines(l->lists[s->slot].name, errors);
	return 0;
}

/* What is to be done where nothing can be read of what was kept. */
#define OF_A_FILE "its file counts; if it was imported, import it again"
#define IMPORT_AGAIN                                                                               \
	"greygate import %s FILE, with the format, verdict and action it had, puts it in force "   \
	"again"

/* A list of the configuration: as it is, as it was imported, from its file, or as it was last. */
static void stage(struct listing *l, struct stage *s)
{
	struct listed *one = &l->lists[s->slot];
	struct kept_stamp stamp = kept_stamp(s->conf->file);
	char what[LIST_ERROR];
	int no_kept; /* 0: there is one */
	struct kept k;

	if (one->set && !one->failed && kept_same(&stamp, &one->stamp) &&
	    (one->imported || one->format == s->conf->format))
		return;
	no_kept = one->set || l->kept < 0 ? -ENOENT : kept_read(l->kept, one->name, false, &k);
	if (!no_kept && k.imported && kept_same(&stamp, &k.stamp)) {
		no_kept = plan_take_kept(l, s, &k);
		if (!no_kept)
			return;
	}
	if (no_kept && no_kept != -ENOENT)
		log_message(LOG_ERROR, "list %s: %s; " OF_A_FILE, one->name,
			    plan_lost(l, one->name, no_kept, what));
	if (!take_file(l, s, one->set ? one->entries : no_kept ? 0 : k.entries))
		return;
	plan_failed(l, s, "%s", s->got.why);
	s->failed = true;
	free(s->text);
	s->text = NULL;
	/* A section that now names another file or format wants another text, not an old one. */
	if (!no_kept && k.format == s->conf->format) {
		no_kept = plan_take_kept(l, s, &k);
		if (no_kept)
			log_message(LOG_ERROR, "list %s: %s; " OF_A_FILE, one->name,
				    plan_lost(l, one->name, no_kept, what));
	}
	plan_say_failed(one->name, s->conf->file, one->why, one->set || s->got.set);
}

/* ---- starts and reloads ---- */

static void stage_imported(struct listing *l, struct stage *s)
{
	struct listed *one = &l->lists[s->slot];
	char what[LIST_ERROR];
	struct kept k;
	int rc;

	if (one->set)
		return;
	rc = l->kept < 0 ? -ENOENT : kept_read(l->kept, one->name, false, &k);
	if (!rc)
		rc = plan_take_kept(l, s, &k);
	if (!rc)
		return;
	plan_failed(l, s, "%s; " IMPORT_AGAIN, plan_lost(l, one->name, rc, what), one->name);
	log_message(LOG_ERROR, "list %s: %s", one->name, one->why);
}

/* Lists that nothing names any more. After a commit: nobody asks them. */
static void remove_others(struct listing *l, const struct plan *p)
{
	struct log_line line;

	for (int i = 0; i < LISTING_MAX; i++) {
		bool planned = false;

		for (int k = 0; k < p->count; k++)
			planned = planned || p->stages[k].slot == i;
		if (planned || !l->lists[i].name[0])
			continue;
		begin(&line, l->lists[i].name, "removed");
		log_end(&line);
		if (l->kept >= 0)
			kept_remove(l->kept, l->lists[i].name);
		if (l->fastpath)
			fastpath_list_reset(l->fastpath, (uint8_t)(i + 1));
		pthread_mutex_lock(&l->lock);
		forget(&l->lists[i]);
		pthread_mutex_unlock(&l->lock);
	}
}

void plan_finish(struct listing *l, struct plan *p)
{
	for (int i = 0; i < p->count; i++)
		plan_keep(l, &p->stages[i]);
	remove_others(l, p);
	plan_free(p);
}

void plan_load(struct listing *l, const struct config *c)
{
	static struct plan p; /* under l->loading */
	int rc;

	if (l->kept >= 0 && !l->restored)
		plan_restore(l, c);
	l->restored = true;
	plan_current(l, c, &p);
	for (int i = 0; i < p.count; i++) {
		if (p.stages[i].conf->file)
			stage(l, &p.stages[i]);
		else
			stage_imported(l, &p.stages[i]);
	}
	rc = plan_fit(l, &p);
	if (rc) {
		pthread_mutex_lock(&l->lock);
		snprintf(l->why, sizeof(l->why), "lists: %s%s; they stay as they were",
			 strerror(-rc), rc == -ENOSPC ? ": raise limit imports" : "");
		pthread_mutex_unlock(&l->lock);
		log_message(LOG_ERROR, "%s", l->why);
		plan_free(&p);
		return;
	}
	for (int i = 0; i < p.count; i++)
		if (p.stages[i].fresh)
			say_read(&l->lists[p.stages[i].slot], "read");
	plan_finish(l, &p);
}

void listing_load(struct listing *l, const struct config *c)
{
	pthread_mutex_lock(&l->loading);
	plan_load(l, c);
	pthread_mutex_unlock(&l->loading);
}

int listing_again(struct listing *l, const struct config *c)
{
	static struct plan p; /* under l->loading */
	int rc;

	pthread_mutex_lock(&l->loading);
	plan_current(l, c, &p);
	rc = plan_commit(l, &p, true, NULL);
	plan_free(&p);
	pthread_mutex_unlock(&l->loading);
	return rc;
}
