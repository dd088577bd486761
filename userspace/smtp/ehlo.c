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
	uint8_t needs;                                /* enum smtp_offer; 0: none */
	bool (*offered)(const struct smtp_conf *c);   /* NULL: always */
	uint64_t (*value)(const struct smtp_conf *c); /* NULL: the keyword has none */
} keywords[EHLO_KEYWORD_MAX] = {
	[EHLO_PIPELINING] = {"PIPELINING", 0, NULL, NULL},
	[EHLO_SIZE] = {"SIZE", 0, has_message_limit, message_limit},
	[EHLO_8BITMIME] = {"8BITMIME", SMTP_OFFER_8BITMIME, NULL, NULL},
	[EHLO_SMTPUTF8] = {"SMTPUTF8", SMTP_OFFER_SMTPUTF8, NULL, NULL},
	[EHLO_DSN] = {"DSN", SMTP_OFFER_DSN, NULL, NULL},
	[EHLO_CHUNKING] = {"CHUNKING", SMTP_OFFER_CHUNKING, NULL, NULL},
	[EHLO_ENHANCED] = {"ENHANCEDSTATUSCODES", SMTP_OFFER_ENHANCED, NULL, NULL},
	[EHLO_STARTTLS] = {"STARTTLS", 0, has_tls, NULL},
	[EHLO_HELP] = {"HELP", 0, NULL, NULL},
};

uint32_t ehlo_offered(const struct smtp_conf *c)
{
	uint32_t all = 0;

	for (int k = 0; k < EHLO_KEYWORD_MAX; k++) {
		if (keywords[k].needs & ~c->offers)
			continue;
		if (!keywords[k].offered || keywords[k].offered(c))
			all |= ehlo_bit(k);
	}
	return all;
}

static void append(struct smtp_out *out, const char *text)
{
	reply_append(out, text, strlen(text));
}

void ehlo_reply(struct smtp_out *out, const struct smtp_conf *c)
{
	const uint32_t offered = ehlo_offered(c);
	char text[REPLY_LINE];
	size_t last = 0;

	append(out, "250-");
	reply_append(out, text, reply_text(text, c, REPLY_EHLO, NULL));
	append(out, "\r\n");
	for (int k = 0; k < EHLO_KEYWORD_MAX; k++) {
		if (!(offered & ehlo_bit(k)))
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
