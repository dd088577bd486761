// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of imported lists behind the hot index, written through its shared memory: see
 * include/greygate/listed.h for what that promises to the kernel programs.
 */
#include "internal.h"

#include <greygate/listed.h>

#include <string.h>
#include <sys/random.h>

#define LOAD 6 /* addresses a line */
/* 10 MB: beyond a million addresses more and more are left to net4. */
#define MOST_LINES (5 << 15)
#define AHEAD 8 /* lines that memory is asked for at a time */

uint32_t listed_lines(size_t imported)
{
	const size_t lines = imported / LOAD;

	if (!imported)
		return 0;
	return lines < MOST_LINES ? (uint32_t)lines / 2 * 2 + 2 : MOST_LINES;
}

static struct gg_index_head *head_of(struct fastpath *fp)
{
	return (struct gg_index_head *)(void *)fp->index[INDEX4].bucket;
}

static void set(struct fastpath *fp, uint64_t geometry)
{
	__atomic_store_n(&head_of(fp)->listed, geometry, __ATOMIC_SEQ_CST);
}

void listed_open(struct fastpath *fp)
{
	set(fp, 0);
	head_of(fp)->listed_first = 1 + fp->index[INDEX4].room;
}

void listed_off(struct fastpath *fp)
{
	set(fp, 0);
}

void listed_again(struct fastpath *fp)
{
	set(fp, fp->nets.lines);
}

/* Exceptions, and what the daemon answers, are net4's to know. */
static bool is_for_lines(const struct nets *n, const struct import_item *item)
{
	return item->len == 128 && item->said == item->len && item->says == GG_DENY &&
	       gg_listed_alone(n->imports->action[item->list]) && !nets_skip(n, item);
}

static uint32_t address4(const struct import_item *item)
{
	uint32_t addr;

	memcpy(&addr, item->addr.b + 12, sizeof(addr));
	return addr;
}

static bool put_into(struct gg_listed *line, uint32_t addr, uint8_t list, uint32_t action)
{
	for (uint32_t i = 0; i < GG_LISTED_SLOTS; i++) {
		if (line->list[i])
			continue;
		line->addr[i] = addr;
		line->list[i] = list;
		line->state |= gg_listed_state(i, action);
		return true;
	}
	return false;
}

static void put(struct gg_listed *lines, uint32_t at, const struct import_item *item,
		uint32_t action)
{
	const uint32_t addr = address4(item);

	if (put_into(&lines[at], addr, item->list, action))
		return;
	lines[at].state |= GG_LISTED_SPILLED;
	put_into(&lines[at ^ 1], addr, item->list, action);
}

static size_t count_for_lines(const struct nets *n)
{
	size_t count = 0;

	for (size_t i = 0; i < n->imports->count4; i++)
		count += is_for_lines(n, &n->imports->items[i]);
	return count;
}

static void fill(const struct nets *n, struct gg_listed *lines, uint64_t geometry)
{
	const struct imports *in = n->imports;
	const struct import_item *ahead[AHEAD] = {NULL};
	uint32_t at[AHEAD];

	/* The line of each is asked of memory while those before it are filled. */
	for (size_t i = 0; i < in->count4 + AHEAD; i++) {
		const struct import_item **turn = &ahead[i % AHEAD];

		if (*turn)
			put(lines, at[i % AHEAD], *turn, in->action[(*turn)->list]);
		*turn = i < in->count4 && is_for_lines(n, &in->items[i]) ? &in->items[i] : NULL;
		if (!*turn)
			continue;
		at[i % AHEAD] = gg_listed_line(address4(*turn), geometry);
		__builtin_prefetch(&lines[at[i % AHEAD]], 1);
	}
}

void listed_build(struct fastpath *fp)
{
	struct gg_listed *lines = (void *)(fp->index[INDEX4].bucket + head_of(fp)->listed_first);
	const uint32_t room = listed_lines(fp->imported);
	const size_t count = fp->nets.imports ? count_for_lines(&fp->nets) : 0;
	uint32_t used = listed_lines(count), key;

	fp->nets.lines = 0;
	/* Without them all is as it should be, only slower. */
	if (!used || !room || getrandom(&key, sizeof(key), 0) != sizeof(key))
		return;
	if (used > room)
		used = room;
	memset(lines, 0, (size_t)used * sizeof(*lines));
	fp->nets.lines = (uint64_t)key << 32 | used;
	fill(&fp->nets, lines, fp->nets.lines);
	set(fp, fp->nets.lines);
}
