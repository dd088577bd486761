// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The banner one byte at a time.
 *
 * One text serves every session: the 220- line over and over and the 220 line at its end. A session
 * that is to get n single bytes starts so far before the end that its n-th byte still lies inside
 * the banner; all it has to remember is an offset. Nothing is armed on it meanwhile: a client that
 * has gone is noticed by the next write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relief.h"
#include "worker.h"

#define BANNER_MAX 65536
#define BANNER_LINE 300
/* Entries fired in one turn of the loop: more would keep completions waiting. */
#define STUCK_MS 60000

int stutter_banner(struct worker *w, const char *hostname)
{
	const struct smtp_conf c = {.hostname = hostname};
	char line[SMTP_REPLY_MAX];
	struct smtp_out out = {line, 0, sizeof(line)};

	smtp_reply(&out, &c, REPLY_BANNER, NULL);
	if (out.len >= BANNER_LINE)
		return -EINVAL;
	line[3] = '-';
	w->banner_line = out.len;
	w->banner_len = BANNER_MAX / w->banner_line * w->banner_line;
	w->banner = malloc(w->banner_len);
	if (!w->banner)
		return -ENOMEM;
	for (size_t at = 0; at < w->banner_len; at += w->banner_line)
		memcpy(w->banner + at, line, w->banner_line);
	w->banner[w->banner_len - w->banner_line + 3] = ' ';
	return 0;
}

/* ---- how long, as the load allows ---- */

/* Once for each session. */
static void count_relief(struct worker *w, struct session *s)
{
	if (!s->relieved)
		counter_add(&w->counters,
			    s->denied ? COUNT_relief_unstuttered : COUNT_relief_shortened, 1);
	s->relieved = true;
}

uint64_t stutter_first(struct worker *w, struct session *s)
{
	const struct config *c = w->config;

	if (relief_now(w->daemon) < RELIEF_SHORTER || c->relief.first >= c->stutter.first)
		return c->stutter.first;
	count_relief(w, s);
	return c->relief.first;
}

bool stutter_denied(struct worker *w, struct session *s)
{
	if (!s->denied || (s->action != GG_STUTTER && s->action != GG_TARPIT))
		return false;
	if (relief_now(w->daemon) < RELIEF_UNSTUTTERED)
		return true;
	count_relief(w, s);
	return false;
}

/* The load has risen since it began: what is left comes at once. */
static bool cut_short(struct worker *w, struct session *s)
{
	enum relief_step step = relief_now(w->daemon);
	bool cut = s->denied ? step >= RELIEF_UNSTUTTERED
			     : step >= RELIEF_SHORTER &&
				       w->now - s->started >= w->config->relief.first;

	if (cut)
		count_relief(w, s);
	return cut;
}

/* ---- the banner ---- */

bool stutter_begin(struct worker *w, uint32_t n, uint64_t duration)
{
	const struct config *c = w->config;
	struct session *s = worker_session(w, n);
	uint64_t drips = duration / c->stutter.interval;
	uint64_t lines;

	if (!drips)
		return false;
	if (!shared_take(&w->daemon->stuttering, c->stutter.max_sessions)) {
		counter_add(&w->counters, COUNT_limit_stutter, 1);
		return false;
	}
	if (drips > w->banner_len - w->banner_line)
		drips = w->banner_len - w->banner_line;
	lines = drips / w->banner_line + 1; /* one byte at least is left for the last write */
	s->drip = (uint32_t)(w->banner_len - lines * w->banner_line);
	s->drips = (uint32_t)drips;
	s->phase = PHASE_STUTTER;
	/* A random first wait keeps sessions that came together from being written together. */
	if (!wheel_add(w->drips, n, s->generation,
		       w->now + worker_random(w) % c->stutter.interval)) {
		counter_add(&w->counters, COUNT_queue_full, 1);
		shared_give(&w->daemon->stuttering);
		s->phase = PHASE_BANNER;
		return false;
	}
	counter_add(&w->counters, COUNT_stuttering, 1);
	return true;
}

