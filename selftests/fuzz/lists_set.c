// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists made ready to be asked: the first byte is the format, then comes a file and, behind an
 * empty line, a name a line. A list answers for each as going through all of its entries does; a
 * pattern ends, whatever it is asked.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lists/set.h"

#define ENTRIES 500
#define TEXT 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct {
		enum list_kind kind;
		uint32_t line;
		char text[TEXT];
	} entries[ENTRIES];
	size_t count;
} got;

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static int take(const struct list_entry *e, void *arg, const char **ret_why)
{
	(void)arg;
	(void)ret_why;
	if (e->kind == LIST_PREFIX || e->kind == LIST_PATTERN || e->kind == LIST_TO_PATTERN)
		return 0;
	if (got.count == ENTRIES || strlen(e->text) >= TEXT)
		return -ENOSPC;
	got.entries[got.count].kind = e->kind;
	got.entries[got.count].line = e->line;
	memcpy(got.entries[got.count++].text, e->text, strlen(e->text) + 1);
	return 0;
}

static bool is_below(const char *name, const char *domain)
{
	size_t len = strlen(name), tail = strlen(domain);

	return len > tail && name[len - tail - 1] == '.' && !strcmp(name + len - tail, domain);
}

/* The line of the narrowest entry that names the client; 0: none does. */
static uint32_t line_of(const char *name)
{
	uint32_t line = 0;
	size_t width = 0;

	for (size_t i = 0; i < got.count; i++) {
		enum list_kind kind = got.entries[i].kind;
		const char *text = got.entries[i].text;
		bool self = (kind == LIST_NAME || kind == LIST_DOMAIN) && !strcmp(text, name);
		bool below = (kind == LIST_BELOW || kind == LIST_DOMAIN) && is_below(name, text);
		size_t w = self ? SIZE_MAX : below ? strlen(text) : 0;

		if (w > width) {
			width = w;
			line = got.entries[i].line;
		}
	}
	return line;
}

static void ask(const struct list_set *s, const char *name, struct list_matcher *m)
{
	struct list_hit hit;
	uint32_t line = line_of(name);
	bool found = list_set_client(s, name, m, &hit);

	demand(!line || found);
	if (found)
		demand(line ? hit.line == line && hit.width : !hit.width);
	list_set_recipient(s, name, m, &hit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[HASH_KEY] = {1};
	struct list_report report = {0};
	struct list_matcher *m;
	enum list_format format;
	const char *text = (const char *)data + 1, *names, *end = (const char *)data + size;
	struct list_set *s;
	char name[256];

	if (!size)
		return 0;
	format = (enum list_format)(data[0] % LIST_FORMAT_MAX);
	names = memmem(text, size - 1, "\n\n", 2);
	if (!names)
		names = end;
	got.count = 0;
	if (list_read("f", text, (size_t)(names - text), format, take, NULL, &report) ||
	    list_set_read("f", text, (size_t)(names - text), format, key, &report, &s))
		return 0;
	m = list_matcher_new();
	demand(m);
	while (names < end) {
		const char *stop = memchr(names, '\n', (size_t)(end - names));
		size_t len = (size_t)((stop ? stop : end) - names);

		if (len < sizeof(name) && !memchr(names, 0, len)) {
			memcpy(name, names, len);
			name[len] = 0;
			ask(s, name, m);
		}
		names += len + 1;
	}
	list_matcher_free(&m);
	list_set_free(&s);
	return 0;
}
