// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Indexes run freely and are masked on use, so that full and empty differ without a spare place.
 * Each side keeps a copy of the other's index on its own line and reads the shared one only when
 * the copy says full (or empty): in steady state the two cores exchange one line per batch.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spsc.h"

#define LINE 64

struct spsc {
	size_t mask;
	size_t stride;
	unsigned char *items;
	_Alignas(LINE) _Atomic size_t tail; /* next to fill; the producer's */
	size_t head_seen;
	_Alignas(LINE) _Atomic size_t head; /* oldest waiting; the consumer's */
	size_t tail_seen;
};

int spsc_new(size_t items, size_t item_size, struct spsc **ret)
{
	const size_t align = _Alignof(max_align_t);
	size_t n = 1, stride, bytes;
	struct spsc *q;

	if (!items || items > SIZE_MAX / 4 || !item_size || item_size > SIZE_MAX / 4)
		return -EINVAL;
	while (n < items)
		n *= 2;
	stride = (item_size + align - 1) & ~(align - 1);
	if (__builtin_mul_overflow(n, stride, &bytes) || bytes > SIZE_MAX - sizeof(*q) - LINE)
		return -ENOMEM;
	bytes = (sizeof(*q) + bytes + LINE - 1) & ~(size_t)(LINE - 1);
	q = aligned_alloc(LINE, bytes);
	if (!q)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	q->mask = n - 1;
	q->stride = stride;
	q->items = (unsigned char *)(q + 1);
	*ret = q;
	return 0;
}

void spsc_free(struct spsc **q)
{
	free(*q);
	*q = NULL;
}

void *spsc_slot(struct spsc *q)
{
	size_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

	if (tail - q->head_seen > q->mask) {
		q->head_seen = atomic_load_explicit(&q->head, memory_order_acquire);
		if (tail - q->head_seen > q->mask)
			return NULL;
	}
	return q->items + (tail & q->mask) * q->stride;
}

void spsc_push(struct spsc *q)
{
	size_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

	assert(tail - q->head_seen <= q->mask);
	atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
}

const void *spsc_peek(struct spsc *q, size_t i)
{
	size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

	if (i >= q->tail_seen - head) {
		q->tail_seen = atomic_load_explicit(&q->tail, memory_order_acquire);
		if (i >= q->tail_seen - head)
			return NULL;
	}
	return q->items + ((head + i) & q->mask) * q->stride;
}

void spsc_pop(struct spsc *q, size_t n)
{
	size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

	assert(n <= atomic_load_explicit(&q->tail, memory_order_relaxed) - head);
	atomic_store_explicit(&q->head, head + n, memory_order_release);
}

size_t spsc_waiting(const struct spsc *q)
{
	/* head first: it never passes tail, so the difference cannot wrap. */
	size_t head = atomic_load_explicit(&q->head, memory_order_acquire);

	return atomic_load_explicit(&q->tail, memory_order_acquire) - head;
}
