// SPDX-License-Identifier: GPL-2.0-or-later
/* What an attempt or a delivery changes in the records: edits for table_edit. */
#include "internal.h"
#include "since.h"

static void add_one(uint16_t *counter)
{
	if (*counter < UINT16_MAX)
		(*counter)++;
}

/* Whether a delivery proves that its sender retries, see policy_edit_source. */
static bool counts(const struct policy_edit *e)
{
	return e->conf->mode == POLICY_ENFORCE && e->attempt->sender[0] && !is_exempt(e->attempt);
}

static void set_net(struct record *r, const struct addr *src)
{
	r->is4 = addr_is4(src);
	memset(r->net, 0, sizeof(r->net));
	if (r->is4)
		memcpy(r->net, src->b + 12, 4);
	else
		memcpy(r->net, src->b, sizeof(r->net));
}

/* A record as if nothing had been known; attempts and deliveries are counted by the caller. */
static struct record begin(const struct policy_edit *e, uint64_t tag, enum record_state state)
{
	struct record r = {
		.tag = tag,
		.first = e->now,
		.last = e->now,
		.state = (uint8_t)state,
		.delay_class = (uint8_t)e->delay_class,
		.rung = (uint8_t)e->rung,
		.shadow = e->shadow,
		.took = state == RECORD_GREY ? e->attempt->ms : 0,
	};

	return r;
}

/* The record to work on: the found one if it is live, else a new one. */
static struct record open_record(struct policy_edit *e, const struct cell *cell, bool found,
				 bool live, enum record_state state)
{
	struct record r = record_of(cell);

	e->before = found ? r : (struct record){.tag = r.tag};
	e->first_pass = false;
	e->promote = false;
	e->reached = false;
	if (!found || !live)
		return begin(e, r.tag, state);
	if (ahead(r.first, e->now)) {
		r.first = e->now;
		if (r.state == RECORD_GREY)
			r.took = e->attempt->ms;
	}
	return r;
}

static bool close_record(struct policy_edit *e, struct cell *cell, struct record *r)
{
	r->last = e->now;
	set_net(r, &e->attempt->src);
	*cell = record_cell(r);
	e->after = *r;
	return true;
}

/* More than n in the first minute, 2 n in two: who is as hasty as that does not queue. */
static bool hammers(const struct policy_edit *e, const struct record *r)
{
	uint64_t minutes = since(r->first, e->now) / 60 + 1;

	return e->conf->hammer && r->attempts > e->conf->hammer * minutes;
}

bool policy_edit_attempt(struct cell *cell, bool found, void *edit)
{
	struct policy_edit *e = edit;
	struct record r = record_of(cell);
	bool triplet = r.state == RECORD_GREY || r.state == RECORD_PASSED;

	r = open_record(e, cell, found, triplet && !policy_expired(e->conf, &r, e->now),
			RECORD_GREY);
	if (r.state == RECORD_PASSED) {
		e->after = e->before;
		return false;
	}
	add_one(&r.attempts);
	if (e->conf->mode == POLICY_LEARN)
		r.learnt = 1;
	if (hammers(e, &r) && r.delay_class < CLASS_SUSPICIOUS)
		r.delay_class++;
	return close_record(e, cell, &r);
}

static uint32_t took(uint32_t s)
{
	return s < RECORD_TOOK_MAX ? s : RECORD_TOOK_MAX;
}

bool policy_edit_delivered(struct cell *cell, bool found, void *edit)
{
	struct policy_edit *e = edit;
	struct record r = record_of(cell);
	bool known = found && r.state == RECORD_PASSED && !policy_expired(e->conf, &r, e->now);

	/* A grey record that ran out of its window between the decision and the end of the message
	 * was mature when it mattered. */
	r = open_record(e, cell, found, known || r.state == RECORD_GREY, RECORD_GREY);
	if (!r.attempts)
		r.attempts = 1;
	if (!known)
		r.took = took(waited(&r, e->now, e->attempt->ms));
	r.state = RECORD_PASSED;
	add_one(&r.passed);
	e->first_pass = !known && counts(e);
	return close_record(e, cell, &r);
}

/* Both kinds of counting records: one more, up to the threshold. */
static bool count(struct policy_edit *e, struct cell *cell, bool found, uint32_t threshold)
{
	struct record r = record_of(cell);

	r = open_record(e, cell, found,
			r.state == RECORD_SOURCE && !policy_expired(e->conf, &r, e->now),
			RECORD_SOURCE);
	if (!counts(e)) {
		e->after = e->before;
		return false;
	}
	add_one(&r.passed);
	e->promote = threshold && r.passed >= threshold;
	e->reached = e->promote && r.passed == threshold;
	return close_record(e, cell, &r);
}

bool policy_edit_source(struct cell *cell, bool found, void *edit)
{
	struct policy_edit *e = edit;

	return count(e, cell, found, e->conf->promote_after);
}

bool policy_edit_network(struct cell *cell, bool found, void *edit)
{
	struct policy_edit *e = edit;

	return count(e, cell, found, e->conf->promote_net_after);
}

uint32_t policy_rank(const struct cell *cell, void *arg)
{
	/* Two bits say the kind, thirty the age: the older, the better a victim. */
	static const uint32_t kind[] = {
		[RECORD_GREY] = 3u << 30,
		[RECORD_PASSED] = 2u << 30,
		[RECORD_SOURCE] = 1u << 30,
	};
	struct record r = record_of(cell);

	(void)arg;
	if (r.state == RECORD_TRAP)
		return 0;
	if (r.state > RECORD_TRAP || r.state == RECORD_NONE)
		return UINT32_MAX;
	return kind[r.state] | (((1u << 30) - 1) - (r.last >> 2));
}
