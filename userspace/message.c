// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A message on its way from the client to the mail server: one buffer, scanned in place, sent on,
 * and filled again when it is out. So a slow mail server slows the client, and no message is ever
 * held whole. In chunks (BDAT) each piece is answered before the next one is read.
 */
#include <string.h>

#include "backend.h"
#include "delivery.h"
#include "taken.h"

/* The longest line of a text (RFC 5321 4.5.3.1.6). */
#define TEXT_LINE 1000

/* Ciphertext is read into the second half of the buffer and opened into the first: whatever comes
 * out of it stays behind what goes in by more than a record. */
#define SEALED_AT (TEXT_BUFFER / 2)
_Static_assert(SEALED_AT > TLS_RECORD + 1, "opened text must not reach the sealed");

/* The mail server has what it was given. What it took for that is not the client's time. */
static void client_next(struct worker *w, struct session *s, struct delivery *d)
{
	if (d->handed)
		session_dialog(w, s)->spared += w->now - d->handed;
	d->handed = 0;
	s->touched = w->now;
}

static void read_text(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	/* At most a CR is left in the buffer. */
	size_t at = s->secured ? SEALED_AT : d->text_len;

	client_next(w, s, d);
	/* Who wants new keys all the time has to hear ours. */
	d->held = secure_owes(w, s);
	if (d->held) {
		session_continue(w, n);
		return;
	}
	s->receiving = true;
	ring_recv_into(worker_ring(w, n), n & w->slot_mask, d->text + at, TEXT_BUFFER - at,
		       session_event_of(s, n, OP_RECV));
}

void message_heard(struct worker *w, uint32_t n)
{
	struct delivery *d = delivery_of(w, worker_session(w, n));

	if (d && d->held)
		read_text(w, n, d);
}

/* Goes on with what stands behind the first `used` bytes. */
static void leave_text(struct worker *w, uint32_t n, struct delivery *d, size_t used)
{
	struct session *s = worker_session(w, n);

	s->wait = WAIT_NONE;
	session_push_back(w, s, d->text + used, d->text_len - used);
	d->text_len = 0;
}

void message_leave(struct worker *w, uint32_t n, struct delivery *d)
{
	client_next(w, worker_session(w, n), d);
	leave_text(w, n, d, 0);
}

static void refuse_text(struct worker *w, uint32_t n, struct delivery *d, size_t used)
{
	struct session *s = worker_session(w, n);
	bool big = session_smtp(w, s)->discard == REPLY_TOO_BIG;

	if (!big) /* what is too big is counted with its reply */
		counter_add(&w->counters, COUNT_smuggling, 1);
	delivery_log(w, d, s, "deny", big ? "message" : "bare_byte", NULL);
	leave_text(w, n, d, used);
	delivery_drop(w, s);
	session_continue(w, n);
}

/* What is known of a message whose end is not sent: over there it is one that was broken off. */
static const struct {
	enum smtp_reply reply;
	enum counter counter;
	const char *verdict, *reason;
} known[] = {
	[TAKEN_UNDER_WAY] = {REPLY_UNDER_WAY, COUNT_duplicates_early, "defer", "under_way"},
	[TAKEN_BEFORE] = {REPLY_DUPLICATE, COUNT_duplicates, "pass", "duplicate"},
};

static void had_before(struct worker *w, uint32_t n, struct delivery *d, size_t used,
		       enum taken what)
{
	struct session *s = worker_session(w, n);

	counter_add(&w->counters, known[what].counter, 1);
	leave_text(w, n, d, used);
	session_reply(w, s, known[what].reply, NULL);
	delivery_log(w, d, s, known[what].verdict, known[what].reason, NULL);
	delivery_drop(w, s);
	smtp_text_done(session_smtp(w, s), what == TAKEN_BEFORE);
	session_continue(w, n);
}

static void send_piece(struct worker *w, struct delivery *d, const char *bytes, size_t len)
{
	d->passing = true;
	if (!d->handed)
		d->handed = w->now;
	delivery_ask(w, d, ASKED_NOTHING);
	backend_send(w, d, bytes, len);
}

/* Scans what is in the buffer and sends on what may go. */
static void pass_text(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	struct smtp_out no_reply = {NULL, 0, 0};
	enum taken taken;
	size_t used = 0;

	while (used < d->text_len && !d->text_ended) {
		struct smtp_step step;

		used += smtp_input(smtp, session_conf(w, s), d->text + used, d->text_len - used,
				   &no_reply, &step);
		if (step.act == SMTP_NEED_MORE)
			break;
		if (step.act == SMTP_TEXT_BAD) {
			refuse_text(w, n, d, used);
			return;
		}
		d->text_ended = step.act == SMTP_TEXT_END;
	}
	if (!used) {
		read_text(w, n, d);
		return;
	}
	d->bytes = smtp->received;
	d->text_sent = (uint32_t)used;
	taken_add_stuffed(w, d, d->text, used - (d->text_ended ? strlen("\r\n") : 0));
	taken = d->text_ended ? taken_claim(w, d) : TAKEN_NEVER;
	if (taken != TAKEN_NEVER) {
		had_before(w, n, d, used, taken);
		return;
	}
	send_piece(w, d, d->text, used);
}

/* The same in a chunk: what has come is a chunk of our own for the mail server, so that it never
 * waits for bytes that a client has only announced. */
