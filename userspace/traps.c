// SPDX-License-Identifier: GPL-2.0-or-later
#include "traps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bits in the `attempts` of a trap's record: who made it. */
#define OF_CONFIG 1
#define OF_OPERATOR 2

#define RETIRED_FOR 60 /* s; a lookup takes microseconds */

struct pattern {
	uint16_t of;
	char text[POLICY_MAILBOX]; /* canonical */
};

/* Never changed: each change makes a new one. */
struct trap_patterns {
	struct trap_patterns *older; /* its predecessors, until nobody can be reading them */
	uint32_t retired;            /* s */
	size_t count;
	struct pattern list[];
};

/* ---- single records ---- */

struct trap_edit {
	uint16_t set, clear;
	uint32_t generation; /* of the settings; those of an older one only are cleared */
	bool was, left;
};

static bool edit_trap(struct cell *cell, bool found, void *arg)
{
	struct trap_edit *e = arg;
	struct record r = record_of(cell);

	e->was = found && (r.attempts & (e->set | e->clear));
	r.state = RECORD_TRAP;
	if (!e->clear || r.first != e->generation)
		r.attempts = (uint16_t)((r.attempts | e->set) & ~e->clear);
	if (e->set & OF_CONFIG)
		r.first = e->generation;
	e->left = r.attempts;
	*cell = record_cell(&r);
	return true;
}

static void change(struct daemon *d, uint64_t tag, struct trap_edit *e)
{
	table_edit(d->records, tag, edit_trap, e, NULL);
	if (!e->left)
		table_del(d->records, tag, NULL);
}

static bool has(const struct daemon *d, uint64_t tag)
{
	struct cell cell;

	return table_get(d->records, tag, &cell);
}

/* ---- patterns ---- */

static size_t count_of(const struct trap_patterns *p)
{
	return p ? p->count : 0;
}

static void free_older(struct trap_patterns *p, uint32_t now)
{
	struct trap_patterns **link = &p->older;

	while (*link) {
		struct trap_patterns *old = *link;

		if (now - old->retired <= RETIRED_FOR) {
			link = &old->older;
			continue;
		}
		*link = old->older;
		free(old);
	}
}

/* Under trap_lock: what stands, in room for `more` besides. */
static struct trap_patterns *patterns_copy(const struct daemon *d, size_t more)
{
	struct trap_patterns *now = atomic_load(&d->patterns), *to;
	size_t count = count_of(now);

	to = calloc(1, sizeof(*to) + (count + more) * sizeof(to->list[0]));
	if (to && count)
		memcpy(to->list, now->list, count * sizeof(to->list[0]));
	if (to)
		to->count = count;
	return to;
}

static void patterns_replace(struct daemon *d, struct trap_patterns *to)
{
	struct trap_patterns *old = atomic_load(&d->patterns);

	to->older = old;
	atomic_store(&d->patterns, to);
	if (old)
		old->retired = daemon_now();
	free_older(to, daemon_now());
}

static struct pattern *pattern_find(struct trap_patterns *p, const char *canonical)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->list[i].text, canonical))
			return &p->list[i];
	return NULL;
}

static void pattern_set(struct trap_patterns *p, const char *text, uint16_t of)
{
	char canonical[POLICY_MAILBOX];
	struct pattern *at;

	policy_canonical(text, canonical, sizeof(canonical));
	at = pattern_find(p, canonical);
	if (!at) {
		at = &p->list[p->count++];
		memcpy(at->text, canonical, sizeof(canonical));
	}
	at->of |= of;
}

/* Those whom nobody wants any more go. */
static void patterns_clear(struct trap_patterns *p, uint16_t of)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++) {
		p->list[i].of &= (uint16_t)~of;
		if (p->list[i].of)
			p->list[n++] = p->list[i];
	}
	p->count = n;
}

static int pattern_change(struct daemon *d, const char *text, bool add)
{
	char canonical[POLICY_MAILBOX];
	struct trap_patterns *to;
	struct pattern *at;
	int rc = 0;

	policy_canonical(text, canonical, sizeof(canonical));
	pthread_mutex_lock(&d->trap_lock);
	to = patterns_copy(d, 1);
	at = to ? pattern_find(to, canonical) : NULL;
	if (!to)
		rc = -ENOMEM;
	else if (add)
		rc = at && at->of & OF_OPERATOR            ? -EEXIST
		     : !at && to->count >= POLICY_PATTERNS ? -ENOSPC
							   : 0;
	else
		rc = at && at->of & OF_OPERATOR ? 0 : -ENOENT;
	if (!rc && add)
		pattern_set(to, text, OF_OPERATOR);
	if (!rc && !add) {
		at->of &= (uint16_t)~OF_OPERATOR;
		patterns_clear(to, 0);
	}
	if (rc)
		free(to);
	else
		patterns_replace(d, to);
	pthread_mutex_unlock(&d->trap_lock);
	return rc;
}

/* ---- lookups ---- */

/* before: what stands in front of a domain in the list that tag is for. */
static bool domain_held(const struct daemon *d, const struct policy_conf *c, const char *mailbox,
			const char *before,
			uint64_t (*tag)(const struct policy_conf *, const char *))
{
	char form[POLICY_MAILBOX], text[POLICY_MAILBOX + 1];

	for (int n = 0; policy_domain_form(mailbox, n, form); n++) {
		snprintf(text, sizeof(text), "%s%s", before, form);
		if (has(d, tag(c, text)))
			return true;
	}
	return false;
}

