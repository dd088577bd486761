/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers by question, in a ring of bytes sized once: a new answer takes the place of the oldest
 * ones. Whoever asks gets what is there and not over. One thread. Time in ms of any clock that does
 * not go back.
 */
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"

#define CACHE_ANSWER 256 /* bytes an answer takes on average, with its name */

struct cache;

/* Room for about `answers` of them. key: 16 bytes of secret, so that nobody outside can aim at a
 * place. -ENOMEM, -EINVAL for 0. */
int cache_new(uint32_t answers, const uint8_t *key, struct cache **ret);
void cache_free(struct cache **c);

/* name: any case. True and *ret, with what is left of the ttl. */
bool cache_get(struct cache *c, const char *name, enum dns_type type, uint64_t now,
	       struct dns_answer *ret);
/* Kept for ttl seconds, whatever a->ttl says. */
void cache_put(struct cache *c, const char *name, enum dns_type type, const struct dns_answer *a,
	       uint32_t ttl, uint64_t now);

#endif
