// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/ticket.h"
#include "evidence.h"
#include "source.h"

#define LAG 5         /* s that the store may be behind RAM */
#define BUCKETS 1024  /* of the table at a time */
#define REASONS 65536 /* verdicts whose words are read */

int walk_store(struct daemon *d, struct control_reply *r, enum store_kind kind, store_see_fn see,
	       void *arg)
{
	int rc = store_ops_of(d->store)->walk(d->store, kind, RECORD_NONE, see, arg);

	if (rc)
		return control_fail(r, "see greygate status", "the store cannot be read: %s",
				    strerror(-rc));
	return 0;
}

bool store_healthy(const struct daemon *d)
{
	struct store_stats stats;

	if (!d->store || !d->writer)
		return false;
	store_writer_stats(d->writer, &stats);
	return !stats.failing;
}

/* ---- rows ---- */

json_t *row_text(const char *text)
{
	json_t *s = json_string(text);
	char clean[512];
	size_t n = 0;

	if (s)
		return s;
	for (; *text && n < sizeof(clean) - 1; text++)
		clean[n++] = (char)((unsigned char)*text < 0x80 ? *text : '?');
	clean[n] = 0;
	return json_string(clean);
}

static void set_time(json_t *row, const char *key, uint64_t t)
{
	json_object_set_new(row, key, t ? json_integer((json_int_t)t) : json_null());
}

/* What the kernel's map says of a prefix, times converted: true and *ret. */
static bool kernel_entry(const struct daemon *d, const struct prefix *p, struct gg_entry *ret)
{
	struct timespec mono;
	uint64_t shift;

	if (!d->fastpath || fastpath_get(d->fastpath, p, ret))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &mono);
	shift = daemon_now() - (uint64_t)mono.tv_sec;
	ret->expires += ret->expires ? shift : 0;
	ret->last_seen += ret->last_seen ? shift : 0;
	ret->added += ret->added ? shift : 0;
	return true;
}

static const char *origin_text(enum gg_origin o)
{
	static const char *const words[] = {"nobody", "operator", "learned",      "trap",
					    "import", "limit",    "correspondent"};

	return (size_t)o < sizeof(words) / sizeof(words[0]) ? words[o] : "unknown";
}

json_t *row_verdict(const struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
		    const char *reason, uint32_t added)
{
	char text[PREFIX_TEXT];
	struct verdict_entry shared;
	struct gg_entry kernel;
	struct prefix network;
	json_t *row = json_object();
	uint32_t expires = e->expires;

	json_object_set_new(row, "prefix", json_string(prefix_text(p, text)));
	json_object_set_new(row, "verdict", json_string(e->verdict == GG_ALLOW ? "allow" : "deny"));
	if (e->verdict == GG_DENY)
		json_object_set_new(row, "action", json_string(config_action_text(e->action)));
	json_object_set_new(row, "origin", json_string(origin_text(e->origin)));
	if (e->repeats)
		json_object_set_new(row, "hits_trap", json_integer(e->repeats));
	if (p->len == 128 && e->origin == GG_BY_TRAP &&
	    source_network(d, &p->addr, daemon_now(), &network, &shared)) {
		json_object_set_new(row, "network", json_string(prefix_text(&network, text)));
		expires = expires < shared.expires ? shared.expires : expires;
	}
	set_time(row, "expires", expires);
	if (reason && *reason)
		json_object_set_new(row, "reason", row_text(reason));
	/* The map holds the balancer's own entry there. */
	if (config_balancer(atomic_load(&d->config), p)) {
		json_object_set_new(row, "idle", json_string("balancer"));
		json_object_set_new(row, "kernel", json_false());
	} else if (kernel_entry(d, p, &kernel)) {
		if (!added)
			added = (uint32_t)kernel.added;
		json_object_set_new(row, "kernel", json_true());
		/* Something within it has no room, and there the daemon has to decide. */
		if (kernel.verdict == GG_UNKNOWN)
			json_object_set_new(row, "asks", json_true());
		set_time(row, "last_seen", kernel.last_seen);
		json_object_set_new(row, "hits", json_integer((json_int_t)kernel.hits));
	} else {
		json_object_set_new(row, "kernel", json_false());
	}
	set_time(row, "since", added);
	return row;
}

