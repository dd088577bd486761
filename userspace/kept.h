/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of each list as it was last good, in state_dir/lists: a restart, and a fetch that went
 * wrong, find it there; of a list that `greygate import` made it is all there is.
 *
 * One file a list, NAME.list: a line of JSON that says what the text is, then the text as it was.
 * It is written beside and put in place by its name, so that what is there is whole; a text shorter
 * than its line says is not taken. What is damaged all the same is set aside as NAME.bad, in the
 * place of one that was there before.
 */
#ifndef GREYGATE_KEPT_H
#define GREYGATE_KEPT_H

#include <greygate/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define KEPT_SUFFIX ".list"
#define KEPT_ASIDE ".bad"

/* When a file was written last: another one is another text. All zero: there is no file. */
struct kept_stamp {
	int64_t seconds, ns;
	uint64_t size, inode;
};

struct kept {
	char name[CONFIG_LIST_NAME + 1];
	uint8_t number; /* in the kernel's maps */
	uint32_t order; /* among imported lists; 0: an earlier version kept it */
	bool imported;  /* by hand: newer than what `stamp` is of */
	enum list_format format;
	enum gg_verdict verdict;
	bool except; /* instead of a verdict */
	enum gg_action action;
	char message[LIST_MESSAGE + 1];
	uint32_t entries;
	uint32_t read;           /* s, CLOCK_REALTIME */
	struct kept_stamp stamp; /* of the file that the configuration names, then */
	char *text;              /* owned; NULL: only asked what it is */
	size_t len;
};

/* state_dir/lists, made where it is missing. -errno. */
int kept_open(const char *state_dir);
int kept_write(int dir, const struct kept *k);
/* with_text: the caller frees k->text. -ENOENT; -EBADMSG: it is damaged. *ret untouched. */
int kept_read(int dir, const char *name, bool with_text, struct kept *ret);
/* What was set aside goes, too; -ENOENT: nothing else was there. */
int kept_remove(int dir, const char *name);
/* Whether there is one, damaged or not. */
bool kept_is(int dir, const char *name);
int kept_set_aside(int dir, const char *name);
bool kept_is_aside(int dir, const char *name);
/* What one was that was set aside, as of kept_read without its text. */
int kept_read_aside(int dir, const char *name, struct kept *ret);
/* Names of all, or of all that were set aside, in no order; a true answer ends it. */
int kept_each(int dir, bool aside, bool (*see)(const char *name, void *arg), void *arg);

struct kept_stamp kept_stamp(const char *file);
static inline bool kept_same(const struct kept_stamp *a, const struct kept_stamp *b)
{
	return a->seconds == b->seconds && a->ns == b->ns && a->size == b->size &&
	       a->inode == b->inode;
}

#endif
