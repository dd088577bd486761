/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between delivery.c, which owns the connection to the mail server, envelope.c, which speaks to it,
 * message.c, which moves the message through it, deadline.c, which loses patience with it,
 * backend.c and way.c, which open it. Nobody else includes this.
 */
#ifndef GREYGATE_DELIVERY_H
#define GREYGATE_DELIVERY_H

#include "worker.h"

enum asked {
	ASKED_NOTHING, /* also while bytes of a message are sent */
	ASKED_GREETING,
	ASKED_MAIL,
	ASKED_RCPT,
	ASKED_DATA,
	ASKED_CHUNK,
	ASKED_TEXT
};

/* ---- delivery.c ---- */

/* The ring that carries a delivery is the first: its sockets are plain descriptors. */
struct ring *delivery_ring(struct worker *w);
struct ring_event delivery_token(struct worker *w, const struct delivery *d, enum op op);
/* Whom it speaks for; ours while there is no session. */
struct upstream_client delivery_client(struct worker *w, const struct delivery *d);
/* A connection for the session, not opened yet or (UP_IDLE) one that was kept; NULL: there is none
 * for it, and the recipient at hand has been answered. */
struct delivery *delivery_begin(struct worker *w, uint32_t n);
/* Sends the command in d->out. */
void delivery_send(struct worker *w, struct delivery *d);
/* The mail server can't be used (any more): the client hears a 4xx for what it waits for. */
void delivery_fail(struct worker *w, struct delivery *d, const char *why);
/* Closes it, once nothing of it is in flight. */
void delivery_call_off(struct worker *w, struct delivery *d);
uint32_t delivery_number(struct worker *w, const struct delivery *d);
/* Says good-bye where that may be said, and closes. */
void delivery_part(struct worker *w, struct delivery *d);
/* The mail server says that it closes (421): the transaction is begun at another one where that
 * promises anything. False: the client hears it. */
bool delivery_closing(struct worker *w, struct delivery *d);
/* The session goes on without it. */
void delivery_detach(struct worker *w, struct session *s, struct delivery *d);
void delivery_log(struct worker *w, const struct delivery *d, const struct session *s,
		  const char *verdict, const char *reason, const char *reply);

/* Counts against the mail server's health. */
void delivery_note_loss(struct worker *w, struct delivery *d, const char *why);

/* ---- deadline.c ---- */

/* Notes what the next reply answers; from now on it may take as long as that may. */
void delivery_ask(struct worker *w, struct delivery *d, enum asked what);
/* Sees to it that delivery_timeout comes by. */
void delivery_watch(struct worker *w, struct delivery *d);

/* ---- envelope.c ---- */

/* The next command of the envelope. */
void envelope_proceed(struct worker *w, struct delivery *d);
/* A whole answer has come. more: bytes follow that nobody has asked for. */
void envelope_answer(struct worker *w, struct delivery *d, bool more);
/* The mail server refuses the client that it was told of. */
void envelope_refused(struct worker *w, struct delivery *d);

/* ---- way.c ---- */

/* A socket towards d->backend, d->peer set; in gateway mode towards the endpoint that the client
 * asked for, in the client's name. -1: there is none. */
int way_open(struct worker *w, struct delivery *d);
/* Connecting failed with -errno: whether another socket to the same endpoint may do better. */
bool way_again(const struct worker *w, struct delivery *d, int error);

/* The endpoint that the client reached: a load balancer's where that has said so, else ours. Behind
 * a wildcard listener, and where host mode protects several endpoints, the address that this
 * machine uses towards the client; port 0: it has none. */
struct endpoint way_here(struct worker *w, uint32_t n);
/* The PROXY header that begins the connection, to d->out; false: none does. */
bool way_header(struct worker *w, struct delivery *d);

/* ---- warm.c ---- */

/* The session is done with it: whether it is kept. */
bool warm_keep(struct worker *w, struct delivery *d);
/* It is not kept any longer. */
void warm_forget(struct worker *w, struct delivery *d);
/* One that stands, greeted, to the mail server whose turn it is; NULL: none does. */
struct delivery *warm_take(struct worker *w);

/* ---- message.c ---- */

/* 354 was seen: reads the client into the delivery's buffer from now on. */
void message_begin(struct worker *w, uint32_t n, struct delivery *d);
/* The client's next chunk, whose size the machine knows. */
void message_chunk(struct worker *w, uint32_t n, struct delivery *d);
/* A piece is out to the mail server. */
void message_sent(struct worker *w, uint32_t n, struct delivery *d);
/* The mail server has taken a piece of a chunk, and there is more of it to come. */
void message_more(struct worker *w, uint32_t n, struct delivery *d);
/* Leaves the text phase with input unread: it goes back to be read as commands, or to be discarded.
 */
void message_leave(struct worker *w, uint32_t n, struct delivery *d);

#endif
