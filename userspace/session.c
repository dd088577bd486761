// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One client's life between the banner and the end. The SMTP itself is in smtp/, what is thought of
 * the client in judge.c; here bytes are read, handed over unit by unit, and replies are written.
 *
 * Reading and writing take turns: a dialog reads on when its replies are out and nothing is
 * awaited, so input never piles up beyond one receive buffer and one command line.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "recipient.h"
#include "relief.h"
#include "taken.h"
#include "worker.h"

struct dialog *session_dialog(struct worker *w, struct session *s)
{
	return pool_at(&w->dialogs, s->dialog);
}

struct smtp *session_smtp(struct worker *w, struct session *s)
{
	return &session_dialog(w, s)->smtp;
}

static void chunk_drop(struct pool *p, uint32_t *chunk, uint32_t *len)
{
	if (*chunk != POOL_NONE)
		pool_give(p, *chunk);
	*chunk = POOL_NONE;
	*len = 0;
}

static bool chunk_have(struct pool *p, uint32_t *chunk)
{
	if (*chunk == POOL_NONE)
		*chunk = pool_take(p);
	return *chunk != POOL_NONE;
}

bool session_out_have(struct worker *w, struct session *s)
{
	return chunk_have(&w->outs, &s->out);
}

void session_out_drop(struct worker *w, struct session *s)
{
	chunk_drop(&w->outs, &s->out, &s->out_len);
}

void session_in_drop(struct worker *w, struct session *s)
{
	chunk_drop(&w->ins, &s->in, &s->in_len);
}

const struct smtp_conf *session_conf(const struct worker *w, const struct session *s)
{
	return s->secured ? &w->smtp_secured : &w->smtp;
}

static struct smtp_out out_of(struct worker *w, struct session *s)
{
	return (struct smtp_out){pool_at(&w->outs, s->out), s->out_len, OUT_CHUNK};
}

bool session_say(struct worker *w, struct session *s, const char *bytes, size_t len)
{
	if (!chunk_have(&w->outs, &s->out) || s->out_len + len > OUT_CHUNK)
		return false;
	memcpy((char *)pool_at(&w->outs, s->out) + s->out_len, bytes, len);
	s->out_len += (uint32_t)len;
	return true;
}

void session_reply(struct worker *w, struct session *s, enum smtp_reply r,
		   const struct smtp_reply_args *args)
{
	struct smtp_out out;

	if (!chunk_have(&w->outs, &s->out) || s->out_len + SMTP_REPLY_MAX > OUT_CHUNK) {
		s->hangup = true; /* no room to say it: the client sees a closed connection and
				     comes again */
		return;
	}
	out = out_of(w, s);
	smtp_reply(&out, &w->smtp, r, args);
	s->out_len = (uint32_t)out.len;
}

void session_push_back(struct worker *w, struct session *s, const char *bytes, size_t len)
{
	if (!len)
		return;
	if (!chunk_have(&w->ins, &s->in) || s->in_len + len > IN_CHUNK) {
		counter_add(&w->counters, COUNT_queue_full, 1);
		session_reply(w, s, REPLY_SERVICE_DOWN, NULL);
		s->hangup = true;
		return;
	}
	memcpy((char *)pool_at(&w->ins, s->in) + s->in_len, bytes, len);
	s->in_len += (uint32_t)len;
}

/* ---- beginning ---- */

static void dialog_begin(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	s->phase = PHASE_DIALOG;
	s->dialog = pool_take(&w->dialogs);
	assert(s->dialog != POOL_NONE); /* there is one for each slot */
	session_dialog(w, s)->spared = 0;
	smtp_init(session_smtp(w, s));
	taken_start(w, s);
	recipient_begin(w, s);
	evidence_dialog(w, n);
	worker_timer(w, n, w->now + w->config->limit.state_time);
}

void session_banner(struct worker *w, uint32_t n, size_t from)
{
	struct session *s = worker_session(w, n);

	dialog_begin(w, n);
	s->sending = true;
	ring_send(worker_ring(w, n), n & w->slot_mask, w->banner + from, w->banner_len - from,
		  session_event_of(s, n, OP_SEND));
}

void session_stuttered(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	stutter_ended(w);
	s->phase = PHASE_BANNER;
	if (!sanity_look(w, n))
		session_banner(w, n, s->drip);
}

void session_dripped(struct worker *w, uint32_t n, int res)
{
	struct session *s = worker_session(w, n);

	s->dripping = false;
	if (s->slow && res > 0) {
		stutter_replied(w, n);
		return;
	}
	s->sending = false;
	if (s->phase == PHASE_CLOSING) {
		session_end(w, n);
		return;
	}
	if (res != 1) {
		counter_add(&w->counters, COUNT_stutter_hangup, 1);
		session_end(w, n);
		return;
	}
	s->touched = w->now;
	if (s->phase != PHASE_STUTTER || s->drips)
		return;
	session_stuttered(w, n);
}

