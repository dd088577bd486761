// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a session knows of its recipient before any mail for it is let through. The question is put
 * while the rest of the evidence is gathered, and whoever comes before its answer is greylisted
 * without; only a callout is for the answer itself, so that the null sender may wait for it.
 */
#include "recipient.h"

#include <stdio.h>
#include <string.h>

#include "askers.h"
#include "notices.h"

/* Which mail server's word counts. */
static uint8_t target_of(const struct worker *w, const struct session *s)
{
	return w->config->mode == GG_MODE_GATEWAY ? s->listener : VERIFY_BACKENDS;
}

/* Only what can be asked in plain SMTP, of somebody in a domain. */
static bool askable(const struct smtp_path *to)
{
	if (!to->domain)
		return false;
	for (const char *p = to->text; *p; p++)
		if ((unsigned char)*p >= 0x80)
			return false;
	return true;
}

void recipient_begin(struct worker *w, struct session *s)
{
	recipient_dialog(w, s)->recipient = VERIFY_NOTHING;
	recipient_dialog(w, s)->at_data = false;
}

enum verify_state recipient_ask(struct worker *w, struct session *s, struct verify_answer *ret)
{
	const struct smtp *smtp = session_smtp(w, s);
	const struct smtp_path *to = &smtp->forward;
	enum verify_state state;

	if (!askable(to) || (smtp->reverse.len && !w->config->upstream.verify_recipients))
		return VERIFY_NOTHING;
	state = verify_ask(w->daemon->verify, w->number, target_of(w, s), to->text, w->wall, ret);
	recipient_dialog(w, s)->recipient = (uint8_t)state;
	if (state == VERIFY_UNASKED)
		counter_add(&w->counters, COUNT_verify_unasked, 1);
	else if (state != VERIFY_ASKED && !recipient_dialog(w, s)->awaited)
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

	if (askable(to))
		verify_accepted(w->daemon->verify, target_of(w, s), to->text, w->wall,
				(uint32_t)(w->config->upstream.verify_keep / 1000));
}

/* ---- who waits for the answer ---- */

static bool is_unanswered(struct worker *w, struct session *s)
{
	struct verify_answer answer;

	return verify_find(w->daemon->verify, target_of(w, s), session_smtp(w, s)->forward.text,
			   w->wall, &answer) == VERIFY_ASKED;
}

bool recipient_wait(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (recipient_dialog(w, s)->awaited)
		return false;
	if (!shared_take(&w->daemon->inquirers, w->config->upstream.verify_waiting)) {
		counter_add(&w->counters, COUNT_limit_waiting, 1);
		return false;
	}
	w->inquirers[w->inquirer_count++] =
		(struct inquirer){question(w, s), w->now + w->config->upstream.timeout, n};
	s->wait = WAIT_RECIPIENT;
	notices_await(w->daemon->notices, w->number);
	if (!is_unanswered(w, s))
		notices_look(w->daemon->notices, w->number);
	return true;
}

/* The longest waiting ones stay first. */
static void take_out(struct worker *w, unsigned i)
{
	w->inquirer_count--;
	memmove(w->inquirers + i, w->inquirers + i + 1,
		(w->inquirer_count - i) * sizeof(w->inquirers[0]));
	shared_give(&w->daemon->inquirers);
	notices_forgo(w->daemon->notices, w->number);
}

static void go_on(struct worker *w, unsigned i)
{
	uint32_t n = w->inquirers[i].n;
	struct session *s = worker_session(w, n);

	take_out(w, i);
	if (s->phase != PHASE_DIALOG || s->wait != WAIT_RECIPIENT)
		return;
	s->wait = WAIT_NONE;
	recipient_dialog(w, s)->awaited = true;
	judge_recipient(w, n);
	recipient_dialog(w, s)->awaited = false;
	session_continue(w, n);
}

/* Whoever waits for this answer, or any (all), and has it. */
static void look(struct worker *w, uint64_t answered, bool all)
{
	unsigned i = 0;

	while (i < w->inquirer_count) {
		const struct inquirer *who = &w->inquirers[i];

		if ((all || who->question == answered) &&
		    !is_unanswered(w, worker_session(w, who->n)))
			go_on(w, i);
		else
			i++;
	}
}

void recipient_noticed(struct worker *w)
{
	uint64_t answered[64];
	bool all;
	int count;

	do {
		count = notices_take(w->daemon->notices, w->number, answered, 64, &all);
		for (int i = 0; i < count && !all; i++)
			look(w, answered[i], false);
		if (all)
			look(w, 0, true);
	} while (count == 64);
}

void recipient_gone(struct worker *w, uint32_t n)
{
	for (unsigned i = 0; i < w->inquirer_count; i++)
		if (w->inquirers[i].n == n) {
			take_out(w, i);
			return;
		}
}

void recipient_tick(struct worker *w)
{
	while (w->inquirer_count && w->inquirers[0].until <= w->now)
		go_on(w, 0);
}

uint64_t recipient_due(const struct worker *w, uint64_t wait)
{
	uint64_t until = w->inquirer_count ? w->inquirers[0].until : UINT64_MAX;

	if (until == UINT64_MAX || until > w->now + wait)
		return wait;
	return until > w->now ? until - w->now : 0;
}
