// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ehlo.h"
#include "reply.h"

static bool has_message_limit(const struct smtp_conf *c)
{
	return c->message != 0;
}

static bool has_eightbit(const struct smtp_conf *c)
{
	return c->eightbit;
}

static bool has_tls(const struct smtp_conf *c)
{
	return c->tls == SMTP_TLS_OFFERED;
}

static uint64_t message_limit(const struct smtp_conf *c)
{
	return c->message;
}

static const struct {
	const char *name;
	bool (*offered)(const struct smtp_conf *c);   /* NULL: always */
	uint64_t (*value)(const struct smtp_conf *c); /* NULL: the keyword has none */
} keywords[EHLO_KEYWORD_MAX] = {
	[EHLO_PIPELINING] = {"PIPELINING", NULL, NULL},
	[EHLO_SIZE] = {"SIZE", has_message_limit, message_limit},
	[EHLO_8BITMIME] = {"8BITMIME", has_eightbit, NULL},
	[EHLO_ENHANCED] = {"ENHANCEDSTATUSCODES", NULL, NULL},
	[EHLO_STARTTLS] = {"STARTTLS", has_tls, NULL},
	[EHLO_HELP] = {"HELP", NULL, NULL},
};

bool ehlo_offers(const struct smtp_conf *c, enum ehlo_keyword k)
{
	return !keywords[k].offered || keywords[k].offered(c);
}

static void append(struct smtp_out *out, const char *text)
{
	reply_append(out, text, strlen(text));
}

void ehlo_reply(struct smtp_out *out, const struct smtp_conf *c)
{
	char text[REPLY_LINE];
	size_t last = 0;

	append(out, "250-");
	reply_append(out, text, reply_text(text, c, REPLY_EHLO, NULL));
	append(out, "\r\n");
	for (int k = 0; k < EHLO_KEYWORD_MAX; k++) {
		if (!ehlo_offers(c, k))
			continue;
		last = out->len;
		append(out, "250-");
		append(out, keywords[k].name);
		if (keywords[k].value) {
			snprintf(text, sizeof(text), " %" PRIu64, keywords[k].value(c));
			append(out, text);
		}
		append(out, "\r\n");
	}
	out->buf[last + 3] = ' ';
}
