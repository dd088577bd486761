// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "proxy/header.h"
#include "offers.h"
#include "relay/upstream.h"

#define EVERY_MS 60000    /* between two rounds */
#define AGAIN_MS 5000     /* after one in which nobody answered */
#define PATIENCE_MS 30000 /* for one */

static struct {
	int fd; /* -1: none at hand */
	int backend;
	bool any; /* of this round has answered */
	const struct config *config;
	uint64_t began, due;
	struct upstream up;
	struct upstream_out out;
} probe = {.fd = -1};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void finish(uint64_t pause)
{
	if (probe.fd >= 0)
		close(probe.fd);
	probe.fd = -1;
	probe.due = now_ms() + pause;
}

void probe_end(void)
{
	finish(0);
}

/* One is dealt with: the next one of the list at once, the first one again after a while. */
static void next_backend(const struct config *c)
{
	int count;

	config_targets(c, &count);
	if (++probe.backend < count) {
		finish(0);
		return;
	}
	finish(probe.any ? EVERY_MS : AGAIN_MS);
	probe.backend = 0;
	probe.any = false;
}

static void failed(struct daemon *d, const struct config *c)
{
	if (probe.backend < c->backend_count)
		backend_down(d, c, probe.backend, now_ms(), "probe");
	next_backend(c);
}

static void begin(struct daemon *d, const struct config *c)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int count;
	const struct endpoint *targets = config_targets(c, &count);

	if (probe.backend >= count)
		probe.backend = 0;
	len = addr_to_sockaddr(&targets[probe.backend], &sa);
	upstream_init(&probe.up);
	probe.out.len = 0;
	probe.began = now_ms();
	probe.fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe.fd < 0 ||
	    (connect(probe.fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS))
		failed(d, c);
}

static void say_out(struct daemon *d, const struct config *c)
{
	ssize_t n = send(probe.fd, probe.out.buf, probe.out.len, MSG_NOSIGNAL);

	probe.out.len = 0;
	if (n < 0)
		failed(d, c);
}

static void connected(struct daemon *d, const struct config *c)
{
	upstream_connected(&probe.up);
	if (!c->upstream.proxy)
		return;
	probe.out.len = proxy_say(NULL, NULL, probe.out.buf);
	say_out(d, c);
}

static void answered(struct daemon *d, const struct config *c)
{
	ssize_t sent;
	int count;

	if (probe.backend < c->backend_count)
		backend_up(d, c, probe.backend);
	probe.any = true;
	offers_learn(d, c, &config_targets(c, &count)[probe.backend], &probe.up);
	upstream_quit(&probe.up, &probe.out);
	sent = send(probe.fd, probe.out.buf, probe.out.len, MSG_NOSIGNAL);
	(void)sent; /* it has said what was to be known */
	next_backend(c);
}

static void read_in(struct daemon *d, const struct config *c)
{
	const struct upstream_client who = {
		.our_name = c->hostname, .helo = c->hostname, .esmtp = true};
	char buf[4096];
	ssize_t got = recv(probe.fd, buf, sizeof(buf), 0);
	size_t used = 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		failed(d, c);
		return;
	}
	while (probe.fd >= 0 && used < (size_t)got) {
		enum upstream_act act;

		used += upstream_input(&probe.up, &who, buf + used, (size_t)got - used, &probe.out,
				       &act);
		if (act == UPSTREAM_MORE)
			return;
		if (act == UPSTREAM_SEND)
			say_out(d, c);
		else if (act == UPSTREAM_READY)
			answered(d, c);
		else
			failed(d, c);
	}
}

void probe_step(struct daemon *d, int budget)
{
	const struct config *c = atomic_load(&d->config);
	uint64_t end = now_ms() + (uint64_t)budget;

	/* New settings may name other servers. */
	if (c != probe.config) {
		probe.config = c;
		probe.backend = 0;
		offers_forget(d);
		finish(0);
	}
	for (;;) {
		uint64_t now = now_ms();
		struct pollfd p;
		bool connecting;

		if (probe.fd < 0 && now >= probe.due)
			begin(d, c);
		if (probe.fd < 0)
			return;
		connecting = probe.up.state == UP_CONNECTING;
		p = (struct pollfd){.fd = probe.fd, .events = connecting ? POLLOUT : POLLIN};
		if (now - probe.began > PATIENCE_MS) {
			failed(d, c);
			return;
		}
		if (poll(&p, 1, now < end ? (int)(end - now) : 0) <= 0)
			return;
		if (connecting && (p.revents & (POLLERR | POLLHUP)))
			failed(d, c);
		else if (connecting)
			connected(d, c);
		else
			read_in(d, c);
	}
}
