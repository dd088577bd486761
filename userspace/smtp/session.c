// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The SMTP server's state machine. `moves` says what each verb does in each state in which commands
 * are read, `intakes` what bytes are in each state; machine_enter() is the only place where the
 * state changes.
 */
#include <string.h>
#include <strings.h>

#include "ehlo.h"
#include "endofdata.h"
#include "machine.h"
#include "params.h"

#define CHUNK_FREE 512 /* bytes from which a chunk is no command that limit commands counts */

static void path_clear(struct smtp_path *p)
{
	p->len = p->domain = 0;
	p->wide = p->loose = false;
	p->text[0] = '\0';
}

void machine_enter(struct smtp *s, enum smtp_state state)
{
	if (state == SMTP_READY) {
		s->recipients = s->asked = 0;
		s->size = s->received = 0;
		s->body = SMTP_7BIT;
		s->utf8 = s->last = s->kept_cr = false;
		s->chunk = 0;
		path_clear(&s->reverse);
		path_clear(&s->forward);
		s->mail_params[0] = s->rcpt_params[0] = '\0';
	} else if (state == SMTP_BODY) {
		s->eod = EOD_LINE;
		s->received = 0;
	}
	s->state = state;
}

/* Answers and ends the session. */
static void hang_up(struct turn *t, enum smtp_reply r)
{
	smtp_reply(t->out, t->c, r, NULL);
	t->step->act = SMTP_HANGUP;
	t->step->reply = r;
	machine_enter(t->s, SMTP_CLOSED);
}

void machine_answer(struct turn *t, enum smtp_reply r, enum smtp_act act)
{
	smtp_reply(t->out, t->c, r, NULL);
	t->step->act = act;
	t->step->reply = r;
	if (smtp_reply_code(r) < 500)
		return;
	t->s->errors++;
	if (t->c->errors && t->s->errors >= t->c->errors)
		hang_up(t, REPLY_TOO_MANY_ERRORS);
}

static void answer(struct turn *t, enum smtp_reply r)
{
	machine_answer(t, r, SMTP_REPLIED);
}

/* ---- what the verbs do ---- */

static void sequence(struct turn *t)
{
	answer(t, REPLY_SEQUENCE);
}

static void unknown(struct turn *t)
{
	answer(t, REPLY_UNKNOWN);
}

static void not_smtp(struct turn *t)
{
	if (t->c->only_smtp)
		hang_up(t, REPLY_NOT_SMTP);
	else
		answer(t, REPLY_UNKNOWN);
}

static void foreign(struct turn *t)
{
	answer(t, REPLY_NOT_IMPLEMENTED);
}

/* A greeting within a transaction ends it (RFC 5321 4.1.4); a malformed one changes nothing. */
static void greet(struct turn *t)
{
	struct smtp *s = t->s;
	enum smtp_act act = s->state >= SMTP_MAIL ? SMTP_RESET : SMTP_REPLIED;

	bool good =
		t->cmd.arg_len && (t->c->any_helo || smtp_domain_ok(t->cmd.arg, t->cmd.arg_len));

	if (t->cmd.arg_len > SMTP_DOMAIN || !good) {
		answer(t, REPLY_BAD_HELO);
		return;
	}
	memcpy(s->helo, t->cmd.arg, t->cmd.arg_len);
	s->helo[t->cmd.arg_len] = '\0';
	s->esmtp = t->cmd.verb == VERB_EHLO;
	s->offered = s->esmtp ? ehlo_offered(t->c) : 0;
	machine_enter(s, SMTP_READY);
	machine_answer(t, s->esmtp ? REPLY_EHLO : REPLY_HELO, act);
}

static void reset(struct turn *t)
{
	enum smtp_act act = t->s->state >= SMTP_MAIL ? SMTP_RESET : SMTP_REPLIED;

	if (act == SMTP_RESET)
		machine_enter(t->s, SMTP_READY);
	machine_answer(t, REPLY_OK, act);
}

/*
 * "FROM:<path> parameters" or "TO:<path> parameters". White space after the colon is against the
 * grammar, but many clients write it and it can't be misread. Returns REPLY_OK or the refusal.
 */
