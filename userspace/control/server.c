// SPDX-License-Identifier: GPL-2.0-or-later
#include "reply.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../core/log.h"

#define GROUPS 1024 /* of a peer that are looked at */

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_ENDED };

struct slot {
	struct control *control;
	pthread_t thread;
	int fd;
	int file;          /* that came with the request being read; -1: none */
	_Atomic int state; /* enum slot_state; ENDED: the thread only has to be joined */
};

struct control {
	struct control_conf conf;
	struct slot slots[CONTROL_CLIENTS];
	pthread_t thread;
	bool started, left;
	int fd, stop; /* stop: eventfd, readable from control_close on */
	int leave;    /* the same from control_leave on, for the thread that accepts */
	dev_t dev;
	ino_t ino; /* of the socket we bound */
};

/* ---- requests ---- */

static int help(const struct control_command *commands, struct control_reply *r)
{
	for (const struct control_command *c = commands; c->name; c++) {
		if (!control_row(r, json_pack("{s:s, s:s}", "command", c->name, "words", c->words)))
			break;
	}
	return 0;
}

static int carry_out(const struct control_conf *conf, struct control_reply *r, const char *line,
		     size_t len)
{
	const struct control_command *c = conf->commands;
	json_t *request, *args, *none = NULL;
	const char *name;
	json_error_t e;
	int rc;

	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &e);
	name = control_text(request, "command");
	args = json_object_get(request, "args");
	if (!args)
		args = none = json_object();
	if (!request) {
		rc = control_fail(r, "send {\"command\":\"help\"} for the commands",
				  "not a JSON object on one line: %s", e.text);
	} else if (!name || !json_is_object(args)) {
		rc = control_fail(r, "send {\"command\":\"help\"} for the commands",
				  "a request is {\"command\":\"NAME\",\"args\":{...}}");
	} else if (!strcmp(name, "help")) {
		rc = help(c, r);
	} else {
		while (c->name && strcmp(c->name, name) != 0)
			c++;
		rc = c->name ? c->fn(r, args, conf->context)
			     : control_fail(r, "send {\"command\":\"help\"} for the commands",
					    "unknown command \"%.64s\"", name);
	}
	json_decref(none);
	json_decref(request);
	return rc;
}

/* One request and its whole answer; false when the client is to be dropped. */
static bool answer(const struct slot *s, const char *line, size_t len)
{
	const struct control *c = s->control;
	struct control_reply *r = reply_new(s->fd, c->stop, s->file, c->conf.stall);
	bool more;
	int rc;

	if (!r)
		return false;
	if (len > CONTROL_LINE)
		rc = control_fail(r, "shorten the request",
				  "a request line is longer than %d bytes", CONTROL_LINE);
	else
		rc = carry_out(&c->conf, r, line, len);
	reply_close(r, rc);
	more = !r->gone && len <= CONTROL_LINE;
	reply_free(&r);
	return more;
}

static void close_file(struct slot *s)
{
	if (s->file >= 0)
		close(s->file);
	s->file = -1;
}

/* recv, with at most one descriptor beside the bytes: the last one that came is kept. */
static ssize_t receive(struct slot *s, char *buf, size_t size)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec bytes = {buf, size};
	struct msghdr m = {.msg_iov = &bytes,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < count; i++) {
			close_file(s);
			memcpy(&s->file, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		}
	}
	return n;
}

static void *client(void *slot)
{
	struct slot *s = slot;
	char *in = malloc(CONTROL_LINE + 1), *end;
	size_t len = 0, seen = 0;
	bool more = in != NULL;

	while (more && reply_wait(s->control->stop, s->fd, POLLIN, CONTROL_IDLE)) {
		ssize_t n = receive(s, in + len, CONTROL_LINE + 1 - len);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		while (more && (end = memchr(in + seen, '\n', len - seen))) {
			size_t line = (size_t)(end - in) + 1;

			more = answer(s, in, line - 1);
			close_file(s);
			memmove(in, in + line, len - line);
			len -= line;
			seen = 0;
		}
		seen = len;
		if (more && len > CONTROL_LINE)
			more = answer(s, in, len);
	}
	free(in);
	close_file(s);
	/* The descriptor goes before the slot: who joins us may open the next one. */
	shutdown(s->fd, SHUT_RDWR);
	close(s->fd);
	atomic_store(&s->state, SLOT_ENDED);
	return NULL;
}

/* ---- the socket ---- */

static bool may_speak(const struct control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	gid_t groups[GROUPS];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == c->conf.uid ||
	    peer.gid == c->conf.gid)
		return true;
	len = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++) {
		if (groups[i] == c->conf.gid)
			return true;
	}
	return false;
}

static void refuse(int fd, const char *line)
{
	send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void take_client(struct control *c, int fd)
{
	struct slot *s = NULL;

	if (!may_speak(c, fd)) {
		refuse(fd, "{\"error\":\"not allowed\",\"mend\":\"be root or a member of the "
			   "daemon's group\"}\n");
		return;
	}
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (atomic_load(&c->slots[i].state) == SLOT_ENDED) {
			pthread_join(c->slots[i].thread, NULL);
			atomic_store(&c->slots[i].state, SLOT_FREE);
		}
		if (!s && atomic_load(&c->slots[i].state) == SLOT_FREE)
			s = &c->slots[i];
	}
	if (!s) {
		refuse(fd, "{\"error\":\"too many control clients\",\"mend\":\"close one and try "
			   "again\"}\n");
		return;
	}
	s->control = c;
	s->fd = fd;
	s->file = -1;
	atomic_store(&s->state, SLOT_BUSY);
	if (pthread_create(&s->thread, NULL, client, s)) {
		atomic_store(&s->state, SLOT_FREE);
		refuse(fd, "{\"error\":\"no thread for another client\"}\n");
	}
}