bool stutter_replies(struct worker *w, uint32_t n)
{
	const struct config *c = w->config;
	struct session *s = worker_session(w, n);

	if (w->now - s->started >= c->stutter.deny_limit || w->draining || !stutter_denied(w, s))
		return false;
	if (!shared_take(&w->daemon->stuttering, c->stutter.max_sessions)) {
		counter_add(&w->counters, COUNT_limit_stutter, 1);
		return false;
	}
	if (!wheel_add(w->drips, n, s->generation, w->now + c->stutter.interval)) {
		counter_add(&w->counters, COUNT_queue_full, 1);
		shared_give(&w->daemon->stuttering);
		return false;
	}
	counter_add(&w->counters, COUNT_stuttering, 1);
	s->slow = s->sending = true;
	s->drip = 0;
	s->drips = s->out_len;
	return true;
}

/* What is left of the queue goes the usual way. */
static void replies_over(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	stutter_ended(w);
	s->slow = false;
	s->sent = s->drip;
	session_sent(w, n, 0);
}

void stutter_replied(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	s->touched = w->now;
	if (!s->drips)
		replies_over(w, n);
}

static void reply_byte(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	char *out = pool_at(&w->outs, s->out), *from = out + s->drip;
	size_t len = 1;

	if (w->now - s->started >= w->config->stutter.deny_limit || cut_short(w, s)) {
		replies_over(w, n);
		return;
	}
	if (s->secured) {
		from = out + OUT_CHUNK;
		len = secure_seal_byte(w, s, out + s->drip, from);
		if (!len) {
			session_end(w, n);
			return;
		}
	}
	s->dripping = true;
	s->drip++;
	s->drips--;
	ring_send(worker_ring(w, n), n & w->slot_mask, from, len,
		  (struct ring_event){n, s->generation, OP_DRIP});
	counter_add(&w->counters, COUNT_stutter_bytes, 1);
	if (s->drips)
		wheel_add(w->drips, n, s->generation, w->now + w->config->stutter.interval);
}

/* The client does not read: it keeps its place, not for ever. */
static void wait_on(struct worker *w, uint32_t n)
{
	const struct session *s = worker_session(w, n);

	if (w->now - s->touched > STUCK_MS)
		session_end(w, n);
	else
		wheel_add(w->drips, n, s->generation, w->now + w->config->stutter.interval);
}

void stutter_ended(struct worker *w)
{
	shared_give(&w->daemon->stuttering);
	counter_add(&w->counters, COUNT_stuttering, -1);
}

void stutter_fire(uint32_t n, uint16_t generation, void *worker)
{
	struct worker *w = worker;
	struct session *s = worker_session(w, n);
	struct ring_event e = {n, generation, OP_DRIP};

	if (s->generation != generation)
		return;
	if (s->wait == WAIT_EVIDENCE) {
		evidence_overdue(w, n);
		return;
	}
	if (s->slow && s->dripping)
		wait_on(w, n);
	else if (s->slow)
		reply_byte(w, n);
	if (s->phase != PHASE_STUTTER)
		return;
	if (s->sending) {
		/* The last byte is still unsent: the client's window is closed. It keeps its place,
		 * not for ever. */
		if (w->now - s->touched > STUCK_MS) {
			session_end(w, n);
			return;
		}
	} else if (cut_short(w, s)) {
		session_stuttered(w, n);
		return;
	} else {
		s->sending = true;
		ring_send(worker_ring(w, n), n & w->slot_mask, w->banner + s->drip, 1, e);
		counter_add(&w->counters, COUNT_stutter_bytes, 1);
		s->drip++;
		s->drips--;
	}
	if (s->drips || s->sending)
		wheel_add(w->drips, n, generation, w->now + w->config->stutter.interval);
}
