/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One io_uring of one thread: set-up, direct descriptors, provided receive buffers, and the few
 * operations that the daemon uses.
 *
 * Client sockets are direct descriptors: slot n of the ring's file table is session n of the ring,
 * so that no process-wide descriptor is spent on them (RLIMIT_NOFILE caps one table, not their
 * sum). Sockets to mail servers are plain descriptors. Everything queued goes to the kernel in one
 * ring_submit.
 *
 * A completion carries (number, generation, op): the owner checks the generation, so that a late
 * completion of an earlier life of the number is harmless. Must be created and used by one thread
 * (IORING_SETUP_SINGLE_ISSUER | DEFER_TASKRUN, Linux 6.1).
 */
#ifndef LOOP_RING_H
#define LOOP_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"

struct ring_event {
	uint32_t number;
	uint16_t generation;
	uint8_t op; /* the caller's */
};

struct ring {
	struct io_uring uring;
	struct io_uring_buf_ring *buffers;
	uint8_t *buffer_memory;
	uint32_t buffer_count, buffer_size;
	uint32_t slots;
	uint64_t overflows; /* times the submission queue was full and had to be flushed early */
};

struct ring_conf {
	uint32_t slots;   /* size of the file table */
	uint32_t entries; /* submission queue; the completion queue is eight times that */
	uint32_t buffers; /* receive buffers, power of two, at most 32768 */
	uint32_t buffer_size;
};

/* Whether rings can be had here at all, before anything else is done; err as below. */
int ring_check(char *err, size_t err_size);
/* On failure err names the cause and the mend: io_uring refused by sysctl or by a container's
 * filter, kernel too old, descriptor limit. */
int ring_new(struct ring *r, const struct ring_conf *conf, char *err, size_t err_size);
void ring_free(struct ring *r);

/* Client sockets by slot, backend sockets by descriptor. Queued, never sent at once; the queue is
 * flushed by itself when it is full. Memory named here must live until the completion. */
void ring_accept(struct ring *r, int listener, uint32_t slot, struct sockaddr_storage *sa,
		 socklen_t *len, struct ring_event e);
/* Into one of the ring's own buffers. */
void ring_recv(struct ring *r, uint32_t slot, struct ring_event e);
void ring_recv_into(struct ring *r, uint32_t slot, void *buf, size_t len, struct ring_event e);
/* Whether there is input: one byte at most is read and left where it is, nothing is waited for. */
void ring_peek(struct ring *r, uint32_t slot, char *byte, struct ring_event e);
void ring_send(struct ring *r, uint32_t slot, const void *buf, size_t len, struct ring_event e);
void ring_close(struct ring *r, uint32_t slot, struct ring_event e);
/* Sends the last bytes and closes, in one segment if they fit: one completion, as `closed`, or as
 * `failed` when the send fails; the socket is then still open. */
void ring_send_close(struct ring *r, uint32_t slot, const void *buf, size_t len,
		     struct ring_event failed, struct ring_event closed);
void ring_connect_fd(struct ring *r, int fd, const struct sockaddr_storage *sa, socklen_t len,
		     struct ring_event e);
void ring_recv_fd(struct ring *r, int fd, void *buf, size_t len, struct ring_event e);
void ring_send_fd(struct ring *r, int fd, const void *buf, size_t len, struct ring_event e);
void ring_close_fd(struct ring *r, int fd, struct ring_event e);
/* Polls a descriptor for input, again and again until it fails (no IORING_CQE_F_MORE). */
void ring_poll_fd(struct ring *r, int fd, struct ring_event e);
/* Polls it once for events (POLLIN, POLLOUT). */
void ring_poll_once(struct ring *r, int fd, unsigned events, struct ring_event e);
/* Cancels the request that was queued with `target`; never by descriptor, which walks every
 * request. */
void ring_cancel(struct ring *r, struct ring_event target, struct ring_event e);

/* A received buffer and its way back. */
uint8_t *ring_buffer(struct ring *r, const struct io_uring_cqe *cqe);
void ring_buffer_return(struct ring *r, const struct io_uring_cqe *cqe);

/* Hands over what is queued and runs deferred work; waits up to wait_us (0: not at all) for a
 * completion. */
int ring_submit(struct ring *r, uint64_t wait_us);
/* Whether ring_submit has something to do without waiting. */
bool ring_ready(const struct ring *r);

struct ring_event ring_event_of(const struct io_uring_cqe *cqe);

#endif
