// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of control commands, and those that change something. */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands_show.h"
#include "reloader.h"
#include "source.h"
#include "store/mend.h"

bool text_printable(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

void command_settle(struct control_reply *r, struct daemon *d)
{
	const int err = -daemon_settle(d);
	json_t *said = NULL;

	if (err == ENODEV)
		said = json_sprintf("it holds until greygated ends: %s",
				    d->store_why[0] ? d->store_why : "there is no store");
	else if (err == ETIMEDOUT)
		said = json_string("it is not on disk yet: the disk of state_dir is slow");
	else if (err)
		said = json_sprintf("it is not on disk yet, which greygate status tells as long as "
				    "it lasts: %s: %s",
				    strerror(err), store_mend(-err));
	if (said)
		json_object_set_new(control_summary(r), "unsaved", said);
}

void command_waits(void *reply)
{
	control_row(reply, json_pack("{s:s}", "step", "waiting"));
	control_flush(reply);
}

/* "192.0.2.7/24" with the host bits cleared, for the mend of a prefix that has them. */
static bool mended_prefix(const char *text, struct prefix *ret)
{
	char addr[ADDR_TEXT], *slash;
	struct addr a;
	unsigned long len;

	snprintf(addr, sizeof(addr), "%s", text);
	slash = strchr(addr, '/');
	if (!slash)
		return false;
	*slash = 0;
	len = strtoul(slash + 1, NULL, 10);
	if (addr_parse(addr, &a) || len > (addr_is4(&a) ? 32u : 128u))
		return false;
	*ret = addr_mask(&a, (uint8_t)(addr_is4(&a) ? len + 96 : len));
	return true;
}

/* args.prefix, or a control_fail. */
static int args_prefix(struct control_reply *r, const json_t *args, struct prefix *ret)
{
	const char *text = control_text(args, "prefix");
	char mend[PREFIX_TEXT + 32], near[PREFIX_TEXT];
	struct prefix p;
	int rc;

	if (!text)
		return control_fail(r, "name one, such as 192.0.2.7 or 2001:db8::/32",
				    "no address given");
	rc = prefix_parse(text, ret);
	if (rc == -EDOM && mended_prefix(text, &p)) {
		snprintf(mend, sizeof(mend), "did you mean %s?", prefix_text(&p, near));
		return control_fail(r, mend, "%.60s has bits set right of its length", text);
	}
	if (rc == -ERANGE)
		return control_fail(r, "all of IPv4 is 0.0.0.0/0, all of IPv6 ::/0",
				    "%.60s is a part of IPv6 that no sender is in", text);
	if (rc)
		return control_fail(r,
				    "an address such as 192.0.2.7 or 2001:db8::1, or a prefix "
				    "such as 192.0.2.0/24",
				    "\"%.60s\" is not an address", text);
	return 0;
}

/* for, action and reason of allow and deny. */
static int args_entry(struct control_reply *r, const json_t *args, struct verdict_entry *e,
		      const char **reason)
{
	const char *life = control_text(args, "for"), *action = control_text(args, "action");
	uint64_t ms, expires;

	*reason = control_text(args, "reason");
	if (!*reason)
		*reason = "";
	if (life) {
		if (config_duration(life, &ms) || ms < 1000)
			return control_fail(r, "a duration of at least 1s, such as 30m, 24h or 36d",
					    "\"%.60s\" is not a duration", life);
		expires = daemon_now() + ms / 1000;
		if (expires > UINT32_MAX)
			return control_fail(r, "leave --for out: then it never expires",
					    "\"%.60s\" is longer than can be counted", life);
		e->expires = (uint32_t)expires;
	}
	if (action && e->verdict == GG_ALLOW)
		return control_fail(r, "leave it out", "allow has no action");
	if (action) {
		e->action = config_action(action);
		if (e->action == GG_NO_ACTION)
			return control_fail(r, "one of reject, stutter, tarpit, drop_new, drop_all",
					    "\"%.60s\" is not an action", action);
	}
	if (strlen(*reason) >= STORE_TEXT || !text_printable(*reason))
		return control_fail(r, "one line of at most 135 bytes",
				    "the reason is too long or has control characters");
	return 0;
}

static int no_room(struct control_reply *r, struct daemon *d, const struct prefix *p)
{
	const struct config *c = atomic_load(&d->config);
	const bool host = p->len == 128;
	char mend[160];

	snprintf(mend, sizeof(mend),
		 "greygate forget some that are no longer needed, or raise limit %s and restart "
		 "greygated",
		 host ? "hosts" : "nets");
	return control_fail(r, mend,
			    "no room: limit %s is %u for IPv%d, and all entries are operators'; "
			    "nothing was changed",
			    host ? "hosts" : "nets", host ? c->limit.hosts : c->limit.nets,
			    addr_is4(&p->addr) ? 4 : 6);
}

static int put_verdict(struct control_reply *r, const json_t *args, struct daemon *d,
		       struct verdict_entry e)
{
	char text[PREFIX_TEXT];
	struct verdict_entry was;
	struct prefix p;
	const char *reason;
	bool trapped;
	json_t *row;
	int rc;

	rc = args_prefix(r, args, &p);
	if (!rc)
		rc = args_entry(r, args, &e, &reason);
	if (rc)
		return rc;
	trapped = verdicts_get(d->verdicts, &p, daemon_now(), &was) && was.origin == GG_BY_TRAP;
	rc = daemon_verdict_put(d, &p, &e, reason);
	if (!rc && trapped && e.verdict == GG_ALLOW && p.len == 128)
		source_release(d, &p.addr);
	command_settle(r, d);
	if (rc == -EPERM)
		return control_fail(
			r,
			"deny the clients that its PROXY headers name, or take it out of "
			"proxy_protocol_from and reload",
			"%s is a load balancer's, which is never judged", prefix_text(&p, text));
	if (rc == -ENOSPC)
		return no_room(r, d, &p);
	if (rc)
		return control_fail(r, "see the log", "the kernel did not take it: %s",
				    strerror(-rc));
	row = row_verdict(d, &p, &e, reason, 0);
	if (config_exempt(atomic_load(&d->config), &p))
		json_object_set_new(row, "exempt", json_true());
	json_object_update(control_summary(r), row);
	json_decref(row);
	return 0;
}

static int allow(struct control_reply *r, json_t *args, void *daemon)
{
	return put_verdict(r, args, daemon,
			   (struct verdict_entry){.verdict = GG_ALLOW, .origin = GG_BY_OPERATOR});
}

static int deny(struct control_reply *r, json_t *args, void *daemon)
{
	return put_verdict(r, args, daemon,
			   (struct verdict_entry){.verdict = GG_DENY,
						  .action = GG_REJECT,
						  .origin = GG_BY_OPERATOR});
}

static int forget(struct control_reply *r, json_t *args, void *daemon)
{
	struct daemon *d = daemon;
	struct prefix p;
	size_t n;
	int rc = args_prefix(r, args, &p);

	if (rc)
		return rc;
	n = daemon_forget(d, &p);
	command_settle(r, d);
	json_object_set_new(control_summary(r), "forgotten", json_integer((json_int_t)n));
	if (config_exempt(atomic_load(&d->config), &p))
		json_object_set_new(control_summary(r), "exempt", json_true());
	return 0;
}

static int trap_change(struct control_reply *r, const json_t *args, struct daemon *d,
		       int (*change_fn)(struct daemon *, const char *))
{
	const char *address = control_text(args, "address");
	int rc;

	if (!address)
		return control_fail(r, "name one, such as old@example.net or @unused.example.net",
				    "no trap address given");
	rc = change_fn(d, address);
	command_settle(r, d);
	if (rc == -EEXIST)
		return control_fail(r, NULL, "%.200s is a trap already", address);
	if (rc == -ENOENT)
		return control_fail(r,
				    "see greygate trap list; those of the configuration are "
				    "changed there",
				    "%.200s is not a trap made by greygate trap add", address);
	if (rc == -EINVAL)
		return control_fail(r,
				    "user@domain, @domain for all of a domain, or a pattern such "
				    "as sales-*@domain",
				    "\"%.200s\" is not a mail address", address);
	if (rc == -ENOSPC)
		return control_fail(r, "delete some: greygate trap list shows them",
				    "there are %d patterns already", POLICY_PATTERNS);
	if (rc)
		return control_fail(r, NULL, "%.200s: %s", address, strerror(-rc));
	json_object_set_new(control_summary(r), "address", row_text(address));
	return 0;
}

static int trap_add(struct control_reply *r, json_t *args, void *daemon)
{
	return trap_change(r, args, daemon, daemon_trap_add);
}

static int trap_del(struct control_reply *r, json_t *args, void *daemon)
{
	return trap_change(r, args, daemon, daemon_trap_del);
}

static int reload(struct control_reply *r, json_t *args, void *daemon)
{
	char err[8000];
	json_t *problems;
	int rc;

	(void)args;
	rc = reloader_wait(err, sizeof(err), command_waits, r);
	if (rc) {
		size_t len = strlen(err);

		if (len && err[len - 1] == '\n')
			err[len - 1] = 0;
		return control_fail(r, "nothing was changed; mend the file and reload again", "%s",
				    *err ? err : strerror(-rc));
	}
	problems = json_array();
	listing_problems(daemon, problems);
	json_object_set_new(control_summary(r), "problems", problems);
	return 0;
}

const struct control_command commands[] = {
	{"status", show_status, "state of the daemon and what it runs on"},
	{"stats", show_stats, "every counter"},
	{"list", show_list, "args.what: allow, deny, grey, passed, trap or learned"},
	{"allow", allow, "args.prefix, for, reason: let a source through"},
	{"deny", deny, "args.prefix, for, action, reason: refuse a source"},
	{"forget", forget, "args.prefix: drop everything known of it"},
	{"trap-add", trap_add, "args.address: make it a greytrap"},
	{"trap-del", trap_del, "args.address: no longer a greytrap"},
	{"trap-list", show_traps, "greytrap addresses"},
	{"correspondent-add", correspondent_do_add, "args.name, for: somebody our users write to"},
	{"correspondent-del", correspondent_do_del, "args.name: no longer"},
	{"correspondent-list", show_correspondents, "whom our users write to"},
	{"explain", show_explain,
	 "args.what: an address, a ticket or a mailbox; what is known and why"},
	{"report", show_report, "args.since: what came of the mail first seen since then"},
	{"import", import_list,
	 "args.name, file, format, verdict, action, message, skip_bad, remove; with a descriptor: "
	 "put a list in force"},
	{"export", show_export, "everything known, one row each"},
	{"restore", restore_do, "args.file of state_dir: add what a backup knows"},
	{"reload", reload, "read the configuration again"},
	{NULL, NULL, NULL},
};

int commands_open(struct daemon *d, uid_t uid, gid_t gid, int listener, struct control **ret,
		  char *err, size_t err_size)
{
	const struct config *c = atomic_load(&d->config);
	const struct control_conf conf = {.path = c->control,
					  .uid = uid,
					  .gid = gid,
					  .commands = commands,
					  .context = d,
					  .listener = listener};

	return control_open(&conf, ret, err, err_size);
}