json_t *row_found(const struct daemon *d, const struct addr *a, enum gg_verdict *ret,
		  enum gg_action *ret_action)
{
	char text[PREFIX_TEXT];
	struct gg_entry e = {0};
	struct prefix p;
	json_t *row;

	if (!d->fastpath)
		return NULL;
	if (fastpath_find(d->fastpath, a, &p, &e))
		row = json_pack("{s:s}", "verdict", "unknown");
	else
		row = json_pack("{s:s, s:s, s:s, s:s}", "verdict",
				e.verdict == GG_ALLOW ? "allow" : "deny", "prefix",
				prefix_text(&p, text), "origin", origin_text(e.origin), "action",
				e.verdict == GG_DENY ? config_action_text(e.action) : "");
	*ret = e.verdict;
	*ret_action = e.action;
	return row;
}

/* Counts the promoted addresses of a network, not the triplets of a source. */
static bool is_network(const struct record *r)
{
	return r->state == RECORD_SOURCE && r->rung == RUNG_NETWORK;
}

/* What a record remembers of its source: the address, or for IPv6 its /64. */
static void record_net(const struct record *r, char text[PREFIX_TEXT])
{
	struct prefix p = {.len = 128};

	if (r->is4) {
		p.addr.b[10] = p.addr.b[11] = 0xff;
		memcpy(p.addr.b + 12, r->net, 4);
	} else {
		p.len = 64;
		memcpy(p.addr.b, r->net, 8);
	}
	if (is_network(r))
		p = addr_network(&p.addr);
	prefix_text(&p, text);
}

static const char *state_text(const struct record *r)
{
	return r->state == RECORD_PASSED ? "passed"
	       : r->state == RECORD_GREY ? "grey"
	       : is_network(r)           ? "network"
					 : "source";
}

json_t *row_settings(const struct config_level *l)
{
	char value[CONFIG_VALUE], from[POLICY_MAILBOX + 20];
	json_t *rows = json_array();
	const char *name;

	for (int i = 0; (name = config_level_key(l, i, value)); i++) {
		const struct config_level *of = l->from[i];

		snprintf(from, sizeof(from), "%s%s%s", config_level_kind(of), of->title ? " " : "",
			 of->title ? of->title : "");
		json_array_append_new(rows, json_pack("{s:s, s:s, s:o}", "key", name, "value",
						      value, "from", row_text(from)));
	}
	return rows;
}

json_t *row_record(const struct daemon *d, const struct record *r, const struct prefix *source,
		   const char *from, const char *to)
{
	const struct config *config = atomic_load(&d->config);
	/* Without the recipient: what holds for everyone. */
	const struct policy_conf conf =
		daemon_level(d, to ? config_level(config, to) : &config->everyone);
	const struct policy_conf *c = &conf;
	char net[PREFIX_TEXT], ticket[TICKET_TEXT];
	json_t *row = json_object();
	struct prefix p;

	if (source) {
		/* The store keeps the address that counted last. */
		p = is_network(r) ? addr_network(&source->addr) : *source;
		prefix_text(&p, net);
	} else {
		record_net(r, net);
	}
	json_object_set_new(row, "state", json_string(state_text(r)));
	json_object_set_new(row, "source", json_string(net));
	if (from)
		json_object_set_new(row, "from", row_text(from));
	if (to)
		json_object_set_new(row, "to", row_text(to));
	set_time(row, "first", r->first);
	set_time(row, "last", r->last);
	if (r->state == RECORD_SOURCE) {
		json_object_set_new(row, is_network(r) ? "hosts" : "triplets",
				    json_integer(r->passed));
		set_time(row, "until", (uint64_t)r->last + c->keep);
		return row;
	}
	json_object_set_new(row, "attempts", json_integer(r->attempts));
	json_object_set_new(row, "passed", json_integer(r->passed));
	json_object_set_new(row, "class", json_string(policy_class_text(r->delay_class)));
	json_object_set_new(row, "identity", json_string(policy_rung_text(r->rung)));
	json_object_set_new(row, "ticket", json_string(ticket_text(r->tag, ticket)));
	if (r->state == RECORD_GREY) {
		set_time(row, "ready",
			 (uint64_t)r->first + (r->took != 0) +
				 policy_delay(c, r->delay_class, r->tag));
		set_time(row, "until", (uint64_t)r->first + c->window);
	} else {
		set_time(row, "until", (uint64_t)r->last + c->keep);
	}
	return row;
}

