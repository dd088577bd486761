// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <strings.h>

#include "command.h"
#include "ehlo.h"

#define SIZE_DIGITS 20 /* RFC 1870 section 6 */

enum arg_rule { ARG_NONE, ARG_SOME, ARG_ANY };

static const struct {
	const char *name;
	enum smtp_verb verb;
	enum arg_rule arg;
} verbs[] = {
	{"EHLO", VERB_EHLO, ARG_ANY}, /* a missing name has its own reply */
	{"HELO", VERB_HELO, ARG_ANY},          {"MAIL", VERB_MAIL, ARG_SOME},
	{"RCPT", VERB_RCPT, ARG_SOME},         {"DATA", VERB_DATA, ARG_NONE},
	{"QUIT", VERB_QUIT, ARG_NONE},         {"RSET", VERB_RSET, ARG_NONE},
	{"NOOP", VERB_NOOP, ARG_ANY},          {"VRFY", VERB_VRFY, ARG_SOME},
	{"HELP", VERB_HELP, ARG_ANY},          {"EXPN", VERB_FOREIGN, ARG_ANY},
	{"STARTTLS", VERB_STARTTLS, ARG_NONE}, {"AUTH", VERB_FOREIGN, ARG_ANY},
	{"BDAT", VERB_FOREIGN, ARG_ANY},       {"BURL", VERB_FOREIGN, ARG_ANY},
	{"ETRN", VERB_FOREIGN, ARG_ANY},       {"TURN", VERB_FOREIGN, ARG_ANY},
	{"SEND", VERB_FOREIGN, ARG_ANY},       {"SOML", VERB_FOREIGN, ARG_ANY},
	{"SAML", VERB_FOREIGN, ARG_ANY},       {"GET", VERB_NOT_SMTP, ARG_ANY},
	{"POST", VERB_NOT_SMTP, ARG_ANY},      {"PUT", VERB_NOT_SMTP, ARG_ANY},
	{"HEAD", VERB_NOT_SMTP, ARG_ANY},      {"OPTIONS", VERB_NOT_SMTP, ARG_ANY},
	{"CONNECT", VERB_NOT_SMTP, ARG_ANY},   {"DELETE", VERB_NOT_SMTP, ARG_ANY},
	{"PRI", VERB_NOT_SMTP, ARG_ANY},       {"", VERB_UNKNOWN, ARG_ANY},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))
#define NOT_SMTP (VERBS - 2) /* any row of the verb will do */

const char *smtp_verb_name(enum smtp_verb v)
{
	size_t i = 0;

	if (v == VERB_FOREIGN)
		return "unsupported";
	if (v == VERB_NOT_SMTP)
		return "not SMTP";
	while (verbs[i].verb != v && verbs[i].verb != VERB_UNKNOWN)
		i++;
	return *verbs[i].name ? verbs[i].name : "unknown";
}

enum command_line command_line(const char *buf, size_t len, size_t limit, size_t *ret_len)
{
	size_t end = len < limit ? len : limit;

	for (size_t i = 0; i < end; i++) {
		if (buf[i] == '\r') {
			if (i + 1 == end)
				break;
			*ret_len = buf[i + 1] == '\n' ? i + 2 : i + 1;
			return buf[i + 1] == '\n' ? LINE_WHOLE : LINE_BAD;
		}
		if (buf[i] == '\n' || buf[i] == '\0') {
			*ret_len = i + 1;
			return LINE_BAD;
		}
	}
	if (len < limit)
		return LINE_MORE;
	/* A CR in the last place may be half of the CRLF that ends this line. */
	*ret_len = limit - (buf[limit - 1] == '\r');
	return LINE_LONG;
}

size_t command_skip(const char *buf, size_t len, bool *ret_done)
{
	const char *end = memmem(buf, len, "\r\n", 2);

	*ret_done = end;
	if (end)
		return end + 2 - buf;
	return len - (len && buf[len - 1] == '\r');
}

bool command_client_hello(const char *buf, size_t len)
{
	return len >= 2 && buf[0] == 0x16 && buf[1] == 0x03;
}

/* "Subject: x", "Host:x", "SSH-2.0-x": lines of other protocols by their shape. */
static bool foreign_shape(const char *line, size_t len)
{
	size_t i = 0;

	if (len >= 4 && memcmp(line, "SSH-", 4) == 0)
		return true;
	while (i < len && (line[i] == '-' || (unsigned int)((line[i] | 0x20) - 'a') < 26 ||
			   (unsigned int)(line[i] - '0') < 10))
		i++;
	/* A verb of ours with a stray colon is a slip. */
	for (size_t k = 0; k < VERBS; k++)
		if (strlen(verbs[k].name) == i && strncasecmp(verbs[k].name, line, i) == 0)
			return false;
	return i < len && line[i] == ':';
}

