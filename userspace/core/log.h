/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: one JSON object (or one text line) an event, to standard error.
 *
 * A thread that logs owns a sink, a byte ring that the log thread empties every 20 ms (at once when
 * half full). Writing an event never blocks, never allocates: when the ring is full the line is
 * dropped and counted, and the count is logged when there is room again. Before log_start, after
 * log_stop and in threads without a sink, lines go straight to the file descriptor, which may block
 * as any write does; such threads ignore or block SIGPIPE.
 *
 * Keys and events are the contract of the manual (greygated.8, LOG). Values are escaped (RFC 8259
 * 7), invalid UTF-8 becomes U+FFFD, strings longer than 512 bytes are cut with "...". A key that
 * does not fit into LOG_LINE is left out and the line ends with "cut":true.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

#define LOG_LINE 2048

enum log_event {
	LOG_CONNECT,
	LOG_DECISION,
	LOG_RELAY,
	LOG_VERIFY,
	LOG_PROMOTE,
	LOG_DEMOTE,
	LOG_TRAP,
	LOG_LIMIT,
	LOG_LIST,
	LOG_STORE,
	LOG_DNS,
	LOG_RELOAD,
	LOG_START,
	LOG_STOP,
	LOG_UPGRADE,
	LOG_KERNEL,
	LOG_ERROR,
	LOG_EVENT_MAX
};

enum log_format { LOG_JSON, LOG_TEXT };

/* fd stays the caller's; before log_start and after log_stop it is standard error. Starts the log
 * thread. -EBUSY when it runs, -errno. */
int log_start(int fd, enum log_format format);
/* Flushes every sink (a descriptor that stays blocked is given up after a second) and ends the
 * thread. No other thread may be logging. */
void log_stop(void);
void log_set_format(enum log_format format);
/* Gives the calling thread a sink of `bytes` (power of two, at least 64 KiB); it lives until
 * log_stop. -EINVAL, -ENOMEM, -EEXIST (has one), -ESRCH (before log_start), -ENOSPC (128 have). */
int log_sink(size_t bytes);
uint64_t log_dropped(void);

/* A line under construction; on the stack of the caller. */
struct log_line {
	size_t len;
	bool cut;
	enum log_format format;
	char text[LOG_LINE];
};

void log_begin(struct log_line *l, enum log_event event);
void log_str(struct log_line *l, const char *key, const char *value); /* NULL value: key left out */
void log_strn(struct log_line *l, const char *key, const char *value, size_t len);
void log_int(struct log_line *l, const char *key, int64_t value);
void log_hex(struct log_line *l, const char *key, uint64_t value); /* "00ab..." as a string */
void log_addr(struct log_line *l, const char *key, const struct addr *a);
void log_end(struct log_line *l);

/* An event that only has words: {"event":..,"message":"..."}. */
void log_message(enum log_event event, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
