// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who walks into a trap in a log: greytrap addresses and patterns, relay probes. What it takes a
 * mail server to say, a harvest, and which door a client came by, a log of attempts does not tell.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/table.h"
#include "../policy/conduct.h"
#include "internal.h"

#define SOURCES (1u << 17)

struct greytraps {
	struct policy_conf policy; /* for its key */
	uint32_t memory;           /* s */
	bool hosted;               /* some domains are said to be */
	struct table *names;       /* traps and hosted domains, by tag */
	struct table *conducts;
	int pattern_count;
	char (*patterns)[POLICY_MAILBOX];
};

static bool edit_name(struct cell *cell, bool found, void *arg)
{
	(void)cell;
	(void)arg;
	return !found;
}

static int add(struct greytraps *t, const struct replay_conf *c)
{
	char domain[POLICY_MAILBOX];
	int rc = 0;

	for (int i = 0; i < c->trap_count && rc >= 0; i++) {
		if (policy_pattern(c->traps[i]))
			policy_canonical(c->traps[i], t->patterns[t->pattern_count++],
					 POLICY_MAILBOX);
		else
			rc = table_edit(t->names, policy_trap_tag(&t->policy, c->traps[i]),
					edit_name, NULL, NULL);
	}
	for (int i = 0; i < c->hosted_count && rc >= 0; i++) {
		policy_canonical(c->hosted[i], domain, sizeof(domain));
		rc = table_edit(t->names, policy_hosted_tag(&t->policy, domain), edit_name, NULL,
				NULL);
	}
	return rc < 0 ? rc : 0;
}

int greytraps_new(const struct replay_conf *c, struct greytraps **ret)
{
	struct greytraps *t = calloc(1, sizeof(*t));
	size_t names = 64 + 2 * ((size_t)c->trap_count + (size_t)c->hosted_count);
	int err = t ? table_new(names, NULL, NULL, &t->names) : -ENOMEM;

	if (!err) {
		t->policy = c->policy;
		t->memory = c->trap_max;
		t->hosted = c->hosted_count > 0;
		t->patterns = calloc((size_t)c->trap_count + 1, sizeof(*t->patterns));
		err = t->patterns ? table_new(SOURCES, conduct_rank, NULL, &t->conducts) : -ENOMEM;
	}
	if (!err)
		err = add(t, c);
	if (err)
		greytraps_free(&t);
	*ret = t;
	return err;
}

void greytraps_free(struct greytraps **tp)
{
	struct greytraps *t = *tp;

	if (!t)
		return;
	table_free(&t->names);
	table_free(&t->conducts);
	free(t->patterns);
	free(t);
	*tp = NULL;
}

static bool named(const struct greytraps *t, uint64_t tag)
{
	struct cell cell;

	return table_get(t->names, tag, &cell);
}

static bool is_trap(const struct greytraps *t, const char *canonical)
{
	char form[POLICY_MAILBOX], text[POLICY_MAILBOX + 1];

	if (named(t, policy_trap_tag(&t->policy, canonical)))
		return true;
	if (policy_recipient_exempt(canonical))
		return false;
	for (int n = 0; policy_domain_form(canonical, n, form); n++) {
		snprintf(text, sizeof(text), "@%s", form);
		if (named(t, policy_trap_tag(&t->policy, text)))
			return true;
	}
	for (int i = 0; i < t->pattern_count; i++)
		if (policy_pattern_match(t->patterns[i], canonical))
			return true;
	return false;
}

static bool is_hosted(const struct greytraps *t, const char *canonical)
{
	const char *at = strrchr(canonical, '@');
	char form[POLICY_MAILBOX];

	if (!t->hosted || !at || at[1] == '[' || policy_recipient_exempt(canonical))
		return true;
	for (int n = 0; policy_domain_form(canonical, n, form); n++)
		if (named(t, policy_hosted_tag(&t->policy, form)))
			return true;
	return false;
}

const char *greytraps_reason(const struct greytraps *t, const char *recipient)
{
	char canonical[POLICY_MAILBOX];

	if (!t->hosted && !t->pattern_count && !table_count(t->names))
		return NULL;
	policy_canonical(recipient, canonical, sizeof(canonical));
	if (is_trap(t, canonical))
		return "trap";
	return is_hosted(t, canonical) ? NULL : "relay";
}

uint8_t greytraps_before(const struct greytraps *t, const struct addr *src, uint32_t now)
{
	struct conduct c;
	struct cell cell;

	if (!table_get(t->conducts, policy_conduct_tag(&t->policy, src), &cell))
		return 0;
	c = conduct_of(&cell);
	return now > c.until && now - c.until > t->memory ? 0 : c.traps;
}

void greytraps_hit(struct greytraps *t, const struct addr *src, uint32_t now, uint32_t until)
{
	struct conduct_edit e = {.event = CONDUCT_TRAPPED,
				 .src = *src,
				 .now = now,
				 .until = until,
				 .memory = t->memory};

	table_edit(t->conducts, policy_conduct_tag(&t->policy, src), conduct_edit, &e, NULL);
}
