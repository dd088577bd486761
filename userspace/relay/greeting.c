// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "greeting.h"

#define UNAVAILABLE "[UNAVAILABLE]"
#define TEMPUNAVAIL "[TEMPUNAVAIL]"

struct word {
	const char *text;
	size_t len;
};

/* The next word of a keyword line; false at its end. */
static bool next_word(struct word *rest, struct word *ret)
{
	while (rest->len && *rest->text == ' ') {
		rest->text++;
		rest->len--;
	}
	if (!rest->len)
		return false;
	ret->text = rest->text;
	ret->len = 0;
	while (ret->len < rest->len && rest->text[ret->len] != ' ')
		ret->len++;
	rest->text += ret->len;
	rest->len -= ret->len;
	return true;
}

static bool word_is(const struct word *w, const char *name)
{
	return w->len == strlen(name) && strncasecmp(w->text, name, w->len) == 0;
}

/* ---- what is offered ---- */

static void learn_size(struct upstream *u, struct word rest)
{
	uint64_t size = 0;
	struct word w;

	if (!next_word(&rest, &w))
		return;
	for (size_t i = 0; i < w.len; i++) {
		if (w.text[i] < '0' || w.text[i] > '9' || __builtin_mul_overflow(size, 10, &size) ||
		    __builtin_add_overflow(size, w.text[i] - '0', &size))
			return;
	}
	u->size_limit = size;
}

static const struct {
	const char *name;
	enum upstream_xclient bit;
} attributes[] = {
	{"NAME", XCLIENT_NAME},
	{"ADDR", XCLIENT_ADDR},
	{"PORT", XCLIENT_PORT},
	{"PROTO", XCLIENT_PROTO},
	{"HELO", XCLIENT_HELO},
	{"LOGIN", XCLIENT_LOGIN},
	{"DESTADDR", XCLIENT_DESTADDR},
	{"DESTPORT", XCLIENT_DESTPORT},
	{"REVERSE_NAME", XCLIENT_REVERSE_NAME},
};

static void learn_xclient(struct upstream *u, struct word rest)
{
	struct word w;

	while (next_word(&rest, &w)) {
		for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
			if (word_is(&w, attributes[i].name))
				u->xclient |= attributes[i].bit;
		}
	}
}

static const struct {
	const char *name;
	enum upstream_cap cap;
	void (*learn)(struct upstream *u, struct word rest); /* NULL: the name says it all */
} keywords[] = {
	{"PIPELINING", UPSTREAM_PIPELINING, NULL},
	{"SIZE", UPSTREAM_SIZE, learn_size},
	{"8BITMIME", UPSTREAM_8BITMIME, NULL},
	{"DSN", UPSTREAM_DSN, NULL},
	{"SMTPUTF8", UPSTREAM_SMTPUTF8, NULL},
	{"CHUNKING", UPSTREAM_CHUNKING, NULL},
	{"STARTTLS", UPSTREAM_STARTTLS, NULL},
	{"ENHANCEDSTATUSCODES", UPSTREAM_ENHANCED, NULL},
	{"XCLIENT", UPSTREAM_XCLIENT, learn_xclient},
};

const char *greeting_keyword(enum upstream_cap cap)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (keywords[i].cap == cap)
			return keywords[i].name;
	return NULL;
}

void greeting_learn(struct upstream *u)
{
	struct word line, name;
	size_t at = 0;

	u->caps = UPSTREAM_ESMTP;
	u->xclient = 0;
	u->size_limit = 0;
	/* The first line is the server's name, whatever it looks like. */
	if (!answer_line(u, &at, &line.text, &line.len))
		return;
	while (answer_line(u, &at, &line.text, &line.len)) {
		if (!next_word(&line, &name))
			continue;
		for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
			if (!word_is(&name, keywords[i].name))
				continue;
			u->caps |= keywords[i].cap;
			if (keywords[i].learn)
				keywords[i].learn(u, line);
		}
	}
}

/* ---- XCLIENT (Postfix XCLIENT_README) ---- */

typedef size_t (*value_fn)(const struct upstream_client *c, char *buf, size_t size);

static size_t address(const struct endpoint *e, char *buf, size_t size)
{
	char text[ADDR_TEXT];

	return snprintf(buf, size, "%s%s",
			addr_is4(&e->addr) ? "" : "IPV6:", addr_text(&e->addr, text));
}

