/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#ifndef REPLAY_INTERNAL_H
#define REPLAY_INTERNAL_H

#include "numbers.h"
#include "replay.h"

/* ---- peers.c ---- */

struct peers;

int peers_new(const uint8_t key[16], size_t records, struct peers **ret);
void peers_free(struct peers **p);
/* Fills passed[REPLAY_SPAMD] and passed[REPLAY_POSTGREY]. */
void peers_next(struct peers *p, const struct replay_attempt *a, uint32_t now, bool *passed);

/* ---- tally.c ---- */

#define NEVER UINT32_MAX

struct tally_mail {
	uint32_t first, domain;
	uint32_t delay[REPLAY_POLICIES]; /* s; NEVER */
};

struct tally {
	struct numbers by_mail, by_domain;
	struct tally_mail *mails;
	size_t mail_count, mail_room;
	char **domains;
	size_t domain_count, domain_room;
	uint64_t attempts, denied, passed[REPLAY_POLICIES];
};

int tally_add(struct tally *t, const uint8_t key[16], const struct replay_attempt *a, uint32_t now,
	      bool denied, const bool passed[REPLAY_POLICIES]);
void tally_free(struct tally *t);
struct replay_totals tally_total(const struct tally *t, enum replay_policy p);
int tally_domains(const struct tally *t, enum replay_policy p, replay_domain_fn see, void *arg);

/* Room for one more element of an array. -ENOMEM. */
int room_for_one(void *array, size_t count, size_t *room, size_t size);

#endif