static enum smtp_reply envelope(const struct turn *t, const char *label, enum smtp_path_kind kind,
				struct smtp_path *ret_path, struct params *ret_params)
{
	const char *p = t->cmd.arg, *end = p + t->cmd.arg_len;
	size_t label_len = strlen(label);
	int n;

	if ((size_t)(end - p) < label_len || strncasecmp(p, label, label_len) != 0)
		return REPLY_SYNTAX;
	p += label_len;
	while (p < end && *p == ' ')
		p++;
	n = smtp_path_parse(p, end - p, kind, ret_path);
	if (n < 0 || (ret_path->loose && t->c->strict_paths))
		return kind == SMTP_REVERSE ? REPLY_BAD_PATH : REPLY_BAD_RECIPIENT;
	p += n;
	if (p < end && *p != ' ')
		return REPLY_SYNTAX;
	return params_read(t->c, t->s->offered, t->s->utf8, kind, p, end - p, ret_params);
}

static void mail(struct turn *t)
{
	struct smtp *s = t->s;
	struct params params;
	struct smtp_path path;
	enum smtp_reply r = envelope(t, "FROM:", SMTP_REVERSE, &path, &params);

	if (r == REPLY_OK && path.wide && !params.utf8)
		r = REPLY_ASCII_SENDER;
	if (r != REPLY_OK) {
		answer(t, r);
		return;
	}
	s->reverse = path;
	s->size = params.size;
	s->body = params.body;
	s->utf8 = params.utf8;
	memcpy(s->mail_params, params.text, sizeof(s->mail_params));
	machine_enter(s, SMTP_MAIL);
	answer(t, REPLY_MAIL_OK);
}

/* A notification has one recipient (RFC 3461 6, RFC 3834 4): DATA from the null sender is answered
 * for that one alone. */
static bool full(const struct turn *t)
{
	const struct smtp *s = t->s;

	return (t->c->recipients && s->asked >= t->c->recipients) ||
	       (!s->reverse.len && s->recipients);
}

static void rcpt(struct turn *t)
{
	struct smtp *s = t->s;
	struct params params;
	struct smtp_path path;
	enum smtp_reply r = envelope(t, "TO:", SMTP_FORWARD, &path, &params);

	if (r == REPLY_OK && path.wide && !s->utf8)
		r = REPLY_ASCII_RECIPIENT;
	if (r == REPLY_OK && full(t))
		r = REPLY_TOO_MANY_RECIPIENTS;
	if (r != REPLY_OK) {
		answer(t, r);
		return;
	}
	s->asked++;
	/* Their own limit counts them: as many as that allows, any message may have. */
	s->commands -= s->commands > 0;
	s->forward = path;
	memcpy(s->rcpt_params, params.text, sizeof(s->rcpt_params));
	t->step->act = SMTP_ASK_RCPT;
}

/* Only where a session is greeted and nothing is under way. */
static void starttls(struct turn *t)
{
	if (t->c->tls == SMTP_TLS_OFFERED)
		t->step->act = SMTP_ASK_TLS;
	else
		answer(t, t->c->tls == SMTP_TLS_ACTIVE ? REPLY_SEQUENCE : REPLY_NOT_IMPLEMENTED);
}

static void starttls_untimely(struct turn *t)
{
	answer(t, t->c->tls == SMTP_TLS_NONE ? REPLY_NOT_IMPLEMENTED : REPLY_SEQUENCE);
}

static void data(struct turn *t)
{
	t->step->act = SMTP_ASK_DATA;
}

static void data_for_nobody(struct turn *t)
{
	answer(t, REPLY_NO_VALID_RECIPIENTS);
}

/* A chunk's size is known with its command: one that can't be used is passed over. */
static void pass_over(struct turn *t, enum smtp_reply r, enum smtp_state back)
{
	t->s->discard = (uint8_t)r;
	t->s->back = (uint8_t)back;
	machine_enter(t->s, SMTP_CHUNK_DISCARD);
	t->step->act = SMTP_REPLIED;
}

