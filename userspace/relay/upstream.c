// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The machine towards the mail server. `turns` says what a whole reply means in each state in which
 * one is awaited; in every other state any byte of the backend is unasked and breaks the
 * connection.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "greeting.h"

enum up_command { UP_MAIL, UP_RCPT, UP_DATA, UP_BDAT, UP_RSET, UP_QUIT };

enum why {
	WHY_NOTHING,
	WHY_GARBAGE,
	WHY_LONG,
	WHY_UNASKED,
	WHY_BANNER,
	WHY_EHLO,
	WHY_HELO,
	WHY_XCLIENT,
	WHY_EHLO_AGAIN,
	WHY_WRONG_CODE,
	WHY_CLOSING,
	WHY_QUIT,
	WHY_NO_TLS,
	WHY_TLS_REFUSED,
	WHY_MAX
};

static const char *const words[WHY_MAX] = {
	[WHY_NOTHING] = "not broken",
	[WHY_GARBAGE] = "mail server sent something that is no SMTP reply",
	[WHY_LONG] = "mail server sent a reply that is too long",
	[WHY_UNASKED] = "mail server spoke without being asked",
	[WHY_BANNER] = "mail server refused the connection in its banner",
	[WHY_EHLO] = "mail server answered EHLO with neither yes nor no",
	[WHY_HELO] = "mail server refused EHLO and HELO",
	[WHY_XCLIENT] = "mail server answered XCLIENT with neither yes nor no",
	[WHY_EHLO_AGAIN] = "mail server refused the client's EHLO name after XCLIENT",
	[WHY_WRONG_CODE] = "mail server sent a reply code that does not belong to the command",
	[WHY_CLOSING] = "mail server is closing the connection (421)",
	[WHY_QUIT] = "mail server said good-bye",
	[WHY_NO_TLS] = "mail server does not offer STARTTLS, which tls backend requires",
	[WHY_TLS_REFUSED] = "mail server refused STARTTLS, which tls backend requires",
};

static enum upstream_act fail(struct upstream *u, enum why why)
{
	u->state = UP_BROKEN;
	u->why = why;
	return UPSTREAM_FAIL;
}

__attribute__((format(printf, 2, 3))) static void say(struct upstream_out *out, const char *format,
						      ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(out->buf, sizeof(out->buf), format, args);
	va_end(args);
	/* The callers' grammar keeps names, paths and parameters far below this. */
	assert(len >= 0 && (size_t)len < sizeof(out->buf));
	out->len = (size_t)len;
}

static enum upstream_act ask(struct upstream *u, enum upstream_state state)
{
	u->state = state;
	answer_begin(u);
	return UPSTREAM_SEND;
}

static enum upstream_act ready(struct upstream *u)
{
	u->state = UP_IDLE;
	return UPSTREAM_READY;
}

/* ---- what a reply means ---- */

/* The enhanced code (RFC 2034) of the reply's last line begins so. */
static bool enhanced(const struct upstream *u, const char *begin)
{
	const char *text = u->reply + u->line + strlen("421 ");

	return u->reply_len > u->line + strlen("421 ") && strncmp(text, begin, strlen(begin)) == 0;
}

bool upstream_about_client(const struct upstream *u, const struct upstream_client *c)
{
	if ((!c->named && !u->told) || u->code < 400)
		return false;
	return u->code == 421 ? enhanced(u, "4.7.") : u->code / 10 % 10 != 0;
}

/* The greeting is refused: the client, or the mail server as a whole for the reason why. */
static enum upstream_act refuse(struct upstream *u, const struct upstream_client *c, enum why why)
{
	if (!upstream_about_client(u, c))
		return fail(u, u->code == 421 ? WHY_CLOSING : why);
	u->state = UP_IDLE;
	return UPSTREAM_REFUSED;
}

typedef enum upstream_act (*turn_fn)(struct upstream *u, const struct upstream_client *c,
				     struct upstream_out *out);

static enum upstream_act banner(struct upstream *u, const struct upstream_client *c,
				struct upstream_out *out)
{
	if (u->code != 220)
		return refuse(u, c, WHY_BANNER);
	say(out, "EHLO %s\r\n", c->our_name);
	return ask(u, UP_EHLO);
}

/* The greeting from where it may go on in the clear, or goes on inside TLS. */
static enum upstream_act introduce(struct upstream *u, const struct upstream_client *c,
				   struct upstream_out *out)
{
	char xclient[GREETING_XCLIENT + 1];

	if (!c->use_xclient || !greeting_xclient(u, c, xclient))
		return ready(u);
	say(out, "%s", xclient);
	u->told = true;
	return ask(u, UP_XCLIENT);
}

