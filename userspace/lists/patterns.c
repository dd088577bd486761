// SPDX-License-Identifier: GPL-2.0-or-later
#define PCRE2_CODE_UNIT_WIDTH 8

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "patterns.h"

#define PATTERN_LONGEST 1000

struct list_matcher {
	pcre2_match_context *context;
	pcre2_match_data *data;
	uint64_t given_up;
};

struct list_matcher *list_matcher_new(void)
{
	struct list_matcher *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->context = pcre2_match_context_create(NULL);
	m->data = pcre2_match_data_create(1, NULL);
	if (!m->context || !m->data) {
		list_matcher_free(&m);
		return NULL;
	}
	pcre2_set_match_limit(m->context, LIST_PATTERN_STEPS);
	pcre2_set_depth_limit(m->context, LIST_PATTERN_STEPS);
	pcre2_set_heap_limit(m->context, LIST_PATTERN_HEAP);
	return m;
}

void list_matcher_free(struct list_matcher **m)
{
	if (!*m)
		return;
	pcre2_match_data_free((*m)->data);
	pcre2_match_context_free((*m)->context);
	free(*m);
	*m = NULL;
}

uint64_t list_matcher_given_up(const struct list_matcher *m)
{
	return m->given_up;
}

static int compile(const char *pattern, void **ret, const char **ret_why)
{
	static _Thread_local char why[160];
	PCRE2_UCHAR words[120];
	PCRE2_SIZE at;
	int error;

	*ret = NULL;
	*ret_why = why;
	if (strlen(pattern) > PATTERN_LONGEST) {
		snprintf(why, sizeof(why), "longer than %d bytes", PATTERN_LONGEST);
		return -EINVAL;
	}
	*ret = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			     PCRE2_CASELESS | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C, &error,
			     &at, NULL);
	if (*ret)
		return 0;
	if (error == PCRE2_ERROR_NOMEMORY)
		return -ENOMEM;
	pcre2_get_error_message(error, words, sizeof(words));
	snprintf(why, sizeof(why), "not a regular expression, at byte %zu: %s", at + 1,
		 (const char *)words);
	return -EINVAL;
}

int list_patterns_add(struct list_patterns *l, const struct list_entry *e, uint32_t message,
		      const char **ret_why)
{
	size_t room = l->room ? l->room * 2 : 16;
	void *code, *grown;
	int rc;

	if (l->count == LIST_PATTERNS) {
		*ret_why = "one too many; a list may have 1000 patterns";
		return -EINVAL;
	}
	if (l->count == l->room) {
		grown = realloc(l->list, room * sizeof(*l->list));
		if (!grown)
			return -ENOMEM;
		l->list = grown;
		l->room = room;
	}
	rc = compile(e->text, &code, ret_why);
	if (rc)
		return rc;
	l->list[l->count++] = (struct list_pattern){.code = code,
						    .line = e->line,
						    .message = message,
						    .kind = (uint8_t)e->kind,
						    .says = (uint8_t)e->says};
	return 0;
}

void list_patterns_free(struct list_patterns *l)
{
	for (size_t i = 0; i < l->count; i++)
		pcre2_code_free(l->list[i].code);
	free(l->list);
	*l = (struct list_patterns){0};
}

const struct list_pattern *list_patterns_find(const struct list_patterns *l, enum list_kind kind,
					      const char *text, struct list_matcher *m)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < l->count; i++) {
		const struct list_pattern *p = &l->list[i];
		int rc;

		if (p->kind != kind)
			continue;
		rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, 0, 0, m->data, m->context);
		if (rc >= 0)
			return p;
		m->given_up += rc != PCRE2_ERROR_NOMATCH;
	}
	return NULL;
}
