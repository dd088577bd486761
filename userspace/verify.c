// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A recipient is one cell of a concurrent table; the words of a refusal lie in a trail beside it,
 * in which the newest push out the oldest: a refusal whose words are gone is asked for again.
 */
#include "verify.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/funnel.h"
#include "core/table.h"
#include "core/trail.h"

#define PATIENCE 60    /* s: an answer that has not come by then is not awaited any more */
#define QUEUE 256      /* of each producer */
#define REPLY_SHARE 16 /* one refusal's words for so many entries */
#define REPLIES_MIN 256

/* Lies in cell.data. */
struct mark {
	uint64_t reply; /* number in the trail */
	uint32_t since, until;
	uint16_t generation;
	uint8_t state; /* enum verify_state */
};
_Static_assert(sizeof(struct mark) <= TABLE_CELL_DATA, "a mark fits into a cell");
_Static_assert(sizeof(struct verify_reply) % sizeof(uint64_t) == 0, "a trail has whole words");

struct verify {
	uint8_t key[HASH_KEY];
	struct table *marks;
	struct trail *replies;
	_Atomic uint16_t generation;
	struct funnel *queues;
	int wake_fd;
	pthread_mutex_t lock; /* of the names below, which status reads */
	int domain_count;
	struct verify_domain domains[VERIFY_DOMAINS];
};

static const char *const words[VERIFY_STATES] = {
	[VERIFY_ASKED] = "asked",     [VERIFY_UNASKED] = "unasked", [VERIFY_VALID] = "valid",
	[VERIFY_UNKNOWN] = "unknown", [VERIFY_UNCLEAR] = "unclear", [VERIFY_ANY] = "any",
};

const char *verify_text(enum verify_state s)
{
	return words[s];
}

/* What would be asked for again soonest makes room. */
static uint32_t rank(const struct cell *c, void *arg)
{
	struct mark m;

	(void)arg;
	memcpy(&m, c->data, sizeof(m));
	return UINT32_MAX - m.until;
}

int verify_new(const uint8_t key[HASH_KEY], size_t entries, int producers, struct verify **ret)
{
	struct verify *v = calloc(1, sizeof(*v));
	size_t replies = REPLIES_MIN;
	int rc;

	if (!v)
		return -ENOMEM;
	while (replies * REPLY_SHARE < entries)
		replies *= 2;
	memcpy(v->key, key, sizeof(v->key));
	pthread_mutex_init(&v->lock, NULL);
	v->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = v->wake_fd < 0 ? -errno : table_new(entries, rank, NULL, &v->marks);
	if (!rc)
		rc = trail_new(replies, sizeof(struct verify_reply), &v->replies);
	if (!rc)
		rc = funnel_new(producers, QUEUE, sizeof(struct verify_request), &v->queues);
	if (rc)
		verify_free(&v);
	else
		*ret = v;
	return rc;
}

void verify_free(struct verify **vp)
{
	struct verify *v = *vp;

	if (!v)
		return;
	funnel_free(&v->queues);
	trail_free(&v->replies);
	if (v->marks)
		table_free(&v->marks);
	if (v->wake_fd >= 0)
		close(v->wake_fd);
	pthread_mutex_destroy(&v->lock);
	free(v);
	*vp = NULL;
}

int verify_fd(const struct verify *v)
{
	return v->wake_fd;
}

/* ---- tags ---- */

static uint64_t tag_of(const struct verify *v, uint8_t target, const char *local, size_t local_len,
		       const char *domain)
{
	char lower[VERIFY_MAILBOX + 1];
	size_t len = 0;
	const struct hash_piece pieces[] = {
		{&target, sizeof(target)}, {local, local_len}, {lower, strlen(domain)}};

	for (; domain[len] && len < VERIFY_MAILBOX; len++)
		lower[len] = (char)tolower((unsigned char)domain[len]);
	return table_tag_fix(hash_pieces(v->key, pieces, 3));
}

/* The at sign of a mailbox, or its end when there is none. */
static const char *at_sign(const char *mailbox)
{
	const char *at = strrchr(mailbox, '@');

	return at ? at : mailbox + strlen(mailbox);
}

uint64_t verify_tag(const struct verify *v, uint8_t target, const char *mailbox)
{
	const char *at = at_sign(mailbox);

	/* The at sign goes with the local part: so it is never the empty one of a domain's tag. */
	return tag_of(v, target, mailbox, (size_t)(at - mailbox) + !!*at, at + !!*at);
}

