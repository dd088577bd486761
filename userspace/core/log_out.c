// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where lines go: the ring each logging thread owns, and the thread that empties rings.
 *
 * A ring holds whole lines and nothing else, so the log thread may write any stretch of it as it
 * stands; it finishes a stretch before it looks at another ring, which is why lines never mix and a
 * short write tears none. One mutex stands before the descriptor, for the threads without a ring.
 *
 * Limits: when the descriptor fails (EPIPE, ENOSPC) the stretch is lost and counted; when it stays
 * blocked at log_stop, what is left is given up after STOP_WAIT. A line of which a part was written
 * by then is lost with it, and its part ends there.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "log_out.h"

#define SINKS 128
#define SINK_MIN 65536
#define DRAIN_MS 20
#define STOP_WAIT_MS 1000

struct sink {
	size_t size;
	_Alignas(64) _Atomic size_t tail; /* the owner's */
	size_t head_seen;
	_Atomic uint64_t dropped;
	_Alignas(64) _Atomic size_t head; /* the log thread's */
	_Atomic bool woken;
	_Alignas(64) char ring[];
};

static struct {
	_Atomic int format;
	_Atomic int fd;
	_Atomic int wake; /* eventfd */
	_Atomic bool stopping;
	_Atomic int64_t stop_by;  /* ms, CLOCK_MONOTONIC; once stopping */
	_Atomic unsigned int run; /* odd while the thread runs; a sink is good for one run */
	_Atomic int sinks;
	_Atomic(struct sink *) sink[SINKS];
	_Atomic uint64_t dropped; /* by runs that ended and by the descriptor */
	uint64_t reported;
	pthread_t thread;
	pthread_mutex_t fd_lock;
	bool torn; /* under fd_lock: the descriptor has the beginning of a line */
	pthread_mutex_t start_lock;
} out = {
	.fd = STDERR_FILENO,
	.wake = -1,
	.fd_lock = PTHREAD_MUTEX_INITIALIZER,
	.start_lock = PTHREAD_MUTEX_INITIALIZER,
};

static _Thread_local struct {
	struct sink *sink;
	unsigned int run;
} own;

/* ---- the descriptor ---- */

static int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Waits until fd takes bytes; once log_stop was called, no longer than that allows. */
static bool wait_writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	for (;;) {
		if (poll(&p, 1, DRAIN_MS) > 0)
			return true;
		if (atomic_load_explicit(&out.stopping, memory_order_acquire) &&
		    monotonic_ms() > atomic_load_explicit(&out.stop_by, memory_order_relaxed))
			return false;
	}
}

/* One write that does not block for long and raises no SIGPIPE where the kind of file allows it. */
static ssize_t write_some(int fd, mode_t kind, const char *p, size_t n)
{
	if (S_ISSOCK(kind))
		return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* A pipe that polls writable takes this much without blocking (POSIX write). */
	if (S_ISFIFO(kind) && n > PIPE_BUF)
		n = PIPE_BUF;
	return write(fd, p, n);
}

/* How many bytes the descriptor took. */
static size_t write_all(int fd, mode_t kind, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t some;

		if (S_ISFIFO(kind) && !wait_writable(fd))
			break;
		some = write_some(fd, kind, p + done, n - done);
		if (some >= 0) {
			done += (size_t)some;
		} else if (errno == EAGAIN) {
			if (!wait_writable(fd))
				break;
		} else if (errno != EINTR) {
			break;
		}
	}
	return done;
}

/* Whole lines in so many pieces, under fd_lock. Returns how many lines the descriptor did not take:
 * the one it was in the middle of is among them unless only its end is to come, and the next one
 * must not become its end. */
