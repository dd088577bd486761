// SPDX-License-Identifier: GPL-2.0-or-later
/* What came of the attempts: one row for each mail (normalised sender and recipient, whatever
 * address it came from), one name for each sender domain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct tally_key tally_expect(const struct tally *t, const uint8_t key[16], const char *sender,
			      uint64_t pair)
{
	const char *at = strrchr(sender, '@'), *domain = at ? at + 1 : sender;

	numbers_expect(&t->by_mail, pair);
	return (struct tally_key){pair, spread_expect(&t->domains, key, domain), domain};
}

int tally_mail(struct tally *t, const struct tally_key *k, uint64_t now, struct tally_mail **ret)
{
	struct tally_mail *m;
	uint32_t *known;

	known = numbers_find(&t->by_mail, k->pair);
	if (known) {
		*ret = &t->mails[*known];
		return 0;
	}
	if (room_for_one(&t->mails, t->mail_count, &t->mail_room, sizeof(*t->mails)))
		return -ENOMEM;
	m = &t->mails[t->mail_count];
	m->first = now;
	for (int p = 0; p < REPLAY_POLICIES; p++)
		m->delay[p] = SPREAD_NEVER;
	if (spread_tagged(&t->domains, k->tag, k->domain, &m->domain) ||
	    numbers_add(&t->by_mail, k->pair, (uint32_t)t->mail_count))
		return -ENOMEM;
	t->mail_count++;
	*ret = m;
	return 0;
}

void tally_add(struct tally *t, struct tally_mail *m, uint64_t now, bool denied,
	       const bool passed[REPLAY_POLICIES])
{
	t->attempts++;
	t->denied += denied;
	for (int p = 0; p < REPLAY_POLICIES; p++) {
		t->passed[p] += passed[p];
		if (passed[p] && m->delay[p] == SPREAD_NEVER)
			m->delay[p] = (uint32_t)((now - m->first) / 1000);
	}
}

void tally_free(struct tally *t)
{
	numbers_free(&t->by_mail);
	spread_free(&t->domains);
	free(t->mails);
	*t = (struct tally){0};
}

struct replay_totals tally_total(const struct tally *t, enum replay_policy p)
{
	struct replay_totals s = {
		.attempts = t->attempts, .passed = t->passed[p], .mails = t->mail_count};

	s.denied = p == REPLAY_OURS ? t->denied : 0;
	s.deferred = s.attempts - s.passed - s.denied;
	for (size_t i = 0; i < t->mail_count; i++)
		s.never += t->mails[i].delay[p] == SPREAD_NEVER;
	return s;
}

int tally_domains(struct tally *t, enum replay_policy p, spread_see_fn see, void *arg)
{
	int err = 0;

	spread_clear(&t->domains);
	for (size_t i = 0; i < t->mail_count && !err; i++)
		err = spread_add(&t->domains, t->mails[i].domain, t->mails[i].delay[p]);
	return err ? err : spread_each(&t->domains, see, arg);
}
