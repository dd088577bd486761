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

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

bool reply_wait(int stop, int fd, short events, int ms)
{
	struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = stop, .events = POLLIN}};

	while (poll(p, 2, ms) < 0) {
		if (errno != EINTR)
			return false;
	}
	return p[0].revents && !p[1].revents;
}

static void flush(struct control_reply *r)
{
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
		from = now_ms();
		if (!reply_wait(r->stop, r->fd, POLLOUT, r->stall))
			r->gone = true;
		r->stall -= (int)(now_ms() - from);
		if (r->stall <= 0)
			r->gone = true;
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

struct control_reply *reply_new(int fd, int stop, int file, int stall)
{
	struct control_reply *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->fd = fd;
	r->stop = stop;
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
