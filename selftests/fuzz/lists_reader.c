// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists: the first byte is the format, the rest a file. What is handed on is whole and in bounds,
 * what is left out is counted, and the prefixes answer as going through all of them does.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lists/prefixes.h"

#define ENTRIES 3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct list_prefixes sorted;
	struct prefix prefixes[ENTRIES];
	enum list_says says[ENTRIES];
	uint32_t prefix_count, entries, line;
} got;

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static int take(const struct list_entry *e, void *arg, const char **ret_why)
{
	uint32_t n = got.prefix_count;
	struct prefix cut;

	(void)arg;
	(void)ret_why;
	demand(e->line >= got.line && e->line > 0);
	got.line = e->line;
	got.entries++;
	if (e->message)
		demand(*e->message && strpbrk(e->message, "\r\n") == NULL);
	if (e->kind != LIST_PREFIX) {
		demand(*e->text && strlen(e->text) < 4096);
		return 0;
	}
	demand(e->prefix.len <= 128);
	cut = addr_mask(&e->prefix.addr, e->prefix.len);
	demand(addr_eq(&cut.addr, &e->prefix.addr));
	if (n == ENTRIES)
		return -ENOSPC;
	got.prefixes[n] = e->prefix;
	got.says[n] = e->says;
	got.prefix_count++;
	return list_prefixes_add(&got.sorted, &e->prefix, e->says, e->line, n);
}

static void ask(const struct addr *a, bool in_order)
{
	const struct list_prefix *p = list_prefixes_find(&got.sorted, a);
	uint32_t want = ENTRIES;

	for (uint32_t i = 0; i < got.prefix_count; i++)
		if (prefix_holds(&got.prefixes[i], a) &&
		    (want == ENTRIES ||
		     (!in_order && got.prefixes[i].len > got.prefixes[want].len)))
			want = i;
	demand(want == ENTRIES ? !p : p && p->message == want && p->says == got.says[want]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char errors[2 * LIST_ERROR];
	struct list_report report = {.errors = errors, .size = sizeof(errors)};
	enum list_format format;
	bool in_order;
	int rc;

	if (!size)
		return 0;
	format = (enum list_format)(data[0] % LIST_FORMAT_MAX);
	in_order = list_in_order(format);
	memset(&got, 0, sizeof(got));
	rc = list_read("f", (const char *)data + 1, size - 1, format, take, NULL, &report);
	demand(rc == 0 || rc == -EINVAL || rc == -ENOSPC);
	demand(strlen(errors) == report.len && !report.len == !(report.bad || rc == -EINVAL));
	demand(rc == -ENOSPC || report.entries == got.entries);
	if (!rc)
		demand(report.bad <= report.entries);
	demand(list_prefixes_make(&got.sorted, in_order) == 0);
	for (uint32_t i = 0; i < got.prefix_count && i < 50; i++)
		ask(&got.prefixes[i].addr, in_order);
	list_prefixes_free(&got.sorted);
	return 0;
}
