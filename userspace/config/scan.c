// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What libconfuse 3.3 does not tell, or tells wrongly: it counts every line of a comment twice,
 * takes a comment after "=" for a value, accepts a file that ends inside a section or a comment,
 * names the end of the file when a quote is missing, gives up at the first unknown section, and
 * says nothing of an empty list. So its input is walked once beforehand.
 */
#include <string.h>

#include "schema.h"

/* Where an unquoted word ends; the set of libconfuse's lexer. */
#define WORD_END "#+'\"(){},=* \t\r\n"

#define SECTIONS 32

struct scan {
	char *p;
	int line;
	int depth, open[2];  /* lines of the open braces */
	bool value;          /* "=" was seen: a brace opens a list */
	const char *section; /* whose keys these are; NULL: of one that is not in schema[] */
	int row;             /* of the key that is being set, or -1 */
	bool list, empty;    /* within its braces; nothing stood there so far */
	int set[SCHEMA_MAX]; /* by row: line where it was set before */
	bool was_empty[SCHEMA_MAX];
	char *word; /* last word before a value: the name of a section, if a brace follows, or key
		     */
	size_t word_len;
	int word_line;
	char *unknown; /* first byte of the unknown section being walked */
	struct {
		const char *name;
		int line;
	} seen[SECTIONS];
	int seen_count;
	struct complaints *to;
	bool fatal;
};

static void blank(char *from, const char *to)
{
	for (; from < to; from++) {
		if (*from != '\n')
			*from = ' ';
	}
}

static void skip_comment(struct scan *s)
{
	char *from = s->p, *end;
	int line = s->line;

	if (from[0] == '/' && from[1] == '*') {
		end = strstr(from + 2, "*/");
		if (!end) {
			complain(s->to, line, "syntax",
				 "this comment is never closed; end it with */");
			s->fatal = true;
		}
		s->p = end ? end + 2 : from + strlen(from);
		for (end = from; end < s->p; end++)
			s->line += *end == '\n';
	} else {
		s->p = from + strcspn(from, "\n");
	}
	blank(from, s->p);
}

static void skip_string(struct scan *s)
{
	char quote = *s->p++;

	while (*s->p && *s->p != quote && *s->p != '\n')
		s->p += *s->p == '\\' && s->p[1] && s->p[1] != '\n' ? 2 : 1;
	if (*s->p == quote) {
		s->p++;
		return;
	}
	complain(s->to, s->line, "syntax",
		 "the string begun on this line is not closed on it; end it with %c", quote);
	s->fatal = true;
}

static void open_section(struct scan *s)
{
	char name[40], known[300];
	const char *section, *near;

	if (!s->word) {
		complain(s->to, s->line, "syntax",
			 "a brace without a name before it; allowed is SECTION { ... } or "
			 "KEY = {VALUE, ...}");
		s->fatal = true;
		return;
	}
	if (s->word_len >= sizeof(name))
		s->word_len = sizeof(name) - 1;
	memcpy(name, s->word, s->word_len);
	name[s->word_len] = 0;
	for (int i = 0; (section = schema_section(i)); i++) {
		if (!strcmp(section, name))
			break;
	}
	s->section = NULL;
	if (schema_list_find(name))
		return;
	if (!section && schema_find("", name) >= 0)
		return; /* "mode {": libconfuse misses the equal sign by itself */
	if (!section) {
		near = schema_near(NULL, name);
		complain(s->to, s->word_line, name, "unknown section%s%s; the sections are %s",
			 near ? ", did you mean " : "", near ? near : "",
			 schema_known(NULL, known, sizeof(known)));
		s->unknown = s->word;
		return;
	}
	for (int i = 0; i < s->seen_count; i++) {
		if (s->seen[i].name == section)
			complain(s->to, s->word_line, section,
				 "this section stands already on line %d; put its keys together",
				 s->seen[i].line);
	}
	s->section = section;
	if (s->seen_count < SECTIONS) {
		s->seen[s->seen_count].name = section;
		s->seen[s->seen_count++].line = s->word_line;
	}
}

/* The key before an equal sign. */
static void begin_value(struct scan *s)
{
	char name[40];

	s->value = true;
	s->row = -1;
	if (!s->word || !s->section || s->word_len >= sizeof(name))
		return;
	memcpy(name, s->word, s->word_len);
	name[s->word_len] = 0;
	s->row = schema_find(s->section, name);
	s->empty = true;
}

/* Of two settings that both hold something libconfuse tells. */
static void end_value(struct scan *s)
{
	char name[80];

	s->value = false;
	if (s->row < 0)
		return;
	if (s->set[s->row] && (s->empty || s->was_empty[s->row]))
		complain(s->to, s->word_line, schema_name(&schema[s->row], name, sizeof(name)),
			 "set already on line %d; a key may stand only once", s->set[s->row]);
	s->set[s->row] = s->word_line;
	s->was_empty[s->row] = s->empty;
	s->row = -1;
}

static void open_brace(struct scan *s)
{
	if (s->depth == 0 && !s->value)
		open_section(s);
	s->list = s->value;
	if (s->depth < 2)
		s->open[s->depth] = s->line;
	s->depth++;
	s->p++;
}

static void close_brace(struct scan *s)
{
	s->p++;
	if (s->depth == 0) {
		complain(s->to, s->line, "syntax", "this brace closes nothing; take it away");
		s->fatal = true;
		return;
	}
	if (s->list)
		end_value(s);
	s->list = false;
	s->value = false;
	if (--s->depth)
		return;
	s->word = NULL;
	s->section = "";
	if (s->unknown)
		blank(s->unknown, s->p);
	s->unknown = NULL;
}

/* A word or a string that is a value, or one of a list. */
static void take_value(struct scan *s)
{
	s->empty = false;
	if (s->value && !s->list)
		end_value(s);
}

static void take_word(struct scan *s)
{
	size_t len = strcspn(s->p, WORD_END);

	if (!len)
		len = 1; /* a stray character: libconfuse's to judge */
	if (!s->value) {
		s->word = s->p;
		s->word_len = len;
		s->word_line = s->line;
	}
	take_value(s);
	s->p += len;
}

bool scan_text(char *text, struct complaints *to)
{
	struct scan s = {.p = text, .line = 1, .to = to, .section = "", .row = -1};

	while (*s.p && !s.fatal) {
		if (*s.p == '#' || (s.p[0] == '/' && (s.p[1] == '/' || s.p[1] == '*'))) {
			skip_comment(&s);
		} else if (*s.p == '"' || *s.p == '\'') {
			skip_string(&s);
			take_value(&s);
		} else if (*s.p == '{') {
			open_brace(&s);
		} else if (*s.p == '}') {
			close_brace(&s);
		} else if (*s.p == '=') {
			begin_value(&s);
			s.p++;
		} else if (strchr(" \t\r\n", *s.p)) {
			s.line += *s.p++ == '\n';
		} else {
			take_word(&s);
		}
	}
	if (!s.fatal && s.depth) {
		complain(to, s.open[s.depth < 2 ? s.depth - 1 : 1], "syntax",
			 "the brace opened on this line is never closed; end it with }");
		s.fatal = true;
	}
	return !s.fatal;
}
