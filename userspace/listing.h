/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lists as they are in force: those of the configuration, read from their files, and those that
 * `greygate import` made; asked by workers, put into the kernel, counted. A file that can't be
 * read, isn't of its format, is empty or cut off leaves in force what was read before, and that is
 * kept in state_dir for the next start.
 *
 * All of them are replaced at once: nobody sees some of the old and some of the new. What one list
 * says is the business of lists/; here they are brought together. Of several that name the same
 * client the narrowest entry counts, else the list that stands first; a list that excepts takes
 * clients out of the one before it, as a white list of spamd.conf(5) does. Lists that were imported
 * stand behind those of the configuration, in the order in which they were first imported.
 *
 * listing.c answers; listing_load.c stages what is to be in force next, listing_plan.c puts it
 * there and listing_fit.c what there is room for; listing_read.c reads files; kept.c keeps the
 * texts, listing_kept.c says which.
 */
#ifndef GREYGATE_LISTING_H
#define GREYGATE_LISTING_H

#include <greygate/types.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/hash.h"
#include "core/swap.h"
#include "core/verdicts.h"
#include "fastpath/fastpath.h"
#include "kept.h"
#include "lists/set.h"

#define LISTING_COMPLAINTS 20 /* about lines of one file, that are logged */
#define LISTING_MAX 128       /* lists, imported ones included */
_Static_assert(LISTING_MAX > CONFIG_LISTS && LISTING_MAX < GG_LISTS, "numbers of lists");

/* A list by its name: what outlives a reload. */
struct listed {
	char name[CONFIG_LIST_NAME + 1]; /* "": free */
	char *file;
	enum list_format format;
	enum gg_verdict verdict;         /* or CONFIG_EXCEPT */
	char from[CONFIG_LIST_NAME + 1]; /* then the list that it takes from; "": none */
	uint32_t order;                  /* of imported lists: the smaller stands first */
	struct list_set *set;            /* NULL: nothing could be read so far */
	uint32_t entries, bad;
	uint32_t read;   /* s, CLOCK_REALTIME: when `set` was; 0: never */
	uint32_t failed; /* s: when it could not be read since then; 0: it could */
	char why[LIST_ERROR];
	bool imported;           /* its text came by greygate import */
	int unkept;              /* 0, or why it could not be kept: -errno */
	struct kept_stamp stamp; /* of the file that the configuration names, when it was read */
	struct config_list *own; /* NULL: a section of the configuration names it */
	_Atomic uint64_t hits;   /* decisions by it; what the kernel answers alone it counts */
};

struct listing {
	struct swap table; /* struct listing_table, of the workers */
	/* Of the threads that load and that show; under lock. The number of a list is its place + 1
	 * and stays the same while there is one of its name. */
	struct listed lists[LISTING_MAX];
	pthread_mutex_t lock;
	pthread_mutex_t loading; /* taken before lock: one at a time, for seconds */
	char why[LIST_ERROR];    /* the last change could not be put in force; "": it could */
	/* Of the last load, under loading: what is in force is by these, also while newer ones wait
	 * for their turn. Borrowed, and never freed before the listing. */
	const struct config *config;
	int kept;              /* directory; -1: nothing is kept */
	const char *state_dir; /* where that is; borrowed */
	bool restored;         /* numbers are those of the last start */
	_Atomic bool lent;     /* imports are refused, see listing_lend */
	/* What they are put into; set before the first load. */
	struct verdicts *verdicts;
	struct fastpath *fastpath; /* NULL: none */
	const uint8_t *key;        /* of the installation, HASH_KEY */
};

/* What the lists say of somebody. */
struct listing_answer {
	enum gg_verdict verdict; /* GG_ALLOW or GG_DENY */
	enum gg_action action;   /* of what is denied */
	uint32_t line;
	uint32_t width; /* of an address: bits of the prefix it stands in */
	int number;     /* of the list, from 1 */
	char list[CONFIG_LIST_NAME + 1];
	char message[LIST_MESSAGE + 1]; /* "": none */
};

/* Before the first use; frees everything. */
void listing_init(struct listing *l);
void listing_free(struct listing *l);

/* Reads every file that the settings name and that has changed, logs what it found, puts the lists
 * in force. Takes as long as the files are; not for workers. */
void listing_load(struct listing *l, const struct config *c);
/* Puts what is in force into the kernel once more. 0 or -errno. */
int listing_again(struct listing *l);

/* From now on imports are refused with -EAGAIN: the kernel's maps become a successor's, which fills
 * the same ones. -EBUSY: one is under way and goes on; asked again until it has ended. The caller
 * sees to it that nothing is loaded meanwhile. */
int listing_lend(struct listing *l);
/* The successor did not come after all; see listing_again. */
void listing_take_back(struct listing *l);

