/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One answer while it is written: rows go out through a fixed buffer as they come. */
#ifndef CONTROL_REPLY_H
#define CONTROL_REPLY_H

#include <stdint.h>

#include "control.h"

/* Descriptors that end a wait for a client when they are readable. */
struct reply_ends {
	int stop;  /* we are being closed */
	int crowd; /* others wait for a place */
};

enum reply_waited { REPLY_READY, REPLY_LATE, REPLY_CROWD, REPLY_STOP };

struct control_reply {
	int fd;
	int file; /* that came with the request; -1: none */
	const struct reply_ends *ends;
	int stall; /* ms left for the reader to keep us waiting */
	bool gone; /* the reader, or we are being closed */
	size_t len;
	json_t *summary;
	char error[8192], mend[1024];
	char out[16384];
};

/* file: see struct control_reply, stays the caller's as ends does. stall in ms, 0: CONTROL_STALL.
 * NULL: out of memory. */
struct control_reply *reply_new(int fd, const struct reply_ends *ends, int file, int stall);
void reply_free(struct control_reply **r);
/* Writes the closing line for a command that returned rc, and everything before it. */
void reply_close(struct control_reply *r, int rc);
/* Waits until fd is ready, at most ms; waited: ms that the client has kept us waiting before.
 * Others are not heeded before CONTROL_YIELD in all. */
enum reply_waited reply_wait(const struct reply_ends *ends, int fd, short events, int waited,
			     int ms);
/* CLOCK_MONOTONIC, ms. */
int64_t reply_now(void);

#endif
