// SPDX-License-Identifier: GPL-2.0-or-later
#include "spread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"

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

uint64_t spread_expect(const struct spread *s, const uint8_t key[16], const char *name)
{
	uint64_t tag = hash_bytes(key, name, strlen(name)) | 1;

	numbers_expect(&s->by_name, tag);
	return tag;
}

int spread_name(struct spread *s, const uint8_t key[16], const char *name, uint32_t *ret)
{
	return spread_tagged(s, spread_expect(s, key, name), name, ret);
}

int spread_tagged(struct spread *s, uint64_t tag, const char *name, uint32_t *ret)
{
	uint32_t *known = numbers_find(&s->by_name, tag);
	char *copy;

	if (known) {
		*ret = *known;
		return 0;
	}
	copy = strdup(name);
	if (!copy || room_for_one(&s->names, s->name_count, &s->name_room, sizeof(*s->names)) ||
	    numbers_add(&s->by_name, tag, (uint32_t)s->name_count)) {
		free(copy);
		return -ENOMEM;
	}
	*ret = (uint32_t)s->name_count;
	s->names[s->name_count++] = (struct spread_named){.name = copy};
	return 0;
}

/* Both halves are ours to count, not a client's to choose: any bijection that spreads them will do.
 * Never 0 for a name below 2^32 - 1. */
static uint64_t cell_key(uint32_t name, uint32_t delay)
{
	uint64_t x = ((uint64_t)name + 1) << 32 | delay;

	x ^= x >> 31;
	x *= UINT64_C(0x9e3779b97f4a7c15);
	return x ^ x >> 29;
}

int spread_add(struct spread *s, uint32_t name, uint32_t delay)
{
	uint64_t key = cell_key(name, delay);
	uint32_t *known;

	/* Of most names all mails: what bots send. */
	if (delay == SPREAD_NEVER) {
		s->names[name].never++;
		return 0;
	}
	known = numbers_find(&s->by_cell, key);
	if (known) {
		s->cells[*known].count++;
		return 0;
	}
	if (room_for_one(&s->cells, s->cell_count, &s->cell_room, sizeof(*s->cells)) ||
	    numbers_add(&s->by_cell, key, (uint32_t)s->cell_count))
		return -ENOMEM;
	s->cells[s->cell_count++] = (struct spread_cell){name, delay, 1};
	return 0;
}

void spread_clear(struct spread *s)
{
	numbers_free(&s->by_cell);
	s->cell_count = 0;
	for (size_t i = 0; i < s->name_count; i++)
		s->names[i].never = 0;
}

void spread_free(struct spread *s)
{
	spread_clear(s);
	numbers_free(&s->by_name);
	for (size_t i = 0; i < s->name_count; i++)
		free(s->names[i].name);
	free(s->names);
	free(s->cells);
	*s = (struct spread){0};
}

/* ---- rows ---- */

static int by_name_and_delay(const void *a, const void *b)
{
	const struct spread_cell *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return x->delay < y->delay ? -1 : x->delay > y->delay;
}

static int most_first(const void *a, const void *b)
{
	const struct spread_row *x = a, *y = b;

	if (x->mails != y->mails)
		return x->mails > y->mails ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Nearest rank among cells that stand by delay. */
static uint32_t percentile(const struct spread_cell *cells, uint64_t passed, unsigned int percent)
{
	uint64_t rank = (passed * percent + 99) / 100, seen = 0;

	if (!passed)
		return 0;
	while ((seen += cells->count) < rank)
		cells++;
	return cells->delay;
}

/* Of a name and the n cells that it has. */
static struct spread_row row_of(const struct spread_named *name, const struct spread_cell *from,
				size_t n)
{
	struct spread_row row = {.name = name->name, .never = name->never};
	uint64_t passed = 0;

	for (size_t i = 0; i < n; i++)
		passed += from[i].count;
	row.mails = passed + row.never;
	row.p50 = percentile(from, passed, 50);
	row.p90 = percentile(from, passed, 90);
	row.p99 = percentile(from, passed, 99);
	row.max = percentile(from, passed, 100);
	return row;
}

int spread_each(const struct spread *s, spread_see_fn see, void *arg)
{
	struct spread_row *rows = calloc(s->name_count + 1, sizeof(*rows));
	struct spread_cell *cells = calloc(s->cell_count + 1, sizeof(*cells));
	size_t count = 0, from = 0, end;

	if (!rows || !cells) {
		free(rows);
		free(cells);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->cell_count; i++)
		cells[i] = s->cells[i];
	qsort(cells, s->cell_count, sizeof(*cells), by_name_and_delay);
	for (uint32_t i = 0; i < s->name_count; i++, from = end) {
		for (end = from; end < s->cell_count && cells[end].name == i;)
			end++;
		if (end > from || s->names[i].never)
			rows[count++] = row_of(&s->names[i], &cells[from], end - from);
	}
	qsort(rows, count, sizeof(*rows), most_first);
	for (size_t i = 0; i < count; i++)
		see(&rows[i], arg);
	free(rows);
	free(cells);
	return 0;
}
