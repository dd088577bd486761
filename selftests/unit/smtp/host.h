/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands around the SMTP machine in its tests: keeps the bytes that it left, answers its asks,
 * and writes down what came out, so that two runs can be compared. Lines of the record:
 *
 *   S: a reply line               A: rcpt PATH [PARAMS]   A: data PATH [PARAMS]
 *   A: tls (from then on it is active)
 *   A: chunk PATH [PARAMS] for the first one   A: chunked N, what is taken in so far
 *   B: a line of a whole message, or all of a chunked one with \r and \n   A: bad   A: reset   A:
 * hangup
 *
 * A chunked message whose text holds "refuse" is refused (452) with the chunk in which that is
 * seen. Recipients whose local part begins with grey, deny or no are refused (451, 554, 550 of a
 * backend); a sender that begins with defer is refused at DATA, with lost its message fails after
 * the 354.
 */
#ifndef UNIT_SMTP_HOST_H
#define UNIT_SMTP_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/smtp.h"

#define HOST_RECORD 65536
#define HOST_INPUT 16384

struct host {
	struct smtp s;
	struct smtp_conf c;
	char in[HOST_INPUT]; /* what the machine left */
	size_t in_len, in_cap;
	char body[HOST_INPUT];
	size_t body_len;
	bool chunked;
	char record[HOST_RECORD];
	size_t record_len;
	enum smtp_act last_act;
	int last_reply;
	int last_verb;
};

static inline void host_init(struct host *h)
{
	memset(h, 0, sizeof(*h));
	smtp_init(&h->s);
	h->c = (struct smtp_conf){.hostname = "mx.example.net",
				  .contact = "postmaster@example.net",
				  .line = 512,
				  .commands = 100,
				  .errors = 10,
				  .recipients = 5,
				  .message = 1000,
				  .offers = SMTP_OFFER_8BITMIME | SMTP_OFFER_ENHANCED};
	h->in_cap = HOST_INPUT;
}

static inline void host_write(struct host *h, const char *tag, const char *text, size_t len)
{
	if (h->record_len + len + 8 > HOST_RECORD)
		abort();
	h->record_len += (size_t)snprintf(h->record + h->record_len, HOST_RECORD - h->record_len,
					  "%s: %.*s\n", tag, (int)len, text);
}

/* One of its own, for the caller to free. */
static inline struct host *host_new(void)
{
	struct host *h = malloc(sizeof(*h));

	if (!h)
		abort();
	host_init(h);
	return h;
}

/* Every line of the bytes, which must be whole lines ended by CRLF. */
static inline void host_lines(struct host *h, const char *tag, const char *text, size_t len)
{
	while (len) {
		const char *end = memmem(text, len, "\r\n", 2);

		if (!end) {
			host_write(h, "!", "a line without CRLF", 19);
			return;
		}
		host_write(h, tag, text, (size_t)(end - text));
		len -= (size_t)(end + 2 - text);
		text = end + 2;
	}
}

static inline bool host_local_is(const struct smtp_path *p, const char *prefix)
{
	return strncmp(p->text, prefix, strlen(prefix)) == 0;
}

static inline void host_ask(struct host *h, const char *what, const struct smtp_path *p,
			    const char *params)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), "%s <%s>%s%s", what, p->text, *params ? " " : "",
			   params);

	host_write(h, "A", text, (size_t)len);
}

static inline void host_say(struct smtp_out *out, const char *text)
{
	memcpy(out->buf + out->len, text, strlen(text));
	out->len += strlen(text);
}

static inline void host_rcpt(struct host *h, struct smtp_out *out)
{
	struct smtp_reply_args args = {.minutes = 5, .ticket = "T1", .reason = "Listed"};
	const struct smtp_path *p = &h->s.forward;

	host_ask(h, "rcpt", p, h->s.rcpt_params);
	if (host_local_is(p, "grey"))
		smtp_reply(out, &h->c, REPLY_GREYLISTED, &args);
	else if (host_local_is(p, "deny"))
		smtp_reply(out, &h->c, REPLY_DENIED, &args);
	else if (host_local_is(p, "no"))
		host_say(out, "550 5.1.1 no such user\r\n");
	else
		smtp_reply(out, &h->c, REPLY_RCPT_OK, NULL);
	smtp_rcpt_done(&h->s, memcmp(out->buf, "250", 3) == 0);
}

static inline void host_data(struct host *h, struct smtp_out *out)
{
	bool refuse = host_local_is(&h->s.reverse, "defer");

	host_ask(h, "data", &h->s.reverse, h->s.mail_params);
	h->body_len = 0;
	host_say(out, refuse ? "451 4.3.0 later\r\n" : "354 go ahead\r\n");
	smtp_data_done(&h->s, !refuse);
	if (host_local_is(&h->s.reverse, "lost"))
		smtp_text_fail(&h->s, REPLY_BACKEND_LOST);
}

static inline void host_text(struct host *h, const struct smtp_step *step)
{
	if (h->body_len + step->len > sizeof(h->body))
		abort();
	memcpy(h->body + h->body_len, step->data, step->len);
	h->body_len += step->len;
}

/* In one line: it need not end with CRLF. */
static inline void host_chunked(struct host *h)
{
	char text[2 * HOST_INPUT];
	size_t len = 0;

	for (size_t i = 0; i < h->body_len; i++) {
		char ch = h->body[i];

		if (ch == '\r' || ch == '\n')
			text[len++] = '\\';
		text[len++] = (char)(ch == '\r' ? 'r' : ch == '\n' ? 'n' : ch);
	}
	host_write(h, "B", text, len);
}

