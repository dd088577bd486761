/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which mail server a delivery goes to, and the bytes to and from it: the order of the backends and
 * their health, TLS where it is offered or asked for. The dialogue is delivery.c's.
 */
#ifndef GREYGATE_BACKEND_H
#define GREYGATE_BACKEND_H

#include "ailment.h"
#include "worker.h"

/* ---- health: any thread ---- */

/* It did not answer: the others are preferred for a while. It greeted. ms of CLOCK_MONOTONIC */
void backend_down(struct daemon *d, const struct config *c, int which, uint64_t now,
		  const struct ailment_end *end);
void backend_up(struct daemon *d, const struct config *c, int which, uint64_t now);
/* A connection to it was greeted and stands, or is left: *standing is the connection's own note of
 * that. */
void backend_stands(struct daemon *d, int which, bool *standing, bool stands);
/* A connection ended in its greeting. It is down, unless it says 421 while
 * other connections of ours stand: then it is full (true), which leaves it in its place. */
bool backend_ungreeted(struct daemon *d, const struct config *c, int which, uint64_t now,
		       const struct ailment_end *end);
/* It has refused a connection so not long ago: what nobody needs is left to others. */
bool backend_is_full(const struct daemon *d, int which, uint64_t now);
/* After its greeting it was lost in a transaction: several times in a row it is down, and a
 * greeting alone does not bring it back before its time. It has answered a transaction. */
void backend_lost(struct daemon *d, const struct config *c, int which, uint64_t now,
		  const char *why);
void backend_served(struct daemon *d, const struct config *c, int which, uint64_t now);
bool backend_is_down(const struct daemon *d, int which, uint64_t now);
/* It was told whom a connection is for, and lets the client in or not: no matter of its health, but
 * when it is so of each and every client the log says it. */
void backend_named(struct daemon *d, const struct config *c, int which, bool welcome);

/* A TCP socket to a mail server, flags as of socket(2), not connected. In host mode, where peer is
 * a protected endpoint, it comes from the same address: the kernel would take it from the first one
 * of the network, and the socket lookup for a stranger's. A descriptor or -errno. */
int backend_socket(const struct config *c, const struct endpoint *peer, int flags);
/* enum upstream_tls that a connection to a mail server is to have; in_the_clear: a handshake with
 * it has failed already. */
uint8_t backend_tls(const struct config *c, bool in_the_clear);
/* Begins it, and verifies the certificate where it is to be. 0 or -ENOMEM. */
int backend_tls_begin(const struct daemon *d, const struct config *c, const struct endpoint *to,
		      struct tls *tls);
/* Why there is no more to read from it; error: 0 or negative. */
const char *backend_closed_why(const struct upstream *up, int error);
/* Why the handshake failed, before tls_end: words for the log. Returns buf. */
const char *backend_tls_why(const struct tls *tls, char *buf, size_t size);

/* ---- one delivery: its worker ---- */

/* It was begun under the settings in force; any other ends with its transaction. */
bool backend_is_current(const struct worker *w, const struct delivery *d);
/* It is, and goes to one of their backends, d->backend: only then does it tell of that one. */
bool backend_is_listed(const struct worker *w, const struct delivery *d);

/* Connects to the next backend in order from d->backend on; those that are down only when there is
 * no other. False: there is none left. */
bool backend_connect(struct worker *w, struct delivery *d);
/* The one at hand is of no use (nothing of it is in flight): the next one. False: none is left, as
 * always in gateway mode, where there is but the one that the client asked for. */
bool backend_skip(struct worker *w, struct delivery *d, const char *why);
/* Connecting failed with -errno: the same mail server once more, where that may help. */
bool backend_other_way(struct worker *w, struct delivery *d, int error);
/* Sends bytes that live until the completion; inside TLS as records. */
void backend_send(struct worker *w, struct delivery *d, const char *bytes, size_t len);
/* What was received, as text: false when TLS is broken. The text holds until the next call. */
bool backend_open(struct worker *w, struct delivery *d, const char **text, size_t *len);
/* STARTTLS was answered with 220: begins the handshake. 0 or -ENOMEM. */
int backend_secure(struct worker *w, struct delivery *d);
/* Bytes of the handshake came. 0: it goes on, or EHLO is on its way; -EPROTO: it failed. */
int backend_shake(struct worker *w, struct delivery *d, size_t len);
/* TLS was asked for, is not reached yet and can be done without. */
bool backend_may_be_plain(const struct worker *w, const struct delivery *d);
/* The connection is of no use: where it may be, the same mail server again in the clear, with
 * d->stale once the command that is on its way is out. False: it may not, or can't be opened. */
bool backend_plain(struct worker *w, struct delivery *d);
/* Another mail server than the one at hand that is up; -1: there is none. */
int backend_another(const struct worker *w, const struct delivery *d);
/* The connection at hand is of no use (nothing of it is in flight): a fresh one, to the first in
 * order from there on. False: there is none. */
bool backend_anew(struct worker *w, struct delivery *d, int from);
void backend_release(struct worker *w, struct delivery *d);

#endif
