// SPDX-License-Identifier: GPL-2.0-or-later
#include "backend.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "delivery.h"
#include "offers.h"

#define DOWN_MS 90000 /* longer than the pause between two probes, which end it sooner */
#define FULL_MS 60000 /* after the last connection that it had no room for */
#define LOSSES 3      /* in a row: one odd connection or two say nothing */
#define UNWELCOME 20  /* refused clients without a welcome one that are worth a line */

/* ---- health ---- */

static void say_health(const struct config *c, int which, const char *verdict, const char *why)
{
	char text[ENDPOINT_TEXT];
	struct log_line l;

	log_begin(&l, LOG_RELAY);
	log_str(&l, "verdict", verdict);
	log_str(&l, "backend", endpoint_text(&c->backend[which], text));
	log_str(&l, "reason", why);
	log_end(&l);
}

bool backend_is_down(const struct daemon *d, int which, uint64_t now)
{
	return atomic_load_explicit(&d->backend_down[which], memory_order_relaxed) > now;
}

void backend_down(struct daemon *d, const struct config *c, int which, uint64_t now,
		  const struct ailment_end *end)
{
	ailment_note(d, which, end);
	/* Of several who notice at once one speaks. */
	if (!atomic_exchange(&d->backend_down[which], now + DOWN_MS)) {
		say_health(c, which, "down", end->why);
		offers_again(d, c);
	}
}

void backend_up(struct daemon *d, const struct config *c, int which, uint64_t now)
{
	if (atomic_load_explicit(&d->backend_losses[which], memory_order_relaxed) >= LOSSES &&
	    backend_is_down(d, which, now))
		return;
	if (atomic_load_explicit(&d->backend_down[which], memory_order_relaxed) &&
	    atomic_exchange(&d->backend_down[which], 0)) {
		say_health(c, which, "up", "answers again");
		offers_again(d, c);
	}
}

void backend_stands(struct daemon *d, int which, bool *standing, bool stands)
{
	if (*standing == stands)
		return;
	*standing = stands;
	if (stands)
		atomic_fetch_add(&d->backend_standing[which], 1);
	else
		atomic_fetch_sub(&d->backend_standing[which], 1);
}

bool backend_is_full(const struct daemon *d, int which, uint64_t now)
{
	return atomic_load_explicit(&d->backend_full[which], memory_order_relaxed) > now;
}

bool backend_ungreeted(struct daemon *d, const struct config *c, int which, uint64_t now,
		       const struct ailment_end *end)
{
	if (!upstream_closing(end->up) || !atomic_load(&d->backend_standing[which])) {
		backend_down(d, c, which, now, end);
		return false;
	}
	daemon_counted(d, COUNT_backend_full);
	if (atomic_exchange(&d->backend_full[which], now + FULL_MS) <= now)
		say_health(c, which, "full",
			   "takes no more connections than stand: raise its limit for greygate "
			   "(smtpd_client_connection_count_limit in Postfix)");
	return true;
}

void backend_lost(struct daemon *d, const struct config *c, int which, uint64_t now,
		  const char *why)
{
	const struct ailment_end end = {.why = why};

	if (atomic_fetch_add(&d->backend_losses[which], 1) + 1 >= LOSSES)
		backend_down(d, c, which, now, &end);
}

void backend_served(struct daemon *d, const struct config *c, int which, uint64_t now)
{
	if (!atomic_load_explicit(&d->backend_losses[which], memory_order_relaxed))
		return;
	atomic_store(&d->backend_losses[which], 0);
	backend_up(d, c, which, now);
}

void backend_named(struct daemon *d, const struct config *c, int which, bool welcome)
{
	_Atomic uint32_t *unwelcome = &d->backend_unwelcome[which];

	if (!welcome) {
		if (atomic_fetch_add(unwelcome, 1) + 1 == UNWELCOME)
			say_health(c, which, "up",
				   "refuses one client after the other that it is told of: see "
				   "upstream xclient and proxy, and whether it trusts greygate");
	} else if (atomic_load_explicit(unwelcome, memory_order_relaxed)) {
		atomic_store(unwelcome, 0);
	}
}

/* ---- which one ---- */

