// SPDX-License-Identifier: GPL-2.0-or-later
#include "takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "correspondents.h"
#include "handover.h"

#define PATIENCE 30 /* s for an answer of the predecessor */

static void wait_at_most(int channel, int seconds)
{
	const struct timeval limit = {.tv_sec = seconds};

	setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

void takeover_find(struct takeover *t)
{
	const char *number = getenv(HANDOVER_ENV);
	int fd = number ? (int)strtol(number, NULL, 10) : -1, type = 0;
	socklen_t len = sizeof(type);

	memset(t, 0, sizeof(*t));
	memset(t->listeners.fd, -1, sizeof(t->listeners.fd));
	t->channel = -1;
	unsetenv(HANDOVER_ENV);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_SEQPACKET)
		return;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	wait_at_most(fd, PATIENCE);
	t->channel = fd;
}

void takeover_fail(struct takeover *t, const char *why)
{
	if (t->channel >= 0 && !t->serving)
		handover_fail(t->channel, why);
}

/* ---- what is taken over ---- */

/* Nothing is believed of a descriptor that it doesn't say itself: who sends it has no rights, and
 * the sockets are the clients' way in. */
static bool is_listener(int fd, struct endpoint *ret)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa), size = sizeof(int);
	int listening = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) && listening &&
	       !getsockname(fd, (struct sockaddr *)&sa, &len) &&
	       !addr_from_sockaddr((struct sockaddr *)&sa, ret);
}

static int take_worker(struct takeover *t, int worker, struct handover_message *m)
{
	struct listeners *l = &t->listeners;

	if (m->fd_count < 1 || m->fd_count > WORKER_LISTENERS ||
	    (worker && m->fd_count != l->count))
		return -EPROTO;
	l->count = m->fd_count;
	for (int i = 0; i < m->fd_count; i++) {
		struct endpoint at;

		if (!is_listener(m->fds[i], &at) ||
		    (worker && memcmp(&at, &l->at[i], sizeof(at)) != 0))
			return -EPROTO;
		l->at[i] = at;
	}
	for (int i = 0; i < m->fd_count; i++)
		l->fd[worker][i] = m->fds[i];
	m->fd_count = 0;
	return 0;
}

static int take_rest(struct takeover *t, struct handover_message *m)
{
	struct handover_rest rest;
	int n = 0;

	if (m->length != sizeof(rest))
		return -EPROTO;
	memcpy(&rest, m->data, sizeof(rest));
	if (m->fd_count != !!rest.has_control + !!rest.has_store + !!rest.has_pins)
		return -EPROTO;
	t->control = rest.has_control ? m->fds[n++] : 0;
	t->store_lock = rest.has_store ? m->fds[n++] : 0;
	t->pins_lock = rest.has_pins ? m->fds[n++] : 0;
	m->fd_count = 0;
	return 0;
}

static int expect(struct takeover *t, enum handover_kind kind, struct handover_message *m,
		  char *err, size_t err_size)
{
	int rc = handover_receive(t->channel, m);

	if (!rc && m->kind == HANDOVER_FAILED) {
		snprintf(err, err_size, "upgrade: %.*s", (int)(m->length < 400 ? m->length : 400),
			 m->data);
		rc = -ECANCELED;
	} else if (!rc && m->kind != (uint32_t)kind) {
		rc = -EPROTO;
	}
	if (rc && rc != -ECANCELED)
		snprintf(err, err_size, "upgrade: the daemon at work: %s", strerror(-rc));
	if (rc)
		handover_close(m);
	return rc;
}

static int take_all(struct takeover *t, struct handover_message *m, char *err, size_t err_size)
{
	int rc = 0;

	for (int i = 0; i < t->daemon->worker_count && !rc; i++) {
		rc = expect(t, HANDOVER_WORKER, m, err, err_size);
		if (!rc && take_worker(t, i, m))
			rc = -EPROTO;
	}
	if (!rc)
		rc = expect(t, HANDOVER_REST, m, err, err_size);
	if (!rc && take_rest(t, m))
		rc = -EPROTO;
	if (rc && !err[0])
		snprintf(err, err_size, "upgrade: the daemon at work gives what it should not");
	handover_close(m);
	return rc;
}

