/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names, domains and mailboxes of one list, by their hash: one question for a name, one more for
 * each domain it lies in. Filled once, then read-only: any thread. The hash is keyed, for the names
 * that are asked are chosen by strangers.
 */
#ifndef LISTS_NAMES_H
#define LISTS_NAMES_H

#include "../core/hash.h"
#include "reader.h"

struct list_name {
	uint64_t hash;
	size_t text; /* where it begins in texts */
	uint32_t len;
	uint32_t line;
	uint32_t message; /* of the caller's */
	uint8_t kind;     /* enum list_kind */
	uint8_t says;     /* enum list_says */
};

struct list_names {
	uint8_t key[HASH_KEY];
	struct list_name *list;
	size_t count, room;
	uint32_t again; /* entries that were there already */
	char *texts;
	size_t text_len, text_room;
	uint32_t *index; /* number + 1; a power of two, at least half of it empty */
	size_t mask;
};

/* Copies the text. LIST_DOMAIN counts as LIST_NAME and LIST_BELOW; what is there already stays.
 * -ENOMEM, -ENOSPC (2^31 names). */
int list_names_add(struct list_names *l, const struct list_entry *e, uint32_t message);
void list_names_free(struct list_names *l);

/* The narrowest one that names this client (lower case): itself, else the next domain above it. */
const struct list_name *list_names_client(const struct list_names *l, const char *name);
/* The same for a mailbox, user@domain in lower case: itself, the user at any domain, both without
 * "+extension" too, the domain and those above it. */
const struct list_name *list_names_recipient(const struct list_names *l, const char *mailbox);

#endif
