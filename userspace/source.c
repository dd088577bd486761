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

bool source_trap(const struct source *s, const char *why, struct verdict_entry *ret)
{
	const struct config *c = s->config;
	struct prefix p = addr_host(&s->addr);
	struct verdict_entry e = {
		.verdict = GG_DENY, .action = c->trap.action, .origin = GG_BY_TRAP};
	struct verdict_entry old = {0};
	uint8_t before = trapped_before(s);
	bool again;

	/* The count lies with the deny, which outlives a restart, and with the source's conduct,
	 * which outlives the deny. */
	again = verdicts_get(s->daemon->verdicts, &p, s->now, &old) && old.origin == GG_BY_TRAP;
	if (again)
		e.repeats =
			why && old.repeats < UINT8_MAX ? (uint8_t)(old.repeats + 1) : old.repeats;
	if (why && e.repeats < before)
		e.repeats = before;
	e.expires = s->now + policy_trap_life((uint32_t)(c->trap.life / 1000),
					      (uint32_t)(c->trap.max / 1000), e.repeats);
	/* Within the same second nothing would change. */
	if (!why && again && old.expires >= e.expires)
		return false;
	daemon_verdict_put(s->daemon, &p, &e, why);
	if (why) {
		daemon_demote(s->daemon, &s->addr, "trap");
		source_note(s, policy_conduct_tag(s->policy, &s->addr), CONDUCT_TRAPPED, e.expires);
	}
	*ret = e;
	return true;
}
