// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's way with a recipient and a delivery, without the daemon: verdict on the source,
 * greytraps, identities, decision, records, promotion. A mail that passes counts as delivered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/table.h"
#include "../core/verdicts.h"
#include "internal.h"

#define EPOCH (1u << 30) /* s, where the log's time 0 lies */
#define VERDICTS (1u << 20)

/* Not secret: nobody can aim at a log that is already written, and every run must agree. */
static const uint8_t fixed_key[16] = "greygate replay";

struct replay {
	struct replay_conf conf;
	struct table *records;
	struct verdicts *verdicts;
	struct peers *peers; /* NULL: not asked for */
	struct greytraps *traps;
	struct tally tally;
	uint64_t ms; /* of the log */
};

/*
 * The policy counts whole seconds, a log may not. What is asked is asked at the second that has
 * begun, what is written is written at the second that comes, so that no delay is shorter than it
 * says; and the seconds of a mail begin with its first attempt, so that it isn't longer either.
 */
struct moment {
	uint32_t now, next; /* s */
};

static struct moment moment_of(uint64_t ms)
{
	return (struct moment){
		.now = EPOCH + (uint32_t)(ms / 1000),
		.next = EPOCH + (uint32_t)((ms + 999) / 1000),
	};
}

static int put_allowed(struct replay *r, const struct prefix *p, enum gg_origin origin,
		       uint32_t expires)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW, .origin = origin, .expires = expires};

	return verdicts_put(r->verdicts, p, &e);
}

int replay_new(const struct replay_conf *c, struct replay **ret)
{
	struct replay *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->conf = *c;
	memcpy(r->conf.policy.key, fixed_key, sizeof(fixed_key));
	err = room_new(&r->records);
	if (!err)
		err = verdicts_new(VERDICTS, fixed_key, &r->verdicts);
	if (!err && c->compare)
		err = peers_new(fixed_key, &r->peers);
	for (int i = 0; !err && i < c->exempt_count; i++)
		err = put_allowed(r, &c->exempt[i], GG_BY_OPERATOR, 0);
	if (!err)
		err = greytraps_new(&r->conf, &r->traps);
	if (err) {
		replay_free(&r);
		return err;
	}
	*ret = r;
	return 0;
}

void replay_free(struct replay **r)
{
	if (!*r)
		return;
	table_free(&(*r)->records);
	verdicts_free(&(*r)->verdicts);
	peers_free(&(*r)->peers);
	greytraps_free(&(*r)->traps);
	tally_free(&(*r)->tally);
	free(*r);
	*r = NULL;
}

/* ---- the source ---- */

/* An entry in use lives on. */
static void slide(struct replay *r, const struct prefix *p, const struct verdict_entry *e)
{
	uint32_t until = moment_of(r->ms).next + r->conf.policy.keep;

	if (e->origin == GG_BY_LEARNING && e->expires != until)
		put_allowed(r, p, GG_BY_LEARNING, until);
}

static bool is_trapped(const struct replay *r, const struct prefix *p, uint32_t now,
		       struct verdict_entry *ret)
{
	return verdicts_get(r->verdicts, p, now, ret) && ret->origin == GG_BY_TRAP;
}

/* Denies the source; what it and its network had earned is gone. */
static void trap(struct replay *r, const struct addr *src, bool hit)
{
	struct verdict_entry e = {.verdict = GG_DENY, .origin = GG_BY_TRAP}, old;
	struct prefix host = addr_host(src), network = addr_network(src);
	struct moment m = moment_of(r->ms);

	if (is_trapped(r, &host, m.now, &old) || is_trapped(r, &network, m.now, &old))
		e.repeats = old.repeats;
	if (hit)
		e.repeats = greytraps_before(r->traps, src, m.now);
	e.expires = m.next + policy_trap_life(r->conf.trap_life, r->conf.trap_max, e.repeats);
	if (hit)
		greytraps_hit(r->traps, src, m.now, e.expires);
	if (hit || is_trapped(r, &host, m.now, &old))
		verdicts_put(r->verdicts, &host, &e);
	if (verdicts_get(r->verdicts, &network, m.now, &old) && old.origin == GG_BY_LEARNING)
		verdicts_del(r->verdicts, &network);
	/* Of IPv6 the /64 too, where the operator has not said otherwise. */
	if (!addr_is4(src) &&
	    (!verdicts_get(r->verdicts, &network, m.now, &old) || old.origin != GG_BY_OPERATOR))
		verdicts_put(r->verdicts, &network, &e);
	table_del(r->records, policy_source_tag(&r->conf.policy, src), NULL);
	table_del(r->records, policy_network_tag(&r->conf.policy, src), NULL);
}

