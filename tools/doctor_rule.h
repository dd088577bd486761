/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rules of a chain do with a stranger's first packet, a SYN to a protected endpoint. Read
 * are rules as nft(8) prints them.
 */
#ifndef TOOLS_DOCTOR_RULE_H
#define TOOLS_DOCTOR_RULE_H

#include "doctor.h"

#define RULE_NAME 128 /* of a table or a chain */
#define RULE_TEXT 61  /* as much of a rule as is told of it */

enum fate { NONE, ACCEPTED, DROPPED };

struct stranger {
	const struct doctor *d;
	const struct endpoint *to;
	bool unsure; /* a rule on its way that can't be judged may have accepted it */
	/* The first rule on its way that may drop it, and can't be judged; "": none. */
	char dropper[RULE_NAME], rule[RULE_TEXT];
	/* The first rule that gives it another mark, the chain, and whether it may not be asked;
	 * "": none. */
	char marker[RULE_NAME], mark[RULE_TEXT];
	bool marker_unsure;
	bool guess; /* a rule that can't be judged has sent it where it is now */
};

struct chain {
	char family[8], table[RULE_NAME], name[RULE_NAME];
	const char *inside; /* the table's text, to its end */
};

/* ---- words ---- */

const char *rule_next_line(const char *line);
bool rule_begins(const char *rule, const char *word);
/* Behind a word, a text in quotes or a set in braces. */
const char *rule_beyond(const char *p);

/* ---- questions ---- */

enum answer { NO, YES, PERHAPS };

struct question {
	const char *words;
	enum answer (*holds)(const struct stranger *s, const char *value, const char *word);
	const char *word;
};

/* NULL: none that can be answered. */
const struct question *rule_question(const char *rule);
/* Any of the values between two places. */
enum answer rule_any(const struct stranger *s, const struct question *q, const char *p,
		     const char *end);
/* One value, some with commas or bars between, or a set in braces; *rule is moved behind it. */
enum answer rule_ask(const struct stranger *s, const struct question *q, const char **rule);
/* tcp flags syn / fin,syn,rst,ack; != and == before it; ! for none of them; & as in C. */
enum answer rule_ask_flags(const char **rule);
/* Words of other protocols, and of the other family. */
bool rule_is_foreign(const struct stranger *s, const char *rule);

/* ---- rules ---- */

/* The chain of that name in the table, with all that it jumps to. */
enum fate rule_fate(struct stranger *s, const struct chain *in, const char *name, int depth);

#endif