/* False: answered. */
static bool chunk_size(struct turn *t)
{
	struct smtp *s = t->s;

	if (!(s->offered & ehlo_bit(EHLO_CHUNKING))) {
		foreign(t);
		return false;
	}
	if (!command_chunk(&t->cmd, &s->chunk, &s->last)) {
		/* Where the chunk ends nobody knows, and its bytes are no commands. */
		hang_up(t, REPLY_BAD_CHUNK);
		return false;
	}
	return true;
}

static void chunk_untimely(struct turn *t)
{
	if (chunk_size(t))
		pass_over(t, REPLY_SEQUENCE, t->s->state);
}

static void chunk_for_nobody(struct turn *t)
{
	if (chunk_size(t))
		pass_over(t, REPLY_NO_VALID_RECIPIENTS, t->s->state);
}

static void chunk(struct turn *t)
{
	struct smtp *s = t->s;

	if (!chunk_size(t))
		return;
	if (t->c->message &&
	    (s->received > t->c->message || s->chunk > t->c->message - s->received)) {
		pass_over(t, REPLY_TOO_BIG, SMTP_READY);
		t->step->act = SMTP_TEXT_BAD;
		return;
	}
	/* A message may have any number of them, if they carry something. */
	if (s->commands && (s->chunk >= CHUNK_FREE || s->last))
		s->commands--;
	machine_enter(s, SMTP_CHUNK);
	t->step->act = SMTP_ASK_CHUNK;
}

static void noop(struct turn *t)
{
	answer(t, REPLY_OK);
}

/* RFC 6531 3.7.4.2: a name that is not ASCII needs the parameter, which may stand with any. */
static void vrfy(struct turn *t)
{
	static const char word[] = " SMTPUTF8";
	size_t n = strlen(word), len = t->cmd.arg_len;
	bool said = len > n && !strncasecmp(t->cmd.arg + len - n, word, n);

	answer(t, t->cmd.wide && !said ? REPLY_ASCII_RECIPIENT : REPLY_VRFY);
}

static void help(struct turn *t)
{
	answer(t, REPLY_HELP);
}

static void quit(struct turn *t)
{
	hang_up(t, REPLY_BYE);
}

typedef void (*move_fn)(struct turn *t);

static const move_fn moves[VERB_MAX][SMTP_CHUNKS + 1] = {
	/*               START     READY     MAIL             RCPT  CHUNKS */
	[VERB_HELO] = {greet, greet, greet, greet, greet},
	[VERB_EHLO] = {greet, greet, greet, greet, greet},
	[VERB_MAIL] = {sequence, mail, sequence, sequence, sequence},
	[VERB_RCPT] = {sequence, sequence, rcpt, rcpt, sequence},
	[VERB_DATA] = {sequence, sequence, data_for_nobody, data, sequence},
	[VERB_BDAT] = {chunk_untimely, chunk_untimely, chunk_for_nobody, chunk, chunk},
	[VERB_STARTTLS] = {starttls_untimely, starttls, starttls_untimely, starttls_untimely,
			   starttls_untimely},
	[VERB_RSET] = {reset, reset, reset, reset, reset},
	[VERB_NOOP] = {noop, noop, noop, noop, noop},
	[VERB_VRFY] = {vrfy, vrfy, vrfy, vrfy, vrfy},
	[VERB_HELP] = {help, help, help, help, help},
	[VERB_QUIT] = {quit, quit, quit, quit, quit},
	[VERB_FOREIGN] = {foreign, foreign, foreign, foreign, foreign},
	[VERB_NOT_SMTP] = {not_smtp, not_smtp, not_smtp, not_smtp, not_smtp},
	[VERB_UNKNOWN] = {unknown, unknown, unknown, unknown, unknown},
};

/* ---- what bytes are, by state ---- */

static void obey(struct turn *t, const char *line, size_t len)
{
	command_split(line, len, &t->cmd);
	if (t->cmd.wide && !(t->s->offered & ehlo_bit(EHLO_SMTPUTF8) && command_wide_ok(&t->cmd))) {
		answer(t, REPLY_BAD_LINE);
		return;
	}
	t->step->verb = t->cmd.verb;
	if (!command_arg_ok(&t->cmd))
		answer(t, REPLY_SYNTAX);
	else
		moves[t->cmd.verb][t->s->state](t);
}

