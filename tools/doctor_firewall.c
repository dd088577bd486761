// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: whether this machine's own firewall lets strangers in. Their packets are delivered
 * here, so the rules of input are theirs, although their address is the mail server's; what has
 * them delivered is the mark that tc gives them, which rules of prerouting can take away; and what
 * these translate tc and XDP see as it was before.
 *
 * Limits: rules are read as nft(8) prints them, those of iptables-nft with them; a rule that asks
 * what can't be told from here, such as a source, may drop. Rules of iptables-legacy are not seen,
 * nor drops in other hooks than input.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../userspace/fastpath/fastpath.h"
#include "doctor_rule.h"

#define RULESET_MAX (8 << 20) /* bytes; sets are left out */

/* ---- chains ---- */

/* iptables has a command for its own chains: it doesn't know every rule that nft makes. */
static const struct own_chain {
	const char *table, *name, *option;
} own_chains[] = {
	{"filter", "INPUT", ""},
	{"mangle", "PREROUTING", "-t mangle "},
};

/* Strangers' packets leave the chain before any other rule of it. */
static void mend_chain(const struct chain *c, char *ret, size_t size)
{
	const bool one_family = !strcmp(c->family, "ip") || !strcmp(c->family, "ip6");

	for (size_t i = 0; one_family && i < sizeof(own_chains) / sizeof(own_chains[0]); i++) {
		const struct own_chain *own = &own_chains[i];

		if (strcmp(c->table, own->table) != 0 || strcmp(c->name, own->name) != 0)
			continue;
		snprintf(ret, size, "%stables %s-I %s -m mark --mark 0x%x -j ACCEPT", c->family,
			 own->option, own->name, GG_MARK);
		return;
	}
	snprintf(ret, size, "nft insert rule %s %s %s meta mark 0x%x accept", c->family, c->table,
		 c->name, GG_MARK);
}

/* False: it takes the mark from strangers, or may do so, and that was said. */
static bool check_marks(const struct doctor *d, const struct chain *chain)
{
	char mend[2 * RULE_NAME + 80];

	for (int i = 0; i < d->config->protect_count; i++) {
		struct stranger s = {.d = d, .to = &d->config->protect[i]};

		if (!strcmp(chain->family, addr_is4(&s.to->addr) ? "ip6" : "ip"))
			continue;
		rule_fate(&s, chain, chain->name, 0);
		if (!*s.marker)
			continue;
		mend_chain(chain, mend, sizeof(mend));
		doctor_say(
			d, s.marker_unsure ? DOCTOR_WARN : DOCTOR_FAIL, "firewall", "", mend,
			"chain %.40s of table %s %.40s %s the mark of strangers, who go past the "
			"daemon then: %s",
			s.marker, chain->family, chain->table,
			s.marker_unsure ? "may change" : "changes", s.mark);
		return false;
	}
	return true;
}

/* False: it translates another address to a protected one, or may do so for its port, and that was
 * said. */
static bool check_translation(const struct doctor *d, const struct chain *in, const char *line)
{
	const char *end = rule_next_line(line),
		   *at = memmem(line, (size_t)(end - line), "dnat ", 5);
	char text[64] = "";
	struct endpoint e = {0};

	at = at ? memmem(at, (size_t)(end - at), "to ", 3) : NULL;
	if (!at || sscanf(at, "to %63[][0-9a-fA-F.:]", text) != 1 ||
	    (endpoint_parse(text, &e) && addr_parse(text, &e.addr)))
		return true;
	for (int i = 0; i < d->config->protect_count; i++) {
		const struct endpoint *to = &d->config->protect[i];

		if (!addr_eq(&e.addr, &to->addr) || (e.port && e.port != to->port))
			continue;
		doctor_say(d, e.port ? DOCTOR_FAIL : DOCTOR_WARN, "firewall", "",
			   "translate addresses before this machine, or set mode = relay and no "
			   "dnat",
			   "chain %.40s of table %s %.40s translates to %s, which tc and XDP don't "
			   "see: strangers go past the daemon",
			   in->name, in->family, in->table, text);
		return false;
	}
	return true;
}

