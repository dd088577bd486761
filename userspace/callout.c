// SPDX-License-Identifier: GPL-2.0-or-later
#include "callout.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "proxy/header.h"

#define WIRE (CALLOUT_READ + TLS_OVERHEAD + TLS_ASIDE)
_Static_assert(WIRE >= UPSTREAM_COMMAND + TLS_OVERHEAD + TLS_ASIDE, "a command as a record");

uint64_t callout_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct upstream_client ourselves(const struct callout *c, const struct config *conf)
{
	return (struct upstream_client){.our_name = conf->hostname,
					.helo = conf->hostname,
					.esmtp = true,
					.tls = backend_tls(conf, c->in_the_clear)};
}

/* ---- open and close ---- */

static int connect_to(struct callout *c, const struct config *conf)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&c->peer, &sa);
	int rc = 0;

	upstream_init(&c->up);
	c->out.len = c->len = c->at = 0;
	c->distrusted = false;
	c->touched = callout_now();
	c->fd = backend_socket(conf, &c->peer, SOCK_NONBLOCK);
	if (c->fd < 0)
		rc = c->fd;
	else if (connect(c->fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS)
		rc = -errno;
	if (rc)
		callout_close(c);
	return rc;
}

int callout_open(struct callout *c, const struct config *conf, const struct endpoint *peer)
{
	c->peer = *peer;
	c->in_the_clear = c->shaking = c->secured = false;
	return connect_to(c, conf);
}

