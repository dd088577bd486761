// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A message on its way from the client to the mail server: one buffer, scanned in place, sent on,
 * and filled again when it is out. So a slow mail server slows the client, and no message is ever
 * held whole.
 */
#include <string.h>

#include "backend.h"
#include "delivery.h"

/* The end of data may take the mail server's filters minutes (RFC 5321 4.5.3.2.6): giving up early
 * means delivering twice. */
#define TEXT_PATIENCE 10

/* Ciphertext is read into the second half of the buffer and opened into the first: whatever comes
 * out of it stays behind what goes in by more than a record. */
#define SEALED_AT (TEXT_BUFFER / 2)
_Static_assert(SEALED_AT > TLS_RECORD + 1, "opened text must not reach the sealed");

static void read_text(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	/* At most a CR is left in the buffer. */
	size_t at = s->secured ? SEALED_AT : d->text_len;

	s->receiving = true;
	ring_recv_into(worker_ring(w, n), n & w->slot_mask, d->text + at, TEXT_BUFFER - at,
		       (struct ring_event){n, s->generation, OP_RECV});
}

/* Leaves the text phase with input unread: it goes back to be read as commands (or to be
 * discarded). */
static void leave_text(struct worker *w, uint32_t n, struct delivery *d, size_t used)
{
	struct session *s = worker_session(w, n);

	s->wait = WAIT_NONE;
	session_push_back(w, s, d->text + used, d->text_len - used);
	d->text_len = 0;
}

/* Scans what is in the buffer and sends on what may go. */
static void pass_text(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	struct smtp_out no_reply = {NULL, 0, 0};
	size_t used = 0;

	while (used < d->text_len && !d->text_ended) {
		struct smtp_step step;

		used += smtp_input(smtp, session_conf(w, s), d->text + used, d->text_len - used,
				   &no_reply, &step);
		if (step.act == SMTP_NEED_MORE)
			break;
		if (step.act == SMTP_TEXT_BAD) {
			counter_add(&w->counters,
				    smtp->discard == REPLY_TOO_BIG ? COUNT_limit_message
								   : COUNT_smuggling,
				    1);
			delivery_log(w, d, s, "deny",
				     smtp->discard == REPLY_TOO_BIG ? "message" : "bare_byte",
				     NULL);
			leave_text(w, n, d, used);
			delivery_drop(w, s);
			session_continue(w, n);
			return;
		}
		d->text_ended = step.act == SMTP_TEXT_END;
	}
	if (!used) {
		read_text(w, n, d);
		return;
	}
	d->bytes += used;
	d->text_sent = (uint32_t)used;
	backend_send(w, d, d->text, used);
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
	s->touched = d->touched = w->now;
	d->text_len += (uint32_t)len;
	if (d->failed) {
		leave_text(w, n, d, 0);
		delivery_detach(w, s, d);
		session_continue(w, n);
		return;
	}
	pass_text(w, n, d);
}

/* A piece is out. */
void message_sent(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	d->touched = w->now;
	d->text_len -= d->text_sent;
	memmove(d->text, d->text + d->text_sent, d->text_len);
	d->text_sent = 0;
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
	delivery_ask(w, d, ASKED_TEXT, w->config->upstream.timeout * TEXT_PATIENCE);
}

void message_begin(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);

	s->wait = WAIT_TEXT;
	d->text_len = d->text_sent = 0;
	d->text_ended = false;
	if (s->in != POOL_NONE) {
		/* The client did not wait for the 354: what it sent is the beginning of the
		 * message. */
		d->text_len = s->in_len < TEXT_BUFFER ? s->in_len : TEXT_BUFFER;
		memcpy(d->text, pool_at(&w->ins, s->in), d->text_len);
		s->in_len -= d->text_len;
		if (s->in_len) {
			char *rest = pool_at(&w->ins, s->in);

			memmove(rest, rest + d->text_len, s->in_len);
		} else {
			pool_give(&w->ins, s->in);
			s->in = POOL_NONE;
		}
		pass_text(w, n, d);
		return;
	}
	read_text(w, n, d);
}
