// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

#define NAMES_MAX ((size_t)1 << 31)

static uint64_t hash_of(const struct list_names *l, enum list_kind kind, const char *text,
			size_t len)
{
	return hash_bytes(l->key, text, len) + kind;
}

static const struct list_name *find(const struct list_names *l, enum list_kind kind,
				    const char *text, size_t len)
{
	uint64_t hash;

	if (!l->count)
		return NULL;
	hash = hash_of(l, kind, text, len);
	for (size_t at = hash & l->mask; l->index[at]; at = (at + 1) & l->mask) {
		const struct list_name *n = &l->list[l->index[at] - 1];

		if (n->hash == hash && n->kind == kind && n->len == len &&
		    !memcmp(l->texts + n->text, text, len))
			return n;
	}
	return NULL;
}

static void enter(struct list_names *l, size_t number)
{
	size_t at = l->list[number].hash & l->mask;

	while (l->index[at])
		at = (at + 1) & l->mask;
	l->index[at] = (uint32_t)number + 1;
}

/* Room for one more name, and an index with as many empty places again. */
static int make_room(struct list_names *l)
{
	size_t room = l->room ? l->room * 2 : 64;
	uint32_t *index;
	void *grown;

	if (l->count < l->room)
		return 0;
	if (room > NAMES_MAX)
		return -ENOSPC;
	grown = realloc(l->list, room * sizeof(*l->list));
	if (!grown)
		return -ENOMEM;
	l->list = grown;
	index = calloc(room * 2, sizeof(*index));
	if (!index)
		return -ENOMEM;
	free(l->index);
	l->index = index;
	l->mask = room * 2 - 1;
	l->room = room;
	for (size_t i = 0; i < l->count; i++)
		enter(l, i);
	return 0;
}

static int add_text(struct list_names *l, const char *text, size_t len, size_t *ret)
{
	size_t room = l->text_room ? l->text_room : 1024;
	void *grown;

	while (room - l->text_len < len)
		room *= 2;
	if (room != l->text_room) {
		grown = realloc(l->texts, room);
		if (!grown)
			return -ENOMEM;
		l->texts = grown;
		l->text_room = room;
	}
	memcpy(l->texts + l->text_len, text, len);
	*ret = l->text_len;
	l->text_len += len;
	return 0;
}

static int add(struct list_names *l, const struct list_entry *e, enum list_kind kind,
	       uint32_t message)
{
	size_t len = strlen(e->text), text;
	int rc;

	if (find(l, kind, e->text, len))
		return 0;
	rc = make_room(l);
	if (!rc)
		rc = add_text(l, e->text, len, &text);
	if (rc)
		return rc;
	l->list[l->count] = (struct list_name){.hash = hash_of(l, kind, e->text, len),
					       .text = text,
					       .len = (uint32_t)len,
					       .line = e->line,
					       .message = message,
					       .kind = (uint8_t)kind,
					       .says = (uint8_t)e->says};
	enter(l, l->count++);
	return 0;
}

int list_names_add(struct list_names *l, const struct list_entry *e, uint32_t message)
{
	const size_t before = l->count;
	int rc;

	if (e->kind != LIST_DOMAIN) {
		rc = add(l, e, e->kind, message);
	} else {
		rc = add(l, e, LIST_NAME, message);
		if (!rc)
			rc = add(l, e, LIST_BELOW, message);
	}
	l->again += !rc && l->count == before;
	return rc;
}

void list_names_free(struct list_names *l)
{
	free(l->list);
	free(l->texts);
	free(l->index);
	*l = (struct list_names){0};
}

/* The next of the domains that `name` lies in, itself not. */
static const struct list_name *above(const struct list_names *l, enum list_kind kind,
				     const char *name)
{
	const struct list_name *n = NULL;

	while (!n && (name = strchr(name, '.'))) {
		name++;
		n = find(l, kind, name, strlen(name));
	}
	return n;
}

const struct list_name *list_names_client(const struct list_names *l, const char *name)
{
	const struct list_name *n = find(l, LIST_NAME, name, strlen(name));

	return n ? n : above(l, LIST_BELOW, name);
}

/* user@domain, user+extension@domain: the first user_len bytes are the user. */
static const struct list_name *with_user(const struct list_names *l, const char *mailbox,
					 size_t user_len, const char *at)
{
	char whole[400];
	size_t rest = strlen(at);
	const struct list_name *n = NULL;

	if (user_len + rest < sizeof(whole)) {
		memcpy(whole, mailbox, user_len);
		memcpy(whole + user_len, at, rest);
		n = find(l, LIST_TO, whole, user_len + rest);
	}
	return n ? n : find(l, LIST_TO_USER, mailbox, user_len);
}

const struct list_name *list_names_recipient(const struct list_names *l, const char *mailbox)
{
	const char *at = strrchr(mailbox, '@');
	size_t user_len = at ? (size_t)(at - mailbox) : strlen(mailbox);
	size_t plain = strcspn(mailbox, "+");
	const struct list_name *n;

	if (!l->count)
		return NULL;
	n = with_user(l, mailbox, user_len, at ? at : "");
	if (!n && plain && plain < user_len)
		n = with_user(l, mailbox, plain, at ? at : "");
	if (!n && at)
		n = find(l, LIST_TO_DOMAIN, at + 1, strlen(at + 1));
	return n || !at ? n : above(l, LIST_TO_DOMAIN, at + 1);
}
