// SPDX-License-Identifier: GPL-2.0-or-later
/* Levels of settings: what holds for mail to a domain or a mailbox. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/hash.h"
#include "../smtp/smtp.h"
#include "schema.h"

/* ---- titles ---- */

/* Of a name in canonical form: labels of letters, digits, hyphens, underscores, and of whatever in
 * UTF-8 has no xn-- form. */
static bool domain_ok(const char *name)
{
	size_t label = 0, len = 0;

	for (; name[len]; len++) {
		const unsigned char b = (unsigned char)name[len];
		bool inner = b >= 0x80 || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') ||
			     b == '-' || b == '_';

		if (b == '.' ? !label : !inner)
			return false;
		label = b == '.' ? 0 : label + 1;
	}
	return label && len <= SMTP_DOMAIN;
}

int level_domain(const char *text, char ret[SCHEMA_TITLE])
{
	size_t len = strlen(text);

	if (len >= SCHEMA_TITLE)
		return -EINVAL;
	policy_canonical(text, ret, SCHEMA_TITLE);
	if (domain_ok(ret + (ret[0] == '.')) || (text[0] == '[' && smtp_domain_ok(text, len)))
		return 0;
	return -EINVAL;
}

int level_mailbox(const char *text, char ret[SCHEMA_TITLE])
{
	const char *at = strrchr(text, '@');
	char domain[SCHEMA_TITLE];

	if (!at || at == text || at - text > SMTP_LOCAL || at[1] == '.' ||
	    level_domain(at + 1, domain))
		return -EINVAL;
	for (const char *p = text; p < at; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f || (*p == ' ' && *text != '"'))
			return -EINVAL;
	policy_canonical(text, ret, SCHEMA_TITLE);
	return 0;
}

/* ---- the index ---- */

/* Nobody outside can add a title, so the hash needs no secret. */
static uint32_t slot_of(const struct config *c, const char *title)
{
	static const uint8_t key[HASH_KEY];

	return (uint32_t)hash_bytes(key, title, strlen(title)) & c->level_mask;
}

static struct config_level *find(const struct config *c, const char *title)
{
	struct config_level *l;

	if (!c->levels)
		return NULL;
	for (uint32_t i = slot_of(c, title); (l = c->levels[i]); i = (i + 1) & c->level_mask)
		if (!strcmp(l->title, title))
			return l;
	return NULL;
}

static void enter(struct config *c, struct config_level *l, int count)
{
	for (int n = 0; n < count; n++) {
		uint32_t i = slot_of(c, l[n].title);

		while (c->levels[i])
			i = (i + 1) & c->level_mask;
		c->levels[i] = &l[n];
	}
}

static int make_index(struct config *c)
{
	size_t count = (size_t)c->domain_count + (size_t)c->mailbox_count, size = 4;

	if (!count)
		return 0;
	while (size < 2 * count)
		size *= 2;
	c->levels = calloc(size, sizeof(*c->levels));
	if (!c->levels)
		return -ENOMEM;
	c->level_mask = (uint32_t)size - 1;
	enter(c, c->domains, c->domain_count);
	enter(c, c->mailboxes, c->mailbox_count);
	return 0;
}

/* The narrowest level that covers what the title stands for and is not its own, or NULL. */
static struct config_level *wider(const struct config *c, const char *title)
{
	const char *at = strrchr(title, '@'), *name = at ? at + 1 : title;
	struct config_level *l = at ? find(c, name) : NULL;

	while (!l && *name && (name = strchr(name + 1, '.')))
		l = find(c, name);
	return l;
}

const struct config_level *config_level(const struct config *c, const char *recipient)
{
	const struct config_level *l;
	char title[POLICY_MAILBOX];

	if (!c->levels)
		return &c->everyone;
	policy_canonical(recipient, title, sizeof(title));
	l = find(c, title);
	if (!l)
		l = wider(c, title);
	return l ? l : &c->everyone;
}