bool command_split(const char *line, size_t len, struct command *ret)
{
	const char *space;
	size_t name, i = 0;

	for (size_t k = 0; k < len; k++) {
		if (line[k] & 0x80)
			return false;
	}
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	space = memchr(line, ' ', len);
	name = space ? (size_t)(space - line) : len;
	while (verbs[i].verb != VERB_UNKNOWN &&
	       (strlen(verbs[i].name) != name || strncasecmp(verbs[i].name, line, name) != 0))
		i++;
	if (verbs[i].verb == VERB_UNKNOWN && foreign_shape(line, len))
		i = NOT_SMTP;
	while (name < len && line[name] == ' ')
		name++;
	*ret = (struct command){verbs[i].verb, line + name, len - name};
	return true;
}

bool command_arg_ok(const struct command *cmd)
{
	size_t i = 0;

	while (verbs[i].verb != cmd->verb)
		i++;
	return verbs[i].arg == ARG_ANY || (verbs[i].arg == ARG_SOME) == (cmd->arg_len > 0);
}

/* ---- parameters ---- */

struct param {
	const char *name, *value; /* value NULL: no "=" */
	size_t name_len, value_len;
};

typedef enum smtp_reply (*param_fn)(const struct smtp_conf *c, const struct param *p,
				    struct command_params *ret);

static enum smtp_reply param_size(const struct smtp_conf *c, const struct param *p,
				  struct command_params *ret)
{
	uint64_t size = 0;

	if (!p->value || p->value_len > SIZE_DIGITS)
		return REPLY_SYNTAX;
	for (size_t i = 0; i < p->value_len; i++) {
		if (p->value[i] < '0' || p->value[i] > '9')
			return REPLY_SYNTAX;
	}
	for (size_t i = 0; i < p->value_len; i++) {
		if (__builtin_mul_overflow(size, 10, &size) ||
		    __builtin_add_overflow(size, p->value[i] - '0', &size) || size > c->message)
			return REPLY_TOO_BIG;
	}
	ret->size = size;
	return REPLY_OK;
}

static enum smtp_reply param_body(const struct smtp_conf *c, const struct param *p,
				  struct command_params *ret)
{
	(void)c;
	if (!p->value)
		return REPLY_SYNTAX;
	if (p->value_len == 4 && strncasecmp(p->value, "7BIT", 4) == 0)
		ret->body = SMTP_7BIT;
	else if (p->value_len == 8 && strncasecmp(p->value, "8BITMIME", 8) == 0)
		ret->body = SMTP_8BITMIME;
	else
		return REPLY_BAD_PARAM;
	return REPLY_OK;
}

static const struct {
	const char *name;
	enum smtp_path_kind kind;
	enum ehlo_keyword extension; /* known while this is offered */
	param_fn read;
} params[] = {
	{"SIZE", SMTP_REVERSE, EHLO_SIZE, param_size},
	{"BODY", SMTP_REVERSE, EHLO_8BITMIME, param_body},
};

#define PARAMS (sizeof(params) / sizeof(params[0]))

/* One esmtp-param of RFC 5321 4.1.2 out of a word: its keyword and, after "=", its value. */
static bool param_split(const char *word, size_t len, struct param *ret)
{
	const char *equals = memchr(word, '=', len);
	size_t name = equals ? (size_t)(equals - word) : len;

	for (size_t i = 0; i < name; i++) {
		char ch = word[i] | 0x20;

		if (!(ch >= 'a' && ch <= 'z') && !(word[i] >= '0' && word[i] <= '9') &&
		    (i == 0 || word[i] != '-'))
			return false;
	}
	for (size_t i = name + 1; i < len; i++) {
		if (word[i] <= ' ' || word[i] == '=' || word[i] > '~')
			return false;
	}
	if (!name || (equals && name + 1 == len))
		return false;
	*ret = (struct param){word, equals ? equals + 1 : NULL, name, equals ? len - name - 1 : 0};
	return true;
}

enum smtp_reply command_params(const struct smtp_conf *c, bool esmtp, enum smtp_path_kind kind,
			       const char *text, size_t len, struct command_params *ret)
{
	struct command_params all = {0};
	unsigned int seen = 0;
	size_t filled = 0;

	while (len) {
		const char *space = memchr(text, ' ', len);
		size_t word = space ? (size_t)(space - text) : len, i = 0;
		enum smtp_reply refusal;
		struct param p;

		if (!word) {
			text++;
			len--;
			continue;
		}
		if (!param_split(text, word, &p))
			return REPLY_SYNTAX;
		while (i < PARAMS && (strlen(params[i].name) != p.name_len ||
				      strncasecmp(params[i].name, p.name, p.name_len) != 0))
			i++;
		if (i == PARAMS || !esmtp || params[i].kind != kind ||
		    !ehlo_offers(c, params[i].extension))
			return REPLY_BAD_PARAM;
		if (seen & 1u << i || filled + word + 2 > sizeof(all.text))
			return REPLY_SYNTAX;
		seen |= 1u << i;
		refusal = params[i].read(c, &p, &all);
		if (refusal != REPLY_OK)
			return refusal;
		if (filled)
			all.text[filled++] = ' ';
		memcpy(all.text + filled, text, word);
		filled += word;
		text += word;
		len -= word;
	}
	*ret = all;
	return REPLY_OK;
}