uint8_t backend_tls(const struct config *c, bool in_the_clear)
{
	static const uint8_t wanted[] = {
		[CONFIG_TLS_NONE] = UPSTREAM_TLS_NONE,
		[CONFIG_TLS_OPPORTUNISTIC] = UPSTREAM_TLS_OPPORTUNISTIC,
		[CONFIG_TLS_REQUIRED] = UPSTREAM_TLS_REQUIRED,
		[CONFIG_TLS_VERIFIED] = UPSTREAM_TLS_REQUIRED,
	};

	return in_the_clear && c->tls.backend == CONFIG_TLS_OPPORTUNISTIC ? UPSTREAM_TLS_NONE
									  : wanted[c->tls.backend];
}

int backend_tls_begin(const struct daemon *d, const struct config *c, const struct endpoint *to,
		      struct tls *tls)
{
	const struct tls_peer peer = {c->tls.backend_names, c->tls.backend_name_count, to->addr};

	return tls_begin_client(tls, atomic_load(&d->tls_client),
				c->tls.backend == CONFIG_TLS_VERIFIED ? &peer : NULL);
}

const char *backend_tls_why(const struct tls *tls, char *buf, size_t size)
{
	const char *distrust = tls_distrust(tls);
	char reason[160];

	if (distrust) {
		snprintf(buf, size, "mail server's certificate: %s", distrust);
	} else {
		tls_why(tls, reason, sizeof(reason));
		snprintf(buf, size, "TLS handshake with the mail server failed: %s", reason);
	}
	return buf;
}

const char *backend_closed_why(const struct upstream *up, int error)
{
	if (upstream_securing(up))
		return "mail server closed the connection in the TLS handshake";
	return error ? "receive" : "closed by the mail server";
}

bool backend_is_current(const struct worker *w, const struct delivery *d)
{
	return d->reloads == w->reloads;
}

bool backend_is_listed(const struct worker *w, const struct delivery *d)
{
	return backend_is_current(w, d) && d->backend < w->config->backend_count;
}

static bool is_protected(const struct config *c, const struct endpoint *e)
{
	for (int i = 0; i < c->protect_count; i++)
		if (endpoint_eq(&c->protect[i], e))
			return true;
	return false;
}

int backend_socket(const struct config *c, const struct endpoint *peer, int flags)
{
	const struct endpoint own = {.addr = peer->addr};
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&own, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), one = 1;

	if (fd < 0)
		return -errno;
	/* An address that this machine doesn't have is connect's to complain of. */
	if (c->mode == GG_MODE_HOST && is_protected(c, peer) &&
	    !setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)))
		(void)!bind(fd, (struct sockaddr *)&sa, len);
	return fd;
}

static bool connect_to(struct worker *w, struct delivery *d)
{
	socklen_t len;

	d->fd = way_open(w, d);
	if (d->fd < 0)
		return false;
	len = addr_to_sockaddr(&d->peer, &d->address);
	d->connecting = true;
	delivery_ask(w, d, ASKED_GREETING);
	ring_connect_fd(delivery_ring(w), d->fd, &d->address, len,
			delivery_token(w, d, OP_BACK_CONNECT));
	return true;
}

bool backend_connect(struct worker *w, struct delivery *d)
{
	const struct config *c = w->config;

	if (c->mode == GG_MODE_GATEWAY)
		return connect_to(w, d);
	for (; d->backend < c->backend_count; d->backend++) {
		if (backend_is_down(w->daemon, d->backend, w->now) != d->last_resort) {
			d->passed_over |= !d->last_resort;
			continue;
		}
		if (connect_to(w, d))
			return true;
	}
	d->fd = -1;
	if (d->last_resort || !d->passed_over)
		return false;
	d->last_resort = true;
	d->backend = 0;
	return backend_connect(w, d);
}

/* Leaves the connection at hand, of which nothing is in flight. */
static void leave(struct worker *w, struct delivery *d)
{
	backend_stands(w->daemon, d->backend, &d->stands, false);
	backend_release(w, d);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	upstream_init(&d->up);
}

bool backend_skip(struct worker *w, struct delivery *d, const char *why)
{
	const struct ailment_end end = {&d->up, d->shaking && tls_distrust(&d->tls), why};

	if (w->config->mode == GG_MODE_GATEWAY)
		return false;
	if (!backend_is_current(w, d))
		return backend_anew(w, d, 0);
	if (backend_is_listed(w, d) &&
	    backend_ungreeted(w->daemon, w->config, d->backend, w->now, &end))
		d->met = MET_FULL;
	leave(w, d);
	d->in_the_clear = false;
	d->backend++;
	return backend_connect(w, d);
}

