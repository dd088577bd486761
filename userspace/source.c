// SPDX-License-Identifier: GPL-2.0-or-later
#include "source.h"

struct conduct source_note(const struct source *s, uint64_t tag, enum conduct_event event,
			   uint32_t until)
{
	struct conduct_edit e = {.event = event,
				 .src = s->addr,
				 .now = s->now,
				 .until = until,
				 .memory = (uint32_t)(s->config->trap.max / 1000),
				 .row = s->policy->window};

	table_edit(s->daemon->conducts, tag, conduct_edit, &e, NULL);
	return e.after;
}

static uint8_t trapped_before(const struct source *s)
{
	struct conduct c;
	struct cell cell;
	uint32_t memory = (uint32_t)(s->config->trap.max / 1000);

	if (!table_get(s->daemon->conducts, policy_conduct_tag(s->policy, &s->addr), &cell))
		return 0;
	c = conduct_of(&cell);
	return s->now > c.until && s->now - c.until > memory ? 0 : c.traps;
}

/* ---- the deny ---- */

/* The trap in force for exactly this prefix. */
static bool trapped(const struct daemon *d, const struct prefix *p, uint32_t now,
		    struct verdict_entry *ret)
{
	struct verdict_entry e;

	if (!verdicts_get(d->verdicts, p, now, &e) || e.origin != GG_BY_TRAP)
		return false;
	*ret = e;
	return true;
}

bool source_network(const struct daemon *d, const struct addr *a, uint32_t now, struct prefix *ret,
		    struct verdict_entry *ret_entry)
{
	const struct prefix network = addr_network(a);

	if (addr_is4(a) || !trapped(d, &network, now, ret_entry))
		return false;
	*ret = network;
	return true;
}

/* An operator's word on the network stands, and so does the trap of the address alone where there
 * is no room for a network's: that is counted and said where every verdict's is. */
static void trap_network(const struct source *s, const struct verdict_entry *e, const char *why)
{
	const struct prefix network = addr_network(&s->addr);
	struct verdict_entry old;

	if (verdicts_get(s->daemon->verdicts, &network, s->now, &old) &&
	    old.origin == GG_BY_OPERATOR)
		return;
	daemon_verdict_put(s->daemon, &network, e, why);
}

bool source_trap(const struct source *s, const char *why, struct verdict_entry *ret)
{
	const struct config *c = s->config;
	const struct prefix host = addr_host(&s->addr);
	struct verdict_entry e = {
		.verdict = GG_DENY, .action = c->trap.action, .origin = GG_BY_TRAP};
	struct verdict_entry own = {0}, shared = {0};
	struct prefix network;
	uint8_t before = trapped_before(s);
	bool is_host = trapped(s->daemon, &host, s->now, &own);
	bool is_network = source_network(s->daemon, &s->addr, s->now, &network, &shared);

	/* The count lies with the deny, which outlives a restart, and with the source's conduct,
	 * which outlives the deny. */
	e.repeats = own.repeats > shared.repeats ? own.repeats : shared.repeats;
	if (why && (is_host || is_network) && e.repeats < UINT8_MAX)
		e.repeats++;
	if (why && e.repeats < before)
		e.repeats = before;
	e.expires = s->now + policy_trap_life((uint32_t)(c->trap.life / 1000),
					      (uint32_t)(c->trap.max / 1000), e.repeats);
	/* Within the same second nothing would change. */
	if (!why && (!is_host || own.expires >= e.expires) &&
	    (!is_network || shared.expires >= e.expires))
		return false;
	/* A /64 has addresses enough to fill the map: other mail of a neighbour only starts the
	 * clock of the network. */
	if (why || is_host)
		daemon_verdict_put(s->daemon, &host, &e, why);
	if (!addr_is4(&s->addr) && (why || is_network))
		trap_network(s, &e, why);
	if (why) {
		daemon_demote(s->daemon, &s->addr, "trap");
		source_note(s, policy_conduct_tag(s->policy, &s->addr), CONDUCT_TRAPPED, e.expires);
	}
	*ret = e;
	return true;
}

bool source_release(struct daemon *d, const struct addr *a)
{
	const struct prefix network = addr_network(a);
	struct verdict_entry e;

	return !addr_is4(a) && verdicts_get(d->verdicts, &network, 0, &e) &&
	       (e.origin == GG_BY_TRAP || e.origin == GG_BY_LIMIT) &&
	       !daemon_verdict_del(d, &network);
}
