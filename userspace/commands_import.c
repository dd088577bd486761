// SPDX-License-Identifier: GPL-2.0-or-later
/* import: a list from a file that came with the request. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands_show.h"

#define UPGRADE "the daemon is being upgraded"
#define UPGRADED "nothing was changed; repeat it once the new process serves"
#define ERRORS (40 * LIST_ERROR) /* complaints about lines that are shown */
#define PLACES_LEFT 16 /* of control's clients, by imports that wait, for other commands */

/* What the client sees of the work while it goes on. */
static void tell(size_t done, size_t all, void *reply)
{
	control_row(reply, json_pack("{s:s, s:I, s:I}", "step", all ? "into the kernel" : "reading",
				     "done", (json_int_t)done, "all", (json_int_t)all));
	control_flush(reply);
}

static void complain(struct control_reply *r, char *errors)
{
	char *end;

	for (; (end = strchr(errors, '\n')); errors = end + 1) {
		*end = 0;
		control_row(r, json_pack("{s:o}", "complaint", row_text(errors)));
	}
}

/* The words of a request. 0, or a control_fail. */
static int take_words(struct control_reply *r, const json_t *args, struct listing_import *what)
{
	const char *format = control_text(args, "format"), *verdict = control_text(args, "verdict");
	const char *action = control_text(args, "action");
	char known[300];

	what->message = control_text(args, "message");
	what->skip_bad = json_is_true(json_object_get(args, "skip_bad"));
	what->has_format = format;
	if (control_text(args, "file"))
		what->file = control_text(args, "file");
	if (format && list_format_find(format, &what->format))
		return control_fail(r, list_formats(known, sizeof(known)),
				    "\"%.60s\" is not a format", format);
	what->verdict = verdict ? config_verdict(verdict) : GG_UNKNOWN;
	if (verdict && !what->verdict)
		return control_fail(r, "one of allow, deny, except", "\"%.60s\" is not a verdict",
				    verdict);
	what->action = action ? config_action(action) : GG_NO_ACTION;
	if (action && !what->action)
		return control_fail(r, "one of reject, stutter, tarpit, drop_new, drop_all",
				    "\"%.60s\" is not an action", action);
	if (what->message &&
	    (strlen(what->message) > LIST_MESSAGE || !config_sentence_ok(what->message)))
		return control_fail(r, "one line of printable ASCII, at most 200 bytes",
				    "the message is too long or not in printable ASCII");
	return 0;
}

static int failed(struct control_reply *r, const struct listing_import *what,
		  const struct listing_imported *got, int rc)
{
	const char *first = strchr(what->errors, '\n');

	switch (rc) {
	case -EBADMSG:
		return control_fail(r,
				    "mend the lines, or leave them out with --skip-bad; nothing "
				    "was changed",
				    "%.200s: %u of %u lines are bad", what->file, got->bad,
				    got->lines);
	case -EINVAL:
		return control_fail(r, "nothing was changed; name its format with --format", "%.*s",
				    first ? (int)(first - what->errors) : 200, what->errors);
	case -EDOM:
		return control_fail(
			r,
			"nothing was changed; say --verdict deny, or what its format is "
			"with --format",
			"%.200s: a list of this format denies, and the verdict is allow",
			what->file);
	case -ENODATA:
		return control_fail(r, "nothing was changed; greygate import NAME --remove ends it",
				    "%.200s: empty", what->file);
	case -EUSERS:
		return control_fail(r,
				    "nothing was changed; greygate import NAME --remove ends one",
				    "%.200s: not imported: there are %d lists already, as many as "
				    "there can be",
				    what->file, LISTING_MAX);
	case -ENOENT:
		return control_fail(
			r, "nothing was changed; restart greygated, which makes it anew",
			"%.200s: not imported: a pin of the kernel's maps is gone", what->file);
	case -ENOSPC:
		return control_fail(r, "nothing was changed; raise limit imports, or remove a list",
				    "%.200s: no room for it", what->file);
	case -EEXIST:
		return control_fail(r, "change it there and reload, or import under another name",
				    "list %s stands in the configuration, with its verdict, action "
				    "and message",
				    what->name);
	default:
		return control_fail(r, "nothing was changed", "%.200s: %s", what->file,
				    strerror(-rc));
	}
}