bool traps_hold(const struct daemon *d, const struct policy_conf *c, const char *mailbox)
{
	const struct trap_patterns *p = atomic_load_explicit(&d->patterns, memory_order_acquire);
	char canonical[POLICY_MAILBOX];
	const char *at = strrchr(mailbox, '@');

	if (has(d, policy_trap_tag(c, mailbox)))
		return true;
	if (!at || at == mailbox || policy_recipient_exempt(mailbox))
		return false;
	if (domain_held(d, c, mailbox, "@", policy_trap_tag))
		return true;
	if (!count_of(p))
		return false;
	policy_canonical(mailbox, canonical, sizeof(canonical));
	for (size_t i = 0; i < p->count; i++)
		if (policy_pattern_match(p->list[i].text, canonical))
			return true;
	return false;
}

bool traps_hosted(const struct daemon *d, const struct policy_conf *c, const char *mailbox)
{
	char canonical[POLICY_MAILBOX];
	const char *at;

	if (!atomic_load_explicit(&d->hosted, memory_order_acquire))
		return true;
	policy_canonical(mailbox, canonical, sizeof(canonical));
	at = strrchr(canonical, '@');
	return !at || at[1] == '[' || domain_held(d, c, canonical, "", policy_hosted_tag);
}

/* ---- settings ---- */

static void apply_patterns(struct daemon *d, const struct config *to)
{
	struct trap_patterns *p;

	pthread_mutex_lock(&d->trap_lock);
	p = patterns_copy(d, (size_t)to->trap.address_count);
	if (p) {
		patterns_clear(p, OF_CONFIG);
		for (int i = 0; i < to->trap.address_count; i++)
			if (policy_pattern(to->trap.addresses[i]))
				pattern_set(p, to->trap.addresses[i], OF_CONFIG);
		patterns_replace(d, p);
	} else {
		log_message(LOG_ERROR, "trap.addresses: out of memory; its patterns are as before");
	}
	pthread_mutex_unlock(&d->trap_lock);
}

/* A list of names as records: first those that are to be there, then those that no longer are, so
 * that what stays is there all the time. */
static void apply_names(struct daemon *d, const struct policy_conf *c, char **from, int from_count,
			char **to, int to_count,
			uint64_t (*tag)(const struct policy_conf *, const char *))
{
	for (int i = 0; i < to_count; i++) {
		struct trap_edit e = {.set = OF_CONFIG, .generation = d->trap_generation};

		if (!policy_pattern(to[i]))
			change(d, tag(c, to[i]), &e);
	}
	for (int i = 0; i < from_count; i++) {
		struct trap_edit e = {.clear = OF_CONFIG, .generation = d->trap_generation};

		if (!policy_pattern(from[i]))
			change(d, tag(c, from[i]), &e);
	}
}

void traps_apply(struct daemon *d, const struct config *from, const struct config *to)
{
	static const struct config nothing;
	const struct policy_conf c = daemon_policy(d, to);

	from = from ? from : &nothing;
	d->trap_generation++;
	if (!to->trap.hosted_count)
		atomic_store(&d->hosted, false);
	apply_names(d, &c, from->trap.addresses, from->trap.address_count, to->trap.addresses,
		    to->trap.address_count, policy_trap_tag);
	apply_names(d, &c, from->trap.hosted, from->trap.hosted_count, to->trap.hosted,
		    to->trap.hosted_count, policy_hosted_tag);
	apply_patterns(d, to);
	if (to->trap.hosted_count)
		atomic_store(&d->hosted, true);
}

/* ---- the operator's ---- */

static uint64_t tag_of(const struct policy_conf *c, const char *text)
{
	return policy_pattern(text) ? policy_pattern_tag(c, text) : policy_trap_tag(c, text);
}

static void store(struct daemon *d, const char *text, bool del)
{
	const struct policy_conf c = daemon_policy(d, atomic_load(&d->config));
	struct store_item *item;

	pthread_mutex_lock(&d->verdict_lock);
	item = daemon_store_slot(d);
	if (item) {
		item->kind = STORE_TRAP;
		item->del = del;
		item->rec.tag = tag_of(&c, text);
		item->rec.state = RECORD_TRAP;
		item->added = daemon_now();
		snprintf(item->text, sizeof(item->text), "%s", text);
		daemon_store_push(d, item, true);
	}
	pthread_mutex_unlock(&d->verdict_lock);
}

static int change_one(struct daemon *d, const char *text, bool add)
{
	const struct policy_conf c = daemon_policy(d, atomic_load(&d->config));
	struct trap_edit e = {.set = add ? OF_OPERATOR : 0,
			      .clear = add ? 0 : OF_OPERATOR,
			      .generation = UINT32_MAX};

	if (policy_pattern(text))
		return pattern_change(d, text, add);
	change(d, policy_trap_tag(&c, text), &e);
	if (add)
		return e.was ? -EEXIST : 0;
	return e.was ? 0 : -ENOENT;
}

int daemon_trap_add(struct daemon *d, const char *mailbox)
{
	int rc;

	if (!config_trap_ok(mailbox) || strlen(mailbox) >= STORE_TEXT)
		return -EINVAL;
	rc = change_one(d, mailbox, true);
	if (!rc)
		store(d, mailbox, false);
	return rc;
}

int daemon_trap_del(struct daemon *d, const char *mailbox)
{
	int rc = change_one(d, mailbox, false);

	if (!rc)
		store(d, mailbox, true);
	return rc;
}

void traps_load(struct daemon *d, const struct store_item *item)
{
	struct trap_edit e = {.set = OF_OPERATOR};

	if (policy_pattern(item->text))
		pattern_change(d, item->text, true);
	else
		table_edit(d->records, item->rec.tag, edit_trap, &e, NULL);
}

void traps_free(struct daemon *d)
{
	struct trap_patterns *p = atomic_exchange(&d->patterns, NULL), *older;

	for (; p; p = older) {
		older = p->older;
		free(p);
	}
}
