/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of clients and recipients in the formats that people have, read line by line.
 *
 * list_read takes the text of a file and hands what it says to a sink, entry by entry in the order
 * of the file: an address range becomes the prefixes that cover it, a network that is excepted the
 * prefixes around it. Nothing is sorted or merged here. Pure but for the memory that a line needs;
 * any thread.
 *
 * Order: in the formats of Postfix that are read in order (list_in_order) the first entry that
 * matches a client decides, in all others the most specific one. prefixes.h makes the second out of
 * the first, and of both what one lookup answers.
 *
 * Errors: a line that can't be read is reported as "FILE:LINE: what, cause; what is allowed",
 * counted and left out, as Postfix, postgrey and sqlgrey do with theirs. So is ::ffff:0:0/96, which
 * is no mistake but names no sender: it is reported and isn't counted as bad. The file as a whole
 * is refused (-EINVAL, nothing of it is to be used) when it is not what it is said to be: it has a
 * NUL byte, more bad lines than good entries, blocks that don't fit together, or nothing in it
 * where the format is a feed that is never empty.
 */
#ifndef LISTS_READER_H
#define LISTS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"

enum list_format {
	LIST_CIDR,                 /* addresses, prefixes, ranges */
	LIST_SPAMD,                /* the same, as spamd-setup takes it: a - b, text behind it */
	LIST_SPAMHAUS_DROP,        /* PREFIX ; SBLnnn, or an object of JSON */
	LIST_POSTGREY_CLIENTS,     /* names with what is below them, addresses, parts, /regex/ */
	LIST_POSTGREY_RECIPIENTS,  /* domain, user@, user@domain, /regex/ */
	LIST_SQLGREY_CLIENTS_IP,   /* addresses, parts of IPv4 addresses, prefixes */
	LIST_SQLGREY_CLIENTS_FQDN, /* names, *.domain, /regex/ */
	LIST_POSTSCREEN_CIDR,      /* cidr_table(5) with permit, reject, dunno */
	LIST_ACCESS,               /* access(5) by client: OK, REJECT text, DUNNO */
	LIST_FORMAT_MAX
};

enum list_kind {
	LIST_PREFIX,     /* a client's address */
	LIST_NAME,       /* a client's name */
	LIST_BELOW,      /* names below a domain */
	LIST_DOMAIN,     /* a domain and names below it */
	LIST_PATTERN,    /* a regular expression (PCRE, no case) for a client's name */
	LIST_TO_USER,    /* recipients: user at any domain, also user+extension */
	LIST_TO,         /* user@domain, also user+extension@domain */
	LIST_TO_DOMAIN,  /* anyone at the domain or below it */
	LIST_TO_PATTERN, /* a regular expression for user@domain */
	LIST_KIND_MAX
};

/* What an entry says of whom it names. */
enum list_says {
	LIST_LISTED, /* what the list as a whole says */
	LIST_ALLOW,
	LIST_DENY,
	LIST_NEITHER, /* an exception: this list says nothing of it */
};

#define LIST_FILE (256u << 20) /* bytes; a larger file is not read */

#define LIST_MESSAGE 200 /* bytes of a message at most, so that it fits into a reply */

struct list_entry {
	enum list_kind kind;
	enum list_says says;
	uint32_t line;        /* from 1 */
	struct prefix prefix; /* LIST_PREFIX, else unset */
	/* Else: lower case, without its marks; of patterns what stands between the slashes. With a
	 * NUL; good while the sink runs, like message. */
	const char *text;
	const char *message; /* words for a refusal of this entry; NULL: the list's own */
};

/* Takes an entry. 0; -EINVAL: the entry is bad, *ret_why (static words, "cause; what is allowed")
 * goes into the report; any other error ends the reading. */
typedef int (*list_sink_fn)(const struct list_entry *e, void *arg, const char **ret_why);

/* Complaints, and what there was. errors may be NULL (size 0): only counted. */
#define LIST_ERROR 512 /* room for one complaint, with NUL */
struct list_report {
	char *errors; /* lines, ended with NUL; the first that fit */
	size_t size;
	size_t len;       /* of errors */
	uint32_t entries; /* handed to the sink and taken */
	uint32_t bad;     /* lines */
	uint32_t lines;
};

/* file: the name for complaints. text: len bytes, not changed, need not end with NUL. The report's
 * counts are set anew. 0; -EINVAL: refused, the last complaint says why; what the sink returned. */
int list_read(const char *file, const char *text, size_t len, enum list_format format,
	      list_sink_fn sink, void *arg, struct list_report *report);

/* "postgrey-clients" and the like; NULL for an unknown one. */
const char *list_format_text(enum list_format f);
/* 0, -EINVAL. "plain" is cidr too. */
int list_format_find(const char *word, enum list_format *ret);
/* The words of all formats: "cidr, spamd, ...". Returns buf. */
const char *list_formats(char *buf, size_t size);
/* The first entry that matches decides, not the most specific one. */
bool list_in_order(enum list_format f);
/* Entries say for themselves whether they allow or deny; the list's verdict isn't asked. */
bool list_has_verdicts(enum list_format f);
/* What lists of this format are for: LIST_ALLOW, LIST_DENY; LIST_LISTED: for either. */
enum list_says list_usual(enum list_format f);
/* Its entries are recipients. */
bool list_of_recipients(enum list_format f);

#endif
