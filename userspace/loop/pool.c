// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define LINE 64

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int pool_new(struct pool *p, uint32_t count, size_t size)
{
	size_t rounded = (size + LINE - 1) / LINE * LINE;
	struct pool made = {.size = rounded, .count = count};

	if (count == 0 || count == POOL_NONE || size == 0)
		return -EINVAL;
	made.base = map(rounded * count);
	if (!made.base)
		return -ENOMEM;
	made.free = map((size_t)count * sizeof(*made.free));
	if (!made.free) {
		munmap(made.base, rounded * count);
		return -ENOMEM;
	}
	*p = made;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p->base)
		return;
	munmap(p->base, p->size * p->count);
	munmap(p->free, (size_t)p->count * sizeof(*p->free));
	memset(p, 0, sizeof(*p));
}

uint32_t pool_take(struct pool *p)
{
	if (p->free_count)
		return p->free[--p->free_count];
	if (p->fresh < p->count)
		return p->fresh++;
	return POOL_NONE;
}

void pool_give(struct pool *p, uint32_t n)
{
	assert(n < p->fresh && p->free_count < p->count);
	p->free[p->free_count++] = n;
}

uint32_t pool_used(const struct pool *p)
{
	return p->fresh - p->free_count;
}
