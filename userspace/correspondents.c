// SPDX-License-Identifier: GPL-2.0-or-later
#include "correspondents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "smtp/smtp.h"
#include "traps.h"

#define SWEEP_BUCKETS 64

/* Lies in cell.data. */
struct domain {
	uint64_t tag;
	uint32_t added, expires, life; /* s */
	uint32_t zero[3];
};
_Static_assert(sizeof(struct domain) == sizeof(struct cell), "a domain is a cell");

static struct domain domain_of(const struct cell *c)
{
	struct domain r;

	memcpy(&r, c, sizeof(r));
	return r;
}

static bool edit_put(struct cell *cell, bool found, void *domain)
{
	(void)found;
	memcpy(cell, domain, sizeof(*cell));
	return true;
}

/* ---- names ---- */

int correspondent_parse(const char *text, struct correspondent *ret)
{
	const char *at = strrchr(text, '@'), *organisation;
	struct correspondent c = {.host = false};
	struct addr a;

	if (!addr_parse(text, &a)) {
		c.host = true;
		c.prefix = addr_host(&a);
		addr_text(&a, c.name);
		*ret = c;
		return 0;
	}
	if (at && !config_trap_ok(text))
		return -EINVAL;
	if (at)
		text = at + 1;
	if (text[0] == '[' || !smtp_mail_domain_ok(text, strlen(text)))
		return -EINVAL;
	policy_canonical(text, c.name, sizeof(c.name));
	organisation = policy_organisation(c.name);
	if (!organisation)
		return -EDOM;
	memmove(c.name, organisation, strlen(organisation) + 1);
	*ret = c;
	return 0;
}

static uint64_t tag_of(const struct daemon *d, const char *name)
{
	const struct policy_conf p = daemon_policy(d, atomic_load(&d->config));

	return policy_correspondent_tag(&p, name);
}

/* ---- domains ---- */

static void store(struct daemon *d, const struct domain *domain, const char *name)
{
	struct store_item *item;

	pthread_mutex_lock(&d->verdict_lock);
	item = daemon_store_slot(d);
	if (item) {
		item->kind = STORE_CORRESPONDENT;
		item->del = !domain->expires;
		item->rec.tag = domain->tag;
		item->added = domain->added;
		item->entry.expires = domain->expires;
		snprintf(item->text, sizeof(item->text), "%s", name);
		daemon_store_push(d, item, true);
	}
	pthread_mutex_unlock(&d->verdict_lock);
}

static int put_domain(struct daemon *d, struct correspondent *c)
{
	struct domain domain = {.tag = tag_of(d, c->name), .added = c->added, .life = c->life};
	struct cell cell;
	int rc;

	if (table_get(d->correspondents, domain.tag, &cell))
		domain.added = domain_of(&cell).added;
	domain.expires = c->expires;
	rc = table_edit(d->correspondents, domain.tag, edit_put, &domain, NULL);
	if (rc < 0)
		return rc;
	c->added = domain.added;
	store(d, &domain, c->name);
	return 0;
}

uint32_t correspondent_until(const struct daemon *d, const char *name)
{
	struct domain domain;
	struct cell cell;

	if (!table_get(d->correspondents, tag_of(d, name), &cell))
		return 0;
	domain = domain_of(&cell);
	return domain.expires > daemon_now() ? domain.expires : 0;
}

/* ---- hosts ---- */

static bool is_own(const struct config *c, const struct addr *a)
{
	int count;
	const struct endpoint *own = config_targets(c, &count);

	for (int i = 0; i < count; i++)
		if (addr_eq(&own[i].addr, a))
			return true;
	for (int i = 0; i < c->protect_count; i++)
		if (addr_eq(&c->protect[i].addr, a))
			return true;
	for (int i = 0; i < c->listen_count; i++)
		if (addr_eq(&c->listen[i].addr, a))
			return true;
	return addr_is_any(a);
}