void callout_close(struct callout *c)
{
	if (c->shaking || c->secured)
		tls_end(&c->tls);
	c->shaking = c->secured = false;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static enum callout_event lost(struct callout *c, const char *why)
{
	c->why = why;
	callout_close(c);
	return CALLOUT_LOST;
}

const char *callout_why(const struct callout *c)
{
	return c->why;
}

short callout_events(const struct callout *c)
{
	return c->up.state == UP_CONNECTING ? POLLOUT : POLLIN;
}

/* ---- bytes out ---- */

/* Commands are far smaller than what a socket takes at once. */
static bool send_all(struct callout *c, const char *bytes, size_t len)
{
	return send(c->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool callout_say(struct callout *c)
{
	char wire[WIRE];
	const char *bytes = c->out.buf;
	size_t len = c->out.len;
	bool good = true;

	c->out.len = 0;
	c->touched = callout_now();
	if (c->secured) {
		good = !tls_seal(&c->tls, bytes, len, false, wire, sizeof(wire), &len);
		bytes = wire;
	}
	if (good && send_all(c, bytes, len))
		return true;
	lost(c, "send");
	return false;
}

/* ---- TLS ---- */

static enum callout_event shake_failed(struct callout *c)
{
	c->distrusted = tls_distrust(&c->tls);
	return lost(c, backend_tls_why(&c->tls, c->tls_why, sizeof(c->tls_why)));
}

static enum callout_event shake(struct callout *c, const struct daemon *d, const char *in,
				size_t len)
{
	struct upstream_client who = ourselves(c, atomic_load(&d->config));
	char wire[WIRE];
	size_t used = len, out, rest;
	enum tls_step done = tls_handshake(&c->tls, in, &used, wire, sizeof(wire), &out);

	if (done == TLS_DEAD || done == TLS_FULL || (out && !send_all(c, wire, out)))
		return shake_failed(c);
	if (done != TLS_DONE)
		return CALLOUT_NOTHING;
	c->shaking = false;
	c->secured = true;
	/* Session tickets may follow, but nobody has been asked anything. */
	if (tls_open(&c->tls, in + used, len - used, c->text, sizeof(c->text), &rest) || rest)
		return shake_failed(c);
	upstream_secured(&c->up, &who, &c->out);
	return callout_say(c) ? CALLOUT_NOTHING : CALLOUT_LOST;
}

static enum callout_event secure(struct callout *c, const struct daemon *d)
{
	if (backend_tls_begin(d, atomic_load(&d->config), &c->peer, &c->tls))
		return lost(c, "TLS with the mail server could not begin");
	c->shaking = true;
	return shake(c, d, NULL, 0);
}

/* ---- bytes in ---- */

/* More text in c->text; CALLOUT_NOTHING: there is some, or none yet. */
static enum callout_event receive(struct callout *c, const struct daemon *d)
{
	char wire[CALLOUT_READ];
	ssize_t got = recv(c->fd, wire, sizeof(wire), 0);
	int rc;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return CALLOUT_NOTHING;
	if (got <= 0)
		return lost(c, backend_closed_why(&c->up, (int)got));
	c->touched = callout_now();
	if (c->shaking)
		return shake(c, d, wire, (size_t)got);
	c->at = 0;
	c->len = (size_t)got;
	if (!c->secured) {
		memcpy(c->text, wire, c->len);
		return CALLOUT_NOTHING;
	}
	rc = tls_open(&c->tls, wire, (size_t)got, c->text, sizeof(c->text), &c->len);
	return rc && !(rc == -EPIPE && c->len) ? lost(c, "TLS with the mail server broke")
					       : CALLOUT_NOTHING;
}

static enum callout_event read_text(struct callout *c, const struct daemon *d)
{
	const struct upstream_client who = ourselves(c, atomic_load(&d->config));

	while (c->at < c->len) {
		enum upstream_act act;

		c->at += upstream_input(&c->up, &who, c->text + c->at, c->len - c->at, &c->out,
					&act);
		/* The machine breaks over what was sent in the clear behind the answer to STARTTLS:
		 * anybody on the way may have put it there. */
		if (act == UPSTREAM_MORE || (act == UPSTREAM_TLS && c->at < c->len))
			continue;
		if (act == UPSTREAM_TLS)
			return secure(c, d);
		if (act == UPSTREAM_FAIL)
			return lost(c, upstream_why(&c->up));
		if (act == UPSTREAM_SEND) {
			if (!callout_say(c))
				return CALLOUT_LOST;
			continue;
		}
		/* What follows can't be the answer to anything. */
		if (c->at < c->len)
			return lost(c, "spoke out of turn");
		return act == UPSTREAM_READY ? CALLOUT_READY : CALLOUT_REPLY;
	}
	return CALLOUT_NOTHING;
}

/* The connection stands. */
static enum callout_event greet(struct callout *c, const struct config *conf)
{
	c->touched = callout_now();
	if (!conf->upstream.proxy)
		return CALLOUT_NOTHING;
	c->out.len = proxy_say(NULL, NULL, c->out.buf);
	return callout_say(c) ? CALLOUT_NOTHING : CALLOUT_LOST;
}

static enum callout_event step(struct callout *c, const struct daemon *d, short revents)
{
	enum callout_event e;
	socklen_t len = sizeof(int);
	int error = 0;

	if (!revents)
		return CALLOUT_NOTHING;
	if (c->up.state == UP_CONNECTING) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error)
			return lost(c, "connect");
		upstream_connected(&c->up);
		return greet(c, atomic_load(&d->config));
	}
	e = receive(c, d);
	return e == CALLOUT_NOTHING ? read_text(c, d) : e;
}

/* It was closed before TLS was reached, which may be done without: the same mail server again. */
static bool without_tls(struct callout *c, const struct config *conf)
{
	if (conf->tls.backend != CONFIG_TLS_OPPORTUNISTIC || c->in_the_clear ||
	    !upstream_securing(&c->up))
		return false;
	c->in_the_clear = true;
	return !connect_to(c, conf);
}

enum callout_event callout_step(struct callout *c, const struct daemon *d, short revents)
{
	enum callout_event e = step(c, d, revents);

	return e == CALLOUT_LOST && without_tls(c, atomic_load(&d->config)) ? CALLOUT_NOTHING : e;
}

bool callout_late(struct callout *c, const struct config *conf)
{
	lost(c, "timeout");
	return without_tls(c, conf);
}
