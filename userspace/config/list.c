// SPDX-License-Identifier: GPL-2.0-or-later
/* Sections list: what their keys demand of each other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"

int list_title(const char *text, char ret[SCHEMA_TITLE])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	/* Names of files begin so: these two have another meaning there. */
	if (!*text || strlen(text) > CONFIG_LIST_NAME || text[strspn(text, allowed)] ||
	    !strcmp(text, ".") || !strcmp(text, ".."))
		return -EINVAL;
	snprintf(ret, SCHEMA_TITLE, "%s", text);
	return 0;
}

bool config_list_name_ok(const char *text)
{
	char kept[SCHEMA_TITLE];

	return !list_title(text, kept);
}

enum gg_verdict config_list_verdict(const struct config_list *l)
{
	static const enum gg_verdict usual[] = {
		[LIST_LISTED] = GG_UNKNOWN, [LIST_ALLOW] = GG_ALLOW, [LIST_DENY] = GG_DENY};

	return l->verdict ? l->verdict : usual[list_usual(l->format)];
}

static const char *key_name(const struct config_list *l, const char *key, char buf[80])
{
	snprintf(buf, 80, "list \"%s\" %s", l->name, key);
	return buf;
}

struct check {
	const struct schema_list *section;
	const struct config_list *list;
	const int *lines; /* of its keys; 0: not set */
	int line;         /* the last one of them */
	struct complaints *to;
};

/* A key that was set although it has no effect. */
static void unasked(const struct check *c, const char *key, const char *why)
{
	char name[80];

	for (int i = 0; i < c->section->key_count; i++) {
		if (c->lines[i] && !strcmp(c->section->keys[i].name, key))
			complain(c->to, c->lines[i], key_name(c->list, key, name),
				 "has no effect: %s; take it away", why);
	}
}

static void check(const struct check *c)
{
	const struct config_list *l = c->list;
	enum gg_verdict verdict = config_list_verdict(l);
	bool own = list_has_verdicts(l->format);
	char name[80];

	if (!l->file)
		complain(c->to, c->line, key_name(l, "file", name),
			 "missing; for example file = \"/etc/greygate/%s\"", l->name);
	if (!own && !verdict)
		complain(c->to, c->line, key_name(l, "verdict", name),
			 "missing; a list of format %s may be for either: allow, deny or except",
			 list_format_text(l->format));
	if (own)
		unasked(c, "verdict", "each entry of this format says it");
	if (list_of_recipients(l->format) && verdict != GG_ALLOW)
		complain(c->to, c->line, key_name(l, "verdict", name),
			 "%s is not for recipients; allowed is allow",
			 verdict == GG_DENY ? "deny" : "except");
	if (list_usual(l->format) == LIST_DENY && verdict == GG_ALLOW)
		complain(c->to, c->line, key_name(l, "verdict", name),
			 "allow is not for a list of format %s, which names whom to deny; allowed "
			 "is deny or except",
			 list_format_text(l->format));
	if (own || (verdict != GG_ALLOW && verdict != CONFIG_EXCEPT))
		return;
	unasked(c, "action", verdict == GG_ALLOW ? "the list allows" : "the list excepts");
	unasked(c, "message", verdict == GG_ALLOW ? "the list allows" : "the list excepts");
}

void lists_check(const struct config *c, const struct schema_lines elements[SCHEMA_LISTS],
		 struct complaints *to)
{
	static const int none[SCHEMA_ELEMENT_KEYS];
	const struct schema_list *section = schema_list_find("list");
	const struct schema_lines *lines = &elements[section - schema_lists];

	for (int i = 0; i < c->list_count; i++) {
		struct check one = {.section = section,
				    .list = &c->lists[i],
				    .lines = i < lines->room ? lines->of[i] : none,
				    .to = to};

		for (int k = 0; k < section->key_count; k++)
			if (one.lines[k] > one.line)
				one.line = one.lines[k];
		check(&one);
	}
}
