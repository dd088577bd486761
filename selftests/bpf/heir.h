/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The start of a successor, under the lock of a daemon that is at work: by a process of this
 * version (fork) or of one with another GG_SCHEMA (the program heir beside the tests). */
#ifndef SELFTESTS_BPF_HEIR_H
#define SELFTESTS_BPF_HEIR_H

#include "start.h"

/* What it is to have: on what the daemon has, and on one interface more. */
static inline struct fastpath_conf heir_conf(enum gg_mode mode, uint32_t hosts, int lock)
{
	struct fastpath_conf conf = mode == GG_MODE_GATEWAY ? gateway() : on("gg0", mode);

	conf.interfaces[conf.interface_count++] = "gg2";
	conf.observe = true;
	conf.hosts = hosts;
	conf.held_lock = lock;
	return conf;
}

/* 0 when it has got through. */
static inline int heir_start(enum gg_mode mode, uint32_t hosts, int lock)
{
	struct fastpath_conf conf = heir_conf(mode, hosts, lock);
	struct fastpath *fp;
	char err[400];

	if (!fastpath_open(&conf, &fp, err, sizeof(err)))
		return 0;
	fprintf(stderr, "heir: %s\n", err);
	return 1;
}

#endif
