// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long the mail server may take: for its greeting and a reply, for the bytes of a message, for
 * the reply to the whole of it.
 *
 * That a piece of a message has left us says little: the kernel holds megabytes, and lets the next
 * piece in when it is rid of a third of them at once. What counts is whether the mail server takes
 * bytes, so the kernel is asked what it has acknowledged.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "backend.h"
#include "delivery.h"

/* In times upstream.timeout, 30 s by default: two minutes for the reply to DATA, three without a
 * byte of the message taken, ten for the reply to the end of data are what RFC 5321 4.5.3.2 has the
 * client wait. Giving up early on the last one means delivering twice. */
static const uint8_t patience[] = {
	[ASKED_GREETING] = 1, [ASKED_MAIL] = 1,  [ASKED_RCPT] = 1,  [ASKED_DATA] = 4,
	[ASKED_NOTHING] = 6,  [ASKED_CHUNK] = 6, [ASKED_TEXT] = 20,
};

void delivery_ask(struct worker *w, struct delivery *d, enum asked what)
{
	d->asked = (uint8_t)what;
	d->touched = w->now;
	d->timeout = w->config->upstream.timeout * patience[what];
	d->late = false;
}

void delivery_watch(struct worker *w, struct delivery *d)
{
	if (!d->timed)
		d->timed = wheel_add(w->timeouts, delivery_number(w, d) | DELIVERY_TIMER, 0,
				     w->now + w->config->upstream.timeout);
}

/* Whether bytes of a message may be on their way to the mail server. */
static bool carrying(const struct delivery *d)
{
	return d->passing || d->asked == ASKED_CHUNK || d->asked == ASKED_TEXT;
}

/* Whether the mail server has taken bytes since the last look. */
static bool takes(struct delivery *d)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	uint64_t before = d->acked;

	if (getsockopt(d->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return false;
	d->acked = info.tcpi_bytes_acked;
	return d->acked != before;
}

/* Another mail server may answer in time what this one leaves unanswered, once, and the same one in
 * the clear: what waits for it is called back, and then lost. */
static bool overdue(struct worker *w, struct delivery *d)
{
	bool early = d->asked == ASKED_GREETING ||
		     ((d->asked == ASKED_MAIL || d->asked == ASKED_RCPT) && !d->accepted_count);
	bool stays = backend_may_be_plain(w, d);

	if (!early || (d->moved && !stays) || d->late || d->sending ||
	    d->connecting == d->receiving)
		return false;
	d->late = true;
	d->moved |= d->asked == ASKED_GREETING && !stays;
	d->touched = w->now;
	ring_cancel(delivery_ring(w),
		    delivery_token(w, d, d->connecting ? OP_BACK_CONNECT : OP_BACK_RECV),
		    delivery_token(w, d, OP_CANCEL));
	return true;
}

void delivery_timeout(struct worker *w, uint32_t number)
{
	struct delivery *d = pool_at(&w->deliveries, number);
	struct session *s = d->session == POOL_NONE ? NULL : worker_session(w, d->session);
	uint64_t due;

	d->timed = false;
	if (!s && !d->closing)
		return; /* nobody lives here now */
	if (carrying(d) && !d->closing && takes(d))
		d->touched = w->now;
	due = d->touched + d->timeout;
	if (s && s->wait == WAIT_STORE && w->now >= due) {
		delivery_answered(w, d->session);
	} else if (s && s->wait == WAIT_NONE && !d->closing && !d->mail_done &&
		   !backend_is_current(w, d)) {
		delivery_drop(w, s); /* a mail server that is retired is not kept waiting */
	} else if (d->closing) {
		delivery_call_off(w, d); /* what was to be flushed has had its time */
		if (d->sending)
			ring_cancel(delivery_ring(w), delivery_token(w, d, OP_BACK_SEND),
				    delivery_token(w, d, OP_CANCEL));
	} else if (w->now >= due && (d->asked != ASKED_NOTHING || d->passing) && !overdue(w, d)) {
		delivery_note_loss(w, d, "timeout");
		if (d->asked == ASKED_GREETING && backend_is_listed(w, d))
			backend_down(w->daemon, w->config, d->backend, w->now,
				     &(struct ailment_end){.up = &d->up, .why = "timeout"});
		delivery_fail(w, d, "timeout");
	}
	/* Never further ahead than the shortest patience that the next one to live here may have.
	 */
	if (due <= w->now || due > w->now + w->config->upstream.timeout)
		due = w->now + w->config->upstream.timeout;
	if (!d->timed)
		d->timed = wheel_add(w->timeouts, number | DELIVERY_TIMER, 0, due);
}
