// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the rules of a chain do with a stranger's SYN.
 *
 * A rule is walked through word by word: what it asks is answered, what it does besides is passed
 * over, until its verdict. What can't be answered makes the rule a guess: it may accept, it may
 * drop.
 */
#include <stdio.h>
#include <string.h>

#include "doctor_rule.h"

#define DEPTH 16 /* jumps, as the kernel allows */

/* Where a verdict stands. */
struct place {
	const struct chain *in;
	const char *name, *line; /* of the chain, of the rule */
	int depth;
	bool guess;
};

const char *rule_next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* ---- what asks nothing ---- */

static const char *beyond_if(const char *p, const char *word)
{
	return rule_begins(p, word) ? rule_beyond(p) : p;
}

static const char *beyond_log(const char *p)
{
	static const char *const keys[] = {"prefix", "level",           "flags",
					   "group",  "queue-threshold", "snaplen"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (rule_begins(p, keys[i])) {
			p = rule_beyond(p);
			/* flags tcp sequence, flags ip options */
			p = beyond_if(beyond_if(p, "tcp"), "ip");
			p = rule_beyond(p);
			i = (size_t)-1;
		}
	return p;
}

/* Behind what a rule does without any say in the packet's fate. */
static const char *beyond_statement(const char *p)
{
	if (rule_begins(p, "log"))
		return beyond_log(rule_beyond(p));
	if (rule_begins(p, "comment"))
		return rule_beyond(rule_beyond(p));
	if (rule_begins(p, "counter"))
		for (p = rule_beyond(p); rule_begins(p, "packets") || rule_begins(p, "bytes") ||
					 rule_begins(p, "name");)
			p = rule_beyond(rule_beyond(p));
	return p;
}

/* ---- marks ---- */

/* Behind what gives a packet another mark, as nft writes it and as it writes what it can't read of
 * iptables; the rule itself where it doesn't. */
static const char *beyond_mark(struct stranger *s, const struct place *at, const char *rule)
{
	static const struct {
		const char *words;
		bool unsure; /* it may as well only note the mark */
	} markers[] = {
		{"meta mark set ", false},
		{"xt target \"MARK\"", false},
		{"xt target \"CONNMARK\"", true},
	};

	for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		const size_t n = strlen(markers[i].words);

		if (strncmp(rule, markers[i].words, n) != 0)
			continue;
		if (!*s->marker) {
			snprintf(s->marker, sizeof(s->marker), "%s", at->name);
			snprintf(s->mark, sizeof(s->mark), "%.*s", (int)strcspn(at->line, "\n"),
				 at->line);
			s->marker_unsure = at->guess || s->guess || markers[i].unsure;
		}
		return rule + n;
	}
	return rule;
}

/* ---- verdicts ---- */

static void note_dropper(struct stranger *s, const struct place *at)
{
	if (*s->dropper)
		return;
	snprintf(s->dropper, sizeof(s->dropper), "%s", at->name);
	snprintf(s->rule, sizeof(s->rule), "%.*s", (int)strcspn(at->line, "\n"), at->line);
}

/* What a guess comes to is kept in mind, and the next rule is asked. */
static enum fate weigh(struct stranger *s, const struct place *at, enum fate fate)
{
	if (!at->guess)
		return fate;
	s->unsure |= fate == ACCEPTED;
	if (fate == DROPPED)
		note_dropper(s, at);
	return NONE;
}

static const struct verdict {
	const char *word;
	enum fate fate;
	bool leaves; /* the chain ends here */
	bool jumps;
	bool asks; /* somebody else, who can't be seen */
} verdicts[] = {
	{"accept", ACCEPTED, false, false, false}, {"drop", DROPPED, false, false, false},
	{"reject", DROPPED, false, false, false},  {"queue", DROPPED, false, false, true},
	{"return", NONE, true, false, false},      {"jump", NONE, false, true, false},
	{"goto", NONE, true, true, false},         {"continue", NONE, false, false, false},
};

