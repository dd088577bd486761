// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../core/utf8.h"
#include "command.h"
#include "ehlo.h"

#define SIZE_DIGITS 20 /* RFC 3030 2 */

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
	{"BDAT", VERB_BDAT, ARG_ANY},          {"BURL", VERB_FOREIGN, ARG_ANY},
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

void command_split(const char *line, size_t len, struct command *ret)
{
	bool wide = utf8_needed(line, len);
	const char *space;
	size_t name, i = 0;

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
	*ret = (struct command){verbs[i].verb, line + name, len - name, wide};
}

bool command_wide_ok(const struct command *cmd)
{
	bool path = cmd->verb == VERB_MAIL || cmd->verb == VERB_RCPT || cmd->verb == VERB_VRFY;

	/* A verb that is known is ASCII itself. */
	return path && utf8_valid(cmd->arg, cmd->arg_len);
}

bool command_arg_ok(const struct command *cmd)
{
	size_t i = 0;

	while (verbs[i].verb != cmd->verb)
		i++;
	return verbs[i].arg == ARG_ANY || (verbs[i].arg == ARG_SOME) == (cmd->arg_len > 0);
}

static bool is_there(enum smtp_verb verb, uint32_t offered)
{
	switch (verb) {
	case VERB_BDAT:
		return offered & ehlo_bit(EHLO_CHUNKING);
	case VERB_STARTTLS:
		return offered & ehlo_bit(EHLO_STARTTLS);
	default:
		return verb < VERB_FOREIGN;
	}
}

void command_names(const struct smtp_conf *c, char ret[COMMAND_NAMES])
{
	uint32_t offered = ehlo_offered(c);
	size_t len = 0;

	for (size_t i = 0; i < VERBS; i++)
		if (is_there(verbs[i].verb, offered))
			len += (size_t)snprintf(ret + len, COMMAND_NAMES - len, "%s%s",
						len ? " " : "", verbs[i].name);
}

bool command_chunk(const struct command *cmd, uint64_t *ret_size, bool *ret_last)
{
	static const char last[] = " LAST";
	size_t i = 0, n = strlen(last), end;
	uint64_t size = 0;

	for (; i < cmd->arg_len && cmd->arg[i] >= '0' && cmd->arg[i] <= '9'; i++) {
		if (i == SIZE_DIGITS || __builtin_mul_overflow(size, 10, &size) ||
		    __builtin_add_overflow(size, cmd->arg[i] - '0', &size))
			return false;
	}
	end = cmd->arg_len;
	if (end >= i + n && strncasecmp(cmd->arg + end - n, last, n) == 0)
		end -= n;
	for (size_t k = i; k < end; k++)
		if (cmd->arg[k] != ' ')
			return false;
	if (!i)
		return false;
	*ret_size = size;
	*ret_last = end < cmd->arg_len;
	return true;
}
