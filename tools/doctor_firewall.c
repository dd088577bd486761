// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: whether this machine's own firewall lets strangers in. Their packets are delivered
 * here, so the rules of input are theirs, although their address is the mail server's.
 *
 * Limits: rules are read as nft(8) prints them, those of iptables-nft with them; what a rule asks
 * beyond interface, protocol, port, state and mark can't be told, and is taken for no. Rules of
 * iptables-legacy and of other hooks are not seen.
 */
#include <fcntl.h>
#include <net/if.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../userspace/fastpath/fastpath.h"
#include "doctor.h"

#define RULESET_MAX (8 << 20) /* bytes; sets are left out */
#define DEPTH 16              /* jumps, as the kernel allows */
#define NAME 128              /* of a table or a chain */

enum fate { NONE, ACCEPTED, DROPPED };

struct stranger {
	bool is4;
	uint16_t port;
	const struct doctor *d;
	bool unsure; /* a rule on its way could not be read */
};

struct chain {
	char family[8], table[NAME], name[NAME];
	const char *inside; /* the table's text, to its end */
};

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

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

/* ---- one thing that a rule asks ---- */

static bool is_word(const struct stranger *s, const char *value, const char *word)
{
	(void)s;
	return !strcmp(value, word);
}

static bool is_state(const struct stranger *s, const char *value, const char *word)
{
	(void)s;
	(void)word;
	return !strcmp(value, "new");
}

static bool is_family(const struct stranger *s, const char *value, const char *word)
{
	(void)word;
	return !strcmp(value, s->is4 ? "ipv4" : "ipv6");
}

static bool is_port(const struct stranger *s, const char *value, const char *word)
{
	unsigned from, to;
	int n = sscanf(value, "%u-%u", &from, &to);

	(void)word;
	return n > 0 && s->port >= from && s->port <= (n > 1 ? to : from);
}

static bool is_mark(const struct stranger *s, const char *value, const char *word)
{
	(void)s;
	(void)word;
	return strtoul(value, NULL, 0) == GG_MARK;
}

static bool is_interface(const struct stranger *s, const char *value, const char *word)
{
	char name[IF_NAMESIZE] = "";

	(void)word;
	return sscanf(value, "\"%15[^\"]\"", name) == 1 && is_outer(s->d, name);
}

static const struct question {
	const char *words;
	bool (*holds)(const struct stranger *s, const char *value, const char *word);
	const char *word;
} questions[] = {
	{"meta mark ", is_mark, NULL},      {"meta l4proto ", is_word, "tcp"},
	{"meta nfproto ", is_family, NULL}, {"ip protocol ", is_word, "tcp"},
	{"ip6 nexthdr ", is_word, "tcp"},   {"iifname ", is_interface, NULL},
	{"iif ", is_interface, NULL},       {"tcp dport ", is_port, NULL},
	{"th dport ", is_port, NULL},       {"ct state ", is_state, NULL},
};

static const struct question *question_at(const char *rule)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (!strncmp(rule, questions[i].words, strlen(questions[i].words)))
			return &questions[i];
	return NULL;
}

/* One value, some with commas between, or a set in braces; *rule is moved behind it. */
static bool one_holds(struct stranger *s, const struct question *q, const char **rule)
{
	const char *p = *rule + strlen(q->words), *end = p + strcspn(p, *p == '{' ? "}\n" : " \n");
	bool holds = false;
	char value[64];

	/* Other operators, maps, named sets, patterns. */
	s->unsure |= strchr("!<>&@v", *p) || memchr(p, '*', (size_t)(end - p));
	while (p < end) {
		size_t n = strcspn(p, " ,{}\n");

		snprintf(value, sizeof(value), "%.*s", (int)(n < 63 ? n : 63), p);
		holds |= n && q->holds(s, value, q->word);
		p += n + (p + n < end);
	}
	p += *p == '}';
	*rule = p + strspn(p, " ");
	return holds;
}

/* ---- rules ---- */

static enum fate fate_in(struct stranger *s, const struct chain *in, const char *name, int depth);

/* What the rule does with it; *ret_leave: the chain ends here. */
static enum fate verdict_of(struct stranger *s, const struct chain *in, const char *rule, int depth,
			    bool *ret_leave)
{
	static const struct {
		const char *word;
		enum fate fate;
	} verdicts[] = {{"accept", ACCEPTED}, {"drop", DROPPED}, {"reject", DROPPED}};
	char verb[8] = "", name[NAME] = "";

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (!strncmp(rule, verdicts[i].word, strlen(verdicts[i].word)))
			return verdicts[i].fate;
	if (!strncmp(rule, "return", 6)) {
		*ret_leave = true;
		return NONE;
	}
	if (sscanf(rule, "%7s %127s", verb, name) == 2 &&
	    (!strcmp(verb, "jump") || !strcmp(verb, "goto"))) {
		*ret_leave = *verb == 'g';
		return fate_in(s, in, name, depth + 1);
	}
	/* A rule may do without a verdict: count, and no more. */
	s->unsure |= *rule && *rule != '\n' && strncmp(rule, "comment ", 8) != 0;
	return NONE;
}

