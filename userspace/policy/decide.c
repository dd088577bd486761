// SPDX-License-Identifier: GPL-2.0-or-later
/* The decision on one attempt. */
#include "../core/hash.h"
#include "internal.h"
#include "since.h"

#define LEAST_DELAY 60 /* s, see policy_delay */

/* How far each standing of a record takes an attempt; the furthest of all identities decides. */
static const uint8_t reach[REASON_MAX] = {
	[REASON_FIRST] = 0,  [REASON_LATE] = 1,  [REASON_EARLY] = 2,
	[REASON_MATURE] = 3, [REASON_KNOWN] = 4,
};

uint32_t policy_delay(const struct policy_conf *c, enum policy_class cl, uint64_t tag)
{
	const uint8_t seed[2] = {'j', (uint8_t)tag};
	uint64_t delay, spread, least;

	/* A class from a store of another day may be beyond the table. */
	delay = c->delay[(unsigned int)cl < CLASS_MAX ? cl : CLASS_DEFAULT];
	least = delay < LEAST_DELAY ? delay : LEAST_DELAY;
	spread = delay * c->jitter / 100;
	if (spread)
		delay += hash_bytes(c->key, seed, sizeof(seed)) % (2 * spread + 1) - spread;
	if (delay < least)
		delay = least;
	return delay < c->window / 2 ? (uint32_t)delay : c->window / 2;
}

uint32_t policy_minutes(uint32_t wait)
{
	uint32_t minutes = wait / 60 + (wait % 60 != 0);

	if (minutes >= 15)
		minutes = (minutes + 4) / 5 * 5;
	return minutes ? minutes : 1;
}

bool policy_marks(const struct policy_decision *d, const struct policy_identity *id)
{
	return d->reason != REASON_KNOWN || d->tag == id->tag;
}

uint32_t policy_trap_life(uint32_t life, uint32_t max, uint8_t repeats)
{
	uint64_t s = life;

	for (uint8_t i = 0; i < repeats && s < max; i++)
		s *= 2;
	return s < max ? (uint32_t)s : max;
}

bool policy_expired(const struct policy_conf *c, const struct record *r, uint32_t now)
{
	switch (r->state) {
	case RECORD_GREY:
		return since(r->first, now) > c->window;
	case RECORD_PASSED:
	case RECORD_SOURCE:
		return since(r->last, now) > c->keep;
	case RECORD_TRAP:
		return false;
	default:
		return true;
	}
}

/* What the evidence of an attempt asks of it. */
struct asked {
	enum policy_class fresh; /* where no record stands */
	enum policy_class least; /* where one does, whatever class that has */
};

/* What one identity alone would decide. */
static struct policy_decision standing(const struct policy_conf *c, const struct asked *asked,
				       const struct policy_identity *id, const struct record *r,
				       uint32_t now, uint16_t ms)
{
	struct policy_decision d = {
		.verdict = POLICY_GREY,
		.reason = REASON_FIRST,
		.delay_class = asked->fresh,
		.rung = id->rung,
		.tag = id->tag,
	};
	bool over = policy_expired(c, r, now);
	uint32_t delay;

	if (r->state == RECORD_PASSED && !over) {
		d.verdict = POLICY_PASS;
		d.reason = REASON_KNOWN;
		d.delay_class = r->delay_class;
		d.age = since(r->first, now);
		return d;
	}
	if (r->state == RECORD_GREY) {
		d.age = waited(r, now, ms);
		d.reason = over ? REASON_LATE : REASON_EARLY;
		if (!over)
			d.delay_class =
				r->delay_class < asked->least ? asked->least : r->delay_class;
	}
	delay = policy_delay(c, d.delay_class, d.tag);
	if (d.reason == REASON_EARLY && d.age >= delay) {
		d.verdict = POLICY_PASS;
		d.reason = REASON_MATURE;
		return d;
	}
	d.wait = d.reason == REASON_EARLY ? delay - d.age : delay;
	return d;
}

static bool better(const struct policy_decision *a, const struct policy_decision *b)
{
	if (reach[a->reason] != reach[b->reason])
		return reach[a->reason] > reach[b->reason];
	return a->wait < b->wait;
}

/* A name among the identities does not look dynamic: that need not be found out again. */
static bool dynamic_among(const struct policy_attempt *a, const struct policy_identity *ids, int n)
{
	const struct policy_evidence *e = a->evidence;

	for (int i = 0; i < n; i++)
		if (ids[i].rung == RUNG_NAME)
			return false;
	return e && e->name_state == NAME_CONFIRMED && policy_dynamic(e->name, &a->src);
}

/* Who is exempt is let through whatever is asked; its records wait like anybody's. */
static struct asked ask(const struct policy_attempt *a, bool exempt,
			const struct policy_identity *ids, int n)
{
	bool dynamic = !exempt && dynamic_among(a, ids, n);
	bool suspect = !exempt && a->evidence && is_suspect(a->evidence, dynamic);

	return (struct asked){
		.fresh = exempt ? CLASS_DEFAULT : class_of(a, dynamic),
		.least = suspect ? CLASS_SUSPICIOUS : CLASS_EXEMPT,
	};
}

static bool counts(const struct policy_conf *c, const struct record *r, uint32_t now)
{
	return (r->state == RECORD_GREY || r->state == RECORD_PASSED) && !r->shadow &&
	       !policy_expired(c, r, now);
}

bool policy_shadow(const struct policy_decision *d, int i)
{
	return d->counted || i > 0;
}

struct policy_decision policy_decide(const struct policy_conf *c, const struct policy_attempt *a,
				     const struct policy_identity *ids,
				     const struct record *records, int n, uint32_t now)
{
	static const struct policy_identity nobody;
	static const struct record nothing;
	bool exempt = is_exempt(a), counted;
	const struct asked asked = ask(a, exempt, ids, n);
	struct policy_decision best, d;

	best = standing(c, &asked, n ? &ids[0] : &nobody, n ? &records[0] : &nothing, now, a->ms);
	counted = n && counts(c, &records[0], now);
	for (int i = 1; i < n; i++) {
		d = standing(c, &asked, &ids[i], &records[i], now, a->ms);
		if (better(&d, &best))
			best = d;
		counted |= counts(c, &records[i], now);
	}
	best.counted = counted;
	if (c->mode == POLICY_OFF) {
		best.reason = REASON_OFF;
	} else if (exempt) {
		best.reason = REASON_EXEMPT;
		best.delay_class = CLASS_EXEMPT;
	} else if (a->correspondent && best.verdict == POLICY_GREY) {
		best.reason = REASON_CORRESPONDENT;
		best.delay_class = CLASS_EXEMPT;
	} else if (c->mode == POLICY_LEARN && best.verdict == POLICY_GREY) {
		best.reason = REASON_LEARN;
	} else {
		return best;
	}
	best.verdict = POLICY_PASS;
	best.wait = 0;
	return best;
}
