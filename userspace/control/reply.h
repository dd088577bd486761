/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One answer while it is written: rows go out through a fixed buffer as they come. */
#ifndef CONTROL_REPLY_H
#define CONTROL_REPLY_H

#include "control.h"

struct control_reply {
	int fd, stop;
	int file;  /* that came with the request; -1: none */
	int stall; /* ms left for the reader to keep us waiting */
	bool gone; /* the reader, or we are being closed */
	size_t len;
	json_t *summary;
	char error[8192], mend[1024];
	char out[16384];
};

/* file: see struct control_reply, stays the caller's. stall in ms, 0: CONTROL_STALL. NULL: out of
 * memory. */
struct control_reply *reply_new(int fd, int stop, int file, int stall);
void reply_free(struct control_reply **r);
/* Writes the closing line for a command that returned rc, and everything before it. */
void reply_close(struct control_reply *r, int rc);
/* Waits until fd is ready, at most ms. false: timed out, or stop became readable. */
bool reply_wait(int stop, int fd, short events, int ms);

#endif