static uint64_t write_lines(const struct iovec *pieces, int count)
{
	int fd = atomic_load_explicit(&out.fd, memory_order_relaxed);
	struct stat st;
	uint64_t lost = 0;
	bool stuck;

	if (fstat(fd, &st))
		st.st_mode = 0;
	stuck = out.torn && !write_all(fd, st.st_mode, "\n", 1);
	out.torn = stuck;
	for (int i = 0; i < count; i++) {
		const char *p = pieces[i].iov_base;
		size_t n = pieces[i].iov_len, done = stuck ? 0 : write_all(fd, st.st_mode, p, n);

		if (done)
			out.torn = p[done - 1] != '\n';
		if (done < n && !stuck) {
			stuck = true;
			done += out.torn && p[done] == '\n';
		}
		for (; done < n; done++)
			lost += p[done] == '\n';
	}
	return lost;
}

static uint64_t write_line(const char *p, size_t n)
{
	return write_lines(&(struct iovec){(void *)p, n}, 1);
}

/* ---- rings ---- */

static struct sink *own_sink(void)
{
	unsigned int run = atomic_load_explicit(&out.run, memory_order_acquire);

	return own.sink && own.run == run ? own.sink : NULL;
}

static void wake_thread(void)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(atomic_load_explicit(&out.wake, memory_order_relaxed), &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void sink_add(struct sink *s, const char *p, size_t n)
{
	size_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
	size_t at = tail & (s->size - 1), first = s->size - at;

	if (s->size - (tail - s->head_seen) < n) {
		s->head_seen = atomic_load_explicit(&s->head, memory_order_acquire);
		if (s->size - (tail - s->head_seen) < n) {
			atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
			return;
		}
	}
	if (first > n)
		first = n;
	memcpy(s->ring + at, p, first);
	memcpy(s->ring, p + first, n - first);
	atomic_store_explicit(&s->tail, tail + n, memory_order_release);
	if (tail + n - s->head_seen < s->size / 2)
		return;
	s->head_seen = atomic_load_explicit(&s->head, memory_order_acquire);
	if (tail + n - s->head_seen >= s->size / 2 &&
	    !atomic_exchange_explicit(&s->woken, true, memory_order_relaxed))
		wake_thread();
}

static void sink_drain(struct sink *s)
{
	size_t head = atomic_load_explicit(&s->head, memory_order_relaxed);
	size_t n = atomic_load_explicit(&s->tail, memory_order_acquire) - head;
	size_t at = head & (s->size - 1), first = s->size - at;
	struct iovec pieces[2];
	uint64_t lost;

	atomic_store_explicit(&s->woken, false, memory_order_relaxed);
	if (!n)
		return;
	if (first > n)
		first = n;
	/* The two halves of a line that wraps stay together. */
	pieces[0] = (struct iovec){s->ring + at, first};
	pieces[1] = (struct iovec){s->ring, n - first};
	pthread_mutex_lock(&out.fd_lock);
	lost = write_lines(pieces, 2);
	pthread_mutex_unlock(&out.fd_lock);
	atomic_store_explicit(&s->head, head + n, memory_order_release);
	atomic_fetch_add_explicit(&out.dropped, lost, memory_order_relaxed);
}

/* ---- the thread ---- */

/* Says how many lines were lost since this was last said. The line itself does not count as one. */
static void report_lost(void)
{
	uint64_t dropped = log_dropped();
	struct log_line l;

	if (dropped == out.reported)
		return;
	log_begin(&l, LOG_LIMIT);
	log_str(&l, "reason", "log");
	log_int(&l, "lost", (int64_t)(dropped - out.reported));
	log_close(&l);
	pthread_mutex_lock(&out.fd_lock);
	if (!write_line(l.text, l.len))
		out.reported = dropped;
	pthread_mutex_unlock(&out.fd_lock);
}

static void drain_all(void)
{
	int n = atomic_load_explicit(&out.sinks, memory_order_acquire);

	for (int i = 0; i < n; i++)
		sink_drain(atomic_load_explicit(&out.sink[i], memory_order_acquire));
	report_lost();
}

static void *log_thread(void *arg)
{
	struct pollfd p = {.fd = atomic_load(&out.wake), .events = POLLIN};
	uint64_t count;

	(void)arg;
	while (!atomic_load_explicit(&out.stopping, memory_order_acquire)) {
		if (poll(&p, 1, DRAIN_MS) > 0 && read(p.fd, &count, sizeof(count)) < 0)
			continue;
		drain_all();
	}
	drain_all();
	return NULL;
}

int log_start(int fd, enum log_format format)
{
	sigset_t all, old;
	int wake, rc;

	pthread_mutex_lock(&out.start_lock);
	rc = -EBUSY;
	if (atomic_load(&out.run) & 1)
		goto out;
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = -errno;
	if (wake < 0)
		goto out;
	atomic_store(&out.wake, wake);
	pthread_mutex_lock(&out.fd_lock);
	atomic_store(&out.fd, fd);
	out.torn = false;
	pthread_mutex_unlock(&out.fd_lock);
	atomic_store(&out.stopping, false);
	log_set_format(format);
	/* Signals are for the main thread; a broken pipe is an error here, not a death. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&out.thread, NULL, log_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		close(wake);
		atomic_store(&out.fd, STDERR_FILENO);
		goto out;
	}
	atomic_fetch_add(&out.run, 1);
out:
	pthread_mutex_unlock(&out.start_lock);
	return rc;
}

void log_stop(void)
{
	pthread_mutex_lock(&out.start_lock);
	if (atomic_load(&out.run) & 1) {
		int n = atomic_load(&out.sinks);

		atomic_store(&out.stop_by, monotonic_ms() + STOP_WAIT_MS);
		atomic_store(&out.stopping, true);
		wake_thread();
		pthread_join(out.thread, NULL);
		atomic_fetch_add(&out.run, 1);
		atomic_store(&out.sinks, 0);
		for (int i = 0; i < n; i++) {
			struct sink *s = atomic_exchange(&out.sink[i], NULL);

			atomic_fetch_add(&out.dropped, atomic_load(&s->dropped));
			free(s);
		}
		close(atomic_exchange(&out.wake, -1));
		atomic_store(&out.fd, STDERR_FILENO);
		atomic_store(&out.stopping, false);
	}
	pthread_mutex_unlock(&out.start_lock);
}

void log_set_format(enum log_format format)
{
	atomic_store_explicit(&out.format, format, memory_order_relaxed);
}

int log_sink(size_t bytes)
{
	struct sink *s;
	int rc = 0, n;

	if (bytes < SINK_MIN || bytes & (bytes - 1))
		return -EINVAL;
	pthread_mutex_lock(&out.start_lock);
	n = atomic_load(&out.sinks);
	if (!(atomic_load(&out.run) & 1)) {
		rc = -ESRCH;
	} else if (own_sink()) {
		rc = -EEXIST;
	} else if (n == SINKS) {
		rc = -ENOSPC;
	} else {
		s = aligned_alloc(64, sizeof(*s) + bytes);
		if (s) {
			/* Touched now, not by the first lines. */
			memset(s, 0, sizeof(*s) + bytes);
			s->size = bytes;
			atomic_store(&out.sink[n], s);
			atomic_store_explicit(&out.sinks, n + 1, memory_order_release);
			own.sink = s;
			own.run = atomic_load(&out.run);
		} else {
			rc = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&out.start_lock);
	return rc;
}

uint64_t log_dropped(void)
{
	uint64_t sum = atomic_load_explicit(&out.dropped, memory_order_relaxed);
	int n = atomic_load_explicit(&out.sinks, memory_order_acquire);

	for (int i = 0; i < n; i++) {
		const struct sink *s = atomic_load_explicit(&out.sink[i], memory_order_acquire);

		sum += s ? atomic_load_explicit(&s->dropped, memory_order_relaxed) : 0;
	}
	return sum;
}

enum log_format log_out_format(void)
{
	return (enum log_format)atomic_load_explicit(&out.format, memory_order_relaxed);
}

void log_out(const char *line, size_t n)
{
	struct sink *s = own_sink();

	if (s) {
		sink_add(s, line, n);
		return;
	}
	pthread_mutex_lock(&out.fd_lock);
	atomic_fetch_add_explicit(&out.dropped, write_line(line, n), memory_order_relaxed);
	pthread_mutex_unlock(&out.fd_lock);
}
