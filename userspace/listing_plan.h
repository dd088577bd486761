/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists on their way into force; for listing_plan.c, listing_load.c, listing_fit.c, listing_kept.c
 * and listing_import.c. Under listing.loading. */
#ifndef GREYGATE_LISTING_PLAN_H
#define GREYGATE_LISTING_PLAN_H

#include "listing.h"

struct stage {
	int slot; /* in listing.lists */
	const struct config_list *conf;
	struct config_list *own; /* conf of an imported list that is new */
	struct reading_of got;   /* set NULL: it stays as it is */
	enum list_format format;
	struct kept_stamp stamp;
	uint32_t read; /* s; 0: now */
	bool imported;
	bool failed; /* got is what was kept of it */
	bool fresh;  /* got is in force */
	char *text;  /* to be kept; NULL: is kept already */
	size_t len;
};

struct plan {
	const struct config *config;
	struct stage stages[LISTING_MAX];
	int count;
};

/* All lists in their order, each as it is. */
int plan_current(struct listing *l, const struct config *c, struct plan *ret);
/* Puts it in force. again: addresses too if they are the same. 0, or -errno and everything is as it
 * was. */
int plan_commit(struct listing *l, struct plan *p, bool again,
		const struct fastpath_progress *progress);
/* As plan_commit; at a start, where there is no room for all, of what there is room for. */
int plan_fit(struct listing *l, struct plan *p);
void plan_free(struct plan *p);
/* Its place, -1; of "" one that is free. */
int plan_find(const struct listing *l, const char *name);
const struct config_list *plan_section(const struct config *c, const char *name);
/* Its place is free then. Under l->lock. */
void plan_forget(struct listed *one);

/* ---- listing_kept.c ---- */

/* What is kept of a stage that is in force. */
struct kept plan_kept(const struct listing *l, const struct stage *s);
/* Settings for a list that no section names; NULL: no memory. */
struct config_list *plan_own(const struct kept *k);

/* What helps where the directory of what is kept can't be written. */
const char *plan_mend(int err);
/* What was read goes to the disk; a disk that is full costs a restart the last good text. */
void plan_keep(struct listing *l, struct stage *s);
/* The text of a list as it was last good becomes what is staged. 0 or -errno; -EBADMSG: it is
 * damaged. */
int plan_take_kept(struct listing *l, struct stage *s, const struct kept *k);
/* At a start: each list gets the number it had, those that can't be read one, too, so that they
 * are told of. */
void plan_restore(struct listing *l, const struct config *c);
/* What is kept of a list can't be taken (err): what is damaged is set aside, so that nothing is
 * written over it. Says what it is. */
const char *plan_lost(const struct listing *l, const char *name, int err, char ret[LIST_ERROR]);

/* ---- listing_load.c ---- */

/* After a commit: keeps the texts, forgets what isn't planned, frees. 0 or -errno: an imported one
 * that isn't planned is still kept, and comes back at the next start. */
int plan_finish(struct listing *l, struct plan *p);

/* Its status says why it is not as its file has it; the log, too. */
__attribute__((format(printf, 3, 4))) void plan_failed(struct listing *l, const struct stage *s,
						       const char *format, ...);
void plan_say_failed(const char *name, const char *file, const char *why, bool kept);

/* listing_load under l->loading. */
void plan_load(struct listing *l, const struct config *c);

#endif
