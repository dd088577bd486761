/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of single lines share. */
#ifndef LISTS_INTERNAL_H
#define LISTS_INTERNAL_H

#include "reader.h"

#define LINE_LONGEST 4096 /* bytes of a line, continuations included */

#define BLOCKS 8 /* of if and endif within each other */
/* Around a network lie at most 128 prefixes, and each block has at most so many more than the one
 * it stands in. */
#define BLOCK_PREFIXES (128 * (BLOCKS * (BLOCKS + 1) / 2))

/* The clients that the lines at hand can match: all, or those of the innermost block. */
struct blocks {
	int depth;
	int begin[BLOCKS], count[BLOCKS]; /* into prefixes */
	struct prefix prefixes[BLOCK_PREFIXES];
};

/* A file that is being read, and its line at hand. */
struct reading {
	const char *file;
	list_sink_fn sink;
	void *arg;
	struct list_report *report;
	uint32_t line, last_bad; /* the last one with a complaint */
	enum list_says says;     /* of the entries of this line */
	const char *message;
	bool refused; /* the file as a whole */
	struct blocks blocks;
};

/* Reports the line as bad: `text` is what is wrong, `format` why and what is allowed. Returns 0:
 * the reading goes on. */
int reading_bad(struct reading *r, const char *text, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Reports what the line names as nobody's: all of IPv4, written as IPv6. Returns 0; the line is
 * left out, but isn't bad. */
int reading_idle(struct reading *r, const char *text);
/* The same of the file as a whole. Returns -EINVAL. */
int reading_refuse(struct reading *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Hands an entry on. 0, or the error that ends the reading. */
int reading_give_text(struct reading *r, enum list_kind kind, const char *text);
int reading_give_prefix(struct reading *r, const struct prefix *p);

/*
 * One line each: without comment, blanks around it and continuation, not empty, its own to change.
 * They report what is wrong themselves; an error ends the reading.
 */
int line_cidr(struct reading *r, char *text);
int line_spamd(struct reading *r, char *text);
int line_drop(struct reading *r, char *text);
int line_postgrey_client(struct reading *r, char *text);
int line_postgrey_recipient(struct reading *r, char *text);
int line_sqlgrey_ip(struct reading *r, char *text);
int line_sqlgrey_fqdn(struct reading *r, char *text);
int line_cidr_table(struct reading *r, char *text);
int line_access(struct reading *r, char *text);

/* ---- text.c ---- */

/* In lower case and, where it is not ASCII, with A-labels, as DNS and canonical mailboxes have it;
 * true: a host name or domain of RFC 1035's length, labels of letters, digits, "-" and "_", the
 * last one not a number. A final dot is taken away. */
#define TEXT_NAME 256
bool text_name(const char *text, char ret[TEXT_NAME]);
/* The next word of *text, which moves behind it; NULL at the end. */
char *text_word(char **text);
/* Takes the slashes off "/.../": what stood between them, or NULL when it is nothing of that kind.
 */
char *text_pattern(char *text);

/* ---- address.c ---- */

/* Octets of the beginning of an IPv4 address: "192.0.2" is 3, "192.0.2." too. 0: not one. */
int address_octets(const char *text, struct prefix *ret);
/* "ADDR" or "ADDR/LEN" whose bits right of LEN don't count. 0, -EINVAL, -ERANGE as prefix_parse. */
int address_loose(const char *text, struct prefix *ret);
/* The fewest prefixes that cover from..to, both included and of one family, from <= to. One of
 * IPv6 may have all IPv4-mapped ones in it: prefix_is_all4. Returns what `give` returned. */
int address_range(struct addr from, const struct addr *to,
		  int (*give)(struct reading *r, const struct prefix *p), struct reading *r);
/* The prefixes of its family around p, without the IPv4-mapped ones: how many, at most 128. */
int address_around(const struct prefix *p, struct prefix ret[128]);
/* Whether the two have addresses in common: then the narrower one is it. */
const struct prefix *address_common(const struct prefix *a, const struct prefix *b);

#endif
