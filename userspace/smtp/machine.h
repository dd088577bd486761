/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Insides of the machine, shared by session.c (commands) and text.c (message bytes).
 */
#ifndef SMTP_MACHINE_H
#define SMTP_MACHINE_H

#include "command.h"

/* One call of smtp_input, on its way through the machine. */
struct turn {
	struct smtp *s;
	const struct smtp_conf *c;
	struct command cmd;
	struct smtp_out *out;
	struct smtp_step *step;
};

void machine_enter(struct smtp *s, enum smtp_state state);
void machine_answer(struct turn *t, enum smtp_reply r, enum smtp_act act);

/* What bytes are in SMTP_BODY, SMTP_DISCARD, SMTP_CHUNK and SMTP_CHUNK_DISCARD; returns how many
 * were taken. */
size_t text_take(struct turn *t, const char *buf, size_t len);
size_t text_discard(struct turn *t, const char *buf, size_t len);
size_t text_chunk(struct turn *t, const char *buf, size_t len);
size_t text_chunk_discard(struct turn *t, const char *buf, size_t len);

#endif
