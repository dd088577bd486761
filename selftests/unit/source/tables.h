/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a daemon remembers of sources, empty, for tests of what goes into it and is forgotten. */
#ifndef UNIT_SOURCE_TABLES_H
#define UNIT_SOURCE_TABLES_H

#include <string.h>

#include "forget.h"
#include "source.h"
#include "verdict.h"

#define NOW 1700000000u

static const uint8_t key[HASH_KEY] = "0123456789abcde";
static struct config config;
static struct policy_conf policy;
static struct daemon d;

/* policy: of the settings as they are by then. */
static inline int tables_make(size_t records, size_t verdicts)
{
	memset(&d, 0, sizeof(d));
	pthread_mutex_init(&d.verdict_lock, NULL);
	d.counters[DAEMON_WORKERS] = &d.own;
	memcpy(d.key, key, sizeof(d.key));
	atomic_store(&d.config, &config);
	policy = daemon_policy(&d, &config);
	if (table_new(records, policy_rank, NULL, &d.records) ||
	    table_new(records, conduct_rank, NULL, &d.conducts) ||
	    verdicts_new(verdicts, key, &d.verdicts))
		return -1;
	return forget_new(&d);
}

static inline int unmake(void **state)
{
	(void)state;
	forget_free(&d);
	table_free(&d.records);
	table_free(&d.conducts);
	verdicts_free(&d.verdicts);
	return 0;
}

static inline struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static inline void put(const char *text, enum gg_verdict verdict, enum gg_origin origin,
		       uint32_t expires)
{
	const struct verdict_entry e = {.verdict = verdict, .origin = origin, .expires = expires};
	const struct prefix p = prefix(text);

	assert_int_equal(daemon_verdict_put(&d, &p, &e, "test"), 0);
}

#endif
