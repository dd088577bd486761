// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one decision costs: identities of an attempt with all evidence in hand, their records out of
 * a full table, the verdict. Every attempt is one of the records' own, at random, so that memory is
 * touched as a busy gateway touches it.
 *
 * usage: decide RECORDS; prints one JSON object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/table.h"
#include "policy/policy.h"

#define ROUNDS 400000
#define RUNGS 3 /* SPF domain, name, network: as many records an attempt leaves */

struct texts {
	char sender[80], recipient[80];
	struct policy_evidence evidence;
	struct policy_attempt attempt;
};

static const struct policy_conf conf = {
	.mode = POLICY_ENFORCE,
	.match = MATCH_NETWORK,
	.delay = {[CLASS_CLEAN] = 60, [CLASS_DEFAULT] = 300, [CLASS_SUSPICIOUS] = 900},
	.jitter = 20,
	.window = 86400,
	.keep = 36 * 86400,
	.key = "bench",
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The i-th of all attempts. */
static void make(struct texts *t, uint64_t i)
{
	unsigned int domain = (unsigned int)(i * 2654435761u % 500009);

	memset(&t->attempt, 0, sizeof(t->attempt));
	snprintf(t->sender, sizeof(t->sender), "user.%lu@sender%u.example", (unsigned long)i,
		 domain);
	snprintf(t->recipient, sizeof(t->recipient), "user%lu@example.net",
		 (unsigned long)(i % 997));
	snprintf(t->evidence.name, sizeof(t->evidence.name), "mail-%u.out.sender%u.example",
		 domain % 90, domain);
	snprintf(t->evidence.spf_domain, sizeof(t->evidence.spf_domain), "sender%u.example",
		 domain);
	t->evidence.name_state = NAME_CONFIRMED;
	t->evidence.spf = SPF_PASS;
	t->attempt.src.b[10] = t->attempt.src.b[11] = 0xff;
	t->attempt.src.b[12] = (uint8_t)(1 + domain % 200);
	t->attempt.src.b[13] = (uint8_t)(domain >> 8);
	t->attempt.src.b[14] = (uint8_t)domain;
	t->attempt.src.b[15] = (uint8_t)i;
	t->attempt.sender = t->sender;
	t->attempt.recipient = t->recipient;
	t->attempt.evidence = &t->evidence;
}

static struct policy_decision decide(const struct table *table, const struct policy_attempt *a,
				     uint32_t now)
{
	struct policy_identity ids[POLICY_RUNGS];
	struct record records[POLICY_RUNGS] = {0};
	int n = policy_identities(&conf, a, ids);

	for (int i = 0; i < n; i++) {
		struct cell cell;

		if (table_get(table, ids[i].tag, &cell))
			records[i] = record_of(&cell);
	}
	return policy_decide(&conf, a, ids, records, n, now);
}

static void fill(struct table *table, uint64_t attempts)
{
	struct texts t = {.sender = ""};

	for (uint64_t i = 0; i < attempts; i++) {
		struct policy_identity ids[POLICY_RUNGS];
		int n;

		make(&t, i);
		n = policy_identities(&conf, &t.attempt, ids);
		for (int k = 0; k < n; k++) {
			struct policy_edit e = {.conf = &conf,
						.attempt = &t.attempt,
						.rung = ids[k].rung,
						.delay_class = CLASS_CLEAN,
						.now = 1000000};

			table_edit(table, ids[k].tag, policy_edit_attempt, &e, NULL);
		}
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static long rss_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size = 0, resident = 0;

	if (f && fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * 4;
}

int main(int argc, char **argv)
{
	uint64_t records = argc == 2 ? strtoull(argv[1], NULL, 10) : 0, attempts = records / RUNGS;
	static uint32_t ns[ROUNDS];
	struct texts t = {.sender = ""};
	struct table *table = NULL;
	uint64_t x = 88172645463325252u, sum = 0, passed = 0;

	if (!attempts) {
		fputs("usage: decide RECORDS\n", stderr);
		return 2;
	}
	if (table_new(records, policy_rank, NULL, &table)) {
		fputs("decide: no memory for so many records\n", stderr);
		return 1;
	}
	fill(table, attempts);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		make(&t, x % attempts);
		from = now_ns();
		passed += decide(table, &t.attempt, 1000100).verdict == POLICY_PASS;
		ns[i] = (uint32_t)(now_ns() - from);
		sum += ns[i];
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	printf("{\"records\": %zu, \"passed\": %lu, \"mean_ns\": %lu, \"p50_ns\": %u, "
	       "\"p99_ns\": %u, \"rss_kb\": %ld}\n",
	       table_count(table), (unsigned long)passed, (unsigned long)(sum / ROUNDS),
	       ns[ROUNDS / 2], ns[ROUNDS * 99ul / 100], rss_kb());
	table_free(&table);
	return passed == ROUNDS ? 0 : 1;
}