void session_looked(struct worker *w, uint32_t n, int res)
{
	struct session *s = worker_session(w, n);

	s->sending = false;
	if (s->phase == PHASE_CLOSING) {
		session_end(w, n);
		return;
	}
	if (res > 0)
		sanity_note(w, s, SANITY_EARLY_TALK);
	session_banner(w, n, s->drip);
}

/* ---- bytes in ---- */

/* Replies that a limit gave, and its counter. */
static const struct {
	int reply;
	enum counter which;
} limit_replies[] = {
	{REPLY_LINE_TOO_LONG, COUNT_limit_line},
	{REPLY_TOO_MANY_COMMANDS, COUNT_limit_commands},
	{REPLY_TOO_MANY_ERRORS, COUNT_limit_errors},
	{REPLY_TOO_MANY_RECIPIENTS, COUNT_limit_recipients},
	{REPLY_TOO_BIG, COUNT_limit_message},
};

static void count_reply(struct worker *w, int reply)
{
	if (reply < 0)
		return;
	if (smtp_reply_code((enum smtp_reply)reply) / 100 == 5)
		counter_add(&w->counters, COUNT_protocol_errors, 1);
	for (size_t i = 0; i < sizeof(limit_replies) / sizeof(limit_replies[0]); i++)
		if (limit_replies[i].reply == reply)
			counter_add(&w->counters, limit_replies[i].which, 1);
}

/* Feeds commands until something is awaited, the input is used up, or the replies fill their room.
 */
static size_t run(struct worker *w, uint32_t n, const char *buf, size_t len)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	size_t used = 0;
	bool more = true, silent;

	s->running = true; /* what answers at once must not begin the same input again */
	while (more && (used < len || smtp_due(smtp)) && !s->wait && !s->hangup) {
		struct smtp_step step;
		struct smtp_out out;

		if (!chunk_have(&w->outs, &s->out)) {
			s->hangup = true;
			break;
		}
		if (s->out_len + SMTP_REPLY_MAX + UPSTREAM_REPLY > OUT_CHUNK)
			break;
		out = out_of(w, s);
		silent = !s->out_len && !s->sending;
		used += smtp_input(smtp, session_conf(w, s), buf + used, len - used, &out, &step);
		s->out_len = (uint32_t)out.len;
		if (step.verb >= 0)
			counter_add(&w->counters, COUNT_commands, 1);
		/* The bytes of a line are no sign of life before its end is there. */
		if (step.act != SMTP_NEED_MORE || smtp->state == SMTP_DISCARD)
			s->touched = w->now;
		taken_command(w, s, step.verb, silent);
		count_reply(w, step.reply);
		sanity_watch(w, s, &step, used < len);
		switch (step.act) {
		case SMTP_NEED_MORE:
			more = false;
			break;
		case SMTP_REPLIED:
			if (step.reply == REPLY_MAIL_OK)
				evidence_mail(w, n);
			break;
		case SMTP_ASK_RCPT:
			judge_recipient(w, n);
			break;
		case SMTP_ASK_DATA:
			if (judge_data(w, n))
				delivery_data(w, n);
			break;
		case SMTP_ASK_CHUNK: /* its bytes may be in the very buffer at hand */
			s->wait = WAIT_CHUNK;
			break;
		case SMTP_ASK_TLS:
			secure_begin(w, n);
			break;
		case SMTP_TEXT:
		case SMTP_CHUNK_END:
		case SMTP_TEXT_END: /* message.c reads those; here the delivery has failed
				       meanwhile */
			smtp_text_fail(smtp, REPLY_BACKEND_LOST);
			break;
		case SMTP_TEXT_BAD:
		case SMTP_RESET:
			delivery_drop(w, s);
			break;
		case SMTP_HANGUP:
			s->hangup = true;
			s->quit = step.verb == VERB_QUIT;
			break;
		}
	}
	s->running = false;
	/* What was sent along with STARTTLS anybody on the way may have put there (CVE-2011-0411).
	 */
	if (s->wait == WAIT_TLS && used < len) {
		counter_add(&w->counters, COUNT_tls_discarded, 1);
		used = len;
	}
	return used;
}

/* What waits in the chunk, if anything may be read now. */
static void run_waiting(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	char *buf;
	size_t used;

	if (s->wait || s->hangup)
		return;
	if (s->in == POOL_NONE) {
		if (smtp_due(session_smtp(w, s)))
			run(w, n, NULL, 0);
		return;
	}
	buf = pool_at(&w->ins, s->in);
	used = run(w, n, buf, s->in_len);
	s->in_len -= (uint32_t)used;
	if (s->in_len)
		memmove(buf, buf + used, s->in_len);
	else
		session_in_drop(w, s);
}

void session_read(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	s->receiving = true;
	ring_recv(worker_ring(w, n), n & w->slot_mask, session_event_of(s, n, OP_RECV));
}

void session_send(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	s->sending = true;
	s->sent = s->out_len;
	ring_send(worker_ring(w, n), n & w->slot_mask, pool_at(&w->outs, s->out), s->out_len,
		  session_event_of(s, n, OP_SEND));
}