static enum fate fate_by(struct stranger *s, const struct chain *in, const char *rule, int depth,
			 bool *ret_leave)
{
	const struct question *q;

	for (;;) {
		int counter = 0;

		sscanf(rule, "counter packets %*u bytes %*u %n", &counter);
		rule += counter;
		q = question_at(rule);
		if (!q)
			return verdict_of(s, in, rule, depth, ret_leave);
		if (!one_holds(s, q, &rule))
			return NONE;
	}
}

static enum fate fate_in(struct stranger *s, const struct chain *in, const char *name, int depth)
{
	enum fate fate = NONE;
	char head[NAME + 16];
	const char *line = in->inside;
	bool leave = false;

	snprintf(head, sizeof(head), "\tchain %s {", name);
	while (*line && *line != '}' && strncmp(line, head, strlen(head)) != 0)
		line = next_line(line);
	if (!*line || *line == '}' || depth > DEPTH)
		return NONE;
	for (line = next_line(line); *line && strncmp(line, "\t}", 2) != 0 && !fate && !leave;
	     line = next_line(line))
		if (strncmp(line, "\t\ttype ", 7) != 0)
			fate = fate_by(s, in, line + strspn(line, "\t"), depth, &leave);
	return fate;
}

/* ---- chains ---- */

/* The command for iptables' own chains: it doesn't know every rule that nft makes. */
static void mend_chain(const struct chain *c, char *ret, size_t size)
{
	const bool iptables = !strcmp(c->table, "filter") && !strcmp(c->name, "INPUT");

	if (iptables && (!strcmp(c->family, "ip") || !strcmp(c->family, "ip6")))
		snprintf(ret, size, "%stables -I INPUT -m mark --mark 0x%x -j ACCEPT", c->family,
			 GG_MARK);
	else
		snprintf(ret, size, "nft insert rule %s %s %s meta mark 0x%x accept", c->family,
			 c->table, c->name, GG_MARK);
}

/* False: it drops strangers, and that was said. */
static bool check_chain(const struct doctor *d, const struct chain *chain, bool policy_drop)
{
	bool dropped = false, sure = false;
	char mend[2 * NAME + 80];

	for (int i = 0; i < d->config->protect_count; i++) {
		const struct endpoint *e = &d->config->protect[i];
		struct stranger s = {.is4 = addr_is4(&e->addr), .port = e->port, .d = d};
		enum fate fate;

		if (!strcmp(chain->family, s.is4 ? "ip6" : "ip"))
			continue;
		fate = fate_in(&s, chain, chain->name, 0);
		if (fate == ACCEPTED || (fate == NONE && !policy_drop))
			continue;
		dropped = true;
		sure |= !s.unsure;
	}
	if (!dropped)
		return true;
	mend_chain(chain, mend, sizeof(mend));
	doctor_say(d, sure ? DOCTOR_FAIL : DOCTOR_WARN, "firewall", "", mend,
		   "chain %.40s of table %s %.40s %s strangers: they come in by input, not by "
		   "forward",
		   chain->name, chain->family, chain->table, sure ? "drops" : "seems to drop");
	return false;
}

void doctor_rules(const struct doctor *d, const char *ruleset)
{
	struct chain c = {0};
	bool well = true;

	for (const char *line = ruleset; *line; line = next_line(line)) {
		char hook[16] = "";

		if (sscanf(line, "table %7s %127s", c.family, c.table) == 2)
			c.inside = next_line(line);
		else if (!strncmp(line, "\tchain ", 7))
			sscanf(line, " chain %127s", c.name);
		else if (c.inside && sscanf(line, "\t\ttype filter hook %15s", hook) == 1 &&
			 !strcmp(hook, "input") &&
			 (!strcmp(c.family, "inet") || !strcmp(c.family, "ip") ||
			  !strcmp(c.family, "ip6")))
			well &= check_chain(d, &c,
					    memmem(line, (size_t)(next_line(line) - line),
						   "policy drop", 11) != NULL);
	}
	if (well)
		doctor_say(d, DOCTOR_OK, "firewall", "", "",
			   "no input rule of nft drops strangers");
}

/* False: there is no nft, or its listing is not whole. */
static bool list_rules(char *ret, size_t size)
{
	static char *const argv[] = {(char *)"nft", (char *)"-t", (char *)"list", (char *)"ruleset",
				     NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], status = -1;
	size_t length = 0;
	ssize_t n = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ))
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	while (length < size - 1 && (n = read(ends[0], ret + length, size - 1 - length)) > 0)
		length += (size_t)n;
	close(ends[0]);
	ret[length] = '\0';
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status && !n && length < size - 1;
}

void doctor_firewall(const struct doctor *d)
{
	char *ruleset = geteuid() ? NULL : malloc(RULESET_MAX);

	if (ruleset && list_rules(ruleset, RULESET_MAX))
		doctor_rules(d, ruleset);
	free(ruleset);
}
