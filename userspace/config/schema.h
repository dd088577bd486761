/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of every key, and what is made of it. A new key is one row of schema.c and one field of
 * struct config.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "value.h"

enum kind_id {
	KIND_TEXT,     /* char * */
	KIND_HOSTNAME, /* char *, RFC 5321 domain */
	KIND_PATH,     /* char *, absolute */
	KIND_MAILBOX,  /* char *, user@domain */
	KIND_WORD,     /* enum (int) */
	KIND_FLAG,     /* bool, written as one of two words */
	KIND_NUMBER,   /* uint32_t */
	KIND_DURATION, /* uint64_t ms */
	KIND_SIZE,     /* uint64_t bytes */
	KIND_SENTENCE, /* char *, words that go into a reply */
	KIND_WEIGHT,   /* int32_t, -max to max */
	KIND_REPLIES,  /* struct dnslist_replies */
	/* Lists: a pointer at offset, an int at count. min and max limit how many. */
	KIND_INTERFACES, /* char ** */
	KIND_PATHS,      /* char **, absolute */
	KIND_HOSTNAMES,  /* char **, RFC 5321 domains */
	KIND_ENDPOINTS,  /* struct endpoint * */
	KIND_PREFIXES,   /* struct prefix * */
	KIND_TRAPS,      /* char **, user@domain or @domain, or a pattern */
	KIND_DOMAINS,    /* char **, domain or *.domain, in lower case */
	KIND_ADDRESSES,  /* struct addr * */
	KIND_SERVERS,    /* struct endpoint *, the port may be left out */
	KIND_MAX
};

enum schema_flags {
	KEY_RELOAD = 1 << 0,  /* a reload may change it */
	KEY_SECONDS = 1 << 1, /* counted in whole seconds */
	KEY_SAMPLE = 1 << 2,  /* the sample sets it: there is no default to work with */
	KEY_LEVEL = 1 << 3,   /* of a titled section: left out, a wider section's counts */
};

struct schema_key {
	const char *section; /* "": top level */
	const char *name;
	enum kind_id kind;
	unsigned flags; /* enum schema_flags */
	size_t offset, count;
	const char *def; /* as in a file; NULL: none, see words */
	uint64_t min, max;
	const struct word *words;
	const char *example; /* where def is NULL */
	const char *manual;
};

struct complaints;

extern const struct schema_key schema[];
extern const int schema_count;
#define SCHEMA_MAX 256 /* rows of a table beside schema[] */

/* c: a struct config, or the element that the key's offset counts from. */
static inline void *schema_field(const void *c, const struct schema_key *k)
{
	return (char *)c + k->offset;
}

static inline int *schema_list_count(const void *c, const struct schema_key *k)
{
	return (int *)((char *)c + k->count);
}

/*
 * Sections with a title, which may stand many times: each is an element of a list in struct config
 * that begins with its title (char *). Offsets of their keys count from the element. A reload may
 * change all of them.
 */
#define SCHEMA_TITLE 340
struct schema_list {
	const char *section;
	size_t offset, count; /* in struct config: pointer, int */
	size_t size;          /* of an element */
	int max;              /* elements */
	const struct schema_key *keys;
	int key_count;
	/* The title in the form in which it is kept, or -EINVAL. */
	int (*title)(const char *text, char ret[SCHEMA_TITLE]);
	const char *what, *allowed; /* a title, in words */
	const char *example;        /* a title */
};

extern const struct schema_list schema_lists[];
extern const int schema_lists_count;
#define SCHEMA_LISTS 6
#define SCHEMA_ELEMENT_KEYS 12

/* NULL: no such section. */
const struct schema_list *schema_list_find(const char *section);
/* Where the elements of a list stand, by title, while a file is read: zero before the first. */
struct schema_titles {
	int *of; /* hash: number of the element + 1, 0: empty */
	uint32_t mask;
};
/* The element with this title, made with every default when it is new: its number, or -ENOSPC,
 * -EINVAL (not a title), -EILSEQ (not UTF-8), -ENOMEM. */