static const struct verdict *verdict_at(const char *rule)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (rule_begins(rule, verdicts[i].word))
			return &verdicts[i];
	return NULL;
}

/* *ret_leave: the chain ends here. */
static enum fate decide(struct stranger *s, const struct place *at, const struct verdict *v,
			const char *rule, bool *ret_leave)
{
	struct place here = *at;
	char name[RULE_NAME] = "";

	here.guess |= v->asks;
	s->unsure |= v->asks || (here.guess && v->leaves);
	*ret_leave = v->leaves && !here.guess;
	if (v->jumps && sscanf(rule, "%*s %127[^ ,}\n]", name) == 1) {
		const bool before = s->guess;
		enum fate fate;

		s->guess |= here.guess;
		fate = rule_fate(s, at->in, name, at->depth + 1);
		s->guess = before;
		return weigh(s, &here, fate);
	}
	return weigh(s, &here, v->fate);
}

/* { key : verdict, ... }, or the name of a map; q: what the keys answer, NULL: not known. */
static enum fate look_up(struct stranger *s, const struct place *at, const struct question *q,
			 const char *p, bool *ret_leave)
{
	struct place here = *at;
	const char *end, *colon;

	if (*p != '{') {
		s->unsure = true;
		note_dropper(s, at);
		return NONE;
	}
	for (p++; *p && !strchr("}\n", *p); p = end + (*end == ',')) {
		enum answer answer;
		const struct verdict *v;
		enum fate fate;

		colon = strstr(p, " : ");
		end = p + strcspn(p, ",}\n");
		if (!colon || colon > end)
			continue;
		answer = q ? rule_any(s, q, p, colon) : PERHAPS;
		v = verdict_at(colon + 3);
		if (answer == NO || !v)
			continue;
		here.guess = at->guess || answer == PERHAPS;
		fate = decide(s, &here, v, colon + 3, ret_leave);
		if (!here.guess)
			return fate;
	}
	return NONE;
}

static enum fate fate_by(struct stranger *s, struct place *at, bool *ret_leave)
{
	const char *rule = at->line, *next;

	while (*rule && *rule != '\n') {
		const struct verdict *v = verdict_at(rule);
		const struct question *q = rule_question(rule);
		const char *map = q ? rule + strlen(q->words) : rule;
		enum answer answer = PERHAPS;

		if (v)
			return decide(s, at, v, rule, ret_leave);
		next = beyond_mark(s, at, rule);
		if (next == rule)
			next = beyond_statement(rule);
		if (next > rule) {
			rule = next;
			continue;
		}
		if (rule_is_foreign(s, rule))
			return NONE;
		if (rule_begins(map, "vmap"))
			return look_up(s, at, q, rule_beyond(map), ret_leave);
		if (q)
			answer = rule_ask(s, q, &rule);
		else if (rule_begins(rule, "tcp flags"))
			answer = rule_ask_flags(&rule);
		else
			rule = rule_beyond(rule);
		if (answer == NO)
			return NONE;
		at->guess |= answer == PERHAPS;
	}
	/* A rule may do without a verdict: count, and no more. */
	s->unsure |= at->guess;
	return NONE;
}

enum fate rule_fate(struct stranger *s, const struct chain *in, const char *name, int depth)
{
	enum fate fate = NONE;
	char head[RULE_NAME + 16];
	const char *line = in->inside;
	bool leave = false;

	snprintf(head, sizeof(head), "\tchain %s {", name);
	while (*line && *line != '}' && strncmp(line, head, strlen(head)) != 0)
		line = rule_next_line(line);
	if (!*line || *line == '}' || depth > DEPTH)
		return NONE;
	for (line = rule_next_line(line); *line && strncmp(line, "\t}", 2) != 0 && !fate && !leave;
	     line = rule_next_line(line)) {
		struct place at = {in, name, line + strspn(line, "\t"), depth, false};

		if (strncmp(line, "\t\ttype ", 7) != 0)
			fate = fate_by(s, &at, &leave);
	}
	return fate;
}