static int take_text(struct control_reply *r, struct daemon *d, struct listing_import *what)
{
	const struct fastpath_progress progress = {tell, r};
	struct listing_imported got = {0};
	json_t *s = control_summary(r);
	char *copy;
	int rc;

	what->progress = &progress;
	rc = listing_import(&d->lists, what, &got);
	copy = strdup(what->errors);
	if (copy)
		complain(r, copy);
	free(copy);
	if (rc)
		return failed(r, what, &got, rc);
	json_object_set_new(s, "list", json_string(what->name));
	json_object_set_new(s, "entries", json_integer(got.entries));
	json_object_set_new(s, "bad", json_integer(got.bad));
	json_object_set_new(s, "added", json_integer((json_int_t)got.added));
	json_object_set_new(s, "removed", json_integer((json_int_t)got.removed));
	json_object_set_new(s, "changed", json_integer((json_int_t)got.changed));
	json_object_set_new(s, "unchanged", json_integer((json_int_t)got.unchanged));
	if (got.unkept[0])
		json_object_set_new(s, "warning", row_text(got.unkept));
	else if (got.cut)
		json_object_set_new(s, "warning",
				    json_sprintf("%.200s: %s: did all of it come? What was in "
						 "force before is back when it is imported again",
						 what->file, got.cut));
	return 0;
}

static int take_list(struct control_reply *r, struct daemon *d, struct listing_import *what)
{
	char *text = NULL;
	int rc;

	if (control_file(r) < 0)
		return control_fail(r, "use greygate import", "no file came with the request");
	rc = listing_file(control_file(r), &text, &what->len);
	if (rc)
		return control_fail(r, NULL, "%.200s: cannot be read: %s", what->file,
				    strerror(-rc));
	what->text = text;
	what->size = ERRORS;
	what->errors = calloc(1, what->size);
	rc = what->errors ? take_text(r, d, what)
			  : control_fail(r, NULL, "%.200s: out of memory", what->file);
	free(what->errors);
	free(text);
	return rc;
}

static int remove_list(struct control_reply *r, struct daemon *d, const char *name)
{
	char kept[LIST_ERROR];
	int rc = listing_remove(&d->lists, name, kept);
	json_t *s = control_summary(r);

	if (rc == -ENOENT)
		return control_fail(r, "greygate status shows the lists", "no list %s was imported",
				    name);
	if (rc)
		return control_fail(r, "it is still in force", "%s: %s", name, strerror(-rc));
	json_object_set_new(s, "list", json_string(name));
	json_object_set_new(s, "removed_list", json_true());
	if (kept[0])
		json_object_set_new(s, "warning", row_text(kept));
	return 0;
}

/* A text is read in its turn: those who wait cost no memory. */
static int in_turn(struct control_reply *r, struct daemon *d, struct listing_import *what,
		   bool remove)
{
	int rc = listing_begin(&d->lists, command_waits, r);

	if (rc)
		return control_fail(r, UPGRADED, "%.200s: not %s: " UPGRADE, what->file,
				    remove ? "removed" : "imported");
	rc = remove ? remove_list(r, d, what->name) : take_list(r, d, what);
	listing_end(&d->lists);
	return rc;
}

int import_list(struct control_reply *r, json_t *args, void *daemon)
{
	static _Atomic int at_once;
	struct listing_import what = {.name = control_text(args, "name")};
	const bool remove = json_is_true(json_object_get(args, "remove"));
	int rc;

	if (!what.name || !config_list_name_ok(what.name))
		return control_fail(
			r,
			"up to 31 letters, digits, dots, dashes and underscores, but not "
			". or ..",
			"\"%.60s\" is not a name of a list", what.name ? what.name : "");
	what.file = what.name;
	rc = remove ? 0 : take_words(r, args, &what);
	if (rc)
		return rc;
	if (atomic_fetch_add(&at_once, 1) < CONTROL_CLIENTS - PLACES_LEFT)
		rc = in_turn(r, daemon, &what, remove);
	else
		rc = control_fail(r, "nothing was changed; repeat it when some of them are done",
				  "%.200s: not %s: %d imports wait for their turn already",
				  what.file, remove ? "removed" : "imported",
				  CONTROL_CLIENTS - PLACES_LEFT);
	atomic_fetch_sub(&at_once, 1);
	return rc;
}
