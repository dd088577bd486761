// SPDX-License-Identifier: GPL-2.0-or-later
/* What came of the attempts: one row for each mail (normalised sender and recipient, whatever
 * address it came from), one name for each sender domain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/hash.h"
#include "internal.h"

int room_for_one(void *array, size_t count, size_t *room, size_t size)
{
	void **a = array, *bigger;
	size_t more = *room ? 2 * *room : 1024;

	if (count < *room)
		return 0;
	bigger = realloc(*a, more * size);
	if (!bigger)
		return -ENOMEM;
	*a = bigger;
	*room = more;
	return 0;
}

static int domain_number(struct tally *t, const uint8_t key[16], const char *sender, uint32_t *ret)
{
	const char *at = strrchr(sender, '@'), *name = at ? at + 1 : sender;
	uint64_t tag = hash_bytes(key, name, strlen(name));
	uint32_t *known = numbers_find(&t->by_domain, tag);
	char *copy;

	if (known) {
		*ret = *known;
		return 0;
	}
	copy = strdup(name);
	if (!copy || room_for_one(&t->domains, t->domain_count, &t->domain_room, sizeof(char *)) ||
	    numbers_add(&t->by_domain, tag, (uint32_t)t->domain_count)) {
		free(copy);
		return -ENOMEM;
	}
	*ret = (uint32_t)t->domain_count;
	t->domains[t->domain_count++] = copy;
	return 0;
}

static int mail_of(struct tally *t, const uint8_t key[16], const struct replay_attempt *a,
		   uint32_t now, struct tally_mail **ret)
{
	char sender[POLICY_MAILBOX], recipient[POLICY_MAILBOX];
	struct tally_mail *m;
	uint32_t *known;
	uint64_t tag;

	policy_normalise(a->sender, sender, sizeof(sender));
	policy_canonical(a->recipient, recipient, sizeof(recipient));
	{
		const struct hash_piece pieces[] = {{sender, strlen(sender)},
						    {recipient, strlen(recipient)}};

		tag = hash_pieces(key, pieces, 2);
	}
	known = numbers_find(&t->by_mail, tag);
	if (known) {
		*ret = &t->mails[*known];
		return 0;
	}
	if (room_for_one(&t->mails, t->mail_count, &t->mail_room, sizeof(*t->mails)))
		return -ENOMEM;
	m = &t->mails[t->mail_count];
	m->first = now;
	for (int p = 0; p < REPLAY_POLICIES; p++)
		m->delay[p] = NEVER;
	if (domain_number(t, key, sender, &m->domain) ||
	    numbers_add(&t->by_mail, tag, (uint32_t)t->mail_count))
		return -ENOMEM;
	t->mail_count++;
	*ret = m;
	return 0;
}

int tally_add(struct tally *t, const uint8_t key[16], const struct replay_attempt *a, uint32_t now,
	      bool denied, const bool passed[REPLAY_POLICIES])
{
	struct tally_mail *m;

	if (mail_of(t, key, a, now, &m))
		return -ENOMEM;
	t->attempts++;
	t->denied += denied;
	for (int p = 0; p < REPLAY_POLICIES; p++) {
		t->passed[p] += passed[p];
		if (passed[p] && m->delay[p] == NEVER)
			m->delay[p] = now - m->first;
	}
	return 0;
}

void tally_free(struct tally *t)
{
	numbers_free(&t->by_mail);
	numbers_free(&t->by_domain);
	for (size_t i = 0; i < t->domain_count; i++)
		free(t->domains[i]);
	free(t->domains);
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
		s.never += t->mails[i].delay[p] == NEVER;
	return s;
}

/* ---- by domain ---- */

struct outcome {
	uint32_t domain, delay;
};

struct span {
	const struct outcome *from;
	size_t count;
	const char *name;
};

static int by_domain_and_delay(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return x->delay < y->delay ? -1 : x->delay > y->delay;
}

static int most_first(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Nearest rank. */
static uint32_t percentile(const struct outcome *o, size_t n, unsigned int percent)
{
	return n ? o[(n * percent + 99) / 100 - 1].delay : 0;
}

static void tell(const struct span *s, replay_domain_fn see, void *arg)
{
	struct replay_domain d = {.name = s->name, .mails = s->count};
	size_t passed = s->count;

	/* NEVER is the greatest delay: those stand at the end. */
	while (passed && s->from[passed - 1].delay == NEVER)
		passed--;
	d.never = s->count - passed;
	d.p50 = percentile(s->from, passed, 50);
	d.p90 = percentile(s->from, passed, 90);
	d.p99 = percentile(s->from, passed, 99);
	d.max = percentile(s->from, passed, 100);
	see(&d, arg);
}

int tally_domains(const struct tally *t, enum replay_policy p, replay_domain_fn see, void *arg)
{
	struct outcome *all = calloc(t->mail_count + 1, sizeof(*all));
	struct span *spans = calloc(t->domain_count + 1, sizeof(*spans));
	size_t n = 0;

	if (!all || !spans) {
		free(all);
		free(spans);
		return -ENOMEM;
	}
	for (size_t i = 0; i < t->mail_count; i++)
		all[i] = (struct outcome){t->mails[i].domain, t->mails[i].delay[p]};
	qsort(all, t->mail_count, sizeof(*all), by_domain_and_delay);
	for (size_t i = 0; i < t->mail_count; i++) {
		if (!i || all[i].domain != all[i - 1].domain)
			spans[n++] = (struct span){&all[i], 0, t->domains[all[i].domain]};
		spans[n - 1].count++;
	}
	qsort(spans, n, sizeof(*spans), most_first);
	for (size_t i = 0; i < n; i++)
		tell(&spans[i], see, arg);
	free(all);
	free(spans);
	return 0;
}