static uint64_t domain_tag(const struct verify *v, uint8_t target, const char *mailbox)
{
	const char *at = at_sign(mailbox);

	return tag_of(v, target, "", 0, at + !!*at);
}

/* ---- marks ---- */

static bool holds(const struct verify *v, const struct mark *m, uint32_t now)
{
	return m->until > now &&
	       m->generation == atomic_load_explicit(&v->generation, memory_order_relaxed);
}

/* The mark of a tag as far as it holds, or all zero. */
static struct mark look(const struct verify *v, uint64_t tag, uint32_t now)
{
	struct mark m = {0};
	struct cell cell;

	if (table_get(v->marks, tag, &cell))
		memcpy(&m, cell.data, sizeof(m));
	return holds(v, &m, now) ? m : (struct mark){0};
}

static bool edit_put(struct cell *cell, bool found, void *mark)
{
	(void)found;
	memcpy(cell->data, mark, sizeof(struct mark));
	return true;
}

static void put(struct verify *v, uint64_t tag, enum verify_state state, uint32_t now,
		uint32_t life, uint64_t reply)
{
	struct mark m = {.reply = reply,
			 .since = now,
			 .until = now + life,
			 .state = (uint8_t)state,
			 .generation = atomic_load(&v->generation)};

	table_edit(v->marks, tag, edit_put, &m, NULL);
}

static enum verify_state fill(const struct verify *v, const struct mark *m,
			      struct verify_answer *ret)
{
	*ret = (struct verify_answer){
		.state = (enum verify_state)m->state, .since = m->since, .until = m->until};
	/* Without its words it can't be repeated. */
	if (m->state == VERIFY_UNKNOWN && !trail_get(v->replies, m->reply, &ret->reply))
		ret->state = VERIFY_NOTHING;
	return ret->state;
}

enum verify_state verify_find(const struct verify *v, uint8_t target, const char *mailbox,
			      uint32_t now, struct verify_answer *ret)
{
	struct mark m = look(v, domain_tag(v, target, mailbox), now);

	if (m.state != VERIFY_ANY)
		m = look(v, verify_tag(v, target, mailbox), now);
	return fill(v, &m, ret);
}

void verify_forget(struct verify *v)
{
	atomic_fetch_add(&v->generation, 1);
	pthread_mutex_lock(&v->lock);
	v->domain_count = 0;
	pthread_mutex_unlock(&v->lock);
}

size_t verify_count(const struct verify *v)
{
	return table_count(v->marks);
}

void verify_accepted(struct verify *v, uint8_t target, const char *mailbox, uint32_t now,
		     uint32_t life)
{
	uint64_t tag = verify_tag(v, target, mailbox);

	if (look(v, tag, now).state != VERIFY_VALID)
		put(v, tag, VERIFY_VALID, now, life, 0);
}

/* ---- questions ---- */

struct asking {
	const struct verify *v;
	uint32_t now;
	bool mine; /* nobody else has asked */
};

static bool edit_ask(struct cell *cell, bool found, void *arg)
{
	struct asking *a = arg;
	struct mark m = {.state = VERIFY_ASKED,
			 .since = a->now,
			 .until = a->now + PATIENCE,
			 .generation = atomic_load(&a->v->generation)};
	struct mark old = {0};

	if (found)
		memcpy(&old, cell->data, sizeof(old));
	/* A refusal is asked about here only when its words are gone. */
	a->mine = !holds(a->v, &old, a->now) || old.state == VERIFY_UNKNOWN;
	if (a->mine)
		memcpy(cell->data, &m, sizeof(m));
	return a->mine;
}