json_t *row_decision(const struct recent_entry *e)
{
	char addr[ADDR_TEXT], ticket[TICKET_TEXT];
	json_t *row = json_object();

	set_time(row, "time", e->time);
	json_object_set_new(row, "src", json_string(addr_text(&e->src, addr)));
	json_object_set_new(row, "verdict", row_text(e->verdict));
	json_object_set_new(row, "reason", row_text(e->reason));
	json_object_set_new(row, "helo", row_text(e->helo));
	json_object_set_new(row, "from", row_text(e->from));
	json_object_set_new(row, "to", row_text(e->to));
	json_object_set_new(row, "recipient", row_text(e->recipient));
	json_object_set_new(row, "wait_s", json_integer(e->wait));
	json_object_set_new(row, "age_s", json_integer(e->age));
	json_object_set_new(row, "rdns", json_string(evidence_name_text(e->name_state)));
	json_object_set_new(row, "name", row_text(e->name));
	json_object_set_new(row, "spf", json_string(evidence_spf_text(e->spf)));
	json_object_set_new(row, "spf_domain", row_text(e->spf_domain));
	json_object_set_new(row, "list_score", json_integer(e->list_score));
	if (e->list[0]) {
		json_object_set_new(row, "list", json_string(e->list));
		json_object_set_new(row, "line", json_integer(e->list_line));
	}
	if (e->ticket)
		json_object_set_new(row, "ticket", json_string(ticket_text(e->ticket, ticket)));
	return row;
}

/* ---- records ---- */

struct walk {
	struct daemon *d;
	const struct record_filter *filter;
	struct policy_conf lifetimes;
	uint32_t now, since; /* records used since then may not have reached the store */
	uint64_t *seen;      /* tags among those that the store had */
	size_t count, room;
	bool no_memory;
	found_record_fn see;
	void *arg;
};

static bool record_is_of(const struct record *r, const struct addr *a)
{
	if (addr_is4(a))
		return r->is4 && memcmp(r->net, a->b + 12, 4) == 0;
	return !r->is4 && memcmp(r->net, a->b, 8) == 0;
}

static bool record_wanted(const struct walk *w, const struct record *r)
{
	const struct record_filter *f = w->filter;

	if (f->tag && r->tag != f->tag)
		return false;
	if (f->state ? r->state != f->state : r->state != RECORD_GREY && r->state != RECORD_PASSED)
		return false;
	if (f->addr && !record_is_of(r, f->addr))
		return false;
	return !policy_expired(&w->lifetimes, r, w->now);
}

static bool remember(struct walk *w, uint64_t tag)
{
	if (w->count == w->room) {
		size_t room = w->room ? w->room * 2 : 256;
		uint64_t *grown = realloc(w->seen, room * sizeof(*grown));

		if (!grown) {
			w->no_memory = true;
			return false;
		}
		w->seen = grown;
		w->room = room;
	}
	w->seen[w->count++] = tag;
	return true;
}

/* By the lifetimes of its recipient, which may be shorter than the longest. */
static bool is_over(const struct walk *w, const struct record *r, const char *to)
{
	const struct config *c = atomic_load(&w->d->config);

	return policy_expired(&config_level(c, to)->policy, r, w->now);
}

