// SPDX-License-Identifier: GPL-2.0-or-later
/* list and export: what is known, row by row. */
#include <stdlib.h>
#include <string.h>

#include "commands_show.h"

struct showing {
	struct daemon *d;
	struct control_reply *r;
	struct reasons reasons;
	enum gg_verdict verdict; /* GG_UNKNOWN: any */
	enum gg_origin origin;   /* GG_BY_NOBODY: any */
	const char *kind;        /* export names the kind of each row */
	struct networks {
		struct addr *list; /* of trapped addresses: no rows of their own */
		size_t count, room;
	} networks;
	json_int_t count;
	bool gone; /* the reader left: the rest of a walk is idle */
};

static void emit(struct showing *l, const char *kind, json_t *row)
{
	if (row && l->kind)
		json_object_set_new(row, "kind", json_string(kind));
	l->gone = !control_row(l->r, row);
	l->count++;
}

/* ---- traps of IPv6, with which a network goes ---- */

static bool note_network(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct networks *n = arg;

	if (e->origin != GG_BY_TRAP || p->len < 128 || addr_is4(&p->addr))
		return false;
	if (n->count == n->room) {
		size_t room = n->room ? 2 * n->room : 256;
		struct addr *grown = realloc(n->list, room * sizeof(*grown));

		if (!grown)
			return false; /* a row too many, then */
		n->list = grown;
		n->room = room;
	}
	n->list[n->count++] = addr_network(&p->addr).addr;
	return false;
}

static int by_address(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

static void note_networks(struct showing *l)
{
	struct networks *n = &l->networks;

	verdicts_walk(l->d->verdicts, daemon_now(), note_network, n);
	if (n->count)
		qsort(n->list, n->count, sizeof(*n->list), by_address);
}

static bool goes_with_another(const struct showing *l, const struct prefix *p,
			      const struct verdict_entry *e)
{
	const struct networks *n = &l->networks;

	return e->origin == GG_BY_TRAP && p->len < 128 && n->count &&
	       bsearch(&p->addr, n->list, n->count, sizeof(*n->list), by_address);
}

/* ---- rows ---- */

static bool on_verdict(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct showing *l = arg;
	const struct reason *why;

	if (l->gone || (l->verdict && e->verdict != l->verdict) ||
	    (l->origin && e->origin != l->origin) || goes_with_another(l, p, e))
		return false;
	why = reasons_find(&l->reasons, p);
	emit(l, "verdict", row_verdict(l->d, p, e, why ? why->text : NULL, why ? why->added : 0));
	return false;
}

static void on_record(const struct found_record *f, void *arg)
{
	struct showing *l = arg;

	if (!l->gone)
		emit(l, "record", row_record(l->d, f->rec, f->source, f->from, f->to));
}

static int list_verdicts(struct showing *l)
{
	int rc = reasons_load(l->d, l->r, &l->reasons);

	if (rc)
		return rc;
	if (!l->kind)
		note_networks(l);
	verdicts_walk(l->d->verdicts, daemon_now(), on_verdict, l);
	free(l->networks.list);
	reasons_free(&l->reasons);
	return 0;
}

static int list_records(struct showing *l, enum record_state state)
{
	const struct record_filter filter = {.state = (uint8_t)state};

	return records_each(l->d, l->r, &filter, on_record, l);
}

static const struct {
	const char *name;
	enum record_state state; /* RECORD_NONE: verdicts are listed */
	enum gg_verdict verdict;
	enum gg_origin origin;
} lists[] = {
	{"allow", RECORD_NONE, GG_ALLOW, GG_BY_NOBODY},
	{"deny", RECORD_NONE, GG_DENY, GG_BY_NOBODY},
	{"grey", RECORD_GREY, GG_UNKNOWN, GG_BY_NOBODY},
	{"passed", RECORD_PASSED, GG_UNKNOWN, GG_BY_NOBODY},
	{"trap", RECORD_NONE, GG_DENY, GG_BY_TRAP},
	{"learned", RECORD_NONE, GG_ALLOW, GG_BY_LEARNING},
};

static void begin(struct showing *l, struct control_reply *r, struct daemon *d)
{
	*l = (struct showing){.d = d, .r = r};
}

int show_list(struct control_reply *r, json_t *args, void *daemon)
{
	const char *what = control_text(args, "what");
	struct showing l;
	int rc;

	begin(&l, r, daemon);
	for (size_t i = 0; what && i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (strcmp(lists[i].name, what) != 0)
			continue;
		l.verdict = lists[i].verdict;
		l.origin = lists[i].origin;
		rc = lists[i].state ? list_records(&l, lists[i].state) : list_verdicts(&l);
		json_object_set_new(control_summary(r), "count", json_integer(l.count));
		return rc;
	}
	return control_fail(r, "one of allow, deny, grey, passed, trap, learned",
			    "there is no list \"%.60s\"", what ? what : "");
}

static void on_trap(json_t *row, void *arg)
{
	struct showing *l = arg;

	if (l->gone)
		json_decref(row);
	else
		emit(l, "trap", row);
}

int show_export(struct control_reply *r, json_t *args, void *daemon)
{
	struct showing l;
	int rc;

	(void)args;
	begin(&l, r, daemon);
	l.kind = "export";
	emit(&l, "greygate",
	     json_pack("{s:s, s:I}", "version", GREYGATE_VERSION, "time",
		       (json_int_t)daemon_now()));
	rc = list_verdicts(&l);
	if (!rc)
		rc = traps_each(l.d, r, on_trap, &l);
	if (!rc)
		rc = list_records(&l, RECORD_NONE);
	if (!rc)
		rc = list_records(&l, RECORD_SOURCE);
	json_object_set_new(control_summary(r), "count", json_integer(l.count));
	return rc;
}
