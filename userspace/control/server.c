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
#include <unistd.h>

#include "../core/log.h"
#include "path.h"

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
	int fd;
	struct reply_ends ends; /* eventfds; stop: readable from control_close on */
	int leave;              /* the same from control_leave on, for the thread that accepts */
	int freed;              /* the same when a client has ended */
	bool crowded;           /* all slots are busy, and somebody waits: since .. */
	int64_t since;          /* .. reply_now, or since a slot last was free */
	struct path_file file;  /* the socket we answer on; ino 0: not ours to remove */
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
	struct control_reply *r = reply_new(s->fd, &c->ends, s->file, c->conf.stall);
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

static void say(int fd, const char *line)
{
	send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Waits for more of a request. False: there has been none for too long, or we are being closed. */
static bool await(const struct slot *s, int64_t since)
{
	static const char *const lines[] = {
		[REPLY_LATE] = "{\"error\":\"closed: no request came for a minute\","
			       "\"mend\":\"connect again when there is one\"}\n",
		[REPLY_CROWD] = "{\"error\":\"closed: no request came, and other clients wait\","
				"\"mend\":\"connect again, and ask at once\"}\n",
		[REPLY_STOP] = "",
	};
	int64_t waited = reply_now() - since;
	enum reply_waited got = REPLY_LATE;

	if (waited < CONTROL_IDLE)
		got = reply_wait(&s->control->ends, s->fd, POLLIN, (int)waited,
				 CONTROL_IDLE - (int)waited);
	if (got != REPLY_READY)
		say(s->fd, lines[got]);
	return got == REPLY_READY;
}

static void *client(void *slot)
{
	struct slot *s = slot;
	char *in = malloc(CONTROL_LINE + 1), *end;
	int64_t since = reply_now(); /* it owes us a request */
	size_t len = 0, seen = 0;
	bool more = in != NULL;

	while (more && await(s, since)) {
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
			since = reply_now();
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
	eventfd_write(s->control->freed, 1);
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
	say(fd, line);
	close(fd);
}

static struct slot *free_slot(struct control *c)
{
	struct slot *s = NULL;
	eventfd_t n;

	/* Before the look at the slots: who ends after it signals again. */
	eventfd_read(c->freed, &n);
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (atomic_load(&c->slots[i].state) == SLOT_ENDED) {
			pthread_join(c->slots[i].thread, NULL);
			atomic_store(&c->slots[i].state, SLOT_FREE);
		}
		if (!s && atomic_load(&c->slots[i].state) == SLOT_FREE)
			s = &c->slots[i];
	}
	return s;
}

static void set_crowded(struct control *c, bool crowded)
{
	eventfd_t n;

	if (crowded && !c->crowded) {
		c->since = reply_now();
		eventfd_write(c->ends.crowd, 1);
	} else if (!crowded && c->crowded) {
		eventfd_read(c->ends.crowd, &n);
	}
	c->crowded = crowded;
}

static void serve_client(struct control *c, struct slot *s, int fd)
{
	s->control = c;
	s->fd = fd;
	s->file = -1;
	atomic_store(&s->state, SLOT_BUSY);
	if (pthread_create(&s->thread, NULL, client, s)) {
		atomic_store(&s->state, SLOT_FREE);
		refuse(fd, "{\"error\":\"no thread for another client\"}\n");
	}
}

/* Takes one who waits; s NULL: there is no place for him. False: nobody waits. */
static bool take_client(struct control *c, struct slot *s)
{
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			struct pollfd stop = {.fd = c->ends.stop, .events = POLLIN};

			/* The waiting client keeps the socket readable: without a pause this
			 * would spin until a descriptor is free. */
			log_message(LOG_ERROR, "control: accept: %s", strerror(errno));
			poll(&stop, 1, 1000);
		}
		return false;
	}
	if (!may_speak(c, fd))
		refuse(fd, "{\"error\":\"not allowed\",\"mend\":\"be root or a member of the "
			   "daemon's group\"}\n");
	else if (!s)
		refuse(fd, "{\"error\":\"too many control clients\",\"mend\":\"close one and try "
			   "again\"}\n");
	else
		serve_client(c, s, fd);
	return true;
}

/* ms that those who wait still have; -1: nobody does. */
static int patience_left(const struct control *c)
{
	int64_t all = c->conf.wait ? c->conf.wait : CONTROL_WAIT, waited;

	if (!c->crowded)
		return -1;
	waited = reply_now() - c->since;
	return waited < all ? (int)(all - waited) : 0;
}

static void *serve(void *control)
{
	struct control *c = control;
	struct pollfd p[] = {{.fd = c->ends.stop, .events = POLLIN},
			     {.fd = c->leave, .events = POLLIN},
			     {.fd = c->freed, .events = POLLIN},
			     {.events = POLLIN}};

	for (;;) {
		struct slot *s = free_slot(c);

		if (s)
			set_crowded(c, false);
		p[3].fd = c->crowded ? -1 : c->fd;
		if (poll(p, sizeof(p) / sizeof(p[0]), patience_left(c)) < 0 && errno != EINTR)
			break;
		if (p[0].revents || p[1].revents)
			break;
		if (s) {
			take_client(c, s);
		} else if (p[3].revents) {
			set_crowded(c, true);
		} else if (!p[2].revents && !patience_left(c)) {
			for (int i = 0; i < CONTROL_QUEUE && take_client(c, NULL); i++)
				;
			set_crowded(c, false);
		}
	}
	/* Those who are served stay. */
	set_crowded(c, false);
	return NULL;
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
		c->ends.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		c->ends.crowd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		c->leave = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		c->freed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		rc = c->fd < 0 || c->ends.stop < 0 || c->ends.crowd < 0 || c->leave < 0 ||
				     c->freed < 0
			     ? -errno
			     : 0;
	}
	if (rc)
		snprintf(err, err_size, "control: %s", strerror(-rc));
	else if (!conf->listener)
		rc = path_bind(conf, c->fd, &c->file, err, err_size);
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
	if (c->conf.listener && !lstat(c->conf.path, &st))
		c->file = (struct path_file){st.st_dev, st.st_ino};
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
	c->file.ino = 0;
	close(c->fd);
	c->fd = -1;
}

static void close_fds(const struct control *c)
{
	const int fds[] = {c->fd, c->ends.stop, c->ends.crowd, c->leave, c->freed};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

void control_close(struct control **control)
{
	struct control *c = *control;

	if (!c)
		return;
	*control = NULL;
	if (c->started) {
		eventfd_write(c->ends.stop, 1);
		if (!c->left)
			pthread_join(c->thread, NULL);
		for (int i = 0; i < CONTROL_CLIENTS; i++) {
			if (atomic_load(&c->slots[i].state) != SLOT_FREE)
				pthread_join(c->slots[i].thread, NULL);
		}
	}
	path_remove(c->conf.path, &c->file);
	close_fds(c);
	free(c);
}