static bool on_stored(const struct store_item *item, void *arg)
{
	struct walk *w = arg;
	struct found_record f = {.source = &item->prefix, .from = item->text};
	struct cell cell;
	struct record r;

	if ((w->filter->tag && item->rec.tag != w->filter->tag) ||
	    !table_get(w->d->records, item->rec.tag, &cell))
		return true;
	r = record_of(&cell);
	/* A record that changed its state since is young: the sweep of RAM finds it, once. */
	if (r.state != item->rec.state || !record_wanted(w, &r))
		return true;
	if (r.last >= w->since && !remember(w, r.tag))
		return false;
	f.rec = &r;
	f.to = store_text_recipient(item);
	if (r.state == RECORD_SOURCE)
		f.from = f.to = NULL;
	if (!f.to || !is_over(w, &r, f.to))
		w->see(&f, w->arg);
	return true;
}

static int by_tag(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct words {
	uint64_t tag;
	struct recent_entry entry;
	bool found;
};

static bool same_ticket(const struct recent_entry *e, void *arg)
{
	struct words *w = arg;

	if (e->ticket != w->tag)
		return true;
	w->entry = *e;
	w->found = true;
	return false;
}

/* A record too young for the store: the last decisions know its words. */
static void young(struct walk *w, const struct record *r)
{
	struct words words = {.tag = r->tag};
	struct found_record f = {.rec = r};
	struct prefix source;

	for (int i = 0; i < w->d->worker_count && w->since && !words.found; i++)
		recent_walk(w->d->recent[i], same_ticket, &words);
	if (words.found) {
		source = addr_host(&words.entry.src);
		f.source = &source;
		f.from = words.entry.from;
		f.to = words.entry.to;
	}
	w->see(&f, w->arg);
}

static bool on_cell(const struct cell *cell, void *arg)
{
	struct walk *w = arg;
	struct record r = record_of(cell);

	if (r.last >= w->since && record_wanted(w, &r) &&
	    (!w->count || !bsearch(&r.tag, w->seen, w->count, sizeof(r.tag), by_tag)))
		young(w, &r);
	return false;
}

int records_each(struct daemon *d, struct control_reply *r, const struct record_filter *filter,
		 found_record_fn see, void *arg)
{
	struct walk w = {.d = d, .filter = filter, .see = see, .arg = arg, .now = daemon_now()};
	size_t cursor = 0;
	int rc = 0;

	w.lifetimes = daemon_lifetimes(d, atomic_load(&d->config));
	if (store_healthy(d)) {
		w.since = w.now - LAG;
		rc = walk_store(d, r, STORE_RECORD, on_stored, &w);
	}
	if (!rc && w.no_memory)
		rc = control_fail(r, NULL, "out of memory");
	if (w.count)
		qsort(w.seen, w.count, sizeof(*w.seen), by_tag);
	while (!rc && table_sweep(d->records, &cursor, BUCKETS, on_cell, &w))
		;
	free(w.seen);
	return rc;
}

/* ---- reasons ---- */

struct load {
	struct reasons *to;
	size_t room;
};

static bool on_reason(const struct store_item *item, void *arg)
{
	struct load *l = arg;
	struct reason *grown;

	if (l->to->count == REASONS)
		return false;
	if (l->to->count == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		grown = realloc(l->to->list, l->room * sizeof(*grown));
		if (!grown)
			return false;
		l->to->list = grown;
	}
	grown = &l->to->list[l->to->count++];
	grown->prefix = item->prefix;
	grown->added = item->added;
	memcpy(grown->text, item->text, STORE_TEXT);
	grown->text[STORE_TEXT - 1] = 0;
	return true;
}

static int by_prefix(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int rc = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));

	return rc ? rc : x->len - y->len;
}

int reasons_load(struct daemon *d, struct control_reply *r, struct reasons *ret)
{
	struct load l = {.to = ret};
	int rc;

	*ret = (struct reasons){0};
	if (!store_healthy(d))
		return 0;
	rc = walk_store(d, r, STORE_VERDICT, on_reason, &l);
	if (rc) {
		reasons_free(ret);
		return rc;
	}
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), by_prefix);
	return 0;
}

void reasons_free(struct reasons *rs)
{
	free(rs->list);
	*rs = (struct reasons){0};
}

const struct reason *reasons_find(const struct reasons *rs, const struct prefix *p)
{
	/* The prefix is the first member, so a prefix is key enough. */
	return rs->count ? bsearch(p, rs->list, rs->count, sizeof(*rs->list), by_prefix) : NULL;
}
