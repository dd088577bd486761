// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explain: everything that is known of an address, or of the refusal a ticket stands for, and what
 * would change it; or what holds for mail to a mailbox. Rows of kind verdict, source, network,
 * record and decision; the closing object says what the answer comes to.
 */
#include <stdlib.h>
#include <string.h>

#include "commands_show.h"
#include "core/ticket.h"
#include "verdict.h"
#include "verify.h"

#define DECISIONS 20 /* newest that are shown */

struct explain {
	struct daemon *d;
	struct control_reply *r;
	struct policy_conf policy;
	struct addr addr; /* what it is about, once known */
	bool have_addr;
	char name[sizeof(((struct recent_entry *)0)->name)]; /* confirmed when it was last here */
	uint64_t tag; /* of the ticket; 0: an address was asked for */
	int rows;
	bool gone;
};

static void emit(struct explain *e, const char *kind, json_t *row)
{
	if (row)
		json_object_set_new(row, "kind", json_string(kind));
	if (!e->gone)
		e->gone = !control_row(e->r, row);
	else
		json_decref(row);
	e->rows++;
}

/* The newest of all workers, newest first; of one second, in the order of the workers. */
struct decisions {
	const struct explain *e;
	struct recent_entry list[DECISIONS];
	int count;
};

/* A worker's come newest first: one that finds no place is followed by none that does. */
static bool on_decision(const struct recent_entry *entry, void *arg)
{
	struct decisions *d = arg;
	int at = d->count;

	if (d->e->tag ? entry->ticket != d->e->tag : !addr_eq(&entry->src, &d->e->addr))
		return true;
	while (at > 0 && d->list[at - 1].time < entry->time)
		at--;
	if (at == DECISIONS)
		return false;
	if (d->count < DECISIONS)
		d->count++;
	memmove(&d->list[at + 1], &d->list[at], (size_t)(d->count - at - 1) * sizeof(d->list[0]));
	d->list[at] = *entry;
	return true;
}

static int explain_decisions(struct explain *e)
{
	struct decisions *d = calloc(1, sizeof(*d));

	if (!d)
		return control_fail(e->r, NULL, "out of memory");
	d->e = e;
	for (int i = 0; i < e->d->worker_count; i++)
		recent_walk(e->d->recent[i], on_decision, d);
	for (int i = 0; i < d->count; i++) {
		const struct recent_entry *entry = &d->list[i];

		if (e->tag && !e->have_addr) {
			e->addr = entry->src;
			e->have_addr = true;
		}
		if (!e->name[0] && entry->name_state == NAME_CONFIRMED)
			memcpy(e->name, entry->name, sizeof(e->name));
		emit(e, "decision", row_decision(entry));
	}
	free(d);
	return 0;
}

static void on_record(const struct found_record *f, void *arg)
{
	struct explain *e = arg;
	const struct config *c = atomic_load(&e->d->config);
	json_t *row;

	/* An IPv6 record outside the store knows its /64 only: not an address to explain. */
	if (e->tag && !e->have_addr && f->source && f->source->len == 128) {
		e->addr = f->source->addr;
		e->have_addr = true;
	}
	row = row_record(e->d, f->rec, f->source, f->from, f->to);
	if (f->to)
		json_object_set_new(row, "settings", row_settings(config_level(c, f->to)));
	emit(e, "record", row);
}

static int explain_records(struct explain *e)
{
	const struct record_filter filter = {.tag = e->tag, .addr = e->tag ? NULL : &e->addr};

	return records_each(e->d, e->r, &filter, on_record, e);
}

static void mend(struct explain *e, const char *before, const char *what, const char *after)
{
	json_t *s = control_summary(e->r), *array = json_object_get(s, "mend");

	if (!array) {
		array = json_array();
		json_object_set_new(s, "mend", array);
	}
	json_array_append_new(array, json_sprintf("%s %s%s", before, what, after));
}

static void emit_list(struct explain *e, const char *what, const struct listing_answer *a)
{
	emit(e, "list",
	     json_pack("{s:o, s:s, s:i, s:s}", "what", row_text(what), "list", a->list, "line",
		       (int)a->line, "verdict", a->verdict == GG_ALLOW ? "allow" : "deny"));
}

