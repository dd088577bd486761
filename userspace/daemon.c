// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes that touch more than one room: promotion and demotion; a reload replaces the settings and
 * what was made from them.
 */
#include "correspondents.h"
#include "daemon.h"
#include "notices.h"
#include "policy/conduct.h"
#include "reasons.h"
#include "source.h"
#include "traps.h"
#include "verdict.h"
#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOAD_AHEAD 16

uint32_t daemon_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint32_t)t.tv_sec;
}

uint64_t daemon_count(const struct daemon *d, enum counter which)
{
	uint64_t sum = 0;

	for (int i = 0; i <= DAEMON_WORKERS; i++)
		if (d->counters[i])
			sum += atomic_load_explicit(&d->counters[i]->value[which],
						    memory_order_relaxed);
	return sum;
}

void daemon_counted(struct daemon *d, enum counter which)
{
	atomic_fetch_add_explicit(&d->own.value[which], 1, memory_order_relaxed);
}

struct policy_conf daemon_policy(const struct daemon *d, const struct config *c)
{
	struct policy_conf p = config_policy(c);

	memcpy(p.key, d->key, sizeof(p.key));
	return p;
}

struct policy_conf daemon_level(const struct daemon *d, const struct config_level *l)
{
	struct policy_conf p = l->policy;

	memcpy(p.key, d->key, sizeof(p.key));
	return p;
}

struct policy_conf daemon_lifetimes(const struct daemon *d, const struct config *c)
{
	struct policy_conf p = daemon_policy(d, c);

	p.window = config_window(c);
	p.keep = config_keep(c);
	return p;
}

/* ---- promotion and demotion ---- */

int daemon_promote(struct daemon *d, const struct prefix *p, uint32_t keep)
{
	const struct verdict_entry e = {
		.verdict = GG_ALLOW, .origin = GG_BY_LEARNING, .expires = daemon_now() + keep};

	if (verdicts_get(d->verdicts, p, daemon_now(), NULL))
		return -EEXIST;
	return daemon_verdict_put(d, p, &e, "promoted");
}

void daemon_record_gone(struct daemon *d, const struct record *r)
{
	struct store_item *item;

	pthread_mutex_lock(&d->verdict_lock);
	item = daemon_store_slot(d);
	if (item) {
		item->kind = STORE_RECORD;
		item->del = true;
		item->rec = item->was = *r;
		daemon_store_push(d, item, false);
	}
	pthread_mutex_unlock(&d->verdict_lock);
}

void daemon_record_drop(struct daemon *d, uint64_t tag)
{
	struct record r;
	struct cell cell;

	if (!table_del(d->records, tag, &cell))
		return;
	r = record_of(&cell);
	daemon_record_gone(d, &r);
}

static void unlearn(struct daemon *d, const struct prefix *p, const char *reason)
{
	struct verdict_entry e;

	if (verdicts_get(d->verdicts, p, 0, &e) && e.verdict == GG_ALLOW &&
	    verdict_earned(e.origin))
		verdict_del(d, p, reason);
}

void daemon_demote(struct daemon *d, const struct addr *src, const char *reason)
{
	const struct policy_conf p = daemon_policy(d, atomic_load(&d->config));
	const struct prefix host = addr_host(src), network = addr_network(src);

	unlearn(d, &host, reason);
	unlearn(d, &network, reason);
	daemon_record_drop(d, policy_source_tag(&p, src));
	daemon_record_drop(d, policy_network_tag(&p, src));
}

/* ---- what settings make ---- */

static bool unless_exempt(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct daemon *d = arg;

	if (e->list == VERDICT_OF_CONFIG && !config_exempt(atomic_load(&d->config), p))
		verdict_unexempt(d, p);
	return false;
}

void daemon_apply(struct daemon *d, const struct config *from, const struct config *to)
{
	verdicts_walk(d->verdicts, daemon_now(), unless_exempt, d);
	verdict_balancers(d, from, to);
	for (int i = 0; i < to->greylist.exempt_count; i++)
		daemon_verdict_put(d, &to->greylist.exempt[i], &verdict_of_config, "exempt");
	traps_apply(d, from, to);
	listing_load(&d->lists, to);
	if (d->fastpath) {
		fastpath_set_when_down(d->fastpath, to->open_when_down);
		fastpath_set_sample(d->fastpath, to->greylist.sample);
		fastpath_set_limits(d->fastpath, to->limit.new_per_source, to->limit.new_per_cpu);
	}
	if (d->store)
		store_ops_of(d->store)->lifetimes(d->store, config_window(to), config_keep(to));
	log_set_format(to->log);
}

/* Verdicts on their way from the store into the table. */
struct loading {
	struct daemon *daemon;
	struct {
		struct prefix prefix;
		struct verdict_entry entry;
	} ahead[LOAD_AHEAD];
	int count;
	size_t refused;     /* operators' ones, for want of room */
	bool verdicts_only; /* the rest has been loaded */
};

static void load_verdicts(struct loading *l)
{
	for (int i = 0; i < l->count; i++)
		if (verdicts_put(l->daemon->verdicts, &l->ahead[i].prefix, &l->ahead[i].entry))
			l->refused += l->ahead[i].entry.origin == GG_BY_OPERATOR;
	l->count = 0;
}