/* ---- the records ---- */

/* What a list says of the source; verdict GG_UNKNOWN: nothing. */
struct listed {
	struct verdict_entry entry;
	struct prefix prefix;
};

struct triplet {
	struct policy_conf policy;
	uint64_t pair;
	struct moment at; /* in seconds of its mail */
	struct policy_attempt attempt;
	struct policy_identity ids[POLICY_RUNGS];
	int count;
};

static struct policy_edit edit_of(const struct triplet *t, enum policy_class delay_class, int i)
{
	return (struct policy_edit){
		.conf = &t->policy,
		.attempt = &t->attempt,
		.rung = t->ids[i].rung,
		.delay_class = delay_class,
		.now = t->at.now,
	};
}

static void identify(struct replay *r, struct triplet *t)
{
	if (r->conf.policy_of) {
		t->policy = *r->conf.policy_of(t->attempt.recipient, r->conf.policy_arg);
		memcpy(t->policy.key, fixed_key, sizeof(fixed_key));
	}
	t->count = policy_identities_of(&t->policy, &t->attempt, t->pair, t->ids);
	for (int i = 0; i < t->count; i++)
		table_expect(r->records, t->ids[i].tag);
}

static struct policy_decision decide(struct replay *r, const struct triplet *t)
{
	struct record records[POLICY_RUNGS] = {0};
	struct policy_decision d;
	struct cell cell;

	for (int i = 0; i < t->count; i++)
		if (table_get(r->records, t->ids[i].tag, &cell))
			records[i] = record_of(&cell);
	d = policy_decide(&t->policy, &t->attempt, t->ids, records, t->count, t->at.now);
	for (int i = 0; i < t->count && (d.verdict == POLICY_GREY || d.reason == REASON_LEARN);
	     i++) {
		struct policy_edit e = edit_of(t, d.delay_class, i);

		e.now = t->at.next;
		e.shadow = policy_shadow(&d, i);
		table_edit(r->records, t->ids[i].tag, policy_edit_attempt, &e, NULL);
	}
	if (d.reason == REASON_FIRST || d.reason == REASON_LATE)
		d.wait += t->at.next - t->at.now;
	return d;
}

static void promote(struct replay *r, const struct triplet *t, struct policy_edit *e)
{
	const struct policy_conf *c = &r->conf.policy;
	struct policy_conf asked = *c;
	struct prefix host = addr_host(&t->attempt.src), network = addr_network(&t->attempt.src);
	struct moment m = moment_of(r->ms);
	uint32_t until = m.next + c->keep;

	/* What the recipient's settings ask for, in records that are everyone's. */
	asked.mode = t->policy.mode;
	asked.promote_after = t->policy.promote_after;
	asked.promote_net_after = t->policy.promote_net_after;
	e->conf = &asked;
	table_edit(r->records, policy_source_tag(c, &t->attempt.src), policy_edit_source, e, NULL);
	if (e->promote && !verdicts_get(r->verdicts, &host, m.now, NULL))
		put_allowed(r, &host, GG_BY_LEARNING, until);
	if (!e->reached)
		return;
	table_edit(r->records, policy_network_tag(c, &t->attempt.src), policy_edit_network, e,
		   NULL);
	if (e->promote && !verdicts_get(r->verdicts, &network, m.now, NULL))
		put_allowed(r, &network, GG_BY_LEARNING, until);
}

static void deliver(struct replay *r, const struct triplet *t, const struct policy_decision *d)
{
	bool fresh = false;

	if (d->reason == REASON_EXEMPT || d->reason == REASON_OFF)
		return;
	for (int i = 0; i < t->count; i++) {
		struct policy_edit e = edit_of(t, d->delay_class, i);

		if (!policy_marks(d, &t->ids[i]))
			continue;
		table_edit(r->records, t->ids[i].tag, policy_edit_delivered, &e, NULL);
		fresh |= e.first_pass && t->ids[i].tag == d->tag;
	}
	if (fresh) {
		struct policy_edit e = edit_of(t, d->delay_class, 0);

		promote(r, t, &e);
	}
}