/* What lists say of a client: of its address, else of its name when it was last here. known: bits
 * of the prefix from which something else is known of it, -1: nothing is. The verdict if they have
 * the last word, or NULL. */
static const char *explain_lists(struct explain *e, int known)
{
	struct listing *l = &e->d->lists;
	struct list_matcher *m = list_matcher_new();
	char addr[ADDR_TEXT], where[100];
	struct listing_answer a;
	bool last = false;

	if (listing_address(l, &e->addr, &a)) {
		emit_list(e, addr_text(&e->addr, addr), &a);
		last = (int)a.width > known;
	} else if (m && e->name[0] && listing_client(l, e->name, m, &a)) {
		emit_list(e, e->name, &a);
		last = known < 0;
	}
	list_matcher_free(&m);
	if (!last)
		return NULL;
	snprintf(where, sizeof(where), "line %u out of the file of list %s", a.line, a.list);
	mend(e, "take", where,
	     l->lists[a.number - 1].imported ? " and import it again" : " and reload");
	return a.verdict == GG_ALLOW ? "allow" : "deny";
}

/* What a source, or its network, has earned so far. */
static void explain_count(struct explain *e, const char *kind, uint64_t tag, const struct prefix *p)
{
	struct record r;
	struct cell cell;

	if (!table_get(e->d->records, tag, &cell))
		return;
	r = record_of(&cell);
	if (!policy_expired(&e->policy, &r, daemon_now()))
		emit(e, kind, row_record(e->d, &r, p, NULL, NULL));
}

/* The kernel has the first word, and where its maps are full it may know less than the daemon does:
 * what it would do, or NULL where it leaves the client to the daemon. */
static const char *explain_kernel(struct explain *e)
{
	const struct config *c = atomic_load(&e->d->config);
	enum gg_action action = GG_NO_ACTION;
	enum gg_verdict verdict = GG_UNKNOWN;
	json_t *row = row_found(e->d, &e->addr, &verdict, &action);

	if (!row)
		return NULL;
	json_object_set_new(control_summary(e->r), "kernel", row);
	if (verdict == GG_ALLOW && c->mode != GG_MODE_RELAY)
		return "allow";
	return verdict == GG_DENY && action >= GG_TARPIT ? "deny" : NULL;
}

/* What holds for the address now: "verdict" of the closing object. */
static int explain_verdict(struct explain *e)
{
	const struct config *c = atomic_load(&e->d->config);
	const struct prefix host = addr_host(&e->addr);
	char prefix[PREFIX_TEXT], addr[ADDR_TEXT];
	const char *outcome = e->policy.mode == POLICY_ENFORCE ? "grey" : "pass";
	const char *listed, *kernel;
	const struct reason *why;
	struct verdict_entry v;
	struct reasons reasons;
	struct prefix p;
	int rc, known = -1;

	addr_text(&e->addr, addr);
	json_object_set_new(control_summary(e->r), "address", json_string(addr));
	/* What a list says of it is told with its line. */
	if (verdicts_find(e->d->verdicts, &e->addr, daemon_now(), &v, &p) &&
	    v.origin != GG_BY_IMPORT) {
		rc = reasons_load(e->d, e->r, &reasons);
		if (rc)
			return rc;
		why = reasons_find(&reasons, &p);
		emit(e, "verdict",
		     row_verdict(e->d, &p, &v, why ? why->text : NULL, why ? why->added : 0));
		reasons_free(&reasons);
		prefix_text(&p, prefix);
		known = p.len;
		outcome = v.verdict == GG_ALLOW ? "allow" : "deny";
		if (v.list == VERDICT_OF_CONFIG)
			mend(e, "take", prefix, " out of greylist.exempt and reload");
		else
			mend(e, "greygate forget", prefix, "");
		mend(e, v.verdict == GG_ALLOW ? "greygate deny" : "greygate allow", addr, "");
	} else {
		mend(e, "greygate allow", addr, "");
		mend(e, "greygate deny", addr, "");
	}
	listed = explain_lists(e, known);
	if (listed)
		outcome = listed;
	kernel = explain_kernel(e);
	if (kernel)
		outcome = kernel;
	explain_count(e, "source", policy_source_tag(&e->policy, &e->addr), &host);
	p = addr_network(&e->addr);
	explain_count(e, "network", policy_network_tag(&e->policy, &e->addr), &p);
	/* Nothing of that is in force for a load balancer. */
	if (config_balancer(c, &host)) {
		outcome = "balancer";
		json_object_del(control_summary(e->r), "mend");
		mend(e, "take", addr, " out of proxy_protocol_from and reload");
	}
	json_object_set_new(control_summary(e->r), "verdict", json_string(outcome));
	json_object_set_new(control_summary(e->r), "promote_after",
			    json_integer(e->policy.promote_after));
	json_object_set_new(control_summary(e->r), "promote_net_after",
			    json_integer(e->policy.promote_net_after));
	return 0;
}

