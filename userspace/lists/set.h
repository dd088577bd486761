/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One list, made ready to be asked. Made once out of the text of its file, then read-only: any
 * thread. What is a name or a pattern says something of a client only when its name leads back to
 * its address: the caller asks with no other.
 */
#ifndef LISTS_SET_H
#define LISTS_SET_H

#include "names.h"
#include "patterns.h"
#include "prefixes.h"

struct list_set {
	struct list_prefixes prefixes; /* the narrowest answers, whatever the format */
	struct list_names names;
	struct list_patterns patterns;
	uint8_t client_says; /* bits of enum list_says, of entries that name clients */
	char *messages;      /* strings one after another; 0 is none */
	size_t message_len, message_room;
};

/* What a list says, and how narrowly: bits of the prefix, bytes of the name, 0 for a pattern. */
struct list_hit {
	enum list_says says;
	uint32_t line;
	uint32_t width;
	const char *message; /* the entry's own, NULL: none; lives as long as the set */
};

/* file, text, len, format, report: as for list_read, and so are the errors, but entries that say
 * nothing new do not count. key: of the hash. */
int list_set_read(const char *file, const char *text, size_t len, enum list_format format,
		  const uint8_t key[HASH_KEY], struct list_report *report, struct list_set **ret);
void list_set_free(struct list_set **s);

/* True: *ret is what it says. name: of the client, in lower case. mailbox: in canonical form. */
bool list_set_address(const struct list_set *s, const struct addr *a, struct list_hit *ret);
bool list_set_client(const struct list_set *s, const char *name, struct list_matcher *m,
		     struct list_hit *ret);
bool list_set_recipient(const struct list_set *s, const char *mailbox, struct list_matcher *m,
			struct list_hit *ret);

#endif