static enum upstream_act ehlo(struct upstream *u, const struct upstream_client *c,
			      struct upstream_out *out)
{
	bool wanted = c->tls != UPSTREAM_TLS_NONE && !u->secured;

	if (u->code / 100 == 5 && !(wanted && c->tls == UPSTREAM_TLS_REQUIRED)) {
		say(out, "HELO %s\r\n", c->our_name);
		return ask(u, UP_HELO);
	}
	if (u->code / 100 != 2)
		return refuse(u, c, WHY_EHLO);
	greeting_learn(u);
	if (wanted && u->caps & UPSTREAM_STARTTLS) {
		say(out, "STARTTLS\r\n");
		return ask(u, UP_STARTTLS);
	}
	if (wanted && c->tls == UPSTREAM_TLS_REQUIRED)
		return fail(u, WHY_NO_TLS);
	return introduce(u, c, out);
}

static enum upstream_act starttls(struct upstream *u, const struct upstream_client *c,
				  struct upstream_out *out)
{
	if (u->code == 220) {
		u->state = UP_SHAKING;
		return UPSTREAM_TLS;
	}
	if (u->code == 421)
		return fail(u, WHY_CLOSING);
	if (c->tls == UPSTREAM_TLS_REQUIRED)
		return fail(u, WHY_TLS_REFUSED);
	u->secured = true;
	return introduce(u, c, out);
}

static enum upstream_act helo(struct upstream *u, const struct upstream_client *c,
			      struct upstream_out *out)
{
	(void)out;
	if (u->code / 100 != 2)
		return refuse(u, c, WHY_HELO);
	return ready(u);
}

/* XCLIENT is an extra: a backend that offers but then refuses the command, or (550 5.7.0 in
 * Postfix) us the right to it, still takes mail. */
static enum upstream_act xclient(struct upstream *u, const struct upstream_client *c,
				 struct upstream_out *out)
{
	if (u->code / 100 == 5 && (!upstream_about_client(u, c) || enhanced(u, "5.7.0"))) {
		u->xclient = 0;
		return ready(u);
	}
	/* Postfix answers with a banner (220), its smtp-sink with 250: both begin anew. */
	if (u->code / 100 != 2)
		return refuse(u, c, WHY_XCLIENT);
	say(out, "EHLO %s\r\n", c->helo && *c->helo ? c->helo : c->our_name);
	return ask(u, UP_EHLO_AGAIN);
}

static enum upstream_act ehlo_again(struct upstream *u, const struct upstream_client *c,
				    struct upstream_out *out)
{
	/* The client's name is not to its liking: our own was, and XCLIENT has told whom it is for.
	 */
	if (u->code / 100 == 5 && !u->own_name) {
		u->own_name = true;
		say(out, "EHLO %s\r\n", c->our_name);
		return ask(u, UP_EHLO_AGAIN);
	}
	if (u->code / 100 != 2)
		return refuse(u, c, WHY_EHLO_AGAIN);
	greeting_learn(u);
	return ready(u);
}

static enum upstream_act deliver(struct upstream *u, enum upstream_state next)
{
	u->state = next;
	if (u->code == 421)
		fail(u, WHY_CLOSING);
	return UPSTREAM_REPLY_READY;
}

/* A 2xx to DATA would leave both sides with another idea of where the message is; a 3xx belongs to
 * DATA alone. */
static enum upstream_act command(struct upstream *u, const struct upstream_client *c,
				 struct upstream_out *out)
{
	int class = u->code / 100;

	(void)c, (void)out;
	if (u->command == UP_DATA && u->code == 354)
		return deliver(u, UP_TEXT);
	if (class == 3 || (u->command == UP_DATA && class == 2))
		return fail(u, WHY_WRONG_CODE);
	if (u->command == UP_QUIT) {
		fail(u, WHY_QUIT);
		return UPSTREAM_REPLY_READY;
	}
	return deliver(u, UP_IDLE);
}

static enum upstream_act text_end(struct upstream *u, const struct upstream_client *c,
				  struct upstream_out *out)
{
	(void)c, (void)out;
	if (u->code / 100 == 3)
		return fail(u, WHY_WRONG_CODE);
	return deliver(u, UP_IDLE);
}

/* In UP_IDLE and UP_TEXT nothing is due. A server that gives up says 421 there: worth its own
 * words, and the reply is kept for them. */
static enum upstream_act unasked(struct upstream *u, const struct upstream_client *c,
				 struct upstream_out *out)
{
	(void)c, (void)out;
	return fail(u, u->code == 421 ? WHY_CLOSING : WHY_UNASKED);
}

