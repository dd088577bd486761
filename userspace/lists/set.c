// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "set.h"

/* Lines with the same words mostly follow each other. */
static int keep_message(struct list_set *s, const char *words, uint32_t *ret, uint32_t *last)
{
	size_t len = words ? strlen(words) + 1 : 0;

	*ret = 0;
	if (!words)
		return 0;
	if (*last && !strcmp(s->messages + *last, words)) {
		*ret = *last;
		return 0;
	}
	if (s->message_room - s->message_len < len) {
		size_t room = s->message_room * 2 + len + 64;
		void *grown = room < UINT32_MAX ? realloc(s->messages, room) : NULL;

		if (!grown)
			return -ENOMEM;
		s->messages = grown;
		s->message_room = room;
	}
	if (!s->message_len)
		s->messages[s->message_len++] = 0;
	memcpy(s->messages + s->message_len, words, len);
	*ret = *last = (uint32_t)s->message_len;
	s->message_len += len;
	return 0;
}

struct making {
	struct list_set *set;
	uint32_t last; /* message */
};

static int take(const struct list_entry *e, void *arg, const char **ret_why)
{
	struct making *m = arg;
	uint32_t message;
	int rc = keep_message(m->set, e->message, &message, &m->last);

	if (rc)
		return rc;
	if (e->kind >= LIST_NAME && e->kind <= LIST_PATTERN)
		m->set->client_says |= (uint8_t)(1u << e->says);
	switch (e->kind) {
	case LIST_PREFIX:
		return list_prefixes_add(&m->set->prefixes, &e->prefix, e->says, e->line, message);
	case LIST_PATTERN:
	case LIST_TO_PATTERN:
		return list_patterns_add(&m->set->patterns, e, message, ret_why);
	default:
		return list_names_add(&m->set->names, e, message);
	}
}

int list_set_read(const char *file, const char *text, size_t len, enum list_format format,
		  const uint8_t key[HASH_KEY], struct list_report *report, struct list_set **ret)
{
	struct list_set *s = calloc(1, sizeof(*s));
	struct making m = {.set = s};
	size_t prefixes;
	int rc;

	if (!s)
		return -ENOMEM;
	memcpy(s->names.key, key, sizeof(s->names.key));
	rc = list_read(file, text, len, format, take, &m, report);
	prefixes = s->prefixes.count;
	if (!rc)
		rc = list_prefixes_make(&s->prefixes, list_in_order(format));
	if (rc) {
		list_set_free(&s);
		return rc;
	}
	/* What says nothing new is not in force. */
	report->entries -= (uint32_t)(prefixes - s->prefixes.count) + s->names.again;
	*ret = s;
	return 0;
}

void list_set_free(struct list_set **s)
{
	if (!*s)
		return;
	list_prefixes_free(&(*s)->prefixes);
	list_names_free(&(*s)->names);
	list_patterns_free(&(*s)->patterns);
	free((*s)->messages);
	free(*s);
	*s = NULL;
}

static bool hit(const struct list_set *s, uint8_t says, uint32_t line, uint32_t width,
		uint32_t message, struct list_hit *ret)
{
	*ret = (struct list_hit){.says = (enum list_says)says,
				 .line = line,
				 .width = width,
				 .message = message ? s->messages + message : NULL};
	return true;
}

bool list_set_address(const struct list_set *s, const struct addr *a, struct list_hit *ret)
{
	const struct list_prefix *p = list_prefixes_find(&s->prefixes, a);

	return p && hit(s, p->says, p->line, p->len, p->message, ret);
}

static bool by_text(const struct list_set *s, const struct list_name *n, enum list_kind kind,
		    const char *text, struct list_matcher *m, struct list_hit *ret)
{
	const struct list_pattern *p;

	/* The name itself is narrower than all that is below a domain of its length. */
	if (n)
		return hit(s, n->says, n->line, 2 * n->len + (n->kind == LIST_NAME), n->message,
			   ret);
	p = list_patterns_find(&s->patterns, kind, text, m);
	return p && hit(s, p->says, p->line, 0, p->message, ret);
}

bool list_set_client(const struct list_set *s, const char *name, struct list_matcher *m,
		     struct list_hit *ret)
{
	return by_text(s, list_names_client(&s->names, name), LIST_PATTERN, name, m, ret);
}

bool list_set_recipient(const struct list_set *s, const char *mailbox, struct list_matcher *m,
			struct list_hit *ret)
{
	return by_text(s, list_names_recipient(&s->names, mailbox), LIST_TO_PATTERN, mailbox, m,
		       ret);
}
