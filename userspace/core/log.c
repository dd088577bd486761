// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Building a line. Every piece checks its room first and the end of the line has its own, so that a
 * line is always whole: a key that does not fit is left out and the line says "cut".
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "log_out.h"
#include "utf8.h"

/* Kept free for the end of the line: ,"cut":true}\n */
#define END_ROOM 16
#define VALUE_MAX 512

static const char *const event_words[LOG_EVENT_MAX] = {
	[LOG_CONNECT] = "connect", [LOG_DECISION] = "decision", [LOG_RELAY] = "relay",
	[LOG_VERIFY] = "verify",   [LOG_PROMOTE] = "promote",   [LOG_DEMOTE] = "demote",
	[LOG_TRAP] = "trap",       [LOG_LIMIT] = "limit",       [LOG_LIST] = "list",
	[LOG_STORE] = "store",     [LOG_DNS] = "dns",           [LOG_RELOAD] = "reload",
	[LOG_START] = "start",     [LOG_STOP] = "stop",         [LOG_UPGRADE] = "upgrade",
	[LOG_KERNEL] = "kernel",   [LOG_ERROR] = "error",
};

static void put(struct log_line *l, const char *p, size_t n)
{
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

static void put_two(char *p, unsigned int n)
{
	p[0] = (char)('0' + n / 10);
	p[1] = (char)('0' + n % 10);
}

/* 2026-11-21T17:00:00.123456Z; only the first line of a second pays for the calendar. */
static void put_time(struct log_line *l)
{
	static _Thread_local struct {
		time_t second;
		char text[32];
	} seen = {.second = -1};
	struct timespec now;
	unsigned int us;
	char *p;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != seen.second) {
		struct tm tm;

		gmtime_r(&now.tv_sec, &tm);
		strftime(seen.text, sizeof(seen.text), "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
		seen.second = now.tv_sec;
	}
	us = (unsigned int)now.tv_nsec / 1000;
	p = l->text + l->len;
	memcpy(p, seen.text, 27);
	put_two(p + 20, us / 10000);
	put_two(p + 22, us / 100 % 100);
	put_two(p + 24, us % 100);
	l->len += 27;
}

void log_begin(struct log_line *l, enum log_event event)
{
	const char *word = event_words[event];

	l->len = 0;
	l->cut = false;
	l->format = log_out_format();
	if (l->format == LOG_JSON)
		put(l, "{\"ts\":\"", 7);
	put_time(l);
	if (l->format == LOG_JSON)
		put(l, "\",\"event\":\"", 11);
	else
		put(l, " ", 1);
	put(l, word, strlen(word));
	if (l->format == LOG_JSON)
		put(l, "\"", 1);
}

/* Writes the key if it and `room` bytes behind it fit. */
static bool put_key(struct log_line *l, const char *key, size_t room)
{
	size_t n = strlen(key);

	if (n + 4 + room > LOG_LINE - END_ROOM - l->len) {
		l->cut = true;
		return false;
	}
	if (l->format == LOG_JSON) {
		put(l, ",\"", 2);
		put(l, key, n);
		put(l, "\":", 2);
	} else {
		put(l, " ", 1);
		put(l, key, n);
		put(l, "=", 1);
	}
	return true;
}

/* How a byte is written: 0 as it is, 'u' as \u00XX, 'm' begins or continues a multibyte character,
 * else behind a backslash. */
static const char escape[256] = {
	[0x00 ... 0x07] = 'u', ['\b'] = 'b',  ['\t'] = 't', ['\n'] = 'n',
	['\v'] = 'u',          ['\f'] = 'f',  ['\r'] = 'r', [0x0e ... 0x1f] = 'u',
	['"'] = '"',           ['\\'] = '\\', [0x7f] = 'u', [0x80 ... 0xff] = 'm',
};

/* One character of at most n bytes to `to` (6 bytes of room); returns how many bytes it took. */
static size_t put_escaped(char **to, const unsigned char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char *d = *to;
	size_t len = 1;

	switch (escape[*p]) {
	case 0:
		*d++ = (char)*p;
		break;
	case 'm':
		len = utf8_length((const char *)p, n);
		if (!len) {
			memcpy(d, "\xef\xbf\xbd", 3);
			d += 3;
			len = 1;
			break;
		}
		/* U+0080 to U+009F are control characters to some terminals. */
		if (p[0] != 0xc2 || p[1] > 0x9f) {
			memcpy(d, p, len);
			d += len;
			break;
		}
		p++;
		/* fall through */
	case 'u':
		memcpy(d, "\\u00", 4);
		d[4] = hex[*p >> 4];
		d[5] = hex[*p & 15];
		d += 6;
		break;
	default:
		*d++ = '\\';
		*d++ = escape[*p];
	}
	*to = d;
	return len;
}

static bool needs_quotes(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (escape[(unsigned char)p[i]] || p[i] == ' ' || p[i] == '=')
			return true;
	return n == 0;
}

void log_strn(struct log_line *l, const char *key, const char *value, size_t len)
{
	const unsigned char *p = (const unsigned char *)value;
	bool quotes = l->format == LOG_JSON || needs_quotes(value, len);
	size_t n = len < VALUE_MAX ? len : VALUE_MAX;
	char *to, *end;
	size_t i = 0;

	/* The shortest useful rest: quotes, a few characters, "...". */
	if (!put_key(l, key, 16))
		return;
	to = l->text + l->len;
	end = l->text + LOG_LINE - END_ROOM - 4;
	if (quotes)
		*to++ = '"';
	while (i < n && end - to >= 6) {
		if (escape[p[i]] == 0)
			*to++ = (char)p[i++];
		else
			i += put_escaped(&to, p + i, len - i);
	}
	if (i < len) {
		memcpy(to, "...", 3);
		to += 3;
	}
	if (quotes)
		*to++ = '"';
	l->len = (size_t)(to - l->text);
}

void log_str(struct log_line *l, const char *key, const char *value)
{
	if (value)
		log_strn(l, key, value, strlen(value));
}

void log_int(struct log_line *l, const char *key, int64_t value)
{
	uint64_t n = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char buf[20], *p = buf + sizeof(buf);

	if (!put_key(l, key, sizeof(buf)))
		return;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	if (value < 0)
		*--p = '-';
	put(l, p, (size_t)(buf + sizeof(buf) - p));
}

/* A value that needs no escaping. */
static void put_plain(struct log_line *l, const char *key, const char *value, size_t n, bool string)
{
	bool quotes = string && l->format == LOG_JSON;

	if (!put_key(l, key, n + 2))
		return;
	if (quotes)
		put(l, "\"", 1);
	put(l, value, n);
	if (quotes)
		put(l, "\"", 1);
}

void log_hex(struct log_line *l, const char *key, uint64_t value)
{
	char buf[16];

	for (int i = 15; i >= 0; i--, value >>= 4)
		buf[i] = "0123456789abcdef"[value & 15];
	put_plain(l, key, buf, sizeof(buf), true);
}

void log_addr(struct log_line *l, const char *key, const struct addr *a)
{
	char buf[ADDR_TEXT];

	addr_text(a, buf);
	put_plain(l, key, buf, strlen(buf), true);
}

void log_close(struct log_line *l)
{
	if (l->cut) {
		if (l->format == LOG_JSON)
			put(l, ",\"cut\":true", 11);
		else
			put(l, " cut=true", 9);
	}
	if (l->format == LOG_JSON)
		put(l, "}", 1);
	put(l, "\n", 1);
}

void log_end(struct log_line *l)
{
	log_close(l);
	log_out(l->text, l->len);
}

void log_message(enum log_event event, const char *format, ...)
{
	char text[VALUE_MAX + 8];
	struct log_line l;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	log_begin(&l, event);
	log_str(&l, "message", text);
	log_end(&l);
}
