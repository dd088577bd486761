// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static const struct {
	uint64_t s;
	const char *text;
} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};

#define UNITS (sizeof(units) / sizeof(units[0]))

static size_t largest(uint64_t s)
{
	size_t i = 0;

	while (i < UNITS - 1 && s < units[i].s)
		i++;
	return i;
}

const char *format_duration(uint64_t s, char buf[FORMAT_TEXT])
{
	size_t i = largest(s);
	uint64_t rest = s % units[i].s;
	int n = snprintf(buf, FORMAT_TEXT, "%" PRIu64 " %s", s / units[i].s, units[i].text);

	if (i + 1 < UNITS && rest / units[i + 1].s)
		snprintf(buf + n, FORMAT_TEXT - (size_t)n, " %" PRIu64 " %s", rest / units[i + 1].s,
			 units[i + 1].text);
	return buf;
}

const char *format_short(uint64_t s, char buf[FORMAT_TEXT])
{
	size_t i = largest(s);

	snprintf(buf, FORMAT_TEXT, "%" PRIu64 "%c", s / units[i].s, units[i].text[0]);
	return buf;
}

const char *format_when(uint64_t t, uint64_t now, char buf[FORMAT_TEXT])
{
	char part[FORMAT_TEXT];

	if (!t)
		snprintf(buf, FORMAT_TEXT, "never");
	else if (t > now)
		snprintf(buf, FORMAT_TEXT, "in %.20s", format_short(t - now, part));
	else
		snprintf(buf, FORMAT_TEXT, "%.20s ago", format_short(now - t, part));
	return buf;
}

const char *format_time(uint64_t t, uint64_t now, char *buf, size_t size)
{
	char clock[32], part[FORMAT_TEXT];
	time_t when = (time_t)t;
	struct tm tm;

	if (!t) {
		snprintf(buf, size, "never");
		return buf;
	}
	strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", localtime_r(&when, &tm));
	if (t > now)
		snprintf(buf, size, "%s (in %s)", clock, format_duration(t - now, part));
	else
		snprintf(buf, size, "%s (%s ago)", clock, format_duration(now - t, part));
	return buf;
}

const char *format_size(uint64_t bytes, char buf[FORMAT_TEXT])
{
	static const char *const names[] = {"bytes", "KB", "MB", "GB", "TB"};
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1024 && i < 4) {
		value /= 1024;
		i++;
	}
	snprintf(buf, FORMAT_TEXT, i ? "%.1f %s" : "%.0f %s", value, names[i]);
	return buf;
}

const char *format_safe(const char *text, int max, char *buf, size_t size)
{
	size_t n = 0;
	int shown = 0;

	for (text = text ? text : ""; *text && n + 1 < size; text++) {
		unsigned char c = (unsigned char)*text;
		/* C1 controls are U+0080 to U+009F, in UTF-8 the byte 0xc2 and one of these. */
		bool c1 = c == 0xc2 && (unsigned char)text[1] < 0xa0;

		/* Continuation bytes belong to the character that was counted already. */
		if ((c & 0xc0) != 0x80 && max > 0 && ++shown > max) {
			while (n && (buf[n - 1] & 0xc0) == 0x80)
				n--;
			n -= n > 0;
			buf[n++] = '~';
			break;
		}
		if (c1)
			text++;
		buf[n++] = (char)(c < ' ' || c == 0x7f || c1 ? '?' : c);
	}
	buf[n] = 0;
	return buf;
}

int format_width(void)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || w.ws_col < 40)
		return 80;
	return w.ws_col;
}

/* Of sentences: what goes into a pipe is read by people, too. */
static int text_width(void)
{
	const char *text = getenv("COLUMNS");
	const int width = format_width();
	char *end;
	long n;

	if (width || !text)
		return width ? width : 80;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno || n < 40 || n > INT_MAX ? 80 : (int)n;
}

static int characters(const char *text, size_t n)
{
	int count = 0;

	while (n--)
		count += (*text++ & 0xc0) != 0x80;
	return count;
}

void format_wrap(const char *text, int used, int indent)
{
	const int width = text_width();
	bool first = true;

	for (size_t n; *text; text += n, first = false) {
		const size_t gap = strspn(text, " ");

		n = gap + strcspn(text + gap, " ");
		if (!first && used + characters(text, n) > width) {
			printf("\n%*s", indent, "");
			used = indent;
			text += gap;
			n -= gap;
		}
		fwrite(text, 1, n, stdout);
		used += characters(text, n);
	}
}

const char *format_colour(char which)
{
	static const struct {
		char which;
		const char *escape;
	} colours[] = {
		{'r', "\033[31m"}, {'g', "\033[32m"}, {'y', "\033[33m"},
		{'b', "\033[1m"},  {'0', "\033[0m"},
	};
	const char *no = getenv("NO_COLOR");

	if (!isatty(STDOUT_FILENO) || (no && *no))
		return "";
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (colours[i].which == which)
			return colours[i].escape;
	}
	return "";
}

const char *row_str(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

uint64_t row_num(const json_t *row, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(row, key));

	return n > 0 ? (uint64_t)n : 0;
}
