/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages that the mail server took while the client may never have heard of it. One that comes
 * again within a day, from the same sender to the same recipients and the same to the last byte, is
 * answered 250 and not delivered a second time (RFC 1047).
 *
 * A message is noted as being under way when the mail server is about to have it whole: one that
 * comes again before the answer is put off, for nobody knows yet whether it is needed. The note is
 * gone when the mail server refuses the message or is lost. It is noted as taken when the mail
 * server takes it, before the client is told, and forgotten when the client shows that it has
 * heard:
 *
 *   - it goes on behind the answer to a command that nothing may follow before that answer (RFC
 *     2920 3.1), which was given after the one to the message: with the text after DATA, say;
 *   - it leaves with a FIN after its system had acknowledged that answer. One that has closed
 *     before, or with the answer unread, resets the connection instead.
 *
 * A command alone shows nothing: it may have been sent before the answer was. So after QUIT the
 * client's end is awaited while a message is open. What is not shown stays noted, at no other cost
 * than its place. Messages without a Message-ID are never noted: a machine may well say the same
 * thing twice.
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
enum taken { TAKEN_NEVER, TAKEN_UNDER_WAY, TAKEN_BEFORE };
/* It has come whole, but its end was not sent on: what became of it before. If nothing did, it is
 * under way from now on, until one of the next two. */
enum taken taken_claim(struct worker *w, struct delivery *d);
/* The mail server has taken it. */
void taken_note(struct worker *w, struct session *s, struct delivery *d);
/* It has not, or nobody will know; also where nothing was claimed. */
void taken_give_up(struct worker *w, struct delivery *d);
/* A session begins to talk, and ends. */
void taken_start(struct worker *w, struct session *s);
void taken_end(struct worker *w, struct session *s);
/* A command (enum smtp_verb, -1: none) was carried out; silent: all that was said before is out. */
void taken_command(struct worker *w, struct session *s, int verb, bool silent);
/* Bytes of the client have come; its FIN has. */
void taken_read(struct worker *w, struct session *s);
void taken_left(struct worker *w, struct session *s);
/* A message of the session is open. */
bool taken_open(struct worker *w, const struct session *s);

/* table_rank_fn: the longest noted makes room. */
uint32_t taken_rank(const struct cell *c, void *arg);

#endif