static void *serve(void *control)
{
	struct control *c = control;
	struct pollfd p[3] = {{.fd = c->fd, .events = POLLIN},
			      {.fd = c->stop, .events = POLLIN},
			      {.fd = c->leave, .events = POLLIN}};

	for (;;) {
		int fd;

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents || p[2].revents)
			break;
		fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			take_client(c, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			/* The waiting client keeps the socket readable: without a pause this
			 * would spin until a descriptor is free. */
			log_message(LOG_ERROR, "control: accept: %s", strerror(errno));
			poll(&p[1], 1, 1000);
		}
	}
	return NULL;
}

/* Makes room for our socket at path: 0, or -errno with err set. */
static int clear_path(const char *path, const struct sockaddr_un *name, char *err, size_t err_size)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_size,
			 "control: %s is there and is no socket; remove it or name "
			 "another path",
			 path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 || errno == EAGAIN) {
		snprintf(err, err_size,
			 "control: a daemon answers on %s; stop it, or set another "
			 "control in the configuration",
			 path);
		rc = -EADDRINUSE;
	} else {
		unlink(path);
	}
	close(fd);
	return rc;
}

static void make_directory(const struct control_conf *conf)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", conf->path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = 0;
	/* Ours only if we made it: then the daemon can take its socket away at the end. */
	if (mkdir(dir, 0755) == 0 && geteuid() == 0 && chown(dir, conf->uid, conf->gid))
		log_message(LOG_ERROR, "control: chown %s: %s", dir, strerror(errno));
}

static int bind_path(struct control *c, char *err, size_t err_size)
{
	const char *path = c->conf.path;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat st = {0};
	mode_t mask;
	int rc;

	if (strlen(path) >= sizeof(name.sun_path)) {
		snprintf(err, err_size, "control: %s is longer than %zu bytes; name a shorter path",
			 path, sizeof(name.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(name.sun_path, path, strlen(path) + 1);
	make_directory(&c->conf);
	rc = clear_path(path, &name, err, err_size);
	if (rc)
		return rc;
	mask = umask(0117);
	rc = bind(c->fd, (const struct sockaddr *)&name, sizeof(name)) ? -errno : 0;
	umask(mask);
	if (!rc && (listen(c->fd, CONTROL_CLIENTS) || lstat(path, &st)))
		rc = -errno;
	if (!rc && geteuid() == 0 && lchown(path, c->conf.uid, c->conf.gid))
		rc = -errno;
	if (rc) {
		snprintf(err, err_size,
			 "control: %s: %s; make its directory writable or set another "
			 "control in the configuration",
			 path, strerror(-rc));
		return rc;
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return 0;
}

int control_open(const struct control_conf *conf, struct control **ret, char *err, size_t err_size)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (c) {
		c->conf = *conf;
		c->fd = conf->listener
				? conf->listener
				: socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		c->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		c->leave = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		rc = c->fd < 0 || c->stop < 0 || c->leave < 0 ? -errno : 0;
	}
	if (rc)
		snprintf(err, err_size, "control: %s", strerror(-rc));
	else if (!conf->listener)
		rc = bind_path(c, err, err_size);
	if (rc)
		control_close(&c);
	else
		*ret = c;
	return rc;
}

int control_start(struct control *c)
{
	sigset_t all, before;
	struct stat st;
	int rc;

	/* From here on a socket taken over is ours to remove. */
	if (c->conf.listener && !lstat(c->conf.path, &st)) {
		c->dev = st.st_dev;
		c->ino = st.st_ino;
	}
	/* Signals are the main thread's; clients inherit this mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&c->thread, NULL, serve, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->started = !rc;
	return -rc;
}

int control_listener(const struct control *c)
{
	return c->fd;
}

void control_leave(struct control *c)
{
	eventfd_write(c->leave, 1);
	pthread_join(c->thread, NULL);
	c->left = true;
	c->ino = 0;
	close(c->fd);
	c->fd = -1;
}

void control_close(struct control **control)
{
	struct control *c = *control;
	struct stat st;

	if (!c)
		return;
	*control = NULL;
	if (c->started) {
		eventfd_write(c->stop, 1);
		if (!c->left)
			pthread_join(c->thread, NULL);
		for (int i = 0; i < CONTROL_CLIENTS; i++) {
			if (atomic_load(&c->slots[i].state) != SLOT_FREE)
				pthread_join(c->slots[i].thread, NULL);
		}
	}
	if (c->ino && !lstat(c->conf.path, &st) && st.st_ino == c->ino && st.st_dev == c->dev)
		unlink(c->conf.path);
	if (c->fd >= 0)
		close(c->fd);
	if (c->stop >= 0)
		close(c->stop);
	if (c->leave >= 0)
		close(c->leave);
	free(c);
}