/* The table's memory is slow, and asked for several at once. */
static void load_verdict(struct loading *l, const struct store_item *item)
{
	struct verdict_entry v = item->entry;

	if (v.origin == GG_BY_OPERATOR)
		v.list = reasons_number(item->text); /* numbers are of this process */
	verdicts_expect(l->daemon->verdicts, &item->prefix);
	l->ahead[l->count].prefix = item->prefix;
	l->ahead[l->count].entry = v;
	if (++l->count == LOAD_AHEAD)
		load_verdicts(l);
}

static bool load_item(const struct store_item *item, void *arg)
{
	struct loading *l = arg;
	struct daemon *d = l->daemon;

	if (l->verdicts_only && item->kind != STORE_VERDICT)
		return true;
	switch (item->kind) {
	case STORE_RECORD: {
		struct record r = item->rec;

		table_edit(d->records, r.tag, daemon_edit_put, &r, NULL);
		break;
	}
	case STORE_VERDICT:
		load_verdict(l, item);
		break;
	case STORE_CORRESPONDENT:
		correspondent_load(d, item);
		break;
	default:
		traps_load(d, item);
	}
	return true;
}

bool daemon_edit_put(struct cell *cell, bool found, void *record)
{
	(void)found;
	*cell = record_cell(record);
	return true;
}

int daemon_load(struct daemon *d, size_t room)
{
	struct loading l = {.daemon = d};
	int rc = store_ops_of(d->store)->load(d->store, daemon_now(), load_item, &l);

	load_verdicts(&l);
	/* What an operator has said stands: a limit that is less is not what takes it back. */
	while (!rc && l.refused) {
		room += room / 8 + 2 * l.refused;
		log_message(LOG_ERROR,
			    "verdicts: operators have made more than limit hosts and nets leave "
			    "room for; memory has room for %zu now; raise them",
			    room);
		verdicts_free(&d->verdicts);
		rc = verdicts_new(room, d->key, &d->verdicts);
		l.refused = 0;
		l.verdicts_only = true;
		if (!rc)
			rc = store_ops_of(d->store)->load(d->store, daemon_now(), load_item, &l);
		if (!rc)
			load_verdicts(&l);
	}
	return rc;
}

int daemon_tls(const struct config *c, struct tls_context **ret_server,
	       struct tls_context **ret_client, char *err, size_t err_size)
{
	struct tls_context *server = NULL, *client = NULL;
	int rc = tls_context_client(c->tls.backend_ca, &client, err, err_size);

	if (!rc && c->tls.certificate_count)
		rc = tls_context_server(c->tls.certificates, c->tls.keys, c->tls.certificate_count,
					&server, err, err_size);
	if (rc) {
		tls_context_free(&client);
		return rc;
	}
	*ret_server = server;
	*ret_client = client;
	return 0;
}

/* Under config_lock. */
static int replace_config(struct daemon *d, char *err, size_t err_size)
{
	const struct config *from = atomic_load(&d->config);
	struct tls_context *tls, *client;
	struct config *to;
	const char *key;
	void *kept;
	int rc = config_load(d->config_file, &to, err, err_size);

	if (rc)
		return rc;
	rc = daemon_tls(to, &tls, &client, err, err_size);
	if (rc) {
		config_free(&to);
		return rc;
	}
	key = config_needs_restart(from, to);
	/* Workers may be reading the old settings in this very turn, so they are kept: a reload
	 * costs a few kilobytes. */
	kept = key ? NULL : realloc(d->kept, (d->kept_count + 1) * sizeof(*d->kept));
	if (!kept) {
		if (key)
			snprintf(err, err_size,
				 "%s: %s can't be changed while running; restart greygated",
				 d->config_file, key);
		else
			snprintf(err, err_size, "%s: out of memory", d->config_file);
		config_free(&to);
		tls_context_free(&tls);
		tls_context_free(&client);
		return key ? -EINVAL : -ENOMEM;
	}
	d->kept = kept;
	d->kept[d->kept_count].config = from;
	d->kept[d->kept_count].tls = atomic_load(&d->tls);
	d->kept[d->kept_count++].tls_client = atomic_load(&d->tls_client);
	atomic_store(&d->tls, tls);
	atomic_store(&d->tls_client, client);
	atomic_store(&d->config, to);
	daemon_endpoints(d);
	verify_forget(d->verify); /* whoever answers now may be another one */
	notices_look_all(d->notices);
	daemon_apply(d, from, to);
	return 0;
}

int daemon_reload(struct daemon *d, char *err, size_t err_size)
{
	struct log_line l;
	int rc;

	*err = 0;
	pthread_mutex_lock(&d->config_lock);
	if (d->lent) {
		snprintf(err, err_size,
			 "%s: not read: the daemon is being upgraded; reload once the new process "
			 "serves",
			 d->config_file);
		rc = -EAGAIN;
	} else {
		rc = replace_config(d, err, err_size);
	}
	pthread_mutex_unlock(&d->config_lock);
	log_begin(&l, LOG_RELOAD);
	log_str(&l, "verdict", rc ? "refused" : "done");
	if (rc)
		log_str(&l, "reason", *err ? err : strerror(-rc));
	else
		log_str(&l, "file", d->config_file);
	log_end(&l);
	return rc;
}