/* What holds for mail to a recipient, and where each key of it was set. */
/* What the mail server said of it beforehand; in gateway mode the first one that was asked. */
static json_t *known_recipient(const struct explain *e, const char *mailbox)
{
	const struct config *c = atomic_load(&e->d->config);
	bool gateway = c->mode == GG_MODE_GATEWAY;
	struct verify_answer a = {0};

	for (int i = 0; i < (gateway ? c->protect_count : 1); i++)
		if (verify_find(e->d->verify, gateway ? (uint8_t)i : VERIFY_BACKENDS, mailbox,
				daemon_now(), &a))
			break;
	if (!a.state)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:o}", "state", verify_text(a.state), "since",
			 (json_int_t)a.since, "until", (json_int_t)a.until, "reply",
			 row_text(a.reply.text));
}

static void explain_mailbox(struct explain *e, const char *mailbox)
{
	const struct config_level *l = config_level(atomic_load(&e->d->config), mailbox);
	const char *verdict = policy_recipient_exempt(mailbox)     ? "exempt"
			      : l->greylist.mode == POLICY_ENFORCE ? "grey"
								   : "pass";
	struct list_matcher *m = list_matcher_new();
	json_t *s = control_summary(e->r);
	char canonical[POLICY_MAILBOX];
	struct listing_answer a;

	policy_canonical(mailbox, canonical, sizeof(canonical));
	if (m && listing_recipient(&e->d->lists, canonical, m, &a)) {
		emit_list(e, mailbox, &a);
		verdict = "exempt";
	}
	list_matcher_free(&m);
	json_object_set_new(s, "mailbox", row_text(mailbox));
	json_object_set_new(s, "verdict", json_string(verdict));
	json_object_set_new(s, "recipient", known_recipient(e, mailbox));
	json_object_set_new(s, "settings", row_settings(l));
}

int show_explain(struct control_reply *r, json_t *args, void *daemon)
{
	const char *what = control_text(args, "what");
	struct daemon *d = daemon;
	struct explain e = {.d = d, .r = r};
	char ticket[TICKET_TEXT];
	int rc;

	if (!what)
		return control_fail(r, "name an address, a ticket or a mailbox",
				    "nothing to explain");
	if (strchr(what, '@')) {
		explain_mailbox(&e, what);
		return 0;
	}
	e.policy = daemon_policy(d, atomic_load(&d->config));
	e.have_addr = addr_parse(what, &e.addr) == 0;
	if (!e.have_addr && (ticket_parse(what, &e.tag) || !e.tag))
		return control_fail(r,
				    "an address such as 192.0.2.7, the 13 characters of a "
				    "ticket, or a mailbox such as bob@example.net",
				    "\"%.60s\" is neither an address nor a ticket nor a mailbox",
				    what);
	if (e.tag)
		json_object_set_new(control_summary(r), "ticket",
				    json_string(ticket_text(e.tag, ticket)));
	rc = explain_decisions(&e);
	if (!rc)
		rc = explain_records(&e);
	if (!rc && e.tag && !e.rows)
		return control_fail(r,
				    "its record may have expired or been forgotten; the log has "
				    "the decision under the same ticket",
				    "nothing is known of ticket %.60s", what);
	if (!rc && e.have_addr)
		rc = explain_verdict(&e);
	return rc;
}
