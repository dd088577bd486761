// SPDX-License-Identifier: GPL-2.0-or-later
/* What a rule of nft asks of a packet, and what a stranger's SYN answers. */
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_rule.h"

#define SYN 0x02

/* ---- words ---- */

bool rule_begins(const char *rule, const char *word)
{
	const size_t n = strlen(word);

	return !strncmp(rule, word, n) && !isalnum((unsigned char)rule[n]) && rule[n] != '_';
}

const char *rule_beyond(const char *p)
{
	const char *end = p + strcspn(p, *p == '{' ? "}\n" : " \n");

	if (*p == '"')
		end = p + 1 + strcspn(p + 1, "\"\n");
	end += *end == '}' || *end == '"';
	return end + strspn(end, " ");
}

/* ---- one value ---- */

/* What comes by the interface that leads to the mail server are its answers. */
static bool is_outer(const struct doctor *d, const char *name)
{
	char out[IF_NAMESIZE];
	int inner = 0;

	if (!doctor_names(d->config, name))
		return false;
	for (int i = 0; i < d->config->protect_count; i++)
		inner += !fastpath_way_out(&d->config->protect[i].addr, out) && !strcmp(out, name);
	return !inner || d->config->interface_count == 1;
}

static enum answer is_word(const struct stranger *s, const char *value, const char *word)
{
	(void)s;
	return !strcmp(value, word);
}

static enum answer is_family(const struct stranger *s, const char *value, const char *word)
{
	(void)word;
	return !strcmp(value, addr_is4(&s->to->addr) ? "ipv4" : "ipv6");
}

static enum answer is_protocol(const struct stranger *s, const char *value, const char *word)
{
	(void)word;
	return !strcmp(value, addr_is4(&s->to->addr) ? "ip" : "ip6");
}

static enum answer is_port(const struct stranger *s, const char *value, const char *word)
{
	unsigned from, to;
	int n = sscanf(value, "%u-%u", &from, &to);

	(void)word;
	return n > 0 && s->to->port >= from && s->to->port <= (n > 1 ? to : from);
}

static enum answer is_mark(const struct stranger *s, const char *value, const char *word)
{
	(void)s;
	(void)word;
	return strtoul(value, NULL, 0) == GG_MARK;
}

static enum answer is_interface(const struct stranger *s, const char *value, const char *word)
{
	const struct config *c = s->d->config;
	char name[IF_NAMESIZE] = "";
	size_t n;

	(void)word;
	/* Not a name: a number, or another question, fib saddr . iif oif. */
	if (sscanf(value, "\"%15[^\"]\"", name) != 1)
		return PERHAPS;
	n = strcspn(name, "*");
	if (!name[n])
		return is_outer(s->d, name);
	for (int i = 0; i < c->interface_count; i++)
		if (!strncmp(c->interfaces[i], name, n) && is_outer(s->d, c->interfaces[i]))
			return YES;
	return NO;
}

/* Ranges are not read. */
static enum answer is_target(const struct stranger *s, const char *value, const char *word)
{
	struct prefix p;

	(void)word;
	if (prefix_parse(value, &p))
		return PERHAPS;
	return prefix_holds(&p, &s->to->addr);
}

static const struct question questions[] = {
	{"meta mark ", is_mark, NULL},
	{"meta l4proto ", is_word, "tcp"},
	{"meta nfproto ", is_family, NULL},
	{"meta protocol ", is_protocol, NULL},
	{"meta pkttype ", is_word, "host"},
	{"ip protocol ", is_word, "tcp"},
	{"ip6 nexthdr ", is_word, "tcp"},
	{"ip daddr ", is_target, NULL},
	{"ip6 daddr ", is_target, NULL},
	{"iifname ", is_interface, NULL},
	{"iif ", is_interface, NULL},
	{"tcp dport ", is_port, NULL},
	{"th dport ", is_port, NULL},
	{"ct state ", is_word, "new"},
	/* The mail server's address is none of this machine. */
	{"fib daddr type ", is_word, "unicast"},
	{"fib saddr type ", is_word, "unicast"},
};

const struct question *rule_question(const char *rule)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (!strncmp(rule, questions[i].words, strlen(questions[i].words)))
			return &questions[i];
	return NULL;
}

enum answer rule_any(const struct stranger *s, const struct question *q, const char *p,
		     const char *end)
{
	enum answer answer = NO;
	char value[64];

	while (p < end && answer != YES) {
		size_t n = strcspn(p, " ,{}|\n");
		enum answer one;

		snprintf(value, sizeof(value), "%.*s", (int)(n < 63 ? n : 63), p);
		one = n ? q->holds(s, value, q->word) : NO;
		answer = one == NO ? answer : one;
		p += n + (p + n < end);
	}
	return answer;
}

static enum answer reverse(enum answer a, bool reversed)
{
	return a == PERHAPS || !reversed ? a : a == NO;
}

enum answer rule_ask(const struct stranger *s, const struct question *q, const char **rule)
{
	const char *p = *rule + strlen(q->words), *start = p;
	const bool not = *p == '!';

	if (not || rule_begins(p, "=="))
		start = p = rule_beyond(p);
	/* Other operators, named sets, several questions at once, what is written into the packet.
	 */
	if (strchr("<>&@.", *p) || rule_begins(p, "set")) {
		*rule = rule_beyond(p);
		return PERHAPS;
	}
	p = rule_beyond(p);
	while (*p == '|')
		p = rule_beyond(rule_beyond(p));
	*rule = p;
	return reverse(rule_any(s, q, start, p), not );
}

static unsigned read_flags(const char **p)
{
	static const char *const names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
	unsigned flags = 0;

	for (;;) {
		*p += strspn(*p, "(");
		if (isdigit((unsigned char)**p))
			flags |= (unsigned)strtoul(*p, NULL, 0);
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (rule_begins(*p, names[i]))
				flags |= 1u << i;
		*p += strspn(*p, "abcdefghijklmnopqrstuvwxyz0123456789)");
		if (strncmp(*p, " | ", 3) != 0 && **p != ',')
			break;
		*p += **p == ',' ? 1 : 3;
	}
	*p += strspn(*p, " ");
	return flags;
}

enum answer rule_ask_flags(const char **rule)
{
	const char *p = rule_beyond(rule_beyond(*rule)), *op = p;
	const bool plain = isalpha((unsigned char)*op), none = !strncmp(op, "! ", 2);
	unsigned value, mask = 0xff;
	bool not = *op == '!';

	if (!plain && !strchr("!=&", *op)) {
		*rule = rule_beyond(p);
		return PERHAPS;
	}
	if (!plain)
		p = rule_beyond(p);
	value = read_flags(&p);
	if (*op == '&') {
		mask = value;
		not = *p == '!';
		p = rule_beyond(p);
		value = read_flags(&p);
	} else if (*p == '/') {
		p = rule_beyond(p);
		mask = read_flags(&p);
	} else if (plain || none) {
		*rule = p;
		return reverse(SYN & value ? YES : NO, none);
	}
	*rule = p;
	return reverse((SYN & mask) == value, not );
}

bool rule_is_foreign(const struct stranger *s, const char *rule)
{
	static const char *const others[] = {"udp",  "icmp", "icmpv6", "igmp", "sctp",
					     "dccp", "ah",   "esp",    "arp",  "udplite"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (rule_begins(rule, others[i]))
			return true;
	return rule_begins(rule, addr_is4(&s->to->addr) ? "ip6" : "ip");
}
