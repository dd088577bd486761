/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#ifndef REPLAY_INTERNAL_H
#define REPLAY_INTERNAL_H

#include "../core/numbers.h"
#include "../core/spread.h"
#include "../core/table.h"
#include "replay.h"

/* ---- room.c ---- */

/* -ENOMEM */
int room_new(struct table **ret);
/* Room for what one more attempt may write: an eighth of the table is more than that. -ENOMEM, and
 * the table is what it was. */
int room_grow(struct table **t);

/* ---- tsv.c ---- */

/* What stands at *text, "." or "," and digits or nothing, as ms; moves *text behind it. */
uint32_t replay_fraction(const char **text);

/* ---- peers.c ---- */

struct peers;

int peers_new(const uint8_t key[16], struct peers **ret);
void peers_free(struct peers **p);
/* Fills passed[REPLAY_SPAMD] and passed[REPLAY_POSTGREY]. -ENOMEM. */
int peers_next(struct peers *p, const struct replay_attempt *a, uint32_t now, bool *passed);

/* ---- greytraps.c ---- */

struct greytraps;

/* Of the settings, whose strings it does not keep. -ENOMEM, -ENOSPC. */
int greytraps_new(const struct replay_conf *c, struct greytraps **ret);
void greytraps_free(struct greytraps **t);
/* The word of the log when mail to it traps; NULL: it does not. */
const char *greytraps_reason(const struct greytraps *t, const char *recipient);
/* How often a source was trapped so far; it is again, until `until`. s */
uint8_t greytraps_before(const struct greytraps *t, const struct addr *src, uint32_t now);
void greytraps_hit(struct greytraps *t, const struct addr *src, uint32_t now, uint32_t until);

/* ---- tally.c ---- */

struct tally_mail {
	uint64_t first; /* ms */
	uint32_t domain;
	uint32_t delay[REPLAY_POLICIES]; /* s; SPREAD_NEVER */
};

struct tally {
	struct numbers by_mail;
	struct spread domains; /* of the senders */
	struct tally_mail *mails;
	size_t mail_count, mail_room;
	uint64_t attempts, denied, passed[REPLAY_POLICIES];
};

/* By what a mail is found; domain lies in its sender. */
struct tally_key {
	uint64_t pair, tag;
	const char *domain;
};

/* A tally_mail of the normalised sender and the policy_pair it is in is about to come. */
struct tally_key tally_expect(const struct tally *t, const uint8_t key[16], const char *sender,
			      uint64_t pair);
/* That mail, at `now` (ms); good until the next one's is asked for. -ENOMEM. */
int tally_mail(struct tally *t, const struct tally_key *k, uint64_t now, struct tally_mail **ret);
void tally_add(struct tally *t, struct tally_mail *m, uint64_t now, bool denied,
	       const bool passed[REPLAY_POLICIES]);
void tally_free(struct tally *t);
struct replay_totals tally_total(const struct tally *t, enum replay_policy p);
int tally_domains(struct tally *t, enum replay_policy p, spread_see_fn see, void *arg);

#endif
