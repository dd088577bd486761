// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_GROUP 0

static uint64_t pack(struct ring_event e)
{
	return (uint64_t)e.number << 32 | (uint64_t)e.generation << 16 | e.op;
}

struct ring_event ring_event_of(const struct io_uring_cqe *cqe)
{
	uint64_t d = cqe->user_data;

	return (struct ring_event){(uint32_t)(d >> 32), (uint16_t)(d >> 16), (uint8_t)d};
}

static const char *setup_mend(int err)
{
	switch (err) {
	case -EPERM:
		return "allow it: sysctl -w kernel.io_uring_disabled=0";
	case -ENOSYS:
		return "allow the io_uring system calls in this container's seccomp profile";
	case -EINVAL:
		return "run Linux 6.1 or newer";
	case -ENOMEM:
	case -EMFILE:
		return "raise the memory or descriptor limit of the service";
	default:
		return "see dmesg";
	}
}

#define RING_FLAGS                                                                                 \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |     \
	 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP)

int ring_check(char *err, size_t err_size)
{
	struct io_uring_params p = {.flags = RING_FLAGS, .cq_entries = 8};
	struct io_uring uring;
	int rc = io_uring_queue_init_params(1, &uring, &p);

	if (rc)
		snprintf(err, err_size, "io_uring_setup: %s; %s", strerror(-rc), setup_mend(rc));
	else
		io_uring_queue_exit(&uring);
	return rc;
}

/* liburing 2.3 has no io_uring_setup_buf_ring: the ring of buffers is registered by hand. */
static int buffers_new(struct ring *r, const struct ring_conf *conf)
{
	struct io_uring_buf_reg reg = {.ring_entries = conf->buffers, .bgid = BUFFER_GROUP};
	size_t ring_bytes = conf->buffers * sizeof(struct io_uring_buf);
	int err;

	r->buffers =
		mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->buffers == MAP_FAILED) {
		r->buffers = NULL;
		return -ENOMEM;
	}
	r->buffer_count = conf->buffers;
	r->buffer_size = conf->buffer_size;
	r->buffer_memory =
		mmap(NULL, (size_t)conf->buffers * conf->buffer_size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->buffer_memory == MAP_FAILED) {
		r->buffer_memory = NULL;
		return -ENOMEM;
	}
	reg.ring_addr = (uintptr_t)r->buffers;
	err = io_uring_register_buf_ring(&r->uring, &reg, 0);
	if (err)
		return err;
	io_uring_buf_ring_init(r->buffers);
	for (uint32_t i = 0; i < conf->buffers; i++)
		io_uring_buf_ring_add(r->buffers, r->buffer_memory + (size_t)i * conf->buffer_size,
				      conf->buffer_size, (unsigned short)i,
				      io_uring_buf_ring_mask(conf->buffers), (int)i);
	io_uring_buf_ring_advance(r->buffers, (int)conf->buffers);
	return 0;
}

int ring_new(struct ring *r, const struct ring_conf *conf, char *err, size_t err_size)
{
	struct io_uring_params p = {
		.flags = RING_FLAGS,
		.cq_entries = conf->entries * 8,
	};
	const char *step = "io_uring_setup";
	int rc;

	memset(r, 0, sizeof(*r));
	rc = io_uring_queue_init_params(conf->entries, &r->uring, &p);
	if (rc)
		goto out;
	r->slots = conf->slots;
	step = "io_uring file table";
	rc = io_uring_register_files_sparse(&r->uring, conf->slots);
	if (!rc) {
		step = "io_uring buffers";
		rc = buffers_new(r, conf);
	}
	if (rc)
		ring_free(r);
	else
		io_uring_register_ring_fd(&r->uring); /* saves a lookup per call where it works */
out:
	if (rc)
		snprintf(err, err_size, "%s (%u slots): %s; %s", step, conf->slots, strerror(-rc),
			 setup_mend(rc));
	return rc;
}

void ring_free(struct ring *r)
{
	if (r->uring.ring_fd)
		io_uring_queue_exit(&r->uring);
	if (r->buffers)
		munmap(r->buffers, r->buffer_count * sizeof(struct io_uring_buf));
	if (r->buffer_memory)
		munmap(r->buffer_memory, (size_t)r->buffer_count * r->buffer_size);
	memset(r, 0, sizeof(*r));
}

static struct io_uring_sqe *next_sqe(struct ring *r, struct ring_event e)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

	/* The kernel takes what is queued without running completions, so one flush makes room. */
	while (!sqe) {
		r->overflows++;
		io_uring_submit(&r->uring);
		sqe = io_uring_get_sqe(&r->uring);
	}
	sqe->user_data = pack(e);
	return sqe;
}

void ring_accept(struct ring *r, int listener, uint32_t slot, struct sockaddr_storage *sa,
		 socklen_t *len, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_accept_direct(sqe, listener, (struct sockaddr *)sa, len, 0, slot);
}

