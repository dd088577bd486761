// SPDX-License-Identifier: GPL-2.0-or-later
/* correspondent add, del, list. */
#include <errno.h>
#include <string.h>

#include "commands_show.h"
#include "correspondents.h"

static json_t *row(const struct correspondent *c)
{
	json_t *r = json_pack("{s:o, s:s, s:I}", "name", row_text(c->name), "kind",
			      c->host ? "host" : "domain", "expires", (json_int_t)c->expires);

	if (c->added)
		json_object_set_new(r, "since", json_integer(c->added));
	return r;
}

static int args_correspondent(struct control_reply *r, const json_t *args,
			      struct correspondent *ret)
{
	static const char mend[] = "a mail address, a domain such as example.org, or a host's "
				   "address";
	const char *text = control_text(args, "name");
	int rc = text ? correspondent_parse(text, ret) : -EINVAL;

	if (rc == -EDOM)
		return control_fail(r, mend, "\"%.200s\" is no domain that anybody registered",
				    text);
	if (rc)
		return control_fail(r, mend, "\"%.200s\" is neither", text ? text : "");
	return 0;
}

int correspondent_do_add(struct control_reply *r, json_t *args, void *daemon)
{
	struct daemon *d = daemon;
	const char *life = control_text(args, "for");
	uint64_t ms = atomic_load(&d->config)->correspondent.life;
	struct correspondent c;
	json_t *done;
	int rc = args_correspondent(r, args, &c);

	if (rc)
		return rc;
	if (life && (config_duration(life, &ms) || ms < 1000 || ms / 1000 > UINT32_MAX))
		return control_fail(r, "a duration of at least 1s, such as 24h or 36d",
				    "\"%.60s\" is not a duration", life);
	rc = correspondent_add(d, &c, (uint32_t)(ms / 1000));
	command_settle(r, d);
	if (rc == -EEXIST)
		return control_fail(r, "see greygate explain; greygate forget undoes it",
				    "%.200s: what is known of it stands", c.name);
	if (rc == -EADDRINUSE)
		return control_fail(r, NULL, "%.200s is on our own side", c.name);
	if (rc)
		return control_fail(r, "raise correspondent.domains or limit.hosts",
				    "%.200s: no room for another one", c.name);
	done = row(&c);
	json_object_update(control_summary(r), done);
	json_decref(done);
	return 0;
}

int correspondent_do_del(struct control_reply *r, json_t *args, void *daemon)
{
	struct correspondent c;
	int rc = args_correspondent(r, args, &c);

	if (rc)
		return rc;
	rc = correspondent_del(daemon, &c);
	command_settle(r, daemon);
	if (rc)
		return control_fail(r, "see greygate correspondent list",
				    "%.200s is no correspondent", c.name);
	json_object_set_new(control_summary(r), "name", row_text(c.name));
	return 0;
}

struct showing {
	struct daemon *d;
	struct control_reply *r;
	json_int_t count;
	bool gone;
};

static void emit(struct showing *l, const struct correspondent *c)
{
	l->gone = l->gone || !control_row(l->r, row(c));
	l->count++;
}

static bool on_host(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct correspondent c = {.host = true, .expires = e->expires};
	struct showing *l = arg;

	if (e->origin == GG_BY_CORRESPONDENT && !l->gone) {
		addr_text(&p->addr, c.name);
		emit(l, &c);
	}
	return false;
}

static bool on_domain(const struct store_item *item, void *arg)
{
	struct correspondent c = {.added = item->added};
	struct showing *l = arg;

	memcpy(c.name, item->text, sizeof(item->text));
	/* RAM has the last say. */
	c.expires = correspondent_until(l->d, c.name);
	if (c.expires)
		emit(l, &c);
	return !l->gone;
}

int show_correspondents(struct control_reply *r, json_t *args, void *daemon)
{
	struct showing l = {.d = daemon, .r = r};
	int rc = 0;

	(void)args;
	if (l.d->store)
		rc = store_ops_of(l.d->store)
			     ->walk(l.d->store, STORE_CORRESPONDENT, RECORD_NONE, on_domain, &l);
	if (rc)
		return control_fail(r, "see greygate status", "the store cannot be read: %s",
				    strerror(-rc));
	verdicts_walk(l.d->verdicts, daemon_now(), on_host, &l);
	json_object_set_new(control_summary(r), "count", json_integer(l.count));
	return 0;
}