/* ---- greygate import ---- */

struct listing_import {
	const char *name, *file; /* file: for complaints */
	enum list_format format;
	enum gg_verdict verdict; /* or CONFIG_EXCEPT; GG_UNKNOWN: the list's so far, or the usual */
	bool has_format;         /* else the list's so far, or cidr */
	enum gg_action action;   /* GG_NO_ACTION: the list's so far, or reject */
	const char *message;     /* NULL: the list's so far */
	bool skip_bad;           /* bad lines are left out; else they refuse the list */
	const char *text;
	size_t len;
	const struct fastpath_progress *progress;
	/* Complaints about lines, one behind the other. */
	char *errors;
	size_t size;
};

struct listing_imported {
	uint32_t entries, bad, lines;
	/* Entries; changed: another verdict, action or message than before. */
	uint64_t added, removed, changed, unchanged;
	char unkept[LIST_ERROR]; /* why it won't outlive a restart; "": it will */
	const char *cut;         /* what looks as if not all of it had come; NULL: nothing */
};

/* An import's turn: one after the other, each for seconds. wait: called while another's goes on, at
 * once and every few seconds; may wait itself. 0, and the turn is the caller's until listing_end;
 * -EAGAIN: see listing_lend. */
int listing_begin(struct listing *l, void (*wait)(void *arg), void *arg);
void listing_end(struct listing *l);
/* In one's turn. All or nothing: 0, or -errno and everything is as it was. -EBADMSG: bad lines.
 * -EINVAL: not of this format. -ENODATA: empty. -EUSERS: one list too many. -ENOSPC: one entry too
 * many. -ENOENT: a pin of the kernel's maps is gone. -EEXIST: the configuration names the list,
 * with another verdict or action, or with a message of its own. */
int listing_import(struct listing *l, const struct listing_import *what,
		   struct listing_imported *ret);
/* Why an imported list won't outlive a restart, and what mends it, in ret; NULL: it will. Under
 * lock. */
const char *listing_unkept(const struct listing *l, const struct listed *one, char ret[LIST_ERROR]);
/* In one's turn. An imported list goes; of one that the configuration names what was imported goes,
 * and its file is read again. -ENOENT. ret_kept: "", or why it comes back at the next start all the
 * same, and what mends that. */
int listing_remove(struct listing *l, const char *name, char ret_kept[LIST_ERROR]);

/* ---- asking ---- */

/* False: no list names them. Workers; nothing is allocated, nobody waits. name: one that leads back
 * to the client's address, in lower case; mailbox: in canonical form. */
bool listing_address(struct listing *l, const struct addr *a, struct listing_answer *ret);
bool listing_client(struct listing *l, const char *name, struct list_matcher *m,
		    struct listing_answer *ret);
bool listing_recipient(struct listing *l, const char *mailbox, struct list_matcher *m,
		       struct listing_answer *ret);
/* Whether any list allows clients by their names. */
bool listing_allows_names(struct listing *l);
/* Somebody was let through or refused because of it. */
void listing_hit(struct listing *l, const struct listing_answer *a);

/* ---- between listing*.c ---- */

/* One list as workers see it. Settings are borrowed: they live as long as the process, those of
 * imported lists as long as the table. */
struct in_force {
	const struct config_list *conf;
	const struct list_set *set;
	int number;
	uint8_t rank; /* as of imports_make */
	enum gg_verdict verdict;
	enum gg_action action;
};

struct listing_table {
	const struct prefix *balancers; /* the kernel was told nothing of what lies in these */
	int balancer_count;
	int count;
	struct in_force lists[LISTING_MAX]; /* in their order */
};

/* The places of all lists that there are, in their order. Under lock. Returns how many. */
int listing_order(const struct listing *l, const struct config *c, int ret[LISTING_MAX]);
/* That of a list that is new. */
uint32_t listing_last(const struct listing *l);
/* What a list makes of what an entry says. */
enum gg_verdict listing_verdict(const struct config_list *conf, enum list_says says);

/* What is read of a list, before it is in force. */
struct reading_of {
	struct list_set *set;
	uint32_t entries, bad, lines;
	char why[LIST_ERROR]; /* of a failure */
};

/* A whole file; *ret is the caller's. 0 or -errno. fd: closed never, read from its beginning. */
int listing_file(int fd, char **ret, size_t *ret_len);
/* 0, or -errno and ret->why. errors, size: as in struct list_report. */
int listing_read(const char *file, const char *text, size_t len, enum list_format format,
		 const uint8_t *key, char *errors, size_t size, struct reading_of *ret);
/* Whether it looks as if a fetch had gone wrong; had: entries before. Why, or NULL. */
const char *listing_cut(const char *text, size_t len, uint32_t has, uint32_t had);

#endif