void ring_recv(struct ring *r, uint32_t slot, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_recv(sqe, (int)slot, NULL, r->buffer_size, 0);
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
	/* The peer answers what we have just sent: trying before it is there would be in vain. */
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->buf_group = BUFFER_GROUP;
}

static void recv_into(struct ring *r, int file, bool fixed, void *buf, size_t len,
		      struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_recv(sqe, file, buf, len, 0);
	if (fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
}

static void send_from(struct ring *r, int file, bool fixed, const void *buf, size_t len,
		      struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	/* WAITALL: the kernel goes on with a short send by itself, one completion for the whole. */
	io_uring_prep_send(sqe, file, buf, len, MSG_NOSIGNAL | MSG_WAITALL);
	if (fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
}

void ring_recv_into(struct ring *r, uint32_t slot, void *buf, size_t len, struct ring_event e)
{
	recv_into(r, (int)slot, true, buf, len, e);
}

void ring_peek(struct ring *r, uint32_t slot, char *byte, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_recv(sqe, (int)slot, byte, 1, MSG_PEEK | MSG_DONTWAIT);
	sqe->flags |= IOSQE_FIXED_FILE;
}

void ring_recv_fd(struct ring *r, int fd, void *buf, size_t len, struct ring_event e)
{
	recv_into(r, fd, false, buf, len, e);
}

void ring_send(struct ring *r, uint32_t slot, const void *buf, size_t len, struct ring_event e)
{
	send_from(r, (int)slot, true, buf, len, e);
}

void ring_send_fd(struct ring *r, int fd, const void *buf, size_t len, struct ring_event e)
{
	send_from(r, fd, false, buf, len, e);
}

void ring_close(struct ring *r, uint32_t slot, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_close_direct(sqe, slot);
}

void ring_send_close(struct ring *r, uint32_t slot, const void *buf, size_t len,
		     struct ring_event failed, struct ring_event closed)
{
	struct io_uring_sqe *sqe;

	/* A link holds within one submission only. */
	if (io_uring_sq_space_left(&r->uring) < 2)
		io_uring_submit(&r->uring);
	sqe = next_sqe(r, failed);
	/* MORE: what is held back for company goes out with the end of the connection. */
	io_uring_prep_send(sqe, (int)slot, buf, len, MSG_NOSIGNAL | MSG_WAITALL | MSG_MORE);
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	ring_close(r, slot, closed);
}

void ring_connect_fd(struct ring *r, int fd, const struct sockaddr_storage *sa, socklen_t len,
		     struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_connect(sqe, fd, (const struct sockaddr *)sa, len);
}

void ring_close_fd(struct ring *r, int fd, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_close(sqe, fd);
}

void ring_poll_fd(struct ring *r, int fd, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
}

void ring_poll_once(struct ring *r, int fd, unsigned events, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_poll_add(sqe, fd, events);
}

void ring_cancel(struct ring *r, struct ring_event target, struct ring_event e)
{
	struct io_uring_sqe *sqe = next_sqe(r, e);

	io_uring_prep_cancel64(sqe, pack(target), 0);
}

uint8_t *ring_buffer(struct ring *r, const struct io_uring_cqe *cqe)
{
	uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	assert((cqe->flags & IORING_CQE_F_BUFFER) && id < r->buffer_count);
	return r->buffer_memory + (size_t)id * r->buffer_size;
}

void ring_buffer_return(struct ring *r, const struct io_uring_cqe *cqe)
{
	uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	io_uring_buf_ring_add(r->buffers, ring_buffer(r, cqe), r->buffer_size, (unsigned short)id,
			      io_uring_buf_ring_mask(r->buffer_count), 0);
	io_uring_buf_ring_advance(r->buffers, 1);
}

int ring_submit(struct ring *r, uint64_t wait_us)
{
	struct __kernel_timespec ts = {.tv_sec = (int64_t)(wait_us / 1000000),
				       .tv_nsec = (int64_t)(wait_us % 1000000) * 1000};
	struct io_uring_cqe *cqe;
	int rc;

	if (wait_us == 0)
		rc = io_uring_submit_and_get_events(&r->uring);
	else
		rc = io_uring_submit_and_wait_timeout(&r->uring, &cqe, 1, &ts, NULL);
	/* Out of time, interrupted, or the completion queue wants to be emptied first: all of them
	 * are answered by going on. */
	if (rc == -ETIME || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN)
		return 0;
	return rc < 0 ? rc : 0;
}

bool ring_ready(const struct ring *r)
{
	struct io_uring *u = (struct io_uring *)&r->uring;

	return io_uring_sq_ready(u) || io_uring_cq_ready(u) ||
	       (IO_URING_READ_ONCE(*u->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}
