// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * restore: a backup is brought back into the running daemon. What it knows that is not known here
 * is added; what was learned or said since then stands.
 */
#include <stdio.h>
#include <string.h>

#include "commands_show.h"
#include "correspondents.h"
#include "store/backup.h"
#include "verdict.h"

struct restoring {
	struct daemon *daemon;
	bool ours; /* its records are tagged with our secret */
	uint64_t verdicts, traps, correspondents, records, kept, foreign;
};

static void add_record(struct restoring *r, const struct store_item *item)
{
	if (!r->ours)
		r->foreign++;
	else if (daemon_record_take(r->daemon, item))
		r->records++;
	else
		r->kept++;
}

/* Over what settings exempt an operator's word has its place. */
static bool is_taken(const struct restoring *r, const struct store_item *item)
{
	struct verdict_entry there;

	return verdicts_get(r->daemon->verdicts, &item->prefix, daemon_now(), &there) &&
	       !(there.list == VERDICT_OF_CONFIG && item->entry.origin == GG_BY_OPERATOR);
}

static void add_verdict(struct restoring *r, const struct store_item *item)
{
	if (is_taken(r, item) ||
	    daemon_verdict_put(r->daemon, &item->prefix, &item->entry, item->text))
		r->kept++;
	else
		r->verdicts++;
}

static void add_correspondent(struct restoring *r, const struct store_item *item)
{
	struct correspondent c;
	uint32_t now = daemon_now();

	if (correspondent_until(r->daemon, item->text) || item->entry.expires <= now ||
	    correspondent_parse(item->text, &c) ||
	    correspondent_add(r->daemon, &c, item->entry.expires - now))
		r->kept++;
	else
		r->correspondents++;
}

static bool add(const struct store_item *item, void *arg)
{
	struct restoring *r = arg;

	switch (item->kind) {
	case STORE_RECORD:
		add_record(r, item);
		break;
	case STORE_VERDICT:
		add_verdict(r, item);
		break;
	case STORE_CORRESPONDENT:
		add_correspondent(r, item);
		break;
	case STORE_TRAP:
		if (daemon_trap_add(r->daemon, item->text))
			r->kept++;
		else
			r->traps++;
		break;
	}
	return true;
}

int restore_do(struct control_reply *reply, json_t *args, void *daemon)
{
	struct daemon *d = daemon;
	const struct config *c = atomic_load(&d->config);
	const char *name = control_text(args, "file");
	struct restoring r = {.daemon = d};
	char path[4200], err[600];
	struct store *s;
	uint8_t key[16];
	int rc;

	if (!name || strchr(name, '/'))
		return control_fail(reply, "greygate restore FILE puts it there",
				    "no file of state_dir is named");
	snprintf(path, sizeof(path), "%s/%s", c->state_dir, name);
	if (store_open_backup(path, &s, key, err, sizeof(err)))
		return control_fail(reply, NULL, "%s", err);
	r.ours = !memcmp(key, d->key, sizeof(key));
	store_ops_of(s)->lifetimes(s, config_window(c), config_keep(c));
	rc = store_ops_of(s)->load(s, daemon_now(), add, &r);
	store_ops_of(s)->close(&s);
	command_settle(reply, d);
	if (rc)
		return control_fail(reply, "restore it once more", "%s: %s", path, strerror(-rc));
	json_object_update_new(control_summary(reply),
			       json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "verdicts",
					 (json_int_t)r.verdicts, "traps", (json_int_t)r.traps,
					 "correspondents", (json_int_t)r.correspondents, "records",
					 (json_int_t)r.records, "kept", (json_int_t)r.kept,
					 "foreign", (json_int_t)r.foreign));
	return 0;
}
