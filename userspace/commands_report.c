// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * report: what came of the mail that was first seen since some moment, from the records alone. Each
 * triplet counts once, by its record that is no shadow of another one; mail that learn mode let
 * through is counted for itself, for nobody knows whether it would have come back.
 *
 * The figures by class come from the table in memory; those by domain from the store, which keeps
 * the words. Both are walked in the client's own thread, without a lock, a piece at a time.
 */
#include <string.h>

#include "commands_show.h"
#include "core/spread.h"

#define BUCKETS 4096 /* of the table at a time */

struct figures {
	uint64_t mails, passed, deferred;
	uint64_t never;       /* passed so far */
	uint64_t not_retried; /* of those: seen once so far */
	uint64_t learned;     /* let through in learn mode; not among deferred */
};

enum view { VIEW_CLASS, VIEW_TO, VIEW_SENDER, VIEW_LEARNED, VIEW_MAX };

static const char *const view_words[VIEW_MAX] = {"class", "recipient_domain", "domain", "learned"};

struct report {
	struct daemon *d;
	struct control_reply *r;
	uint32_t now, from;
	struct policy_conf lifetimes;
	struct figures classes[CLASS_MAX], total;
	struct spread all, by[VIEW_MAX];
	enum view view; /* whose rows are being written */
	bool no_memory, gone;
};

/* Whether a record stands for a triplet of the time that was asked for. */
static bool wanted(const struct report *p, const struct record *r)
{
	return (r->state == RECORD_GREY || r->state == RECORD_PASSED) && !r->shadow &&
	       r->first >= p->from && !policy_expired(&p->lifetimes, r, p->now);
}

static void add(struct report *p, struct spread *s, const char *name, const struct record *r)
{
	uint32_t number;

	p->no_memory |= spread_name(s, p->d->key, name, &number) ||
			spread_add(s, number, r->state == RECORD_PASSED ? r->took : SPREAD_NEVER);
}

/* ---- from the table ---- */

static void count(struct figures *f, const struct record *r)
{
	f->mails++;
	f->passed += r->passed;
	f->learned += r->learnt;
	f->deferred += r->learnt ? 0 : r->attempts;
	f->never += r->state == RECORD_GREY;
	f->not_retried += r->state == RECORD_GREY && r->attempts == 1;
}

static bool on_cell(const struct cell *cell, void *arg)
{
	struct report *p = arg;
	struct record r = record_of(cell);
	enum policy_class class = r.delay_class < CLASS_MAX ? r.delay_class : CLASS_DEFAULT;

	if (!wanted(p, &r))
		return false;
	count(&p->classes[class], &r);
	count(&p->total, &r);
	if (!r.learnt) {
		add(p, &p->by[VIEW_CLASS], policy_class_text(class), &r);
		add(p, &p->all, "", &r);
	}
	return false;
}

/* ---- from the store ---- */

/* In lower case; "" for the null sender. */
static void domain_of(const char *mailbox, char *ret, size_t size)
{
	const char *at = strrchr(mailbox, '@');

	policy_canonical(at ? at + 1 : mailbox, ret, size);
}

static void on_record(const struct found_record *f, void *arg)
{
	struct report *p = arg;
	char domain[POLICY_MAILBOX];

	if (!f->to || !wanted(p, f->rec))
		return;
	domain_of(f->to, domain, sizeof(domain));
	if (f->rec->learnt) {
		add(p, &p->by[VIEW_LEARNED], domain, f->rec);
		return;
	}
	add(p, &p->by[VIEW_TO], domain, f->rec);
	domain_of(f->from, domain, sizeof(domain));
	add(p, &p->by[VIEW_SENDER], domain, f->rec);
}

/* ---- what is told ---- */

static void set_delays(json_t *o, const struct spread_row *row)
{
	json_object_set_new(o, "p50", json_integer(row->p50));
	json_object_set_new(o, "p90", json_integer(row->p90));
	json_object_set_new(o, "p99", json_integer(row->p99));
	json_object_set_new(o, "max", json_integer(row->max));
}

