// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What others do, in outline, for comparison on the same log.
 *
 * spamd: exact address, sender, recipient; a retry after 25 minutes and within four hours makes the
 * address white for 36 days, and its next connection, the third attempt, reaches the mail server.
 *
 * postgrey: the /24 (IPv6: /64), sender, recipient; a retry after 300 s and within 48 hours passes,
 * and so does the triplet for 35 days; a network with five passed triplets is white.
 *
 * Left out: lists of exceptions that they ship, and how they simplify senders.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/hash.h"
#include "../core/table.h"
#include "internal.h"

#define MINUTE 60u
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define SPAMD_DELAY (25 * MINUTE)
#define SPAMD_WINDOW (4 * HOUR)
#define SPAMD_KEEP (36 * DAY)
#define POSTGREY_DELAY 300u
#define POSTGREY_WINDOW (48 * HOUR)
#define POSTGREY_KEEP (35 * DAY)
#define POSTGREY_CLIENT 5

struct peers {
	uint8_t key[16];
	struct table *table;
};

/* Lies in cell.data. */
struct memory {
	uint32_t first, last, passes;
};

/* What an edit is to do, and what it finds. */
struct visit {
	uint32_t now, delay, window, keep;
	bool count;         /* one more pass of a client */
	bool passed, fresh; /* out: passes; for the first time */
	uint32_t passes;    /* out */
};

static bool edit_triplet(struct cell *cell, bool found, void *arg)
{
	struct visit *v = arg;
	struct memory m;

	memcpy(&m, cell->data, sizeof(m));
	if (!found || v->now - m.last > (m.passes ? v->keep : v->window) ||
	    (!m.passes && v->now - m.first > v->window))
		m = (struct memory){.first = v->now};
	m.last = v->now;
	v->passed = v->now - m.first >= v->delay && v->now != m.first;
	v->passed = v->passed || m.passes;
	v->fresh = v->passed && !m.passes;
	m.passes += v->passed;
	memcpy(cell->data, &m, sizeof(m));
	return true;
}

static bool edit_client(struct cell *cell, bool found, void *arg)
{
	struct visit *v = arg;
	struct memory m;

	memcpy(&m, cell->data, sizeof(m));
	if (!found || v->now - m.last > v->keep)
		m = (struct memory){0};
	m.passes += v->count;
	v->passes = m.passes;
	m.last = v->now;
	memcpy(cell->data, &m, sizeof(m));
	return m.passes;
}

static uint64_t tag_of(const struct peers *p, char kind, const struct addr *a, const char *sender,
		       const char *recipient)
{
	const struct hash_piece pieces[] = {
		{&kind, 1},
		{a->b, sizeof(a->b)},
		{sender, strlen(sender)},
		{recipient, strlen(recipient)},
	};

	return hash_pieces(p->key, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

static uint32_t client_passes(struct peers *p, uint64_t tag, bool count, uint32_t now,
			      uint32_t keep)
{
	struct visit v = {.now = now, .keep = keep, .count = count};

	table_edit(p->table, tag, edit_client, &v, NULL);
	return v.passes;
}

static bool spamd(struct peers *p, const struct replay_attempt *a, const char *sender,
		  const char *recipient, uint32_t now)
{
	uint64_t client = tag_of(p, 'S', &a->src, "", "");
	struct visit v = {
		.now = now, .delay = SPAMD_DELAY, .window = SPAMD_WINDOW, .keep = SPAMD_WINDOW};

	if (client_passes(p, client, false, now, SPAMD_KEEP))
		return true;
	table_edit(p->table, tag_of(p, 's', &a->src, sender, recipient), edit_triplet, &v, NULL);
	if (v.passed)
		client_passes(p, client, true, now, SPAMD_KEEP);
	return false;
}

static bool postgrey(struct peers *p, const struct replay_attempt *a, const char *sender,
		     const char *recipient, uint32_t now)
{
	struct addr network = addr_network(&a->src).addr;
	uint64_t client = tag_of(p, 'G', &network, "", "");
	struct visit v = {.now = now,
			  .delay = POSTGREY_DELAY,
			  .window = POSTGREY_WINDOW,
			  .keep = POSTGREY_KEEP};

	if (client_passes(p, client, false, now, POSTGREY_KEEP) >= POSTGREY_CLIENT)
		return true;
	table_edit(p->table, tag_of(p, 'g', &network, sender, recipient), edit_triplet, &v, NULL);
	if (v.fresh)
		client_passes(p, client, true, now, POSTGREY_KEEP);
	return v.passed;
}

int peers_new(const uint8_t key[16], struct peers **ret)
{
	struct peers *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	memcpy(p->key, key, sizeof(p->key));
	err = room_new(&p->table);
	if (err) {
		free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void peers_free(struct peers **p)
{
	if (!*p)
		return;
	table_free(&(*p)->table);
	free(*p);
	*p = NULL;
}

int peers_next(struct peers *p, const struct replay_attempt *a, uint32_t now, bool *passed)
{
	char sender[POLICY_MAILBOX], recipient[POLICY_MAILBOX];

	if (room_grow(&p->table))
		return -ENOMEM;
	policy_canonical(a->sender, sender, sizeof(sender));
	policy_canonical(a->recipient, recipient, sizeof(recipient));
	passed[REPLAY_SPAMD] = spamd(p, a, sender, recipient, now);
	passed[REPLAY_POSTGREY] = postgrey(p, a, sender, recipient, now);
	return 0;
}