/* False: it drops strangers, or may do so, and that was said. */
static bool check_chain(const struct doctor *d, const struct chain *chain, bool policy_drop)
{
	bool dropped = false, sure = false;
	struct stranger doubtful = {0};
	char mend[2 * RULE_NAME + 80];

	for (int i = 0; i < d->config->protect_count; i++) {
		struct stranger s = {.d = d, .to = &d->config->protect[i]};
		enum fate fate;

		if (!strcmp(chain->family, addr_is4(&s.to->addr) ? "ip6" : "ip"))
			continue;
		fate = rule_fate(&s, chain, chain->name, 0);
		if (fate == ACCEPTED || (fate == NONE && !policy_drop)) {
			doubtful = *s.dropper ? s : doubtful;
			continue;
		}
		dropped = true;
		sure |= !s.unsure;
	}
	if (dropped) {
		mend_chain(chain, mend, sizeof(mend));
		doctor_say(d, sure ? DOCTOR_FAIL : DOCTOR_WARN, "firewall", "", mend,
			   "chain %.40s of table %s %.40s %s strangers: they come in by input, "
			   "not by forward",
			   chain->name, chain->family, chain->table,
			   sure ? "drops" : "seems to drop");
	} else if (*doubtful.dropper) {
		snprintf(mend, sizeof(mend), "nft list chain %s %s %s", chain->family, chain->table,
			 doubtful.dropper);
		doctor_say(d, DOCTOR_WARN, "firewall", "", mend,
			   "chain %.40s of table %s %.40s may drop strangers: %s", doubtful.dropper,
			   chain->family, chain->table, doubtful.rule);
	}
	return !dropped && !*doubtful.dropper;
}

/* Of a bridge or a device no rule is asked. */
static bool is_routed(const struct chain *c)
{
	return !strcmp(c->family, "inet") || !strcmp(c->family, "ip") || !strcmp(c->family, "ip6");
}

void doctor_rules(const struct doctor *d, const char *ruleset)
{
	struct chain c = {0};
	char hook[16] = "", type[16] = ""; /* of the chain; "": it has none, others send there */
	bool well = true;

	for (const char *line = ruleset; *line; line = rule_next_line(line)) {

		if (sscanf(line, "table %7s %127s", c.family, c.table) == 2)
			c.inside = rule_next_line(line);
		else if (!strncmp(line, "\tchain ", 7))
			hook[0] = sscanf(line, " chain %127s", c.name) == 1 ? '\0' : '-';
		else if (!c.inside || !is_routed(&c))
			continue;
		else if (sscanf(line, "\t\ttype %15s hook %15s", type, hook) != 2)
			well &= (*hook && strcmp(hook, "prerouting") != 0) ||
				check_translation(d, &c, line);
		else if (!strcmp(hook, "prerouting"))
			well &= check_marks(d, &c);
		else if (!strcmp(hook, "input") && !strcmp(type, "filter"))
			well &= check_chain(d, &c,
					    memmem(line, (size_t)(rule_next_line(line) - line),
						   "policy drop", 11) != NULL);
	}
	if (well)
		doctor_say(d, DOCTOR_OK, "firewall", "", "",
			   "no rule of nft keeps strangers from the daemon");
}

/* By the path first; in that of a user who has become root sbin is often missing. */
static int spawn_nft(pid_t *ret, const posix_spawn_file_actions_t *actions)
{
	static const char *const names[] = {"nft", "/usr/sbin/nft", "/sbin/nft"};
	static char *const argv[] = {(char *)"nft", (char *)"-t", (char *)"list", (char *)"ruleset",
				     NULL};
	int code = ENOENT;

	for (size_t i = 0; code == ENOENT && i < sizeof(names) / sizeof(names[0]); i++)
		code = posix_spawnp(ret, names[i], actions, NULL, argv, environ);
	return code;
}

/* 0; -ENOENT: there is no nft; else its listing can't be had, or is not whole. */
static int list_rules(char *ret, size_t size)
{
	posix_spawn_file_actions_t actions;
	int ends[2], status = -1, code;
	size_t length = 0;
	ssize_t n = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	code = spawn_nft(&pid, &actions);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	while (length < size - 1 && (n = read(ends[0], ret + length, size - 1 - length)) > 0)
		length += (size_t)n;
	close(ends[0]);
	ret[length] = '\0';
	if (code)
		return -code;
	return waitpid(pid, &status, 0) == pid && !status && !n && length < size - 1 ? 0 : -EIO;
}

void doctor_firewall(const struct doctor *d)
{
	char *ruleset = geteuid() ? NULL : malloc(RULESET_MAX);
	int code = ruleset ? list_rules(ruleset, RULESET_MAX) : 0;

	if (code)
		doctor_say(d, DOCTOR_WARN, "firewall", "",
			   code == -ENOENT ? "apt install nftables" : "nft -t list ruleset",
			   "the rules can't be read: %s",
			   code == -ENOENT
				   ? "there is no nft"
				   : "nft doesn't list them, or more than can be looked at");
	else if (ruleset)
		doctor_rules(d, ruleset);
	free(ruleset);
}