static void pass_chunk(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	struct smtp_out no_reply = {NULL, 0, 0};
	char command[UPSTREAM_CHUNK], *from;
	size_t used = 0, piece = 0, len;
	enum taken taken;
	bool cr = false;

	while (!d->chunk_ended) {
		struct smtp_step step;

		used += smtp_input(session_smtp(w, s), session_conf(w, s), d->text + used,
				   d->text_len - used, &no_reply, &step);
		if (step.act == SMTP_NEED_MORE)
			break;
		if (step.act == SMTP_TEXT_BAD) {
			refuse_text(w, n, d, used);
			return;
		}
		cr |= step.cr;
		piece += step.len;
		d->text_ended = step.act == SMTP_TEXT_END;
		d->chunk_ended = d->text_ended || step.act == SMTP_CHUNK_END;
	}
	if (!used && !d->chunk_ended) {
		read_text(w, n, d);
		return;
	}
	d->text_sent = (uint32_t)used;
	if (!piece && !cr && !d->text_ended) {
		leave_text(w, n, d, used);
		session_reply(w, s, REPLY_CHUNK_OK, NULL);
		smtp_chunk_done(session_smtp(w, s), true);
		session_continue(w, n);
		return;
	}
	piece += cr;
	d->bytes += piece;
	from = (char *)d + offsetof(struct delivery, text) - cr;
	if (cr)
		*from = '\r';
	taken_add(w, d, from, piece);
	taken = d->text_ended ? taken_claim(w, d) : TAKEN_NEVER;
	if (taken != TAKEN_NEVER) {
		had_before(w, n, d, used, taken);
		return;
	}
	len = upstream_chunk(&d->up, command, piece, d->text_ended);
	memcpy(from - len, command, len);
	send_piece(w, d, from - len, len + piece);
}

static void pass(struct worker *w, uint32_t n, struct delivery *d)
{
	if (d->chunked)
		pass_chunk(w, n, d);
	else
		pass_text(w, n, d);
}

bool message_abandon(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct delivery *d = delivery_of(w, s);

	if (s->wait != WAIT_TEXT || !s->receiving || !d)
		return false;
	delivery_call_off(w, d);
	d->failed = true; /* what still comes is read into its buffer, and goes nowhere */
	return true;
}

/* A byte now and then is no sign of life: a line has to end, or as much as a line may have. */
static bool is_progress(struct delivery *d, const char *text, size_t len)
{
	d->unended += len < TEXT_LINE ? (uint32_t)len : TEXT_LINE;
	if (d->unended < TEXT_LINE && !memchr(text, '\n', len))
		return false;
	d->unended = 0;
	return true;
}

void message_received(struct worker *w, uint32_t n, int res)
{
	struct session *s = worker_session(w, n);
	struct delivery *d = delivery_of(w, s);
	size_t len;

	if (res <= 0) {
		session_end(w, n);
		return;
	}
	len = (size_t)res;
	if (s->secured && !secure_open_to(w, s, d->text + SEALED_AT, len, d->text + d->text_len,
					  TEXT_BUFFER - d->text_len, &len)) {
		session_end(w, n);
		return;
	}
	if (is_progress(d, d->text + d->text_len, len))
		s->touched = w->now;
	d->touched = w->now;
	taken_read(w, s);
	d->text_len += (uint32_t)len;
	if (d->failed) {
		leave_text(w, n, d, 0);
		delivery_detach(w, s, d);
		session_continue(w, n);
		return;
	}
	pass(w, n, d);
}

/* The mail server is asked about what it got. */
static void chunk_sent(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	if (d->chunk_ended) {
		leave_text(w, n, d, 0);
		s->wait = d->text_ended ? WAIT_REPLY : WAIT_DATA;
	}
	delivery_ask(w, d, d->text_ended ? ASKED_TEXT : ASKED_CHUNK);
}

void message_more(struct worker *w, uint32_t n, struct delivery *d)
{
	if (d->text_len)
		pass_chunk(w, n, d);
	else
		read_text(w, n, d);
}

/* A piece is out. */
void message_sent(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	d->touched = w->now;
	d->text_len -= d->text_sent;
	memmove(d->text, d->text + d->text_sent, d->text_len);
	d->text_sent = 0;
	d->passing = false;
	if (d->chunked) {
		chunk_sent(w, n, d);
		return;
	}
	if (!d->text_ended) {
		if (d->text_len > 1)
			pass_text(w, n, d);
		else
			read_text(w, n, d); /* at most a CR whose LF has not come */
		return;
	}
	leave_text(w, n, d, 0);
	s->wait = WAIT_REPLY;
	upstream_text_sent(&d->up);
	delivery_ask(w, d, ASKED_TEXT);
}

/* What the client sent without waiting is the beginning. */
static void take_waiting(struct worker *w, struct session *s, struct delivery *d)
{
	char *waiting;

	d->text_len = d->text_sent = 0;
	d->handed = 0;
	d->text_ended = d->chunk_ended = d->held = false;
	if (s->in == POOL_NONE)
		return;
	waiting = pool_at(&w->ins, s->in);
	d->text_len = s->in_len < TEXT_BUFFER ? s->in_len : TEXT_BUFFER;
	memcpy(d->text, waiting, d->text_len);
	s->in_len -= d->text_len;
	if (s->in_len) {
		memmove(waiting, waiting + d->text_len, s->in_len);
	} else {
		pool_give(&w->ins, s->in);
		s->in = POOL_NONE;
	}
}

void message_begin(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	s->wait = WAIT_TEXT;
	taken_begin(w, d);
	take_waiting(w, s, d);
	if (d->text_len)
		pass_text(w, n, d);
	else
		read_text(w, n, d);
}

void message_chunk(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	s->wait = WAIT_TEXT;
	take_waiting(w, s, d);
	pass_chunk(w, n, d);
}
