// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A worker's beginning and end: its rings, as many as the descriptors of its share of the sessions
 * need, its pools, its wheels, all at their full size; and its thread.
 */
#include "notices.h"
#include "privileges.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RING_ENTRIES 1024 /* ring memory counts against RLIMIT_MEMLOCK */
#define RING_BUFFERS 1024
#define SLOTS_MAX 16384u /* of one ring, under the usual hard limit on descriptors */
#define TICK_MS 10
#define DRIP_SLOTS 1024
#define TIMEOUT_MS 1000
#define TIMEOUT_SLOTS 1024
#define LOG_SINK (1u << 20)
#define RING_PATIENCE 40 /* tries, 50 ms apart */
#define SPARE_SLOTS 1024 /* for those who are only told that it is full */

struct start {
	struct worker *w;
	pthread_mutex_t lock;
	pthread_cond_t ready;
	bool done;
	int err;
};

static int make_rings(struct worker *w, const struct config *c, char *err, size_t err_size)
{
	struct ring_conf conf = {
		.entries = RING_ENTRIES, .buffers = RING_BUFFERS, .buffer_size = RECV_BUFFER};
	uint32_t workers = (uint32_t)w->daemon->worker_count;
	uint32_t need = (c->limit.sessions + workers - 1) / workers;
	const struct timespec pause = {.tv_nsec = 50000000};
	struct rlimit files;
	int rc;

	/* Connections spread over the workers by their hash: some get more than their share. */
	need += need / 4 + SPARE_SLOTS + (uint32_t)w->listener_count * WORKER_ACCEPTS;
	getrlimit(RLIMIT_NOFILE, &files);
	while ((1u << w->slot_bits) < need && (2u << w->slot_bits) <= SLOTS_MAX &&
	       (2u << w->slot_bits) <= files.rlim_cur)
		w->slot_bits++;
	w->slot_mask = (1u << w->slot_bits) - 1;
	conf.slots = w->slot_mask + 1;
	while (w->ring_count < WORKER_RINGS && (uint32_t)w->ring_count << w->slot_bits < need) {
		rc = ring_new(&w->rings[w->ring_count], &conf, err, err_size);
		/* The kernel frees the rings of a daemon that was just killed in the background,
		 * and counts them until then. */
		for (int i = 0; rc == -ENOMEM && i < RING_PATIENCE; i++) {
			nanosleep(&pause, NULL);
			rc = ring_new(&w->rings[w->ring_count], &conf, err, err_size);
		}
		if (rc)
			return rc;
		rc = pool_new(&w->sessions[w->ring_count], conf.slots, sizeof(struct session));
		w->ring_count++;
		if (rc) {
			snprintf(err, err_size, "sessions: %s; lower limit sessions",
				 strerror(-rc));
			return rc;
		}
	}
	if ((uint32_t)w->ring_count << w->slot_bits < need) {
		snprintf(err, err_size,
			 "limit sessions %u needs more than %d tables of %u descriptors; raise "
			 "LimitNOFILE or lower it",
			 c->limit.sessions, WORKER_RINGS, conf.slots);
		return -EMFILE;
	}
	return 0;
}

static int make_pools(struct worker *w, const struct config *c, char *err, size_t err_size)
{
	uint32_t slots = (uint32_t)w->ring_count << w->slot_bits;
	uint32_t deliveries = c->upstream.connections;
	uint32_t waiting = slots < 16384 ? slots : 16384;
	int rc;

	w->recipients = c->limit.recipients;
	rc = pool_new(&w->dialogs, slots, sizeof(struct dialog));
	if (!rc)
		rc = pool_new(&w->outs, slots, OUT_CHUNK + OUT_SPARE);
	if (!rc)
		rc = pool_new(&w->ins, waiting, IN_CHUNK);
	if (!rc)
		rc = pool_new(&w->deliveries, deliveries,
			      sizeof(struct delivery) + w->recipients * sizeof(struct accepted));
	if (!rc)
		rc = pool_new(&w->wires, deliveries, BACK_WIRE);
	if (!rc)
		rc = wheel_new(DRIP_SLOTS, TICK_MS, slots * 2, w->now, &w->drips);
	if (!rc)
		rc = wheel_new(TIMEOUT_SLOTS, TIMEOUT_MS, slots * 2 + deliveries, w->now,
			       &w->timeouts);
	w->timed = calloc(slots, sizeof(*w->timed));
	w->reached = calloc(slots, sizeof(*w->reached));
	if (!rc && (!w->timed || !w->reached))
		rc = -ENOMEM;
	if (!rc && !secure_make(w, c->tls.sessions))
		rc = -ENOMEM;
	if (!rc)
		rc = stutter_banner(w, c->hostname);
	if (!rc)
		rc = recent_new(4096, &w->recent);
	if (rc)
		snprintf(err, err_size, "worker memory: %s; lower limit sessions", strerror(-rc));
	return rc;
}

