/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pool of equal objects in one anonymous mapping, sized once: taken and given back by number,
 * last in first out, so that the pages in use stay few and warm. Pages are touched only when their
 * objects are first used. One thread.
 */
#ifndef LOOP_POOL_H
#define LOOP_POOL_H

#include <stddef.h>
#include <stdint.h>

#define POOL_NONE UINT32_MAX

struct pool {
	uint8_t *base;
	uint32_t *free;                    /* stack of numbers given back */
	size_t size;                       /* of one object, rounded up to a cache line */
	uint32_t count, free_count, fresh; /* fresh: first number never used */
};

/* -ENOMEM, -EINVAL for count 0. */
int pool_new(struct pool *p, uint32_t count, size_t size);
void pool_free(struct pool *p);
/* A number, or POOL_NONE when all are in use. The object's bytes are what they were. */
uint32_t pool_take(struct pool *p);
void pool_give(struct pool *p, uint32_t n);
uint32_t pool_used(const struct pool *p);

static inline void *pool_at(const struct pool *p, uint32_t n)
{
	return p->base + (size_t)n * p->size;
}

#endif
