/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages that the mail server took while the client may never have heard of it. One that comes
 * again within a day, from the same sender to the same recipients and the same to the last byte, is
 * answered 250 and not delivered a second time (RFC 1047).
 *
 * A message is noted when the mail server takes it, before the client is told, and forgotten when
 * the client goes on: with any command that is read after the answer was sent. A client that sends
 * QUIT along with the message and leaves is taken for one that may not have heard. Messages without
 * a Message-ID are never noted: a machine may well say the same thing twice.
 */
#ifndef GREYGATE_TAKEN_H
#define GREYGATE_TAKEN_H

#include "worker.h"

/* A message begins; its content, which is the same in chunks and after DATA, where dots are stuffed
 * and the end is left out. */
void taken_begin(struct worker *w, struct delivery *d);
void taken_add(struct worker *w, struct delivery *d, const char *bytes, size_t len);
void taken_add_stuffed(struct worker *w, struct delivery *d, const char *bytes, size_t len);
/* The mail server has taken the recipient in smtp.forward. */
void taken_recipient(struct worker *w, struct delivery *d);
/* It has come whole, but its end was not sent on: whether it was taken before. */
bool taken_before(struct worker *w, struct delivery *d);
/* The mail server has taken it. */
void taken_note(struct worker *w, struct session *s, const struct delivery *d);
/* The client has said something since it was answered. */
void taken_heard(struct worker *w, struct session *s);
/* The session ends. */
void taken_end(struct worker *w, struct session *s);

/* table_rank_fn: the longest noted makes room. */
uint32_t taken_rank(const struct cell *c, void *arg);

#endif