static size_t value_addr(const struct upstream_client *c, char *buf, size_t size)
{
	return address(&c->addr, buf, size);
}

static size_t value_port(const struct upstream_client *c, char *buf, size_t size)
{
	return snprintf(buf, size, "%u", c->addr.port);
}

static size_t value_proto(const struct upstream_client *c, char *buf, size_t size)
{
	return snprintf(buf, size, "%s", c->esmtp ? "ESMTP" : "SMTP");
}

/* Nobody can log in before us. */
static size_t value_login(const struct upstream_client *c, char *buf, size_t size)
{
	(void)c;
	return snprintf(buf, size, UNAVAILABLE);
}

static size_t value_destaddr(const struct upstream_client *c, char *buf, size_t size)
{
	return c->here.port ? address(&c->here, buf, size) : value_login(c, buf, size);
}

static size_t value_destport(const struct upstream_client *c, char *buf, size_t size)
{
	return c->here.port ? (size_t)snprintf(buf, size, "%u", c->here.port)
			    : value_login(c, buf, size);
}

/* xtext (RFC 3461 4): a name that doesn't fit is better unknown than cut. */
static size_t xtext(const char *text, const char *without, char *buf, size_t size)
{
	size_t len = 0;

	for (const char *p = text ? text : ""; *p; p++) {
		bool plain = *p > ' ' && *p <= '~' && *p != '+' && *p != '=';

		if (len + 4 > size)
			return snprintf(buf, size, UNAVAILABLE);
		len += snprintf(buf + len, size - len, plain ? "%c" : "+%02X", (unsigned char)*p);
	}
	return len ? len : (size_t)snprintf(buf, size, "%s", without);
}

static size_t value_helo(const struct upstream_client *c, char *buf, size_t size)
{
	return xtext(c->helo, UNAVAILABLE, buf, size);
}

static size_t value_name(const struct upstream_client *c, char *buf, size_t size)
{
	return xtext(c->name, c->name_unsure ? TEMPUNAVAIL : UNAVAILABLE, buf, size);
}

static size_t value_reverse_name(const struct upstream_client *c, char *buf, size_t size)
{
	return xtext(c->reverse_name, c->name_unsure ? TEMPUNAVAIL : UNAVAILABLE, buf, size);
}

/* Names come last, the one that matters most first: each takes what room is left, but for the
 * shortest form of those behind it. */
static const struct {
	enum upstream_xclient bit;
	const char *name;
	value_fn value;
} known[] = {
	{XCLIENT_ADDR, "ADDR", value_addr},
	{XCLIENT_PORT, "PORT", value_port},
	{XCLIENT_PROTO, "PROTO", value_proto},
	{XCLIENT_LOGIN, "LOGIN", value_login},
	{XCLIENT_DESTADDR, "DESTADDR", value_destaddr},
	{XCLIENT_DESTPORT, "DESTPORT", value_destport},
	{XCLIENT_HELO, "HELO", value_helo},
	{XCLIENT_NAME, "NAME", value_name},
	{XCLIENT_REVERSE_NAME, "REVERSE_NAME", value_reverse_name},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))
#define NAMES_FROM (KNOWN - 3)

/* Room to leave for the names behind the i-th attribute. */
static size_t reserve(const struct upstream *u, size_t i)
{
	size_t room = 0;

	for (i = i < NAMES_FROM ? NAMES_FROM : i + 1; i < KNOWN; i++)
		if (u->xclient & known[i].bit)
			room += strlen(" =" UNAVAILABLE) + strlen(known[i].name);
	return room;
}

size_t greeting_xclient(const struct upstream *u, const struct upstream_client *c,
			char buf[GREETING_XCLIENT + 1])
{
	const size_t room = GREETING_XCLIENT - strlen("\r\n") + 1;
	size_t start = snprintf(buf, room, "XCLIENT"), len = start;

	for (size_t i = 0; i < KNOWN; i++) {
		if (!(u->xclient & known[i].bit))
			continue;
		len += snprintf(buf + len, room - len, " %s=", known[i].name);
		len += known[i].value(c, buf + len, room - len - reserve(u, i));
	}
	if (len == start)
		return 0;
	memcpy(buf + len, "\r\n", sizeof("\r\n"));
	return len + strlen("\r\n");
}
