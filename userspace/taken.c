// SPDX-License-Identifier: GPL-2.0-or-later
#include "taken.h"

#include <netinet/tcp.h>
#include <string.h>

#include "diag.h"

#define DAY 86400u
/* No mail server thinks about a message for longer (RFC 5321 4.5.3.2.6 has it ten minutes). */
#define HOUR 3600u

/* What a cell holds: the tag alone would let two messages in 2^64 meet, and one of them be lost. */
struct note {
	uint64_t check;
	uint32_t time;  /* s */
	bool under_way; /* the mail server has it and has not answered */
};
_Static_assert(sizeof(struct note) <= TABLE_CELL_DATA, "a note is a cell");

static struct note note_of(const struct cell *c)
{
	struct note n;

	memcpy(&n, c->data, sizeof(n));
	return n;
}

uint32_t taken_rank(const struct cell *c, void *arg)
{
	(void)arg;
	return UINT32_MAX - note_of(c).time;
}

void taken_begin(struct worker *w, struct delivery *d)
{
	taken_give_up(w, d);
	d->taken_tag = 0;
	d->message_id = (struct messageid){0};
	d->unstuff = (struct unstuff){0};
	if (w->daemon->taken)
		digest_begin(&d->digest, &w->daemon->taken_key);
}

void taken_add(struct worker *w, struct delivery *d, const char *bytes, size_t len)
{
	if (!w->daemon->taken)
		return;
	digest_add(&d->digest, bytes, len);
	messageid_scan(&d->message_id, bytes, len);
}

void taken_add_stuffed(struct worker *w, struct delivery *d, const char *bytes, size_t len)
{
	const char *run;
	size_t n;

	while (unstuff(&d->unstuff, &bytes, &len, &run, &n))
		taken_add(w, d, run, n);
}

