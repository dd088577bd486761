/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks after what a start has put in the way of packets: others take programs off interfaces,
 * rules out of tables, interfaces away, and the kernel tells nobody. Says so once in the log, and
 * has it put back where the settings allow it (reattach). What somebody else has put in its place
 * stays.
 *
 * All calls: main thread.
 */
#ifndef GREYGATE_GUARD_H
#define GREYGATE_GUARD_H

#include "daemon.h"

struct guard {
	struct daemon *daemon;
	unsigned ticks;
	int starter;    /* -1: there is none, so that nothing can be put back */
	int channel;    /* to the mender at work; -1: none is */
	uint64_t until; /* s, CLOCK_MONOTONIC: the mender has to be done by then */
	uint64_t full;  /* s, CLOCK_MONOTONIC: then all tries may be made again, see guard.c */
	struct {
		enum fastpath_state state;
		uint32_t id;
		char why[sizeof(((struct fastpath_part *)0)->why)];
	} told[FASTPATH_PARTS];
	bool lent;                      /* at the last step, the maps were a successor's */
	char failure[300];              /* of the mender, told last; "": there was none since */
	uint32_t asked[FASTPATH_PARTS]; /* the strange program that the mender was asked about */
};

void guard_begin(struct guard *g, struct daemon *d, int starter);
/* Once a second. now: s, CLOCK_MONOTONIC. */
void guard_step(struct guard *g, uint64_t now);
/* The channel, to be watched for input, may have some. */
void guard_hear(struct guard *g, uint64_t now);
/* Lets go of a mender at work; what it puts back stays. */
void guard_end(struct guard *g);
/* "XDP program": what a part is, for people. */
const char *guard_name(enum fastpath_kind kind);
/* How an interface that was renamed is guarded again, for people. */
#define GUARD_MEND 120
void guard_rename(const struct fastpath_part *p, char ret[GUARD_MEND]);
/* Of pins that are all gone at once: the cause, and what a restart may want before. */
#define GUARD_UNMOUNTED ", their bpf file system was unmounted or another one mounted in its place"
#define GUARD_MOUNT "mount -t bpf bpf /sys/fs/bpf where none is mounted"
/* "gone": the word for a state, in the log and in status. */
const char *guard_word(enum fastpath_state state);

#endif
