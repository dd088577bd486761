// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "answer.h"

#define CODE 3

void answer_begin(struct upstream *u)
{
	u->code = 0;
	u->line = u->reply_len = 0;
	u->reply[0] = '\0';
}

static bool digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

/* The line that ends at reply_len, CRLF included. */
static enum answer end_line(struct upstream *u)
{
	const char *line = u->reply + u->line;
	size_t len = u->reply_len - u->line - strlen("\r\n");
	int code;

	if (len < CODE || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]))
		return ANSWER_GARBAGE;
	if (len > CODE && line[CODE] != '-' && line[CODE] != ' ')
		return ANSWER_GARBAGE;
	code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
	if (u->line && code != u->code)
		return ANSWER_GARBAGE;
	u->code = code;
	if (len > CODE && line[CODE] == '-') {
		u->line = u->reply_len;
		return ANSWER_MORE;
	}
	return ANSWER_WHOLE;
}

/* Text may be 8-bit, in whatever charset the backend's operator writes; control characters are no
 * text. */
static bool fit(char ch)
{
	unsigned char c = (unsigned char)ch;

	return c == '\t' || c == '\r' || (c >= ' ' && c != 0x7f);
}

static enum answer take_byte(struct upstream *u, char ch)
{
	bool after_cr = u->reply_len > u->line && u->reply[u->reply_len - 1] == '\r';
	bool add_cr = ch == '\n' && !after_cr;
	size_t len = u->reply_len + add_cr + 1;

	if (len + 1 > UPSTREAM_REPLY || len - u->line > UPSTREAM_LINE)
		return ANSWER_LONG;
	if (ch != '\n' && (after_cr || !fit(ch)))
		return ANSWER_GARBAGE;
	if (add_cr)
		u->reply[u->reply_len++] = '\r';
	u->reply[u->reply_len++] = ch;
	u->reply[u->reply_len] = '\0';
	return ch == '\n' ? end_line(u) : ANSWER_MORE;
}

size_t answer_take(struct upstream *u, const char *buf, size_t len, enum answer *ret)
{
	size_t i = 0;

	*ret = ANSWER_MORE;
	while (i < len && *ret == ANSWER_MORE)
		*ret = take_byte(u, buf[i++]);
	return i;
}

bool answer_line(const struct upstream *u, size_t *at, const char **ret_text, size_t *ret_len)
{
	const char *line = u->reply + *at, *end;

	if (*at >= u->reply_len)
		return false;
	end = memchr(line, '\r', u->reply_len - *at);
	*at = end + strlen("\r\n") - u->reply;
	line += CODE;
	if (line < end)
		line++;
	*ret_text = line;
	*ret_len = end - line;
	return true;
}
