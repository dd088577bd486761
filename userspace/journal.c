// SPDX-License-Identifier: GPL-2.0-or-later
#include "journal.h"

#include <string.h>

#include "recipient.h"

void journal_line(struct worker *w, const struct session *s, struct log_line *l,
		  enum log_event event)
{
	char words[SANITY_WORDS];

	log_begin(l, event);
	log_hex(l, "session", s->id);
	log_addr(l, "src", &s->src);
	log_int(l, "port", s->port);
	log_str(l, "tls", secure_version(w, s));
	log_str(l, "evidence", sanity_words(s, words));
}

void journal_mail(struct worker *w, struct session *s, struct log_line *l, enum log_event event)
{
	const struct smtp *smtp = session_smtp(w, s);
	const struct policy_evidence *known = evidence_of(w, s);

	journal_line(w, s, l, event);
	log_str(l, "helo", smtp->helo);
	log_str(l, "from", smtp->reverse.text);
	log_str(l, "to", smtp->forward.text);
	if (*recipient_word(w, s))
		log_str(l, "recipient", recipient_word(w, s));
	if (!known)
		return;
	/* What is not known is left out; a client without a name has an empty one. */
	if (known->name_state != NAME_UNKNOWN)
		log_str(l, "rdns", known->name);
	if (known->spf != SPF_UNKNOWN)
		log_str(l, "spf", evidence_spf_text(known->spf));
	if (known->list_score)
		log_int(l, "list_score", known->list_score);
}

/* As much of a string as fits. */
static void keep(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static void remember(struct worker *w, struct session *s, const struct journal_decision *d)
{
	struct recent_entry e = {
		.ticket = d->tag, .time = w->wall, .src = s->src, .wait = d->wait, .age = d->age};
	const struct policy_evidence *known = evidence_of(w, s);
	const struct smtp *smtp = session_smtp(w, s);

	keep(e.verdict, sizeof(e.verdict), d->verdict);
	keep(e.reason, sizeof(e.reason), d->reason);
	keep(e.recipient, sizeof(e.recipient), recipient_word(w, s));
	keep(e.helo, sizeof(e.helo), smtp->helo);
	keep(e.from, sizeof(e.from), smtp->reverse.text);
	keep(e.to, sizeof(e.to), smtp->forward.text);
	if (known) {
		e.name_state = known->name_state;
		e.spf = known->spf;
		e.list_score = known->list_score;
		keep(e.name, sizeof(e.name), known->name);
		keep(e.spf_domain, sizeof(e.spf_domain), known->spf_domain);
	}
	if (d->by && d->by->number) {
		e.list_line = d->by->line;
		keep(e.list, sizeof(e.list), d->by->list);
	}
	recent_add(w->recent, &e);
}

void journal_remember(struct worker *w, struct session *s, const char *verdict, const char *reason)
{
	const struct journal_decision d = {.tag = policy_source_tag(&w->policy, &s->src),
					   .verdict = verdict,
					   .reason = reason};

	remember(w, s, &d);
}

void journal_decided(struct worker *w, struct session *s, const struct journal_decision *d,
		     struct log_line *l)
{
	remember(w, s, d);
	journal_mail(w, s, l, LOG_DECISION);
	log_str(l, "verdict", d->verdict);
	log_str(l, "reason", d->reason);
}
