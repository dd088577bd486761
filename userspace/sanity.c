// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a client gives away by its manners: each check is off, noted as evidence, or refused. What
 * is refused is refused at RCPT with a reason and a ticket, however early it was seen; only what
 * isn't SMTP at all, or nothing but errors, is shown the door at once, and an address is refused by
 * itself, for it need not be the client who made it.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "worker.h"

#define SHOWN(which) (uint16_t)(1u << (which))

static const struct {
	const char *word;   /* in the log */
	const char *reason; /* to the client at RCPT; NULL: refused where it was seen */
	enum counter counter;
	size_t setting; /* in struct config */
} checks[SANITY_MAX] = {
	[SANITY_EARLY_TALK] = {"early_talk", "commands before the greeting was complete",
			       COUNT_check_early_talk, offsetof(struct config, check.early_talk)},
	[SANITY_PIPELINING] = {"pipelining", "commands before EHLO was answered",
			       COUNT_check_pipelining, offsetof(struct config, check.pipelining)},
	[SANITY_HELO_SYNTAX] = {"helo_syntax", "EHLO with neither a name nor an address literal",
				COUNT_check_helo_syntax,
				offsetof(struct config, check.helo_syntax)},
	[SANITY_HELO_NAME] = {"helo_name", "EHLO without a fully qualified name",
			      COUNT_check_helo_name, offsetof(struct config, check.helo_name)},
	[SANITY_HELO_LITERAL] = {"helo_literal", "EHLO with the address of somebody else",
				 COUNT_check_helo_literal,
				 offsetof(struct config, check.helo_literal)},
	[SANITY_HELO_OURS] = {"helo_ours", "EHLO with the name of this server",
			      COUNT_check_helo_ours, offsetof(struct config, check.helo_ours)},
	[SANITY_NON_SMTP] = {"non_smtp", "commands that are not SMTP", COUNT_check_non_smtp,
			     offsetof(struct config, check.non_smtp)},
	[SANITY_ERRORS] = {"errors", NULL, COUNT_check_errors,
			   offsetof(struct config, check.errors)},
	[SANITY_PATHS] = {"paths", NULL, COUNT_check_paths, offsetof(struct config, check.paths)},
};

static enum config_check setting(const struct worker *w, enum sanity which)
{
	return *(const enum config_check *)((const char *)w->config + checks[which].setting);
}

void sanity_note(struct worker *w, struct session *s, enum sanity which)
{
	if (s->allowed || s->shown & SHOWN(which) || setting(w, which) == CHECK_OFF)
		return;
	s->shown |= SHOWN(which);
	counter_add(&w->counters, checks[which].counter, 1);
}

const char *sanity_refusal(const struct worker *w, const struct session *s, const char **ret_word)
{
	for (int i = 0; i < SANITY_MAX && s->shown && !s->allowed; i++) {
		if (!checks[i].reason || !(s->shown & SHOWN(i)) ||
		    setting(w, (enum sanity)i) != CHECK_REJECT)
			continue;
		*ret_word = checks[i].word;
		return checks[i].reason;
	}
	return NULL;
}

void sanity_evidence(const struct session *s, struct policy_evidence *to)
{
	to->early_talk |= (s->shown & SHOWN(SANITY_EARLY_TALK)) != 0;
	to->early_pipelining |= (s->shown & SHOWN(SANITY_PIPELINING)) != 0;
	to->not_smtp |= (s->shown & SHOWN(SANITY_NON_SMTP)) != 0;
	to->many_errors |= (s->shown & SHOWN(SANITY_ERRORS)) != 0;
	to->bad_path |= (s->shown & SHOWN(SANITY_PATHS)) != 0;
	to->bad_helo |= (s->shown & (SHOWN(SANITY_HELO_SYNTAX) | SHOWN(SANITY_HELO_NAME) |
				     SHOWN(SANITY_HELO_LITERAL) | SHOWN(SANITY_HELO_OURS))) != 0;
}

const char *sanity_words(const struct session *s, char buf[SANITY_WORDS])
{
	size_t len = 0;

	for (int i = 0; i < SANITY_MAX; i++)
		if (s->shown & SHOWN(i))
			len += (size_t)snprintf(buf + len, SANITY_WORDS - len, "%s%s",
						len ? "," : "", checks[i].word);
	return len ? buf : NULL;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]"; other literals say nothing that could be checked. */
static bool literal_of(const char *helo, struct addr *ret)
{
	char text[ADDR_TEXT];
	const char *from = helo + 1;
	size_t len;

	if (!strncasecmp(from, "IPv6:", 5))
		from += 5;
	len = strcspn(from, "]");
	if (len >= sizeof(text))
		return false;
	memcpy(text, from, len);
	text[len] = 0;
	return !addr_parse(text, ret);
}

static void look_at_helo(struct worker *w, struct session *s)
{
	const char *helo = session_smtp(w, s)->helo;
	struct addr a;

	if (!smtp_domain_ok(helo, strlen(helo))) {
		sanity_note(w, s, SANITY_HELO_SYNTAX);
		return;
	}
	if (*helo == '[') {
		if (literal_of(helo, &a) && !addr_eq(&a, &s->src))
			sanity_note(w, s, SANITY_HELO_LITERAL);
		return;
	}
	if (!strchr(helo, '.') || !addr_parse(helo, &a))
		sanity_note(w, s, SANITY_HELO_NAME);
	if (!strcasecmp(helo, w->config->hostname))
		sanity_note(w, s, SANITY_HELO_OURS);
}

/* Whether MAIL or RCPT has just named an address that is not of RFC 5321. */
static bool bad_path(const struct smtp *smtp, const struct smtp_step *step)
{
	return step->reply == REPLY_BAD_PATH || step->reply == REPLY_BAD_RECIPIENT ||
	       (step->reply == REPLY_MAIL_OK && smtp->reverse.loose) ||
	       (step->act == SMTP_ASK_RCPT && smtp->forward.loose);
}

void sanity_watch(struct worker *w, struct session *s, const struct smtp_step *step, bool more)
{
	const struct smtp *smtp = session_smtp(w, s);

	if (step->verb == VERB_NOT_SMTP)
		sanity_note(w, s, SANITY_NON_SMTP);
	if (smtp->errors >= w->config->limit.errors)
		sanity_note(w, s, SANITY_ERRORS);
	if (bad_path(smtp, step))
		sanity_note(w, s, SANITY_PATHS);
	if (step->verb != VERB_EHLO && step->verb != VERB_HELO)
		return;
	if (more)
		sanity_note(w, s, SANITY_PIPELINING);
	if (step->reply == REPLY_BAD_HELO)
		sanity_note(w, s, SANITY_HELO_SYNTAX);
	else
		look_at_helo(w, s);
}

bool sanity_look(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->allowed || setting(w, SANITY_EARLY_TALK) == CHECK_OFF)
		return false;
	s->sending = true;
	ring_peek(worker_ring(w, n), n & w->slot_mask, &w->peeked,
		  (struct ring_event){n, s->generation, OP_PEEK});
	return true;
}