int takeover_begin(struct takeover *t, struct daemon *d, char *err, size_t err_size)
{
	const struct config *c = atomic_load(&d->config);
	struct handover_hello h = {.protocol = HANDOVER_PROTOCOL,
				   .item_size = sizeof(struct store_item),
				   .pid = getpid(),
				   .workers = d->worker_count,
				   .mode = (int32_t)c->mode,
				   .version = GREYGATE_VERSION};
	struct handover_message *m;
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	int rc;

	t->daemon = d;
	if (t->channel < 0)
		return 0;
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	getsockopt(t->channel, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	atomic_store(&d->before.pid, peer.pid);
	snprintf(h.state_dir, sizeof(h.state_dir), "%s", c->state_dir);
	snprintf(h.bpffs, sizeof(h.bpffs), "%s", c->bpffs);
	snprintf(h.control, sizeof(h.control), "%s", c->control);
	for (int i = 0; i < c->protect_count && h.protect_count < CONFIG_GATEWAY_ENDPOINTS; i++)
		h.protect[h.protect_count++] = c->protect[i];
	for (int i = 0; i < c->interface_count && h.interface_count < FASTPATH_INTERFACES; i++)
		snprintf(h.interfaces[h.interface_count++], IF_NAMESIZE, "%s", c->interfaces[i]);
	rc = handover_send(t->channel, HANDOVER_HELLO, &h, sizeof(h), NULL, 0);
	if (rc)
		snprintf(err, err_size, "upgrade: the daemon at work: %s", strerror(-rc));
	else
		rc = take_all(t, m, err, err_size);
	free(m);
	return rc;
}

int takeover_ready(struct takeover *t, char *err, size_t err_size)
{
	struct handover_message *m;
	int rc;

	if (t->channel < 0)
		return 0;
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	rc = handover_send(t->channel, HANDOVER_READY, NULL, 0, NULL, 0);
	if (!rc)
		rc = expect(t, HANDOVER_GO, m, err, err_size);
	free(m);
	/* It died without a word: nobody else serves. */
	if (rc == -EPIPE)
		rc = 0;
	t->serving = !rc;
	if (!t->serving)
		return rc;
	/* Of what is left nobody here wants to know. */
	listeners_close(&t->listeners);
	if (t->daemon->store)
		store_lock_sign(t->daemon->store);
	/* Nor of a lock on what has been detached: the predecessor has its own of the same. */
	if (t->pins_lock)
		flock(t->pins_lock, LOCK_UN);
	return 0;
}

/* ---- what the predecessor's sessions still change ---- */

static void take_record(struct daemon *d, struct store_item *item)
{
	if (item->del)
		daemon_record_drop(d, item->rec.tag);
	else
		daemon_record_take(d, item);
}

static void take_correspondent(struct daemon *d, const struct store_item *item)
{
	struct correspondent c;

	if (!item->del) {
		correspondent_load(d, item);
		daemon_store_again(d, item);
	} else if (!correspondent_parse(item->text, &c)) {
		correspondent_del(d, &c);
	}
}

static void take_item(struct daemon *d, struct store_item *item)
{
	item->text[STORE_TEXT - 1] = '\0';
	switch (item->kind) {
	case STORE_RECORD:
		take_record(d, item);
		break;
	case STORE_VERDICT:
		if (item->del)
			daemon_verdict_del(d, &item->prefix);
		else
			daemon_verdict_put(d, &item->prefix, &item->entry,
					   item->added ? item->text : NULL);
		break;
	case STORE_CORRESPONDENT:
		take_correspondent(d, item);
		break;
	case STORE_TRAP:
		if (item->del)
			daemon_trap_del(d, item->text);
		else
			daemon_trap_add(d, item->text);
		break;
	}
}

static void take_items(struct daemon *d, const struct handover_message *m)
{
	size_t n = m->length / sizeof(struct store_item);

	for (size_t i = 0; i < n; i++) {
		struct store_item item;

		memcpy(&item, m->data + i * sizeof(item), sizeof(item));
		take_item(d, &item);
	}
}

static void *serve(void *arg)
{
	struct takeover *t = arg;
	struct daemon *d = t->daemon;
	struct handover_message *m = malloc(sizeof(*m));
	const int32_t done = 0;
	uint32_t sessions;

	while (m && !handover_receive(t->channel, m)) {
		switch (m->kind) {
		case HANDOVER_ITEMS:
			take_items(d, m);
			break;
		case HANDOVER_COMMIT:
			daemon_settle(d);
			handover_send(t->channel, HANDOVER_DONE, &done, sizeof(done), NULL, 0);
			break;
		case HANDOVER_SESSIONS:
			memcpy(&sessions, m->data, sizeof(sessions));
			atomic_store(&d->before.sessions, sessions);
			break;
		}
		handover_close(m);
	}
	free(m);
	atomic_store(&d->before.pid, 0);
	return NULL;
}

int takeover_serve(struct takeover *t)
{
	int rc;

	if (t->channel < 0)
		return 0;
	wait_at_most(t->channel, 0);
	rc = pthread_create(&t->thread, NULL, serve, t);
	t->started = !rc;
	return -rc;
}

bool takeover_lasts(const struct takeover *t)
{
	return t->started && atomic_load(&t->daemon->before.pid);
}

void takeover_end(struct takeover *t)
{
	if (t->started) {
		shutdown(t->channel, SHUT_RDWR);
		pthread_join(t->thread, NULL);
	}
	if (t->channel >= 0)
		close(t->channel);
	if (t->pins_lock)
		close(t->pins_lock);
	t->pins_lock = 0;
	listeners_close(&t->listeners);
	t->channel = -1;
	t->started = false;
}