static uint64_t hash_of(const struct worker *w, char kind, const uint8_t digest[DIGEST_BYTES],
			const char *sender, uint64_t recipients)
{
	const struct hash_piece pieces[] = {
		{&kind, 1},
		{digest, DIGEST_BYTES},
		{sender, strlen(sender)},
		{&recipients, sizeof(recipients)},
	};

	return hash_pieces(w->daemon->key, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

struct claim {
	struct note note;
	enum taken known;
};

static bool edit_claim(struct cell *cell, bool found, void *arg)
{
	struct claim *c = arg;
	const struct note was = note_of(cell);
	uint32_t age = c->note.time - was.time;

	if (found && was.check == c->note.check && age < (was.under_way ? HOUR : DAY)) {
		c->known = was.under_way ? TAKEN_UNDER_WAY : TAKEN_BEFORE;
		return false;
	}
	memcpy(cell->data, &c->note, sizeof(c->note));
	return true;
}

enum taken taken_claim(struct worker *w, struct delivery *d)
{
	const struct smtp *smtp = session_smtp(w, worker_session(w, d->session));
	struct claim c = {.note = {.time = w->wall, .under_way = true}, .known = TAKEN_NEVER};
	uint8_t digest[DIGEST_BYTES];

	if (!w->daemon->taken || !messageid_found(&d->message_id))
		return TAKEN_NEVER;
	digest_end(&d->digest, digest);
	d->taken_tag =
		table_tag_fix(hash_of(w, 't', digest, smtp->reverse.text, d->recipients_sum));
	d->taken_check = hash_of(w, 'c', digest, smtp->reverse.text, d->recipients_sum);
	c.note.check = d->taken_check;
	if (table_edit(w->daemon->taken, d->taken_tag, edit_claim, &c, NULL))
		counter_add(&w->counters, COUNT_limit_unconfirmed, 1);
	d->claimed = c.known == TAKEN_NEVER;
	return c.known;
}

void taken_give_up(struct worker *w, struct delivery *d)
{
	struct cell cell;

	if (d->claimed && table_get(w->daemon->taken, d->taken_tag, &cell) &&
	    note_of(&cell).check == d->taken_check && note_of(&cell).under_way)
		table_del(w->daemon->taken, d->taken_tag, NULL);
	d->claimed = false;
}

void taken_recipient(struct worker *w, struct delivery *d)
{
	const char *to = session_smtp(w, worker_session(w, d->session))->forward.text;

	/* A sum, for they may come in any order. */
	d->recipients_sum += hash_bytes(w->daemon->key, to, strlen(to));
}

static bool edit_note(struct cell *cell, bool found, void *arg)
{
	(void)found;
	memcpy(cell->data, arg, sizeof(struct note));
	return true;
}

void taken_note(struct worker *w, struct session *s, struct delivery *d)
{
	struct note n = {.check = d->taken_check, .time = w->wall};
	struct dialog *dialog = session_dialog(w, s);
	int rc;

	if (!d->taken_tag)
		return;
	d->claimed = false;
	rc = table_edit(w->daemon->taken, d->taken_tag, edit_note, &n, NULL);
	if (rc)
		counter_add(&w->counters, COUNT_limit_unconfirmed, 1);
	if (dialog->taken.count == TAKEN_OPEN) {
		counter_add(&w->counters, COUNT_unconfirmed, 1);
		dialog->taken.count--;
		memmove(dialog->taken.tags, dialog->taken.tags + 1,
			(TAKEN_OPEN - 1) * sizeof(dialog->taken.tags[0]));
	}
	dialog->taken.tags[dialog->taken.count++] = d->taken_tag;
	dialog->taken.here = d->here;
	dialog->taken.answered = dialog->taken.acknowledged = false;
}

/* ---- what shows that the client has heard ---- */

void taken_start(struct worker *w, struct session *s)
{
	memset(&session_dialog(w, s)->taken, 0, sizeof(session_dialog(w, s)->taken));
}

bool taken_open(struct worker *w, const struct session *s)
{
	return s->dialog != POOL_NONE && session_dialog(w, (struct session *)s)->taken.count;
}

static void heard(struct worker *w, struct dialog *dialog)
{
	while (dialog->taken.count)
		table_del(w->daemon->taken, dialog->taken.tags[--dialog->taken.count], NULL);
}

/* A socket that was reset is not there any more, one in TIME_WAIT has nothing left to say. */
static bool acknowledged(struct worker *w, const struct session *s, const struct dialog *dialog)
{
	const struct endpoint peer = {s->src, s->port};
	uint32_t unheard;
	int state = diag_connection(w, s, &dialog->taken.here, &peer, &unheard);

	return state >= 0 && state != TCP_LISTEN && !unheard;
}

void taken_command(struct worker *w, struct session *s, int verb, bool silent)
{
	/* RFC 2920 3.1: what may only be the last of its group. */
	static const bool last[VERB_MAX] = {[VERB_HELO] = true,
					    [VERB_EHLO] = true,
					    [VERB_DATA] = true,
					    [VERB_NOOP] = true,
					    [VERB_VRFY] = true};
	struct dialog *dialog = session_dialog(w, s);

	if (verb < 0 || !dialog->taken.count)
		return;
	dialog->taken.answered |= last[verb];
	if (verb == VERB_QUIT && silent)
		dialog->taken.acknowledged = acknowledged(w, s, dialog);
}

void taken_read(struct worker *w, struct session *s)
{
	struct dialog *dialog = session_dialog(w, s);

	if (dialog->taken.count && dialog->taken.answered && !s->sending && !s->out_len)
		heard(w, dialog);
}

void taken_left(struct worker *w, struct session *s)
{
	struct dialog *dialog;

	if (!taken_open(w, s))
		return;
	dialog = session_dialog(w, s);
	if (!s->sending && !s->out_len &&
	    (dialog->taken.acknowledged || acknowledged(w, s, dialog)))
		heard(w, dialog);
}

void taken_end(struct worker *w, struct session *s)
{
	if (taken_open(w, s))
		counter_add(&w->counters, COUNT_unconfirmed, session_dialog(w, s)->taken.count);
}