static void answer(struct replay *r, const struct replay_attempt *a, const struct listed *l,
		   const struct triplet *t, struct replay_answer *ret)
{
	struct policy_decision d;
	const char *reason;

	*ret = (struct replay_answer){.delay_class = policy_class_text(CLASS_EXEMPT)};
	if (l->entry.verdict != GG_UNKNOWN)
		ret->identity =
			policy_rung_text(l->prefix.len == 128 ? RUNG_ADDRESS : RUNG_NETWORK);
	if (l->entry.verdict == GG_DENY) {
		if (a->sender[0])
			trap(r, &a->src, greytraps_reason(r->traps, a->recipient));
		ret->verdict = "deny";
		ret->reason = "trapped";
		return;
	}
	/* The operator's word stands; what was only learned can be lost again. */
	reason = a->sender[0] ? greytraps_reason(r->traps, a->recipient) : NULL;
	if (reason && (l->entry.verdict == GG_UNKNOWN || l->entry.origin == GG_BY_LEARNING)) {
		trap(r, &a->src, true);
		ret->verdict = "deny";
		ret->reason = reason;
		ret->identity = policy_rung_text(RUNG_ADDRESS);
		return;
	}
	if (l->entry.verdict == GG_ALLOW) {
		slide(r, &l->prefix, &l->entry);
		ret->verdict = "allow";
		ret->reason = policy_reason_text(REASON_EXEMPT);
		ret->passed[REPLAY_OURS] = true;
		return;
	}
	d = decide(r, t);
	if (d.verdict == POLICY_PASS)
		deliver(r, t, &d);
	ret->verdict = d.verdict == POLICY_PASS ? "pass" : "grey";
	ret->reason = policy_reason_text(d.reason);
	ret->delay_class = policy_class_text(d.delay_class);
	ret->identity = policy_rung_text(d.rung);
	ret->wait = d.wait;
	ret->passed[REPLAY_OURS] = d.verdict == POLICY_PASS;
}

/* What memory is asked for early has come when it is looked at: in a long log nothing is near. */
int replay_next(struct replay *r, const struct replay_attempt *a, struct replay_answer *ret)
{
	struct triplet t = {.policy = r->conf.policy,
			    .attempt = {.src = a->src,
					.sender = a->sender,
					.recipient = a->recipient,
					.evidence = &a->evidence}};
	const struct prefix host = addr_host(&a->src);
	struct policy_evidence worse;
	char sender[POLICY_MAILBOX];
	struct tally_mail *mail;
	struct tally_key key;
	struct listed l;

	if (a->time > r->ms)
		r->ms = a->time;
	verdicts_expect(r->verdicts, &host);
	if (a->helo[0] && policy_helo_bad(a->helo, &a->src, "")) {
		worse = a->evidence;
		worse.bad_helo = true;
		t.attempt.evidence = &worse;
	}
	if (room_grow(&r->records))
		return -ENOMEM;
	policy_normalise(a->sender, sender, sizeof(sender));
	t.pair = policy_pair(&t.policy, sender, a->recipient);
	key = tally_expect(&r->tally, fixed_key, sender, t.pair);
	if (!verdicts_find(r->verdicts, &a->src, moment_of(r->ms).now, &l.entry, &l.prefix)) {
		l.entry.verdict = GG_UNKNOWN;
		identify(r, &t);
	}
	if (tally_mail(&r->tally, &key, r->ms, &mail))
		return -ENOMEM;
	t.at = moment_of(r->ms - mail->first % 1000);
	answer(r, a, &l, &t, ret);
	if (r->peers && peers_next(r->peers, a, moment_of(r->ms).now, ret->passed))
		return -ENOMEM;
	tally_add(&r->tally, mail, r->ms, !strcmp(ret->verdict, "deny"), ret->passed);
	return 0;
}

struct replay_totals replay_total(const struct replay *r, enum replay_policy p)
{
	return tally_total(&r->tally, p);
}

int replay_domains(struct replay *r, enum replay_policy p, spread_see_fn see, void *arg)
{
	return tally_domains(&r->tally, p, see, arg);
}
