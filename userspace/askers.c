// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Those who are kept hang in short chains by their question; who has waited too long leaves when
 * somebody passes by.
 */
#include "askers.h"

#include <errno.h>
#include <stdlib.h>

#include "core/funnel.h"
#include "policy/since.h"

#define QUEUE 256 /* of each producer */
#define CHAINS 1024
#define NOBODY UINT16_MAX
_Static_assert(ASKERS_KEPT < NOBODY, "a place has a number");

struct place {
	struct asker who;
	uint16_t next; /* of its chain, or of the free ones */
};

struct askers {
	struct funnel *queues;
	uint16_t unused;
	uint32_t tidied; /* s, last look at all chains */
	uint16_t chains[CHAINS];
	struct place places[ASKERS_KEPT];
};

int askers_new(int producers, struct askers **ret)
{
	struct askers *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	for (uint16_t i = 0; i < CHAINS; i++)
		a->chains[i] = NOBODY;
	for (uint16_t i = 0; i < ASKERS_KEPT; i++)
		a->places[i].next = i + 1 < ASKERS_KEPT ? (uint16_t)(i + 1) : NOBODY;
	rc = funnel_new(producers, QUEUE, sizeof(struct asker), &a->queues);
	if (rc)
		askers_free(&a);
	else
		*ret = a;
	return rc;
}

void askers_free(struct askers **ap)
{
	struct askers *a = *ap;

	if (!a)
		return;
	funnel_free(&a->queues);
	free(a);
	*ap = NULL;
}

/* ---- queues ---- */

bool askers_put(struct askers *a, int producer, const struct asker *who)
{
	struct asker *slot = funnel_slot(a->queues, producer);

	if (!slot)
		return false;
	*slot = *who;
	funnel_push(a->queues, producer);
	return true;
}

bool askers_next(struct askers *a, struct asker *ret)
{
	return funnel_next(a->queues, ret);
}

/* ---- places ---- */

static uint16_t *chain_of(struct askers *a, uint64_t question)
{
	return &a->chains[question % CHAINS];
}

/* Takes the place that *at leads to out of its chain. */
static void leave(struct askers *a, uint16_t *at)
{
	uint16_t number = *at;

	*at = a->places[number].next;
	a->places[number].next = a->unused;
	a->unused = number;
}

static bool is_late(const struct asker *who, uint32_t now)
{
	return since(who->asked, now) >= ASKERS_PATIENCE;
}

static void tidy(struct askers *a, uint32_t now)
{
	if (a->tidied == now)
		return;
	a->tidied = now;
	for (int i = 0; i < CHAINS; i++) {
		uint16_t *at = &a->chains[i];

		while (*at != NOBODY) {
			if (is_late(&a->places[*at].who, now))
				leave(a, at);
			else
				at = &a->places[*at].next;
		}
	}
}

bool askers_keep(struct askers *a, const struct asker *who, uint32_t now)
{
	uint16_t *at = chain_of(a, who->question);
	struct place *p;
	int same = 0;

	while (*at != NOBODY) {
		p = &a->places[*at];
		if (is_late(&p->who, now)) {
			leave(a, at);
			continue;
		}
		if (p->who.question == who->question) {
			if (p->who.source == who->source)
				return true;
			same++;
		}
		at = &p->next;
	}
	if (same >= ASKERS_EACH)
		return false;
	if (a->unused == NOBODY)
		tidy(a, now);
	if (a->unused == NOBODY)
		return false;
	p = &a->places[a->unused];
	at = chain_of(a, who->question);
	a->unused = p->next;
	p->who = *who;
	p->next = *at;
	*at = (uint16_t)(p - a->places);
	return true;
}

bool askers_take(struct askers *a, uint64_t question, uint32_t now, struct asker *ret)
{
	uint16_t *at = chain_of(a, question);

	while (*at != NOBODY) {
		const struct asker *who = &a->places[*at].who;

		if (is_late(who, now)) {
			leave(a, at);
		} else if (who->question == question) {
			*ret = *who;
			leave(a, at);
			return true;
		} else {
			at = &a->places[*at].next;
		}
	}
	return false;
}