static int put_host(struct daemon *d, struct correspondent *c)
{
	const struct verdict_entry put = {
		.verdict = GG_ALLOW, .origin = GG_BY_CORRESPONDENT, .expires = c->expires};
	struct verdict_entry e;
	struct prefix p;
	bool known;

	if (verdicts_find(d->verdicts, &c->prefix.addr, c->added, &e, &p)) {
		known = p.len == c->prefix.len;
		if (e.verdict == GG_DENY || (known && e.origin != GG_BY_CORRESPONDENT))
			return -EEXIST;
		if (known && !daemon_slide(e.expires, c->added, c->life))
			return 0;
		return daemon_verdict_put(d, &c->prefix, &put,
					  known ? NULL : "our users wrote to it");
	}
	return daemon_verdict_put(d, &c->prefix, &put, "our users wrote to it");
}

/* ---- both ---- */

static bool hosted_here(const struct daemon *d, const char *domain)
{
	const struct policy_conf p = daemon_policy(d, atomic_load(&d->config));
	char mailbox[POLICY_MAILBOX + 2];

	if (!strcasecmp(domain, atomic_load(&d->config)->hostname))
		return true;
	snprintf(mailbox, sizeof(mailbox), "@%s", domain);
	return atomic_load(&d->hosted) && traps_hosted(d, &p, mailbox);
}

int correspondent_add(struct daemon *d, struct correspondent *c, uint32_t life)
{
	int rc;

	c->added = daemon_now();
	c->life = life;
	c->expires = c->added > UINT32_MAX - life ? UINT32_MAX : c->added + life;
	if (c->host ? is_own(atomic_load(&d->config), &c->prefix.addr) : hosted_here(d, c->name))
		return -EADDRINUSE;
	rc = c->host ? put_host(d, c) : put_domain(d, c);
	if (!rc)
		daemon_counted(d, COUNT_correspondents);
	return rc;
}

int correspondent_del(struct daemon *d, const struct correspondent *c)
{
	struct domain gone = {.tag = tag_of(d, c->name)};
	struct verdict_entry e;

	if (c->host) {
		if (!verdicts_get(d->verdicts, &c->prefix, daemon_now(), &e) ||
		    e.origin != GG_BY_CORRESPONDENT)
			return -ENOENT;
		return daemon_verdict_del(d, &c->prefix);
	}
	if (!table_del(d->correspondents, gone.tag, NULL))
		return -ENOENT;
	store(d, &gone, c->name);
	return 0;
}

/* ---- use ---- */

bool correspondent_writes(struct daemon *d, const struct policy_conf *policy,
			  const struct policy_evidence *e, const struct addr *src, uint32_t now)
{
	const char *names[POLICY_PROVEN];
	int count = table_count(d->correspondents) ? policy_proven(e, src, names) : 0;

	for (int i = 0; i < count; i++) {
		uint64_t tag = policy_correspondent_tag(policy, names[i]);
		struct domain domain;
		struct cell cell;
		uint32_t to;

		if (!table_get(d->correspondents, tag, &cell))
			continue;
		domain = domain_of(&cell);
		if (domain.expires <= now)
			continue;
		to = daemon_slide(domain.expires, now, domain.life);
		if (to) {
			domain.expires = to;
			table_edit(d->correspondents, tag, edit_put, &domain, NULL);
			store(d, &domain, names[i]);
		}
		return true;
	}
	return false;
}

void correspondent_load(struct daemon *d, const struct store_item *item)
{
	struct domain domain = {
		.tag = item->rec.tag,
		.added = item->added,
		.expires = item->entry.expires,
		.life = (uint32_t)(atomic_load(&d->config)->correspondent.life / 1000)};

	table_edit(d->correspondents, domain.tag, edit_put, &domain, NULL);
}

static bool is_over(const struct cell *cell, void *arg)
{
	return domain_of(cell).expires <= *(const uint32_t *)arg;
}

void correspondents_sweep(struct daemon *d)
{
	static size_t cursor; /* main thread only */
	uint32_t now = daemon_now();

	table_sweep(d->correspondents, &cursor, SWEEP_BUCKETS, is_over, &now);
}
