/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#ifndef REPLAY_INTERNAL_H
#define REPLAY_INTERNAL_H

#include "../core/numbers.h"
#include "../core/spread.h"
#include "replay.h"

/* ---- peers.c ---- */

struct peers;

int peers_new(const uint8_t key[16], size_t records, struct peers **ret);
void peers_free(struct peers **p);
/* Fills passed[REPLAY_SPAMD] and passed[REPLAY_POSTGREY]. */
void peers_next(struct peers *p, const struct replay_attempt *a, uint32_t now, bool *passed);

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
	uint32_t first, domain;
	uint32_t delay[REPLAY_POLICIES]; /* s; SPREAD_NEVER */
};

struct tally {
	struct numbers by_mail;
	struct spread domains; /* of the senders */
	struct tally_mail *mails;
	size_t mail_count, mail_room;
	uint64_t attempts, denied, passed[REPLAY_POLICIES];
};

/* pair: policy_pair of the attempt. -ENOMEM. */
int tally_add(struct tally *t, const uint8_t key[16], const struct replay_attempt *a, uint64_t pair,
	      uint32_t now, bool denied, const bool passed[REPLAY_POLICIES]);
void tally_free(struct tally *t);
struct replay_totals tally_total(const struct tally *t, enum replay_policy p);
int tally_domains(struct tally *t, enum replay_policy p, spread_see_fn see, void *arg);

#endif
