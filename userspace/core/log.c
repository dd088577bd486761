// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Three parts: building a line, the ring each logging thread owns, the thread that empties rings.
 *
 * A ring holds whole lines and nothing else, so the log thread may write any stretch of it as it
 * stands; it finishes a stretch before it looks at another ring, which is why lines never mix and a
 * short write tears none. One mutex stands before the descriptor, for the threads without a ring.
 *
 * Limits: when the descriptor fails (EPIPE, ENOSPC) the stretch is lost and counted; when it stays
 * blocked at log_stop, what is left is given up after STOP_WAIT.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define SINKS 128
#define SINK_MIN (64 * 1024)
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
	_Atomic unsigned int run; /* odd while the thread runs; a sink is good for one run */
	_Atomic int sinks;
	_Atomic(struct sink *) sink[SINKS];
	_Atomic uint64_t dropped; /* by runs that ended and by the descriptor */
	uint64_t reported;
	pthread_t thread;
	pthread_mutex_t fd_lock;
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

/* Waits until fd takes bytes; gives up STOP_WAIT_MS after log_stop was called. */
static bool wait_writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int64_t stop_seen = 0;

	for (;;) {
		if (poll(&p, 1, DRAIN_MS) > 0)
			return true;
		if (!atomic_load_explicit(&out.stopping, memory_order_relaxed))
			continue;
		if (!stop_seen)
			stop_seen = monotonic_ms();
		if (monotonic_ms() - stop_seen > STOP_WAIT_MS)
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

/* All n bytes under fd_lock, or as many as the descriptor took before it failed: counts lines. */
static void write_lines(const char *p, size_t n)
{
	int fd = atomic_load_explicit(&out.fd, memory_order_relaxed);
	struct stat st;
	uint64_t lost = 0;

	if (fstat(fd, &st))
		st.st_mode = 0;
	while (n) {
		ssize_t done = -1;

		if (S_ISFIFO(st.st_mode) && !wait_writable(fd))
			break;
		done = write_some(fd, st.st_mode, p, n);
		if (done >= 0) {
			p += done;
			n -= (size_t)done;
		} else if (errno == EAGAIN) {
			if (!wait_writable(fd))
				break;
		} else if (errno != EINTR) {
			break;
		}
	}
	for (; n; n--)
		lost += *p++ == '\n';
	if (lost)
		atomic_fetch_add_explicit(&out.dropped, lost, memory_order_relaxed);
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

	atomic_store_explicit(&s->woken, false, memory_order_relaxed);
	if (!n)
		return;
	if (first > n)
		first = n;
	/* The two halves of a line that wraps stay together under one hold of the descriptor. */
	pthread_mutex_lock(&out.fd_lock);
	write_lines(s->ring + at, first);
	if (n > first)
		write_lines(s->ring, n - first);
	pthread_mutex_unlock(&out.fd_lock);
	atomic_store_explicit(&s->head, head + n, memory_order_release);
}

/* ---- the thread ---- */

static void drain_all(void)
{
	int n = atomic_load_explicit(&out.sinks, memory_order_acquire);
	uint64_t dropped;

	for (int i = 0; i < n; i++)
		sink_drain(atomic_load_explicit(&out.sink[i], memory_order_acquire));
	dropped = log_dropped();
	if (dropped != out.reported) {
		struct log_line l;

		log_begin(&l, LOG_LIMIT);
		log_str(&l, "reason", "log");
		log_int(&l, "lost", (int64_t)(dropped - out.reported));
		log_end(&l);
		out.reported = dropped;
	}
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
	atomic_store(&out.fd, fd);
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
			memset(s, 0, sizeof(*s));
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

/* ---- a line ---- */

/* Kept free for the end of the line: ,"cut":true}\n */
#define END_ROOM 16
#define VALUE_MAX 512

static const char *const event_words[LOG_EVENT_MAX] = {
	[LOG_CONNECT] = "connect", [LOG_DECISION] = "decision", [LOG_RELAY] = "relay",
	[LOG_PROMOTE] = "promote", [LOG_DEMOTE] = "demote",     [LOG_TRAP] = "trap",
	[LOG_LIMIT] = "limit",     [LOG_LIST] = "list",         [LOG_STORE] = "store",
	[LOG_DNS] = "dns",         [LOG_RELOAD] = "reload",     [LOG_START] = "start",
	[LOG_STOP] = "stop",       [LOG_ERROR] = "error",
};

static void put(struct log_line *l, const char *p, size_t n)
{
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

static void put_two(char *p, unsigned int n)
{
	p[0] = (char)('0' + n / 10);
	p[1] = (char)('0' + n % 10);
}

/* 2026-11-21T17:00:00.123456Z; only the first line of a second pays for the calendar. */
static void put_time(struct log_line *l)
{
	static _Thread_local struct {
		time_t second;
		char text[32];
	} seen = {.second = -1};
	struct timespec now;
	unsigned int us;
	char *p;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != seen.second) {
		struct tm tm;

		gmtime_r(&now.tv_sec, &tm);
		strftime(seen.text, sizeof(seen.text), "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
		seen.second = now.tv_sec;
	}
	us = (unsigned int)now.tv_nsec / 1000;
	p = l->text + l->len;
	memcpy(p, seen.text, 27);
	put_two(p + 20, us / 10000);
	put_two(p + 22, us / 100 % 100);
	put_two(p + 24, us % 100);
	l->len += 27;
}

void log_begin(struct log_line *l, enum log_event event)
{
	const char *word = event_words[event];

	l->len = 0;
	l->cut = false;
	l->format = (enum log_format)atomic_load_explicit(&out.format, memory_order_relaxed);
	if (l->format == LOG_JSON)
		put(l, "{\"ts\":\"", 7);
	put_time(l);
	if (l->format == LOG_JSON)
		put(l, "\",\"event\":\"", 11);
	else
		put(l, " ", 1);
	put(l, word, strlen(word));
	if (l->format == LOG_JSON)
		put(l, "\"", 1);
}

/* Writes the key if it and `room` bytes behind it fit. */
static bool put_key(struct log_line *l, const char *key, size_t room)
{
	size_t n = strlen(key);

	if (n + 4 + room > LOG_LINE - END_ROOM - l->len) {
		l->cut = true;
		return false;
	}
	if (l->format == LOG_JSON) {
		put(l, ",\"", 2);
		put(l, key, n);
		put(l, "\":", 2);
	} else {
		put(l, " ", 1);
		put(l, key, n);
		put(l, "=", 1);
	}
	return true;
}

/* How a byte is written: 0 as it is, 'u' as \u00XX, 'm' begins or continues a multibyte character,
 * else behind a backslash. */
static const char escape[256] = {
	[0x00 ... 0x1f] = 'u', ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n', ['\f'] = 'f',
	['\r'] = 'r',          ['"'] = '"',  ['\\'] = '\\', [0x7f] = 'u', [0x80 ... 0xff] = 'm',
};

/* Length of the valid UTF-8 character at p (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	unsigned int low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	/* The second byte rules out overlong forms, surrogates and what is beyond U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* One character of at most n bytes to `to` (6 bytes of room); returns how many bytes it took. */
static size_t put_escaped(char **to, const unsigned char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char *d = *to;
	size_t len = 1;

	switch (escape[*p]) {
	case 0:
		*d++ = (char)*p;
		break;
	case 'm':
		len = utf8_length(p, n);
		if (!len) {
			memcpy(d, "\xef\xbf\xbd", 3);
			d += 3;
			len = 1;
			break;
		}
		/* U+0080 to U+009F are control characters to some terminals. */
		if (p[0] != 0xc2 || p[1] > 0x9f) {
			memcpy(d, p, len);
			d += len;
			break;
		}
		p++;
		/* fall through */
	case 'u':
		memcpy(d, "\\u00", 4);
		d[4] = hex[*p >> 4];
		d[5] = hex[*p & 15];
		d += 6;
		break;
	default:
		*d++ = '\\';
		*d++ = escape[*p];
	}
	*to = d;
	return len;
}

static bool needs_quotes(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (escape[(unsigned char)p[i]] || p[i] == ' ' || p[i] == '=')
			return true;
	return n == 0;
}

void log_strn(struct log_line *l, const char *key, const char *value, size_t len)
{
	const unsigned char *p = (const unsigned char *)value;
	bool quotes = l->format == LOG_JSON || needs_quotes(value, len);
	size_t n = len < VALUE_MAX ? len : VALUE_MAX;
	char *to, *end;
	size_t i = 0;

	/* The shortest useful rest: quotes, a few characters, "...". */
	if (!put_key(l, key, 16))
		return;
	to = l->text + l->len;
	end = l->text + LOG_LINE - END_ROOM - 4;
	if (quotes)
		*to++ = '"';
	while (i < n && end - to >= 6) {
		if (escape[p[i]] == 0)
			*to++ = (char)p[i++];
		else
			i += put_escaped(&to, p + i, len - i);
	}
	if (i < len) {
		memcpy(to, "...", 3);
		to += 3;
	}
	if (quotes)
		*to++ = '"';
	l->len = (size_t)(to - l->text);
}

void log_str(struct log_line *l, const char *key, const char *value)
{
	if (value)
		log_strn(l, key, value, strlen(value));
}

void log_int(struct log_line *l, const char *key, int64_t value)
{
	uint64_t n = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char buf[20], *p = buf + sizeof(buf);

	if (!put_key(l, key, sizeof(buf)))
		return;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	if (value < 0)
		*--p = '-';
	put(l, p, (size_t)(buf + sizeof(buf) - p));
}

/* A value that needs no escaping. */
static void put_plain(struct log_line *l, const char *key, const char *value, size_t n, bool string)
{
	bool quotes = string && l->format == LOG_JSON;

	if (!put_key(l, key, n + 2))
		return;
	if (quotes)
		put(l, "\"", 1);
	put(l, value, n);
	if (quotes)
		put(l, "\"", 1);
}

void log_hex(struct log_line *l, const char *key, uint64_t value)
{
	char buf[16];

	for (int i = 15; i >= 0; i--, value >>= 4)
		buf[i] = "0123456789abcdef"[value & 15];
	put_plain(l, key, buf, sizeof(buf), true);
}

void log_addr(struct log_line *l, const char *key, const struct addr *a)
{
	char buf[ADDR_TEXT];

	addr_text(a, buf);
	put_plain(l, key, buf, strlen(buf), true);
}

void log_bool(struct log_line *l, const char *key, bool value)
{
	put_plain(l, key, value ? "true" : "false", value ? 4 : 5, false);
}

void log_end(struct log_line *l)
{
	struct sink *s = own_sink();

	if (l->cut) {
		if (l->format == LOG_JSON)
			put(l, ",\"cut\":true", 11);
		else
			put(l, " cut=true", 9);
	}
	if (l->format == LOG_JSON)
		put(l, "}", 1);
	put(l, "\n", 1);
	if (s) {
		sink_add(s, l->text, l->len);
		return;
	}
	pthread_mutex_lock(&out.fd_lock);
	write_lines(l->text, l->len);
	pthread_mutex_unlock(&out.fd_lock);
}

void log_message(enum log_event event, const char *format, ...)
{
	char text[VALUE_MAX + 8];
	struct log_line l;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	log_begin(&l, event);
	log_str(&l, "message", text);
	log_end(&l);
}
