// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A position counts all bytes ever written, so an entry whose position lies a whole ring behind the
 * head is gone, and nothing has to be removed from the index. The index is a table of sets of four;
 * an entry that is pushed out of its set is forgotten early.
 */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../core/hash.h"

#define WAYS 4

struct slot {
	uint64_t tag; /* 0: never used */
	uint64_t at;
};

struct entry {
	uint64_t tag, expires;
	uint32_t len;
	uint16_t count;
	uint8_t status, type;
	char name[DNS_NAME]; /* lower case; followed by the records, at its true length */
};
#define ENTRY_HEAD offsetof(struct entry, name)

struct cache {
	uint8_t key[HASH_KEY];
	uint64_t head, size; /* bytes; size is a multiple of 8 */
	uint8_t *ring;
	size_t sets;
	struct slot *slots;
};

int cache_new(uint32_t answers, const uint8_t *key, struct cache **ret)
{
	struct cache *c;
	size_t sets = 1;

	if (!answers)
		return -EINVAL;
	while (sets * WAYS < (size_t)answers * 2)
		sets *= 2;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	memcpy(c->key, key, sizeof(c->key));
	c->sets = sets;
	/* The largest answer always fits. */
	c->size = (uint64_t)answers * CACHE_ANSWER + 2 * sizeof(struct dns_answer);
	c->size &= ~7ull;
	c->slots = calloc(sets * WAYS, sizeof(*c->slots));
	c->ring = mmap(NULL, c->size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->ring == MAP_FAILED)
		c->ring = NULL;
	if (!c->slots || !c->ring) {
		cache_free(&c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void cache_free(struct cache **c)
{
	if (!*c)
		return;
	if ((*c)->ring)
		munmap((*c)->ring, (*c)->size);
	free((*c)->slots);
	free(*c);
	*c = NULL;
}

/* Lower case and NUL; its length. */
static size_t fold(const char *name, char ret[DNS_NAME])
{
	size_t n = 0;

	for (; name[n] && n < DNS_NAME - 1; n++)
		ret[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + ('a' - 'A') : name[n]);
	ret[n] = 0;
	return n;
}

static uint64_t tag_of(const struct cache *c, const char *folded, size_t len, enum dns_type type)
{
	const uint8_t t = (uint8_t)type;
	const struct hash_piece pieces[] = {{folded, len}, {&t, 1}};

	return hash_pieces(c->key, pieces, 2);
}

static struct slot *set_of(struct cache *c, uint64_t tag)
{
	return &c->slots[(tag & (c->sets - 1)) * WAYS];
}

static bool alive(const struct cache *c, const struct slot *s)
{
	return s->tag && c->head - s->at <= c->size;
}

bool cache_get(struct cache *c, const char *name, enum dns_type type, uint64_t now,
	       struct dns_answer *ret)
{
	char folded[DNS_NAME];
	size_t len = fold(name, folded);
	uint64_t tag = tag_of(c, folded, len, type);
	struct slot *set = set_of(c, tag);
	const struct entry *e;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].tag != tag || !alive(c, &set[i]))
			continue;
		e = (const struct entry *)(const void *)(c->ring + set[i].at % c->size);
		if (e->tag != tag || e->type != type || now >= e->expires ||
		    memcmp(e->name, folded, len + 1) != 0)
			continue;
		ret->status = e->status;
		ret->count = e->count;
		ret->ttl = (uint32_t)((e->expires - now) / 1000);
		ret->len = e->len;
		memcpy(ret->data, e->name + len + 1, e->len);
		return true;
	}
	return false;
}

void cache_put(struct cache *c, const char *name, enum dns_type type, const struct dns_answer *a,
	       uint32_t ttl, uint64_t now)
{
	char folded[DNS_NAME];
	size_t len = fold(name, folded);
	uint64_t tag = tag_of(c, folded, len, type), bytes, left;
	struct slot *set = set_of(c, tag), *s = set;
	struct entry *e;

	bytes = (ENTRY_HEAD + len + 1 + a->len + 7) & ~7ull;
	left = c->size - c->head % c->size;
	/* The room of a whole struct entry: nothing is read beyond the ring. */
	if (left < bytes || left < sizeof(*e))
		c->head += left;
	for (int i = 0; i < WAYS; i++) {
		if (set[i].tag == tag || !alive(c, &set[i])) {
			s = &set[i];
			break;
		}
		if (set[i].at < s->at)
			s = &set[i];
	}
	e = (struct entry *)(void *)(c->ring + c->head % c->size);
	e->tag = tag;
	e->expires = now + ttl * 1000ull;
	e->len = a->len;
	e->count = a->count;
	e->status = a->status;
	e->type = (uint8_t)type;
	memcpy(e->name, folded, len + 1);
	memcpy((char *)e + ENTRY_HEAD + len + 1, a->data, a->len);
	*s = (struct slot){tag, c->head};
	c->head += bytes;
}
