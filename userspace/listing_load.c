// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is to be in force next is staged while what is in force goes on: at a start and at a reload
 * each list from its file, or as it was kept. What can't be read stays as it was last good.
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
	one->failed = (uint32_t)time(NULL);
	vsnprintf(one->why, sizeof(one->why), format, args);
	pthread_mutex_unlock(&l->lock);
	va_end(args);
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

/* Lists that nothing names any more. After a commit: nobody asks them. 0 or -errno: one that was
 * imported is still kept, and comes back. */
static int remove_others(struct listing *l, const struct plan *p)
{
	struct log_line line;
	int kept = 0, rc;

	for (int i = 0; i < LISTING_MAX; i++) {
		bool planned = false;

		for (int k = 0; k < p->count; k++)
			planned = planned || p->stages[k].slot == i;
		if (planned || !l->lists[i].name[0])
			continue;
		begin(&line, l->lists[i].name, "removed");
		log_end(&line);
		rc = l->kept >= 0 ? kept_remove(l->kept, l->lists[i].name) : 0;
		if (rc && rc != -ENOENT) {
			log_message(LOG_ERROR,
				    "list %s: %s/lists: %s; %s, and remove %s" KEPT_SUFFIX " there",
				    l->lists[i].name, l->state_dir, strerror(-rc), plan_mend(rc),
				    l->lists[i].name);
			kept = l->lists[i].imported ? rc : kept;
		}
		if (l->fastpath)
			fastpath_list_reset(l->fastpath, (uint8_t)(i + 1));
		pthread_mutex_lock(&l->lock);
		plan_forget(&l->lists[i]);
		pthread_mutex_unlock(&l->lock);
	}
	return kept;
}

int plan_finish(struct listing *l, struct plan *p)
{
	int rc;

	for (int i = 0; i < p->count; i++)
		plan_keep(l, &p->stages[i]);
	rc = remove_others(l, p);
	plan_free(p);
	return rc;
}

void plan_load(struct listing *l, const struct config *c)
{
	static struct plan p; /* under l->loading */
	int rc;

	if (!l->config)
		l->config = c;
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
		snprintf(l->why, sizeof(l->why), "lists: %s; they stay as they were",
			 rc == -ENOSPC ? "they have become too many entries: raise limit imports"
				       : strerror(-rc));
		pthread_mutex_unlock(&l->lock);
		log_message(LOG_ERROR, "%s", l->why);
		plan_free(&p);
		return;
	}
	l->config = c; /* what is refused is by those before */
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

int listing_again(struct listing *l)
{
	static struct plan p; /* under l->loading */
	int rc;

	pthread_mutex_lock(&l->loading);
	plan_current(l, l->config, &p);
	rc = plan_commit(l, &p, true, NULL);
	plan_free(&p);
	pthread_mutex_unlock(&l->loading);
	return rc;
}