static void set_figures(json_t *o, const struct figures *f)
{
	json_object_set_new(o, "attempts", json_integer((json_int_t)(f->passed + f->deferred)));
	json_object_set_new(o, "passed", json_integer((json_int_t)f->passed));
	json_object_set_new(o, "deferred", json_integer((json_int_t)f->deferred));
	json_object_set_new(o, "mails", json_integer((json_int_t)f->mails));
	json_object_set_new(o, "never_passed", json_integer((json_int_t)f->never));
	json_object_set_new(o, "not_retried", json_integer((json_int_t)f->not_retried));
	json_object_set_new(o, "learned", json_integer((json_int_t)f->learned));
}

static void write_row(struct report *p, json_t *row)
{
	json_object_set_new(row, "kind", json_string(view_words[p->view]));
	if (p->gone)
		json_decref(row);
	else
		p->gone = !control_row(p->r, row);
}

static void on_row(const struct spread_row *row, void *arg)
{
	struct report *p = arg;
	json_t *o = json_object();

	json_object_set_new(o, "domain", row_text(*row->name ? row->name : "<>"));
	json_object_set_new(o, "mails", json_integer((json_int_t)row->mails));
	if (p->view != VIEW_LEARNED) {
		json_object_set_new(o, "never_passed", json_integer((json_int_t)row->never));
		set_delays(o, row);
	}
	write_row(p, o);
}

struct wanted_class {
	const char *name;
	struct spread_row row;
};

static void find_class(const struct spread_row *row, void *arg)
{
	struct wanted_class *w = arg;

	if (!strcmp(row->name, w->name))
		w->row = *row;
}

static void write_classes(struct report *p)
{
	p->view = VIEW_CLASS;
	for (int i = 0; i < CLASS_MAX; i++) {
		struct wanted_class w = {.name = policy_class_text((enum policy_class)i)};
		json_t *o;

		if (!p->classes[i].mails)
			continue;
		p->no_memory |= spread_each(&p->by[VIEW_CLASS], find_class, &w) < 0;
		o = json_object();
		json_object_set_new(o, "class", json_string(w.name));
		set_figures(o, &p->classes[i]);
		set_delays(o, &w.row);
		write_row(p, o);
	}
}

static void write_summary(struct report *p)
{
	static const enum counter since_start[] = {COUNT_never_retried, COUNT_gave_up, COUNT_late,
						   COUNT_denied};
	static const char *const words[] = {"never_retried", "gave_up", "late", "denied"};
	json_t *s = control_summary(p->r), *all = json_object(), *start = json_object();
	struct wanted_class w = {.name = ""};

	p->no_memory |= spread_each(&p->all, find_class, &w) < 0;
	set_figures(all, &p->total);
	set_delays(all, &w.row);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		json_object_set_new(start, words[i],
				    json_integer((json_int_t)daemon_count(p->d, since_start[i])));
	json_object_set_new(start, "started", json_integer(p->d->started));
	json_object_set_new(s, "since", p->from ? json_integer(p->from) : json_null());
	json_object_set_new(s, "summary", all);
	json_object_set_new(s, "since_start", start);
}

static int gather(struct report *p)
{
	const struct record_filter filter = {.state = RECORD_NONE};
	size_t cursor = 0;
	int rc = 0;

	while (table_sweep(p->d->records, &cursor, BUCKETS, on_cell, p))
		;
	/* Without the store nobody knows the words. */
	if (store_healthy(p->d))
		rc = records_each(p->d, p->r, &filter, on_record, p);
	return rc;
}

int show_report(struct control_reply *r, json_t *args, void *daemon)
{
	struct report p = {.d = daemon, .r = r, .now = daemon_now()};
	const char *since = control_text(args, "since");
	uint64_t ms;
	int rc;

	if (since) {
		if (config_duration(since, &ms) || ms < 1000)
			return control_fail(r, "a duration of at least 1s, such as 30m, 24h or 7d",
					    "\"%.60s\" is not a duration", since);
		p.from = ms / 1000 < p.now ? p.now - (uint32_t)(ms / 1000) : 0;
	}
	p.lifetimes = daemon_lifetimes(p.d, atomic_load(&p.d->config));
	rc = gather(&p);
	if (!rc) {
		write_classes(&p);
		for (p.view = VIEW_TO; p.view < VIEW_MAX; p.view++)
			p.no_memory |= spread_each(&p.by[p.view], on_row, &p) < 0;
		write_summary(&p);
	}
	for (int i = 0; i < VIEW_MAX; i++)
		spread_free(&p.by[i]);
	spread_free(&p.all);
	return !rc && p.no_memory ? control_fail(r, NULL, "out of memory") : rc;
}