int schema_element(const struct schema_list *l, struct config *c, const char *title,
		   struct schema_titles *t);
static inline void *schema_element_at(const struct schema_list *l, const struct config *c, int n)
{
	return *(char **)((char *)c + l->offset) + (size_t)n * l->size;
}
void schema_lists_free(struct config *c);

/* Lines on which the keys of a list's elements were set, 0: not at all. */
struct schema_lines {
	int (*of)[SCHEMA_ELEMENT_KEYS];
	int room;
};

/* ---- list.c ---- */

int list_title(const char *text, char ret[SCHEMA_TITLE]);
/* What the keys of each list demand of each other. */
void lists_check(const struct config *c, const struct schema_lines elements[SCHEMA_LISTS],
		 struct complaints *to);
/* ---- level.c ---- */

int level_domain(const char *text, char ret[SCHEMA_TITLE]);
int level_mailbox(const char *text, char ret[SCHEMA_TITLE]);
/* When the whole file was read: fills what the levels take from each other, and the index. lines:
 * by number in schema_lists. -ENOMEM. */
int levels_finish(struct config *c, const struct schema_lines lines[SCHEMA_LISTS]);
void levels_free(struct config *c);

/* Row number, or -1. */
int schema_find(const char *section, const char *name);
/* The n-th section in table order ("" is none of them), or NULL. */
const char *schema_section(int n);
/* "stutter.first", or the name alone at top level. */
const char *schema_name(const struct schema_key *k, char *buf, size_t size);
/* The known word most like `name`, or NULL when none is near: among the keys of `section`, or with
 * section NULL among the sections. */
const char *schema_near(const char *section, const char *name);
/* Known keys of a section ("": top level), or with NULL the sections: "a, b, c". */
const char *schema_known(const char *section, char *buf, size_t size);

/* ---- kinds ---- */

#define KIND_WHY 320

/* Reads one value (of a list: one element, which is appended). On -EINVAL why says what is wrong
 * and what is allowed, and the field is as it was. -ENOMEM. */
int kind_read(const struct schema_key *k, void *c, const char *text, char why[KIND_WHY]);
bool kind_is_list(enum kind_id kind);
bool kind_equal(const struct schema_key *k, const void *a, const void *b);
/* Frees what the field holds and leaves it empty. */
void kind_free(const struct schema_key *k, void *c);
/* Copies a value that owns nothing. */
void kind_copy(const struct schema_key *k, void *to, const void *from);
/* A number, duration or word as people write it. Returns buf. */
const char *kind_value(const struct schema_key *k, const void *c, char *buf, size_t size);
/* "a duration from 1s to 10m": for complaints and the manual. Returns buf. */
const char *kind_allowed(const struct schema_key *k, char *buf, size_t size);
/* How a value is spelled in a file: with quotes and braces where they are needed. Returns buf. */
const char *kind_spelling(const struct schema_key *k, const char *text, char *buf, size_t size);

/* ---- complaints: "FILE:LINE: KEY: words" lines in a fixed buffer ---- */

struct complaints {
	const char *file;
	char *buf;
	size_t size, len;
	int count;
};

/* line 0: the file as a whole, printed as line 1. key may be NULL. */
void complain(struct complaints *c, int line, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- the two checks around libconfuse ---- */

/* Before it: blanks comments and unknown sections in text (same length, same lines) and complains
 * about strings and braces left open and sections given twice. True: text may be parsed. */
bool scan_text(char *text, struct complaints *to);
/* After it: what keys demand of each other. lines[row] is where a key was set, 0: default;
 * elements[list] the same of titled sections. whole: also what a daemon cannot run without. */
void check_config(const struct config *c, const int *lines,
		  const struct schema_lines elements[SCHEMA_LISTS], bool whole,
		  struct complaints *to);

#endif
