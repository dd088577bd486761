// SPDX-License-Identifier: GPL-2.0-or-later
#include "reply.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../core/log.h"

int64_t reply_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* crowd -1: not heeded. */
static enum reply_waited wait_for(int stop, int crowd, int fd, short events, int ms)
{
	struct pollfd p[3] = {{.fd = fd, .events = events},
			      {.fd = stop, .events = POLLIN},
			      {.fd = crowd, .events = POLLIN}};

	while (poll(p, 3, ms) < 0) {
		if (errno != EINTR)
			return REPLY_STOP;
	}
	if (p[1].revents)
		return REPLY_STOP;
	if (p[0].revents)
		return REPLY_READY;
	return p[2].revents ? REPLY_CROWD : REPLY_LATE;
}

enum reply_waited reply_wait(const struct reply_ends *ends, int fd, short events, int waited,
			     int ms)
{
	int alone = waited < CONTROL_YIELD ? CONTROL_YIELD - waited : 0;
	enum reply_waited got;

	if (alone > ms)
		alone = ms;
	got = wait_for(ends->stop, -1, fd, events, alone);
	return got == REPLY_LATE && alone < ms
		       ? wait_for(ends->stop, ends->crowd, fd, events, ms - alone)
		       : got;
}

static void flush(struct control_reply *r)
{
	static const char *const why[] = {
		[REPLY_LATE] = "its client does not read it",
		[REPLY_CROWD] = "its client does not read it, and others wait for its place",
		[REPLY_STOP] = NULL,
	};
	enum reply_waited got;
	size_t done = 0;

	while (!r->gone && done < r->len) {
		ssize_t n = send(r->fd, r->out + done, r->len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		int64_t from;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN) {
			r->gone = true;
			break;
		}
		from = reply_now();
		got = reply_wait(r->ends, r->fd, POLLOUT, 0, r->stall);
		r->stall -= (int)(reply_now() - from);
		if (got == REPLY_READY && r->stall <= 0)
			got = REPLY_LATE;
		if (why[got])
			log_message(LOG_LIMIT, "control: an answer was broken off: %s", why[got]);
		r->gone = got != REPLY_READY;
	}
	r->len = 0;
}

static int put(const char *bytes, size_t len, void *reply)
{
	struct control_reply *r = reply;

	while (len && !r->gone) {
		size_t n = sizeof(r->out) - r->len;

		if (n > len)
			n = len;
		memcpy(r->out + r->len, bytes, n);
		r->len += n;
		bytes += n;
		len -= n;
		if (r->len == sizeof(r->out))
			flush(r);
	}
	return r->gone ? -1 : 0;
}

static void put_line(struct control_reply *r, const char *before, const json_t *value,
		     const char *after)
{
	put(before, strlen(before), r);
	json_dump_callback(value, put, r, JSON_COMPACT | JSON_ENCODE_ANY);
	put(after, strlen(after), r);
}

bool control_row(struct control_reply *r, json_t *row)
{
	if (!row) {
		control_fail(r, NULL, "out of memory");
		return false;
	}
	put_line(r, "{\"row\":", row, "}\n");
	json_decref(row);
	return !r->gone;
}

void control_flush(struct control_reply *r)
{
	flush(r);
}

int control_file(const struct control_reply *r)
{
	return r->file;
}

json_t *control_summary(struct control_reply *r)
{
	return r->summary;
}

int control_fail(struct control_reply *r, const char *mend, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->error, sizeof(r->error), format, ap);
	va_end(ap);
	snprintf(r->mend, sizeof(r->mend), "%s", mend ? mend : "");
	return -EINVAL;
}

const char *control_text(const json_t *args, const char *name)
{
	return json_string_value(json_object_get(args, name));
}

/* json_string refuses what is no UTF-8; a client may quote anything at us. */
static void set_text(json_t *to, const char *key, const char *text)
{
	char clean[8192];
	size_t n = 0;

	if (json_object_set_new(to, key, json_string(text)) == 0)
		return;
	for (; *text && n < sizeof(clean) - 1; text++)
		clean[n++] = (char)((unsigned char)*text < 0x80 ? *text : '?');
	clean[n] = 0;
	json_object_set_new(to, key, json_string(clean));
}

void reply_close(struct control_reply *r, int rc)
{
	json_t *last;

	if (!rc && !r->error[0]) {
		json_object_set_new(r->summary, "done", json_true());
		put_line(r, "", r->summary, "\n");
	} else {
		last = json_object();
		set_text(last, "error", r->error[0] ? r->error : strerror(-rc));
		if (r->mend[0])
			set_text(last, "mend", r->mend);
		put_line(r, "", last, "\n");
		json_decref(last);
	}
	flush(r);
}

struct control_reply *reply_new(int fd, const struct reply_ends *ends, int file, int stall)
{
	struct control_reply *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->fd = fd;
	r->ends = ends;
	r->file = file;
	r->stall = stall ? stall : CONTROL_STALL;
	r->summary = json_object();
	return r;
}

void reply_free(struct control_reply **r)
{
	json_decref((*r)->summary);
	free(*r);
	*r = NULL;
}
