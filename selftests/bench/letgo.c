// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * letgo: what one step of the store's expiry takes, until a store as shelve leaves it is empty.
 *
 * usage: letgo DIR STEP
 * STEP: rows a step, as many as the writer thread takes. Prints one JSON object. Processor time is
 * the store's own; the time by the clock holds what the disk and the rest of the machine add.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/store.h"

#define STEPS 100000
#define DAY 86400u

struct took {
	double cpu[STEPS], clock[STEPS]; /* us */
	int count;
};

static double us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int up(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int let_go(struct store *s, size_t max, struct took *t)
{
	const uint32_t far = (uint32_t)time(NULL) + 2 * DAY;
	size_t steps = max;
	int rc = 0;

	for (t->count = 0; steps && t->count < STEPS && !rc; t->count++) {
		const double cpu = us(CLOCK_THREAD_CPUTIME_ID), clock = us(CLOCK_MONOTONIC);

		rc = store_ops_of(s)->expire(s, far, max, &steps);
		t->cpu[t->count] = us(CLOCK_THREAD_CPUTIME_ID) - cpu;
		t->clock[t->count] = us(CLOCK_MONOTONIC) - clock;
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct store_conf conf = {.dir = argc > 1 ? argv[1] : "",
				  .map_bytes = 64 << 20,
				  .max_bytes = (size_t)4 << 30,
				  .window = DAY,
				  .keep = 36 * DAY};
	const size_t max = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	static struct took took;
	struct store *s = NULL;
	uint8_t key[16];
	char err[300];
	int rc;

	if (!max) {
		fputs("usage: letgo DIR STEP\n", stderr);
		return 2;
	}
	rc = store_open_lmdb(&conf, &s, key, err, sizeof(err));
	if (rc) {
		fprintf(stderr, "letgo: %s\n", err);
		return 1;
	}
	rc = let_go(s, max, &took);
	store_ops_of(s)->close(&s);
	if (rc) {
		fprintf(stderr, "letgo: %s\n", strerror(-rc));
		return 1;
	}
	qsort(took.cpu, (size_t)took.count, sizeof(double), up);
	qsort(took.clock, (size_t)took.count, sizeof(double), up);
	printf("{\"steps\": %d, \"p50_us\": %.0f, \"max_us\": %.0f, \"clock_max_us\": %.0f}\n",
	       took.count, took.cpu[took.count / 2], took.cpu[took.count - 1],
	       took.clock[took.count - 1]);
	return 0;
}