void session_continue(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->phase == PHASE_CLOSING || s->phase == PHASE_STUTTER || s->phase == PHASE_LINGER ||
	    s->sending || s->running)
		return;
	if (s->phase == PHASE_DIALOG)
		run_waiting(w, n);
	/* A chunk without bytes is over at once. */
	while (s->wait == WAIT_CHUNK) {
		s->running = true;
		delivery_chunk(w, n);
		s->running = false;
		run_waiting(w, n);
	}
	if (s->phase == PHASE_DIALOG && !s->wait && (s->in == POOL_NONE || !s->out_len) &&
	    secure_half_closed(w, s))
		s->hangup = true; /* nothing more can come */
	if (s->out_len || secure_owes(w, s)) {
		if (!s->out_len || !stutter_replies(w, n)) {
			if (s->secured && !secure_seal(w, s)) {
				session_end(w, n);
				return;
			}
			if (session_farewell(w, n))
				return;
			session_send(w, n);
		}
		if (s->in != POOL_NONE)
			return; /* there is more to answer first */
	} else {
		session_out_drop(w, s);
	}
	if (s->hangup) {
		if (!s->sending)
			session_end(w, n);
		return;
	}
	if (s->phase != PHASE_DIALOG || s->receiving)
		return;
	if (!s->wait)
		session_read(w, n);
	else if (s->wait == WAIT_TEXT && !s->sending)
		message_heard(w, n);
}

/* Bytes of a dialog have come. */
static void take(struct worker *w, uint32_t n, const char *buf, size_t len)
{
	struct session *s = worker_session(w, n);
	size_t used = 0;

	if (s->wait == WAIT_TLS) {
		session_push_back(w, s, buf, len);
		secure_queue(w, n);
		return;
	}
	if (s->secured && !secure_open(w, s, &buf, &len)) {
		if (secure_half_closed(w, s))
			session_hung_up(w, n);
		else
			session_end(w, n);
		return;
	}
	taken_read(w, s);
	if (s->in == POOL_NONE && !s->sending && !s->wait)
		used = run(w, n, buf, len);
	session_push_back(w, s, buf + used, len - used);
	/* A line without an end waits in the chunk for the rest: reading on is right even so. */
	session_continue(w, n);
}

void session_received(struct worker *w, uint32_t n, const struct io_uring_cqe *cqe)
{
	struct session *s = worker_session(w, n);
	struct ring *r = worker_ring(w, n);
	bool buffered = cqe->flags & IORING_CQE_F_BUFFER;

	s->receiving = false;
	if (!cqe->res)
		taken_left(w, s);
	if (s->wait == WAIT_TEXT && s->phase == PHASE_DIALOG) {
		message_received(w, n, cqe->res);
		return;
	}
	if (s->phase != PHASE_CLOSING && cqe->res == 0) {
		session_hung_up(w, n);
		return;
	}
	if (s->phase == PHASE_CLOSING || (cqe->res < 0 && cqe->res != -ENOBUFS)) {
		if (buffered)
			ring_buffer_return(r, cqe);
		session_end(w, n);
		return;
	}
	if (cqe->res == -ENOBUFS && s->phase == PHASE_PROXY) {
		session_read(w, n);
		return;
	}
	if (cqe->res == -ENOBUFS) {
		/* Every buffer of the ring is filled and waits in this very turn: ask again. */
		counter_add(&w->counters, COUNT_queue_full, 1);
		session_continue(w, n);
		return;
	}
	if (s->phase == PHASE_LINGER) {
		if (buffered)
			ring_buffer_return(r, cqe);
		else /* it was read into the delivery's own */
			delivery_drop(w, s);
		session_read(w, n);
		return;
	}
	if (s->phase == PHASE_PROXY)
		session_header(w, n, (const char *)ring_buffer(r, cqe), (size_t)cqe->res);
	else
		take(w, n, (const char *)ring_buffer(r, cqe), (size_t)cqe->res);
	ring_buffer_return(r, cqe);
}

/* ---- replies out ---- */

/* What was on its way is out; the rest moves up. */
static void said(struct worker *w, struct session *s)
{
	char *out;

	if (!s->sent)
		return; /* it was the banner */
	s->out_len -= s->sent;
	if (s->out_len) {
		out = pool_at(&w->outs, s->out);
		memmove(out, out + s->sent, s->out_len);
	} else {
		session_out_drop(w, s);
	}
	s->sent = 0;
}

void session_sent(struct worker *w, uint32_t n, int res)
{
	struct session *s = worker_session(w, n);

	s->sending = false;
	if (s->phase == PHASE_CLOSING || res < 0) {
		session_end(w, n);
		return;
	}
	s->touched = w->now;
	said(w, s);
	if (s->out_len) {
		session_continue(w, n);
		return;
	}
	if (session_parted(w, s)) {
		session_end(w, n);
		return;
	}
	if (s->hangup) {
		session_linger(w, n);
		return;
	}
	if (s->wait == WAIT_TLS)
		secure_sent(w, n);
	else
		session_continue(w, n);
}
