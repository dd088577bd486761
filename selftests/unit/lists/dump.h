/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reader makes of a text, as text. */
#ifndef UNIT_LISTS_DUMP_H
#define UNIT_LISTS_DUMP_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lists/reader.h"

struct dump {
	char text[8192], errors[4096];
	size_t len;
	struct list_report report;
};

static int dump_entry(const struct list_entry *e, void *arg, const char **ret_why)
{
	static const char *const kinds[LIST_KIND_MAX] = {
		[LIST_PREFIX] = "",         [LIST_NAME] = "name ",
		[LIST_BELOW] = "below ",    [LIST_DOMAIN] = "domain ",
		[LIST_PATTERN] = "~ ",      [LIST_TO_USER] = "user ",
		[LIST_TO] = "to ",          [LIST_TO_DOMAIN] = "todomain ",
		[LIST_TO_PATTERN] = "to~ ",
	};
	static const char *const says[] = {"", "+", "-", "?"};
	struct dump *d = arg;
	char text[PREFIX_TEXT];

	(void)ret_why;
	d->len += (size_t)snprintf(d->text + d->len, sizeof(d->text) - d->len, "%u:%s%s%s%s%s%s\n",
				   e->line, says[e->says], kinds[e->kind],
				   e->kind == LIST_PREFIX ? prefix_text(&e->prefix, text) : e->text,
				   e->message ? " \"" : "", e->message ? e->message : "",
				   e->message ? "\"" : "");
	if (d->len >= sizeof(d->text))
		return -ENOSPC;
	return 0;
}

static inline int dump(struct dump *d, enum list_format format, const char *text, size_t len)
{
	memset(d, 0, sizeof(*d));
	d->report.errors = d->errors;
	d->report.size = sizeof(d->errors);
	return list_read("f", text, len, format, dump_entry, d, &d->report);
}

struct dump_row {
	enum list_format format;
	const char *text;
	const char *entries; /* "LINE:ENTRY\n" each */
	const char *error;   /* beginning of the first complaint; NULL: none */
};

/* Reads each row: the entries, the complaint, and what is left of a file whose lines are all bad.
 */
static inline void dump_check(const struct dump_row *rows, size_t n)
{
	static struct dump d;

	for (size_t i = 0; i < n; i++) {
		const struct dump_row *row = &rows[i];
		int rc = dump(&d, row->format, row->text, strlen(row->text));

		if (strcmp(d.text, row->entries) != 0)
			fail_msg("%s: \"%s\" is\n%sand not\n%s%s", list_format_text(row->format),
				 row->text, d.text, row->entries, d.errors);
		if (!row->error != !d.errors[0] ||
		    (row->error && strncmp(d.errors, row->error, strlen(row->error)) != 0))
			fail_msg("%s: \"%s\": complaint \"%s\" and not \"%s\"",
				 list_format_text(row->format), row->text, d.errors,
				 row->error ? row->error : "");
		if (!row->error && (rc || d.report.bad))
			fail_msg("%s: \"%s\": %d", list_format_text(row->format), row->text, rc);
		if (row->error && !row->entries[0])
			assert_int_equal(rc, -EINVAL);
		if (rc)
			assert_int_equal(rc, -EINVAL);
	}
}

#define DUMP_CHECK(rows) dump_check(rows, sizeof(rows) / sizeof((rows)[0]))

#endif
