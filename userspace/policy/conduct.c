// SPDX-License-Identifier: GPL-2.0-or-later
#include "conduct.h"

#include <string.h>

#include "since.h"

static void add16(uint16_t *counter)
{
	if (*counter < UINT16_MAX)
		(*counter)++;
}

static void weigh(struct conduct *c, uint16_t *side)
{
	add16(side);
	if (c->good + c->bad < CONDUCT_SPAN)
		return;
	c->good /= 2;
	c->bad /= 2;
}

bool conduct_edit(struct cell *cell, bool found, void *edit)
{
	struct conduct_edit *e = edit;
	struct conduct c = conduct_of(cell);

	/* How long its trap lasted does not count towards forgetting it. */
	if (!found || since(c.last > c.until ? c.last : c.until, e->now) > e->memory)
		c = (struct conduct){.tag = c.tag};
	if (since(c.last, e->now) > e->row)
		c.unknown = 0;
	e->before = c;
	switch (e->event) {
	case CONDUCT_UNKNOWN:
		add16(&c.unknown);
		break;
	case CONDUCT_KNOWN:
		c.unknown = 0;
		break;
	case CONDUCT_DELIVERED:
		c.unknown = 0;
		weigh(&c, &c.good);
		break;
	case CONDUCT_REFUSED:
		weigh(&c, &c.bad);
		break;
	case CONDUCT_TRAPPED:
		c.unknown = 0;
		c.until = e->until;
		if (c.traps < UINT8_MAX)
			c.traps++;
		break;
	case CONDUCT_DEMOTED:
		c.good = c.bad = 0;
		break;
	default: /* a visit: that it was is all there is to know */
		break;
	}
	c.last = e->now;
	c.is4 = addr_is4(&e->src);
	memset(c.net, 0, sizeof(c.net));
	memcpy(c.net, e->src.b + (c.is4 ? 12 : 0), c.is4 ? 4 : sizeof(c.net));
	e->after = c;
	memcpy(cell, &c, sizeof(c));
	return true;
}

uint32_t conduct_rank(const struct cell *cell, void *arg)
{
	struct conduct c = conduct_of(cell);

	(void)arg;
	return UINT32_MAX - (c.last > c.until ? c.last : c.until) + 1u;
}

bool conduct_harvests(const struct conduct *c, uint32_t harvest)
{
	uint32_t patience = 1u + c->good;

	if (patience > CONDUCT_PATIENCE)
		patience = CONDUCT_PATIENCE;
	return harvest && c->unknown >= (uint64_t)harvest * patience;
}

bool conduct_is_bad(const struct conduct *c, uint32_t percent, uint32_t least)
{
	uint32_t all = (uint32_t)c->good + c->bad;

	return percent && c->bad && all >= least && c->bad * 100u >= percent * all;
}
