/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recipient at hand, between judge.c, delivery.c and the memory of verify.h. The worker's
 * thread.
 */
#ifndef GREYGATE_RECIPIENT_H
#define GREYGATE_RECIPIENT_H

#include "verify.h"
#include "worker.h"

static inline struct dialog *recipient_dialog(struct worker *w, const struct session *s)
{
	return pool_at(&w->dialogs, s->dialog);
}

/* "valid", "asked" and so on of the recipient at hand, "" when nothing is known. */
static inline const char *recipient_word(struct worker *w, const struct session *s)
{
	const char *word = verify_text((enum verify_state)recipient_dialog(w, s)->recipient);

	return word ? word : "";
}

/* A recipient is about to be judged: nothing is known of it yet. */
void recipient_begin(struct worker *w, struct session *s);
/* What is known of the one in smtp.forward; the mail server is asked where it was not yet. Kept in
 * dialog.recipient for log and explain. *ret is set unless it says VERIFY_NOTHING. */
enum verify_state recipient_ask(struct worker *w, struct session *s, struct verify_answer *ret);
/* Its answer is awaited; what that is to count for is told to come again. unsure: something might
 * exempt the source that is not known yet. */
bool recipient_is_asked(struct worker *w, const struct session *s);
void recipient_await(struct worker *w, struct session *s, bool unsure);
/* It is unknown, which was counted for the source when that had left: true once. */
bool recipient_was_counted(struct worker *w, struct session *s);
/* The client is told when the answer has come, or upstream.timeout is over: judge_recipient is
 * called again then, once. False: it has waited already, or too many do. */
bool recipient_wait(struct worker *w, uint32_t n);
/* Answers have come (notices.h) that sessions of this worker may wait for. */
void recipient_noticed(struct worker *w);
/* The session is over. */
void recipient_gone(struct worker *w, uint32_t n);
/* Who has waited long enough goes on without; how long until then, `wait` at most. ms */
void recipient_tick(struct worker *w);
uint64_t recipient_due(const struct worker *w, uint64_t wait);
/* The mail server took it in a transaction. */
void recipient_accepted(struct worker *w, struct session *s);

#endif
