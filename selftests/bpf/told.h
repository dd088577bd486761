/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The correspondents that the programs have told of. */
#ifndef SELFTESTS_BPF_TOLD_H
#define SELFTESTS_BPF_TOLD_H

#include "room.h"

static struct fastpath *fp;
static struct addr told[64];
static int told_count;

static inline void see(const struct gg_event *e, void *arg)
{
	(void)arg;
	if (e->kind != GG_EVENT_CORRESPONDENT)
		return;
	assert_in_range(told_count, 0, 63);
	memcpy(told[told_count++].b, e->addr, 16);
}

/* How many hosts were told since the last question. */
static inline int tellings(void)
{
	told_count = 0;
	assert_true(fastpath_events(fp, see, NULL) >= 0);
	return told_count;
}

#endif