static const turn_fn turns[UP_STATE_MAX] = {
	[UP_CONNECTING] = unasked, [UP_BANNER] = banner,   [UP_EHLO] = ehlo,
	[UP_HELO] = helo,          [UP_XCLIENT] = xclient, [UP_EHLO_AGAIN] = ehlo_again,
	[UP_IDLE] = unasked,       [UP_COMMAND] = command, [UP_TEXT] = unasked,
	[UP_STARTTLS] = starttls,  [UP_SHAKING] = unasked, [UP_TEXT_END] = text_end,
	[UP_BROKEN] = NULL,
};

size_t upstream_input(struct upstream *u, const struct upstream_client *c, const char *buf,
		      size_t len, struct upstream_out *out, enum upstream_act *ret)
{
	enum answer answer;
	size_t taken;

	out->len = 0;
	*ret = u->state == UP_BROKEN ? UPSTREAM_FAIL : UPSTREAM_MORE;
	if (u->state == UP_BROKEN || !len)
		return len;
	if (turns[u->state] == unasked)
		answer_begin(u);
	taken = answer_take(u, buf, len, &answer);
	if (answer == ANSWER_WHOLE || turns[u->state] == unasked)
		*ret = turns[u->state](u, c, out);
	else if (answer != ANSWER_MORE)
		*ret = fail(u, answer == ANSWER_LONG ? WHY_LONG : WHY_GARBAGE);
	return taken;
}

void upstream_init(struct upstream *u)
{
	u->state = UP_CONNECTING;
	u->told = u->own_name = u->secured = false;
	u->command = 0;
	u->why = WHY_NOTHING;
	u->caps = u->xclient = 0;
	u->size_limit = 0;
	answer_begin(u);
}

void upstream_connected(struct upstream *u)
{
	assert(u->state == UP_CONNECTING);
	u->state = UP_BANNER;
}

void upstream_secured(struct upstream *u, const struct upstream_client *c, struct upstream_out *out)
{
	assert(u->state == UP_SHAKING);
	/* What was offered in the clear may have been anybody's (RFC 3207 4.2). */
	u->caps = u->xclient = 0;
	u->size_limit = 0;
	u->secured = true;
	say(out, "EHLO %s\r\n", c->our_name);
	ask(u, UP_EHLO);
}

/* ---- commands ---- */

static void begin(struct upstream *u, enum up_command which)
{
	assert(u->state == UP_IDLE);
	u->command = which;
	ask(u, UP_COMMAND);
}

void upstream_mail(struct upstream *u, struct upstream_out *out, const char *path,
		   const char *params)
{
	begin(u, UP_MAIL);
	say(out, "MAIL FROM:<%s>%s%s\r\n", path, *params ? " " : "", params);
}

void upstream_rcpt(struct upstream *u, struct upstream_out *out, const char *path,
		   const char *params)
{
	begin(u, UP_RCPT);
	say(out, "RCPT TO:<%s>%s%s\r\n", path, *params ? " " : "", params);
}

void upstream_data(struct upstream *u, struct upstream_out *out)
{
	begin(u, UP_DATA);
	say(out, "DATA\r\n");
}

void upstream_rset(struct upstream *u, struct upstream_out *out)
{
	begin(u, UP_RSET);
	say(out, "RSET\r\n");
}

void upstream_quit(struct upstream *u, struct upstream_out *out)
{
	begin(u, UP_QUIT);
	say(out, "QUIT\r\n");
}

void upstream_text_sent(struct upstream *u)
{
	assert(u->state == UP_TEXT);
	answer_begin(u);
	u->state = UP_TEXT_END;
}

size_t upstream_chunk(struct upstream *u, char buf[UPSTREAM_CHUNK], size_t size, bool last)
{
	begin(u, UP_BDAT);
	if (last)
		u->state = UP_TEXT_END;
	return (size_t)snprintf(buf, UPSTREAM_CHUNK, "BDAT %zu%s\r\n", size, last ? " LAST" : "");
}

bool upstream_in_text(const struct upstream *u)
{
	return u->state == UP_TEXT || u->state == UP_TEXT_END ||
	       (u->state == UP_COMMAND && u->command == UP_BDAT);
}

bool upstream_securing(const struct upstream *u)
{
	return u->state == UP_STARTTLS || u->state == UP_SHAKING ||
	       (u->state == UP_EHLO && u->secured);
}

bool upstream_lacks_tls(const struct upstream *u)
{
	return u->state == UP_BROKEN && (u->why == WHY_NO_TLS || u->why == WHY_TLS_REFUSED);
}

bool upstream_closing(const struct upstream *u)
{
	return u->state == UP_BROKEN && u->why == WHY_CLOSING;
}

const char *upstream_why(const struct upstream *u)
{
	return words[u->why];
}