static void unmake(struct worker *w)
{
	evidence_unmake(w);
	for (int i = 0; i < w->ring_count; i++) {
		ring_free(&w->rings[i]);
		pool_free(&w->sessions[i]);
	}
	pool_free(&w->dialogs);
	pool_free(&w->outs);
	pool_free(&w->ins);
	pool_free(&w->deliveries);
	pool_free(&w->wires);
	wheel_free(&w->drips);
	wheel_free(&w->timeouts);
	secure_unmake(w);
	list_matcher_free(&w->matcher);
	free(w->banner);
	free(w->timed);
	free(w->reached);
	for (int i = 0; i < w->listener_count; i++)
		if (w->listeners[i].fd >= 0)
			close(w->listeners[i].fd);
}

static int make(struct worker *w, char *err, size_t err_size)
{
	const struct config *c = atomic_load(&w->daemon->config);
	int rc;

	worker_clocks(w);
	if (getrandom(&w->random, sizeof(w->random), 0) < 0)
		w->random = w->now;
	log_sink(LOG_SINK);
	rc = make_rings(w, c, err, err_size);
	if (!rc)
		rc = make_pools(w, c, err, err_size);
	if (!rc)
		rc = evidence_make(w, c, err, err_size);
	if (rc)
		return rc;
	w->matcher = list_matcher_new();
	if (!w->matcher) {
		snprintf(err, err_size, "worker memory: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	worker_settings(w);
	for (int i = 1; i < w->ring_count; i++)
		ring_poll_fd(&w->rings[0], w->rings[i].uring.ring_fd,
			     (struct ring_event){(uint32_t)i, 0, OP_POLL_RING});
	if (w->daemon->writer)
		ring_poll_fd(&w->rings[0], store_writer_fd(w->daemon->writer, w->number),
			     (struct ring_event){0, 0, OP_POLL_STORE});
	ring_poll_fd(&w->rings[0], w->wake_fd, (struct ring_event){0, 0, OP_POLL_WAKE});
	ring_poll_fd(&w->rings[0], notices_fd(w->daemon->notices, w->number),
		     (struct ring_event){0, 0, OP_POLL_VERIFY});
	return 0;
}

static void *worker_main(void *arg)
{
	struct start *start = arg;
	struct worker *w = start->w;
	int rc = make(w, w->error, sizeof(w->error));

	privileges_forget(atomic_load(&w->daemon->config)->mode == GG_MODE_GATEWAY);
	pthread_mutex_lock(&start->lock);
	start->err = rc;
	start->done = true;
	pthread_cond_signal(&start->ready);
	pthread_mutex_unlock(&start->lock);
	while (!rc) {
		worker_turn(w);
		if (drain_over(w))
			break;
	}
	unmake(w);
	atomic_store(&w->ended, true);
	return NULL;
}

int worker_start(struct daemon *d, int number, const int *listeners, int listener_count,
		 struct worker **ret, char *err, size_t err_size)
{
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
	struct start start = {
		.w = w, .lock = PTHREAD_MUTEX_INITIALIZER, .ready = PTHREAD_COND_INITIALIZER};
	int rc;

	if (!w) {
		snprintf(err, err_size, "worker: out of memory");
		return -ENOMEM;
	}
	assert(listener_count <= WORKER_LISTENERS);
	memset(w, 0, sizeof(*w));
	w->daemon = d;
	w->number = number;
	w->listener_count = listener_count;
	w->behind = atomic_load(&d->before.pid);
	for (int i = 0; i < listener_count; i++)
		doors_listener(&w->listeners[i], listeners[i]);
	w->diag_fd = -1;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = w->wake_fd < 0 ? -errno : -pthread_create(&w->thread, NULL, worker_main, &start);
	if (rc) {
		snprintf(err, err_size, "worker thread: %s; " THREAD_MEND, strerror(-rc));
		free(w);
		return rc;
	}
	pthread_setname_np(w->thread, "worker");
	pthread_mutex_lock(&start.lock);
	while (!start.done)
		pthread_cond_wait(&start.ready, &start.lock);
	pthread_mutex_unlock(&start.lock);
	if (start.err) {
		snprintf(err, err_size, "%s", w->error);
		worker_join(&w);
		return start.err;
	}
	d->counters[number] = &w->counters;
	d->recent[number] = w->recent;
	*ret = w;
	return 0;
}

void worker_join(struct worker **wp)
{
	struct worker *w = *wp;

	pthread_join(w->thread, NULL);
	close(w->wake_fd);
	if (w->diag_fd >= 0)
		close(w->diag_fd);
	recent_free(&w->recent);
	free(w);
	*wp = NULL;
}