static inline void host_chunk(struct host *h, struct smtp_out *out)
{
	bool refuse = host_local_is(&h->s.reverse, "defer");

	if (h->chunked)
		return;
	host_ask(h, "chunk", &h->s.reverse, h->s.mail_params);
	h->body_len = 0;
	h->chunked = !refuse;
	if (refuse) {
		host_say(out, "451 4.3.0 later\r\n");
		smtp_chunk_done(&h->s, false);
	} else if (host_local_is(&h->s.reverse, "lost")) {
		smtp_text_fail(&h->s, REPLY_BACKEND_LOST);
	}
}

static inline void host_chunk_text(struct host *h, const struct smtp_step *step)
{
	if (step->cr)
		h->body[h->body_len++] = '\r';
	host_text(h, step);
}

static inline void host_chunk_end(struct host *h, struct smtp_out *out)
{
	bool refuse = memmem(h->body, h->body_len, "refuse", 6);
	char text[64];
	int len = snprintf(text, sizeof(text), "chunked %zu", h->body_len);

	host_write(h, "A", text, (size_t)len);
	host_say(out, refuse ? "452 4.3.1 no room\r\n" : "250 2.0.0 more\r\n");
	smtp_chunk_done(&h->s, !refuse);
	h->chunked = !refuse;
}

static inline void host_text_end(struct host *h, struct smtp_out *out)
{
	if (h->chunked) {
		h->chunked = false;
		host_chunked(h);
		host_say(out, "250 2.0.0 queued\r\n");
		smtp_text_done(&h->s, true);
		return;
	}
	if (h->body_len < 3 || memcmp(h->body + h->body_len - 3, ".\r\n", 3) != 0)
		host_write(h, "!", "no dot", 6);
	host_lines(h, "B", h->body, h->body_len - 3);
	host_say(out, "250 2.0.0 queued\r\n");
	smtp_text_done(&h->s, true);
}

/* One step on what is there. False: the machine needs more. */
static inline bool host_step(struct host *h)
{
	/* A copy that ends where the room ends lets the address sanitizer see a read beyond it. */
	static char room[HOST_INPUT];
	char *exact = room + sizeof(room) - h->in_len;
	char replies[SMTP_REPLY_MAX];
	struct smtp_out out = {replies, 0, sizeof(replies)};
	struct smtp_step step;
	size_t used;

	memcpy(exact, h->in, h->in_len);
	used = smtp_input(&h->s, &h->c, exact, h->in_len, &out, &step);
	if (used > h->in_len)
		abort();
	switch (step.act) {
	case SMTP_ASK_RCPT:
		host_rcpt(h, &out);
		break;
	case SMTP_ASK_DATA:
		host_data(h, &out);
		break;
	case SMTP_ASK_CHUNK:
		host_chunk(h, &out);
		break;
	case SMTP_TEXT:
		host_chunk_text(h, &step);
		break;
	case SMTP_CHUNK_END:
		host_chunk_text(h, &step);
		host_chunk_end(h, &out);
		break;
	case SMTP_TEXT_END:
		host_chunk_text(h, &step);
		host_text_end(h, &out);
		break;
	case SMTP_TEXT_BAD:
		host_write(h, "A", "bad", 3);
		h->chunked = false;
		break;
	case SMTP_RESET:
		host_write(h, "A", "reset", 5);
		h->chunked = false;
		break;
	case SMTP_HANGUP:
		host_write(h, "A", "hangup", 6);
		break;
	case SMTP_ASK_TLS:
		host_write(h, "A", "tls", 3);
		smtp_reply(&out, &h->c, REPLY_TLS_READY, NULL);
		smtp_tls_done(&h->s);
		h->c.tls = SMTP_TLS_ACTIVE;
		break;
	case SMTP_NEED_MORE:
	case SMTP_REPLIED:
		break;
	}
	host_lines(h, "S", out.buf, out.len);
	h->in_len -= used;
	memmove(h->in, h->in + used, h->in_len);
	if (step.act != SMTP_NEED_MORE) {
		h->last_act = step.act;
		h->last_reply = step.reply;
		h->last_verb = step.verb < 0 ? h->last_verb : step.verb;
	}
	return step.act != SMTP_NEED_MORE;
}

static inline void host_feed(struct host *h, const char *bytes, size_t len)
{
	do {
		size_t room = h->in_cap - h->in_len, n = len < room ? len : room;

		memcpy(h->in + h->in_len, bytes, n);
		h->in_len += n;
		bytes += n;
		len -= n;
		while (host_step(h))
			;
	} while (len && h->in_len < h->in_cap);
	if (len)
		host_write(h, "!", "the machine is stuck on a full buffer", 37);
}

static inline void host_line(struct host *h, const char *line)
{
	char text[HOST_INPUT];
	int len = snprintf(text, sizeof(text), "%s\r\n", line);

	host_feed(h, text, (size_t)len);
}

/* A new one, brought into a state by the shortest way, with an empty record. */
static inline struct host *host_in(enum smtp_state state)
{
	static const char *const way[] = {"EHLO c", "MAIL FROM:<a@b.example>",
					  "RCPT TO:<x@y.example>", "BDAT 2\r\nhi"};
	struct host *h = host_new();

	h->c.offers |= SMTP_OFFER_CHUNKING;
	for (int i = 0; i < (int)state; i++)
		host_feed(h, way[i], strlen(way[i])), host_feed(h, "\r\n", i < SMTP_RCPT ? 2 : 0);
	if (h->s.state != state)
		abort();
	memset(h->record, 0, h->record_len);
	h->record_len = 0;
	return h;
}

#endif