static size_t take_line(struct turn *t, const char *buf, size_t len)
{
	struct smtp *s = t->s;
	enum command_line kind;
	size_t skipped = 0, line;
	bool hello;

	if (s->skip_line) {
		bool done;

		skipped = command_skip(buf, len, &done);
		if (!done)
			return skipped;
		s->skip_line = false;
	}
	buf += skipped;
	kind = command_line(buf, len - skipped, t->c->line, &line);
	if (kind == LINE_MORE)
		return skipped;
	s->skip_line = kind != LINE_WHOLE;
	hello = command_client_hello(buf, len - skipped);
	if (hello)
		t->step->verb = VERB_NOT_SMTP;
	if (t->c->commands && ++s->commands > t->c->commands)
		hang_up(t, REPLY_TOO_MANY_COMMANDS);
	else if (hello && t->c->only_smtp)
		hang_up(t, REPLY_NOT_SMTP);
	else if (kind == LINE_WHOLE)
		obey(t, buf, line - 2);
	else
		answer(t, kind == LINE_LONG ? REPLY_LINE_TOO_LONG : REPLY_BAD_LINE);
	return skipped + line;
}

static size_t take_nothing(struct turn *t, const char *buf, size_t len)
{
	(void)t, (void)buf;
	return len;
}

typedef size_t (*intake_fn)(struct turn *t, const char *buf, size_t len);

static const intake_fn intakes[SMTP_STATE_MAX] = {
	[SMTP_START] = take_line,
	[SMTP_READY] = take_line,
	[SMTP_MAIL] = take_line,
	[SMTP_RCPT] = take_line,
	[SMTP_CHUNKS] = take_line,
	[SMTP_BODY] = text_take,
	[SMTP_DISCARD] = text_discard,
	[SMTP_CHUNK] = text_chunk,
	[SMTP_CHUNK_DISCARD] = text_chunk_discard,
	[SMTP_CLOSED] = take_nothing,
};

size_t smtp_input(struct smtp *s, const struct smtp_conf *c, const char *buf, size_t len,
		  struct smtp_out *out, struct smtp_step *ret)
{
	struct turn t = {.s = s, .c = c, .out = out, .step = ret};

	*ret = (struct smtp_step){.act = SMTP_NEED_MORE, .verb = -1, .reply = -1};
	return intakes[s->state](&t, buf, len);
}

void smtp_init(struct smtp *s)
{
	*s = (struct smtp){.state = SMTP_START};
}

void smtp_tls_done(struct smtp *s)
{
	*s = (struct smtp){.state = SMTP_START, .errors = s->errors, .commands = s->commands};
}

void smtp_rcpt_done(struct smtp *s, bool accepted)
{
	if (!accepted)
		return;
	s->recipients++;
	machine_enter(s, SMTP_RCPT);
}

/* The rest of a chunk whose answer is given. */
static void pass_over_silently(struct smtp *s)
{
	s->discard = REPLY_MAX;
	s->back = SMTP_READY;
	machine_enter(s, s->chunk ? SMTP_CHUNK_DISCARD : SMTP_READY);
}

void smtp_data_done(struct smtp *s, bool accepted)
{
	if (s->state == SMTP_CHUNK && !accepted)
		pass_over_silently(s);
	else if (accepted)
		machine_enter(s, SMTP_BODY);
}

void smtp_chunk_done(struct smtp *s, bool accepted)
{
	if (accepted)
		machine_enter(s, SMTP_CHUNKS);
	else
		pass_over_silently(s);
}

void smtp_text_done(struct smtp *s, bool accepted)
{
	if (accepted)
		s->commands = 0;
	machine_enter(s, SMTP_READY);
}

void smtp_text_fail(struct smtp *s, enum smtp_reply reply)
{
	if (s->state != SMTP_BODY && s->state != SMTP_CHUNK)
		return;
	s->discard = (uint8_t)reply;
	s->back = SMTP_READY;
	machine_enter(s, s->state == SMTP_BODY ? SMTP_DISCARD : SMTP_CHUNK_DISCARD);
}

bool smtp_due(const struct smtp *s)
{
	return s->state == SMTP_CHUNK_DISCARD && !s->chunk;
}