int backend_another(const struct worker *w, const struct delivery *d)
{
	const struct config *c = w->config;
	int here = backend_is_current(w, d) ? d->backend : -1, which = 0;

	while (which < c->backend_count &&
	       (which == here || backend_is_down(w->daemon, which, w->now)))
		which++;
	return c->mode == GG_MODE_GATEWAY || which == c->backend_count ? -1 : which;
}

bool backend_other_way(struct worker *w, struct delivery *d, int error)
{
	if (!way_again(w, d, error))
		return false;
	leave(w, d);
	return connect_to(w, d);
}

bool backend_may_be_plain(const struct worker *w, const struct delivery *d)
{
	return w->config->tls.backend == CONFIG_TLS_OPPORTUNISTIC && upstream_securing(&d->up) &&
	       !d->in_the_clear && !d->closing && d->session != POOL_NONE;
}

bool backend_plain(struct worker *w, struct delivery *d)
{
	if (!backend_may_be_plain(w, d))
		return false;
	if (d->sending) {
		d->stale = true;
		return true;
	}
	if (!backend_is_current(w, d))
		return backend_anew(w, d, 0);
	leave(w, d);
	d->in_the_clear = true;
	d->stale = false;
	counter_add(&w->counters, COUNT_backend_plain, 1);
	return connect_to(w, d);
}

bool backend_anew(struct worker *w, struct delivery *d, int from)
{
	leave(w, d);
	d->backend = from;
	d->passed_over = d->last_resort = d->in_the_clear = d->mail_done = false;
	d->reloads = w->reloads;
	d->uses = 0;
	return backend_connect(w, d);
}

/* ---- bytes ---- */

void backend_send(struct worker *w, struct delivery *d, const char *bytes, size_t len)
{
	char *wire;

	d->sending = true;
	if (d->secured) {
		wire = pool_at(&w->wires, d->wire);
		if (tls_seal(&d->tls, bytes, len, false, wire, BACK_WIRE, &len)) {
			/* Never in the clear: the completion finds the connection closed. */
			shutdown(d->fd, SHUT_RDWR);
			len = 1;
		}
		bytes = wire;
	}
	ring_send_fd(delivery_ring(w), d->fd, bytes, len, delivery_token(w, d, OP_BACK_SEND));
}

bool backend_open(struct worker *w, struct delivery *d, const char **text, size_t *len)
{
	int rc;

	*text = d->in;
	if (!d->secured)
		return true;
	*text = w->answered;
	rc = tls_open(&d->tls, d->in, *len, w->answered, OPENED, len);
	return !rc || (rc == -EPIPE && *len);
}

int backend_secure(struct worker *w, struct delivery *d)
{
	int rc = backend_tls_begin(w->daemon, w->config, &d->peer, &d->tls);

	if (rc)
		return rc;
	d->wire = pool_take(&w->wires); /* there is one for each delivery */
	d->shaking = true;
	return backend_shake(w, d, 0);
}

int backend_shake(struct worker *w, struct delivery *d, size_t len)
{
	char *wire = pool_at(&w->wires, d->wire);
	size_t used = len, out, more, rest;
	enum tls_step step;

	if (d->sending)
		return -EPROTO;
	step = tls_handshake(&d->tls, d->in, &used, wire, BACK_WIRE, &out);
	if (step == TLS_DEAD || step == TLS_FULL)
		return -EPROTO;
	if (step == TLS_DONE) {
		struct upstream_client client = delivery_client(w, d);

		d->shaking = false;
		d->secured = true;
		/* Session tickets may follow, but nobody has been asked anything. */
		if (tls_open(&d->tls, d->in + used, len - used, w->answered, OPENED, &rest) || rest)
			return -EPROTO;
		upstream_secured(&d->up, &client, &d->out);
		if (tls_seal(&d->tls, d->out.buf, d->out.len, false, wire + out, BACK_WIRE - out,
			     &more))
			return -EPROTO;
		out += more;
	}
	if (!out)
		return 0;
	d->sending = true;
	ring_send_fd(delivery_ring(w), d->fd, wire, out, delivery_token(w, d, OP_BACK_SEND));
	return 0;
}

void backend_release(struct worker *w, struct delivery *d)
{
	if (!d->shaking && !d->secured)
		return;
	tls_end(&d->tls);
	pool_give(&w->wires, d->wire);
	d->shaking = d->secured = false;
}
