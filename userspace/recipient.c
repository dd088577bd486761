// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a session knows of its recipient before any mail for it is let through. Nothing here waits:
 * the question is put while the rest of the evidence is gathered, and whoever comes before its
 * answer is greylisted without.
 */
#include "recipient.h"

#include <stdio.h>

#include "askers.h"

/* Which mail server's word counts. */
static uint8_t target_of(const struct worker *w, const struct session *s)
{
	return w->config->mode == GG_MODE_GATEWAY ? s->listener : VERIFY_BACKENDS;
}

/* Only what can be asked in plain SMTP, of somebody in a domain. */
static bool askable(const struct worker *w, const struct smtp_path *to)
{
	if (!w->config->upstream.verify_recipients || !to->domain)
		return false;
	for (const char *p = to->text; *p; p++)
		if ((unsigned char)*p >= 0x80)
			return false;
	return true;
}

void recipient_begin(struct worker *w, struct session *s)
{
	recipient_dialog(w, s)->recipient = VERIFY_NOTHING;
}

enum verify_state recipient_ask(struct worker *w, struct session *s, struct verify_answer *ret)
{
	const struct smtp_path *to = &session_smtp(w, s)->forward;
	enum verify_state state;

	if (!askable(w, to))
		return VERIFY_NOTHING;
	state = verify_ask(w->daemon->verify, w->number, target_of(w, s), to->text, w->wall, ret);
	recipient_dialog(w, s)->recipient = (uint8_t)state;
	if (state == VERIFY_UNASKED)
		counter_add(&w->counters, COUNT_verify_unasked, 1);
	else if (state != VERIFY_ASKED)
		counter_add(&w->counters, COUNT_verify_kept, 1);
	return state;
}

bool recipient_is_asked(struct worker *w, const struct session *s)
{
	return recipient_dialog(w, s)->recipient == VERIFY_ASKED;
}

static uint64_t question(struct worker *w, struct session *s)
{
	return verify_tag(w->daemon->verify, target_of(w, s), session_smtp(w, s)->forward.text);
}

void recipient_await(struct worker *w, struct session *s, bool unsure)
{
	struct asker who = {.question = question(w, s),
			    .source = policy_conduct_tag(&w->policy, &s->src),
			    .session = s->id,
			    .src = s->src,
			    .asked = w->wall,
			    .port = s->port,
			    .target = target_of(w, s),
			    .unsure = unsure};

	snprintf(who.mailbox, sizeof(who.mailbox), "%s", session_smtp(w, s)->forward.text);
	if (!askers_put(w->daemon->askers, w->number, &who))
		counter_add(&w->counters, COUNT_harvest_lost, 1);
}

bool recipient_was_counted(struct worker *w, struct session *s)
{
	uint64_t source = policy_conduct_tag(&w->policy, &s->src);

	return table_del(w->daemon->conducts, askers_tag(source, question(w, s)), NULL);
}

void recipient_accepted(struct worker *w, struct session *s)
{
	const struct smtp_path *to = &session_smtp(w, s)->forward;

	if (askable(w, to))
		verify_accepted(w->daemon->verify, target_of(w, s), to->text, w->wall,
				(uint32_t)(w->config->upstream.verify_keep / 1000));
}
