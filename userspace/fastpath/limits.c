// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits of sources that have ended unseen: the programs tell of an end when the source comes
 * again, and most of those who flood don't.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <string.h>
#include <time.h>

#define ENDED_MAX 4096 /* of each family that are told at a time: more wait for the next */

struct ended {
	int map;
	bool is4;
	size_t key_size;
	uint64_t now; /* ns, CLOCK_MONOTONIC */
	int told;
	bool (*see)(const struct gg_event *e, void *arg);
	void *arg;
};

/* As bpf/limit.h has it: the bucket is full. */
static bool has_ended(const struct ended *e, const struct gg_rate *r)
{
	return r->over && r->full <= e->now;
}

static bool tell(const struct ended *e, const void *key, const struct gg_rate *r)
{
	struct gg_event event = {
		.kind = GG_EVENT_LIMIT_END, .time = e->now / 1000000000, .dropped = r->over};

	if (e->is4)
		event.addr[10] = event.addr[11] = 0xff;
	memcpy(event.addr + (e->is4 ? 12 : 0), key, e->key_size);
	return e->see(&event, e->arg);
}

/* A full bucket is as good as none, so it goes with what is told of it. Buckets of a hash are read
 * whole: what is deleted of one that was read is not missed by the walk. */
static int see_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_rate *rates = values;
	struct ended *e = arg;
	const char *key = keys;
	struct gg_rate now;

	for (uint32_t i = 0; i < n && e->told < ENDED_MAX; i++, key += e->key_size) {
		/* The source may have come since the batch was read. */
		if (!has_ended(e, &rates[i]) || bpf_map_lookup_elem(e->map, key, &now) ||
		    !has_ended(e, &now) || !tell(e, key, &now))
			continue;
		bpf_map_delete_elem(e->map, key);
		e->told++;
	}
	return e->told == ENDED_MAX;
}

int fastpath_limits_ended(struct fastpath *fp, bool (*see)(const struct gg_event *e, void *arg),
			  void *arg)
{
	struct ended four = {.map = fp->maps[MAP_RATE4],
			     .is4 = true,
			     .key_size = sizeof(struct gg_key4),
			     .see = see,
			     .arg = arg};
	struct ended six = four;
	struct timespec t;
	int code;

	clock_gettime(CLOCK_MONOTONIC, &t);
	four.now = six.now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	six.map = fp->maps[MAP_RATE6];
	six.is4 = false;
	six.key_size = sizeof(struct gg_half6);
	code = walk_map(four.map, see_batch, &four);
	return code ? code : walk_map(six.map, see_batch, &six);
}
