/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lists of the configuration as they are in force: read from their files, asked by workers,
 * counted. A file that can't be read or isn't of its format leaves in force what was read before.
 *
 * All of them are replaced at once: nobody sees some of the old and some of the new. What one list
 * says is the business of lists/; here they are brought together. Of several that name the same
 * client the narrowest entry counts, else the list that stands first.
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
#include "lists/set.h"

#define LISTING_FILE (256u << 20) /* bytes; a larger file is not read */
#define LISTING_COMPLAINTS 20     /* about lines of one file, that are logged */

/* A list by its name: what outlives a reload. */
struct listed {
	char name[CONFIG_LIST_NAME + 1]; /* "": free */
	char *file;
	enum list_format format;
	enum gg_verdict verdict;
	struct list_set *set; /* NULL: nothing could be read so far */
	uint32_t entries, bad;
	uint32_t read;   /* s, CLOCK_REALTIME: when `set` was; 0: never */
	uint32_t failed; /* s: when it could not be read since then; 0: it could */
	char why[LIST_ERROR];
	_Atomic uint64_t hits;
};

struct listing {
	struct swap table; /* struct listing_table, of the workers */
	/* Of the threads that load and that show; under lock. The number of a list is its place + 1
	 * and stays the same while there is one of its name. */
	struct listed lists[CONFIG_LISTS];
	pthread_mutex_t lock;
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

/* Reads every file that the settings name, logs what it found, puts the lists in force. key: of
 * the installation. Takes as long as the files are; not for workers. */
void listing_load(struct listing *l, const struct config *c, const uint8_t key[HASH_KEY]);

/* False: no list names them. Workers; nothing is allocated, nobody waits. name: one that leads back
 * to the client's address, in lower case; mailbox: in canonical form. */
bool listing_address(struct listing *l, const struct addr *a, struct listing_answer *ret);
bool listing_client(struct listing *l, const char *name, struct list_matcher *m,
		    struct listing_answer *ret);
bool listing_recipient(struct listing *l, const char *mailbox, struct list_matcher *m,
		       struct listing_answer *ret);
/* Somebody was let through or refused because of it. */
void listing_hit(struct listing *l, const struct listing_answer *a);

#endif