enum verify_state verify_ask(struct verify *v, int producer, uint8_t target, const char *mailbox,
			     uint32_t now, struct verify_answer *ret)
{
	struct verify_request *r;
	struct asking asking = {v, now, false};
	const uint64_t one = 1;
	ssize_t woken;
	uint64_t tag;

	if (verify_find(v, target, mailbox, now, ret) != VERIFY_NOTHING)
		return ret->state;
	ret->state = VERIFY_UNASKED;
	r = funnel_slot(v->queues, producer);
	if (!r || strlen(mailbox) > VERIFY_MAILBOX)
		return ret->state;
	ret->state = VERIFY_ASKED;
	tag = verify_tag(v, target, mailbox);
	if (table_edit(v->marks, tag, edit_ask, &asking, NULL) < 0 || !asking.mine)
		return ret->state;
	r->asked = now;
	r->target = target;
	memcpy(r->mailbox, mailbox, strlen(mailbox) + 1);
	funnel_push(v->queues, producer);
	woken = write(v->wake_fd, &one, sizeof(one));
	(void)woken; /* full: it is awake */
	return ret->state;
}

bool verify_next(struct verify *v, struct verify_request *ret)
{
	return funnel_next(v->queues, ret);
}

/* ---- answers ---- */

/* As many whole lines as there is room for; the last one is then the end of the reply. */
static void keep_reply(struct verify_reply *to, const char *reply, size_t len)
{
	size_t at = 0, line = 0;

	while (at < len && at < VERIFY_REPLY) {
		const char *end = memchr(reply + at, '\n', len - at);
		size_t next = end ? (size_t)(end - reply) + 1 : len;

		if (next > VERIFY_REPLY)
			break;
		line = at;
		at = next;
	}
	if (!at) { /* one line that is too long */
		memcpy(to->text, reply, VERIFY_REPLY - 2);
		memcpy(to->text + VERIFY_REPLY - 2, "\r\n", 2);
		at = VERIFY_REPLY;
	} else {
		memcpy(to->text, reply, at);
	}
	if (to->text[line + 3] == '-')
		to->text[line + 3] = ' ';
	to->text[at] = '\0';
	to->code = (uint16_t)((reply[0] - '0') * 100 + (reply[1] - '0') * 10 + reply[2] - '0');
	to->len = (uint16_t)at;
}

void verify_answered(struct verify *v, const struct verify_request *r, enum verify_state state,
		     uint32_t now, uint32_t life, const char *reply, size_t len)
{
	struct verify_reply kept = {0};
	uint64_t number = 0;

	if (state == VERIFY_UNKNOWN) {
		keep_reply(&kept, reply, len);
		number = trail_add(v->replies, &kept);
	}
	put(v, verify_tag(v, r->target, r->mailbox), state, now, life, number);
}

static void drop_domain(struct verify *v, int i)
{
	v->domains[i] = v->domains[--v->domain_count];
}

/* The name of r's domain goes into the list, or out of it. */
static void note_domain(struct verify *v, const struct verify_request *r, bool any, uint32_t now,
			uint32_t life)
{
	const char *at = at_sign(r->mailbox), *name = at + !!*at;
	int i = 0;

	pthread_mutex_lock(&v->lock);
	while (i < v->domain_count)
		if (v->domains[i].until <= now || !strcasecmp(v->domains[i].name, name))
			drop_domain(v, i);
		else
			i++;
	if (any && i < VERIFY_DOMAINS) {
		snprintf(v->domains[i].name, sizeof(v->domains[i].name), "%s", name);
		v->domains[i].until = now + life;
		v->domain_count++;
	}
	pthread_mutex_unlock(&v->lock);
}

bool verify_domain_is(struct verify *v, const struct verify_request *r, enum verify_state state,
		      uint32_t now, uint32_t life)
{
	uint64_t tag = domain_tag(v, r->target, r->mailbox);
	struct cell cell;
	struct mark was = {0};

	if (table_get(v->marks, tag, &cell))
		memcpy(&was, cell.data, sizeof(was));
	put(v, tag, state, now, life, 0);
	note_domain(v, r, state == VERIFY_ANY, now, life);
	/* That nothing is special about a domain is news only when something was. */
	return was.state != state && (state == VERIFY_ANY || was.state == VERIFY_ANY);
}

enum verify_state verify_domain_of(const struct verify *v, const struct verify_request *r,
				   uint32_t now)
{
	return (enum verify_state)look(v, domain_tag(v, r->target, r->mailbox), now).state;
}

int verify_domains(struct verify *v, uint32_t now, struct verify_domain *ret)
{
	int n = 0;

	pthread_mutex_lock(&v->lock);
	for (int i = 0; i < v->domain_count; i++)
		if (v->domains[i].until > now)
			ret[n++] = v->domains[i];
	pthread_mutex_unlock(&v->lock);
	return n;
}
