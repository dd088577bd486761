// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the text of a file to lines, and what becomes of the file as a whole. A table says what the
 * formats have of their own; how one line reads is in plain.c, greylists.c and postfix.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/utf8.h"
#include "internal.h"

enum traits {
	IN_ORDER = 1 << 0,  /* the first match decides */
	VERDICTS = 1 << 1,  /* entries say whether they allow or deny */
	A_FEED = 1 << 2,    /* never empty: an empty one was fetched badly */
	CONTINUED = 1 << 3, /* a line that begins with a blank goes on with the last one */
	TO_ALLOW = 1 << 4,  /* what it is for */
	TO_DENY = 1 << 5,
	RECIPIENTS = 1 << 6,
};

static const struct format {
	const char *word;
	int (*line)(struct reading *r, char *text);
	const char *comment; /* bytes that begin one; in CONTINUED formats only whole lines are */
	unsigned traits;
} formats[LIST_FORMAT_MAX] = {
	[LIST_CIDR] = {"cidr", line_cidr, "#;", 0},
	[LIST_SPAMD] = {"spamd", line_spamd, "#;", 0},
	[LIST_SPAMHAUS_DROP] = {"spamhaus-drop", line_drop, "#;", A_FEED | TO_DENY},
	[LIST_POSTGREY_CLIENTS] = {"postgrey-clients", line_postgrey_client, "#", TO_ALLOW},
	[LIST_POSTGREY_RECIPIENTS] = {"postgrey-recipients", line_postgrey_recipient, "#",
				      TO_ALLOW | RECIPIENTS},
	[LIST_SQLGREY_CLIENTS_IP] = {"sqlgrey-clients-ip", line_sqlgrey_ip, "#", TO_ALLOW},
	[LIST_SQLGREY_CLIENTS_FQDN] = {"sqlgrey-clients-fqdn", line_sqlgrey_fqdn, "#", TO_ALLOW},
	[LIST_POSTSCREEN_CIDR] = {"postscreen-cidr", line_cidr_table, "#",
				  IN_ORDER | VERDICTS | CONTINUED},
	[LIST_ACCESS] = {"access", line_access, "#", VERDICTS | CONTINUED},
};

/* ---- words of the formats ---- */

const char *list_format_text(enum list_format f)
{
	return f < LIST_FORMAT_MAX ? formats[f].word : NULL;
}

int list_format_find(const char *word, enum list_format *ret)
{
	if (!strcmp(word, "plain")) {
		*ret = LIST_CIDR;
		return 0;
	}
	for (int f = 0; f < LIST_FORMAT_MAX; f++) {
		if (!strcmp(formats[f].word, word)) {
			*ret = (enum list_format)f;
			return 0;
		}
	}
	return -EINVAL;
}

const char *list_formats(char *buf, size_t size)
{
	size_t len = 0;

	*buf = 0;
	for (int f = 0; f < LIST_FORMAT_MAX && len < size; f++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", f ? ", " : "",
					formats[f].word);
	return buf;
}

bool list_in_order(enum list_format f)
{
	return formats[f].traits & IN_ORDER;
}

bool list_has_verdicts(enum list_format f)
{
	return formats[f].traits & VERDICTS;
}

enum list_says list_usual(enum list_format f)
{
	return formats[f].traits & TO_ALLOW  ? LIST_ALLOW
	       : formats[f].traits & TO_DENY ? LIST_DENY
					     : LIST_LISTED;
}

bool list_of_recipients(enum list_format f)
{
	return formats[f].traits & RECIPIENTS;
}

/* ---- complaints ---- */

static void complain(struct reading *r, const char *words)
{
	struct list_report *to = r->report;
	char line[LIST_ERROR];
	int n;

	n = snprintf(line, sizeof(line), "%.200s:%u: %.260s\n", r->file, r->line ? r->line : 1,
		     words);
	if (n < 0 || to->len + (size_t)n >= to->size)
		return;
	memcpy(to->errors + to->len, line, (size_t)n + 1);
	to->len += (size_t)n;
}

/* One line is one complaint, whatever else it has: false, there was one. */
static bool complain_of(struct reading *r, const char *text, const char *why)
{
	char words[240], shown[44];
	size_t len = 0;

	if (r->last_bad == r->line)
		return false;
	r->last_bad = r->line;
	for (; text[len] && len < sizeof(shown) - 1; len++)
		shown[len] = (char)(text[len] < ' ' || text[len] > '~' ? '?' : text[len]);
	shown[len] = 0;
	snprintf(words, sizeof(words), "\"%s\": %s", shown, why);
	complain(r, words);
	return true;
}

int reading_bad(struct reading *r, const char *text, const char *format, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	r->report->bad += complain_of(r, text, why);
	return 0;
}

int reading_idle(struct reading *r, const char *text)
{
	complain_of(r, text, "no sender is in it: left out; all of IPv4 is 0.0.0.0/0");
	return 0;
}

int reading_refuse(struct reading *r, const char *format, ...)
{
	char words[160];
	va_list ap;

	va_start(ap, format);
	vsnprintf(words, sizeof(words), format, ap);
	va_end(ap);
	r->refused = true;
	/* The one that must not be missing: room is made for it. */
	if (r->report->size > LIST_ERROR && r->report->len > r->report->size - LIST_ERROR) {
		r->report->len = r->report->size - LIST_ERROR;
		while (r->report->len && r->report->errors[r->report->len - 1] != '\n')
			r->report->len--;
		r->report->errors[r->report->len] = 0;
	}
	complain(r, words);
	return -EINVAL;
}

/* ---- entries ---- */