/* ---- what they take from each other ---- */

static struct policy_conf policy_of(const struct config_greylist *g)
{
	return (struct policy_conf){
		.mode = g->mode,
		.match = g->match,
		.delay = {[CLASS_CLEAN] = (uint32_t)(g->delay_clean / 1000),
			  [CLASS_DEFAULT] = (uint32_t)(g->delay / 1000),
			  [CLASS_SUSPICIOUS] = (uint32_t)(g->delay_suspicious / 1000)},
		.jitter = g->jitter,
		.window = (uint32_t)(g->window / 1000),
		.keep = (uint32_t)(g->keep / 1000),
		.promote_after = g->promote_after,
		.promote_net_after = g->promote_net_after,
		.hammer = g->hammer,
	};
}

struct policy_conf config_policy(const struct config *c)
{
	return policy_of(&c->greylist);
}

static const struct schema_list *list_of(const struct config_level *l)
{
	return schema_list_find(config_level_kind(l));
}

/* Its wider ones first, which are at most as many as its name has labels. */
static void complete(struct config *c, struct config_level *l,
		     const struct schema_lines lines[SCHEMA_LISTS])
{
	const struct schema_list *list = list_of(l);
	const struct schema_lines *own = &lines[list - schema_lists];
	int n = (int)(l - (struct config_level *)schema_element_at(list, c, 0));
	struct config_level *from = wider(c, l->title);

	if (l->whole)
		return;
	if (from)
		complete(c, from, lines);
	else
		from = &c->everyone;
	for (int i = 0; i < list->key_count; i++) {
		bool set = n < own->room && own->of[n][i];

		if (!set)
			kind_copy(&list->keys[i], l, from);
		l->from[i] = set ? l : from->from[i];
	}
	l->policy = policy_of(&l->greylist);
	l->whole = true;
}

int levels_finish(struct config *c, const struct schema_lines lines[SCHEMA_LISTS])
{
	int rc = make_index(c);

	if (rc)
		return rc;
	c->everyone.greylist = c->greylist;
	c->everyone.policy = policy_of(&c->greylist);
	for (int i = 0; i < CONFIG_LEVEL_KEYS; i++)
		c->everyone.from[i] = &c->everyone;
	for (int i = 0; i < c->domain_count; i++)
		complete(c, &c->domains[i], lines);
	for (int i = 0; i < c->mailbox_count; i++)
		complete(c, &c->mailboxes[i], lines);
	return 0;
}

void levels_free(struct config *c)
{
	free(c->levels);
	c->levels = NULL;
}

/* ---- asked of them ---- */

static uint32_t longest(const struct config *c, size_t offset)
{
	const struct config_level *const lists[] = {c->domains, c->mailboxes};
	const int counts[] = {c->domain_count, c->mailbox_count};
	uint64_t most = 0, value;

	memcpy(&most, (const char *)&c->greylist + offset, sizeof(most));
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < counts[k]; i++) {
			memcpy(&value, (const char *)&lists[k][i].greylist + offset, sizeof(value));
			if (value > most)
				most = value;
		}
	}
	return (uint32_t)(most / 1000);
}

uint32_t config_window(const struct config *c)
{
	return longest(c, offsetof(struct config_greylist, window));
}

uint32_t config_keep(const struct config *c)
{
	return longest(c, offsetof(struct config_greylist, keep));
}

const char *config_level_kind(const struct config_level *l)
{
	return !l->title ? "greylist" : strchr(l->title, '@') ? "mailbox" : "domain";
}

const char *config_level_key(const struct config_level *l, int n, char ret_value[CONFIG_VALUE])
{
	/* The rows of a list count from a level, whichever it is. */
	const struct schema_list *list = schema_list_find("domain");

	if (n >= list->key_count)
		return NULL;
	kind_value(&list->keys[n], l, ret_value, CONFIG_VALUE);
	return list->keys[n].name;
}