static int give(struct reading *r, const struct list_entry *e, const char *shown)
{
	const char *why = "not taken";
	int rc = r->sink(e, r->arg, &why);

	if (rc == -EINVAL)
		return reading_bad(r, shown, "%s", why);
	r->report->entries += !rc;
	return rc;
}

int reading_give_text(struct reading *r, enum list_kind kind, const char *text)
{
	struct list_entry e = {.kind = kind,
			       .says = r->says,
			       .line = r->line,
			       .text = text,
			       .message = r->message};

	return give(r, &e, text);
}

int reading_give_prefix(struct reading *r, const struct prefix *p)
{
	struct list_entry e = {.kind = LIST_PREFIX,
			       .says = r->says,
			       .line = r->line,
			       .prefix = *p,
			       .message = r->message};
	char text[PREFIX_TEXT];

	return give(r, &e, prefix_text(p, text));
}

/* ---- lines ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
	while (*len && is_blank(**text)) {
		++*text;
		--*len;
	}
	while (*len && is_blank((*text)[*len - 1]))
		--*len;
}

/* A control character never belongs into a line: it would end up in a log or a reply. */
static bool has_control(const char *text)
{
	for (; *text; text++) {
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return true;
	}
	return false;
}

static int take_line(struct reading *r, const struct format *f, char *text)
{
	r->says = LIST_LISTED;
	r->message = NULL;
	if (has_control(text))
		return reading_bad(r, text, "a control character; the file must be plain text");
	if (!utf8_valid(text, strlen(text)))
		return reading_bad(r, text, "not UTF-8; what is not ASCII has to be");
	return f->line(r, text);
}

/* The next line of the file without its end. */
static bool next_line(const char **at, const char *end, const char **ret, size_t *ret_len)
{
	const char *stop;

	if (*at == end)
		return false;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	*ret = *at;
	*ret_len = (size_t)((stop ? stop : end) - *at);
	*at = stop ? stop + 1 : end;
	return true;
}

/* Where its comment begins. */
static size_t without_comment(const struct format *f, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == f->comment[0] || (f->comment[1] && text[i] == f->comment[1]))
			return i;
		if (f->traits & CONTINUED)
			return len; /* within a line it is text */
	}
	return len;
}

/* Puts a line and what goes on with it together. buf has LINE_LONGEST bytes. */
struct logical {
	char *buf;
	size_t len;
	uint32_t line;
	bool long_one;
};

static int flush(struct reading *r, const struct format *f, struct logical *l)
{
	uint32_t here = r->line;
	int rc = 0;

	r->line = l->line;
	l->buf[l->len] = 0;
	if (l->long_one)
		reading_bad(r, l->buf, "longer than %d bytes", LINE_LONGEST - 1);
	else if (l->len)
		rc = take_line(r, f, l->buf);
	r->line = here;
	l->len = 0;
	l->long_one = false;
	return rc;
}

static void append(struct logical *l, const char *text, size_t len)
{
	if (l->len + !!l->len + len >= LINE_LONGEST) {
		l->long_one = true;
		return;
	}
	if (l->len)
		l->buf[l->len++] = ' ';
	memcpy(l->buf + l->len, text, len);
	l->len += len;
}

static int read_lines(struct reading *r, const struct format *f, const char *at, const char *end)
{
	char buf[LINE_LONGEST];
	struct logical l = {.buf = buf};
	const char *text;
	size_t len;
	int rc = 0;

	while (!rc && next_line(&at, end, &text, &len)) {
		bool more = f->traits & CONTINUED && len && is_blank(*text);

		r->line++;
		trim(&text, &len);
		len = without_comment(f, text, len);
		trim(&text, &len);
		if (!len)
			continue;
		if (!more || !(l.len || l.long_one)) {
			rc = flush(r, f, &l);
			l.line = r->line;
		}
		append(&l, text, len);
	}
	return rc ? rc : flush(r, f, &l);
}

/* What only the whole file shows. */
static int conclude(struct reading *r, const struct format *f)
{
	const struct list_report *got = r->report;

	if (r->refused)
		return -EINVAL;
	if (r->blocks.depth)
		return reading_refuse(r, "\"if\" without \"endif\"; each needs its own");
	if (got->bad > got->entries)
		return reading_refuse(r,
				      "%u lines are bad and %u entries good: not a list of format "
				      "%s",
				      got->bad, got->entries, f->word);
	if (f->traits & A_FEED && !got->entries)
		return reading_refuse(r, "no entry in it: a list of format %s is never empty",
				      f->word);
	return 0;
}

int list_read(const char *file, const char *text, size_t len, enum list_format format,
	      list_sink_fn sink, void *arg, struct list_report *report)
{
	static const char mark[] = "\xef\xbb\xbf"; /* what some editors put before UTF-8 */
	struct reading *r = calloc(1, sizeof(*r));
	const char *end = text + len, *nul;
	int rc;

	report->len = report->entries = report->bad = report->lines = 0;
	if (report->size)
		report->errors[0] = 0;
	if (!r)
		return -ENOMEM;
	r->file = file;
	r->sink = sink;
	r->arg = arg;
	r->report = report;
	if (len >= strlen(mark) && !memcmp(text, mark, strlen(mark)))
		text += strlen(mark);
	nul = memchr(text, 0, (size_t)(end - text));
	if (nul) {
		for (r->line = 1; (text = memchr(text, '\n', (size_t)(nul - text))); text++)
			r->line++;
		rc = reading_refuse(r, "a NUL byte; the file must be plain text");
	} else {
		rc = read_lines(r, &formats[format], text, end);
		if (!rc)
			rc = conclude(r, &formats[format]);
		report->lines = r->line;
	}
	free(r);
	return rc;
}
