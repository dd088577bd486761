// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A mail server that only stores: every message it answers with 250 is a file in a maildir, synced
 * before the answer. For trying greygate out; it accepts every recipient and relays nothing.
 *
 * Limits: 64 clients (more are answered 421), 100 recipients and 100 MB a message, 300 s of
 * silence. Messages are stored with LF line ends, as local delivery does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../userspace/core/addr.h"
#include "../userspace/smtp/smtp.h"
#include "cli.h"

#define CLIENTS 64
#define SILENCE 300 /* s */
#define LINE 2048
#define IN_BYTES 16384

/* Undoes the dots of RFC 5321 4.5.2 and the CRs, wherever the pieces are cut. */
enum undot { AT_LINE, AFTER_DOT, AFTER_DOT_CR, IN_TEXT };

struct client {
	int fd; /* -1: free */
	time_t last;
	bool leaving;
	struct smtp smtp;
	size_t in_len, out_sent;
	struct smtp_out out;
	FILE *message; /* open while DATA runs */
	enum undot undot;
	bool failed;   /* a write to the message failed */
	char name[96]; /* of the message's file */
	char peer[ENDPOINT_TEXT];
	char *recipients; /* header lines of the transaction */
	size_t recipients_len;
	char in[IN_BYTES];
	char out_buf[SMTP_REPLY_MAX * 4];
};

struct sink {
	const char *maildir;
	bool quiet;
	int listen, signals;
	unsigned serial;
	struct smtp_conf conf;
	struct client *clients;
};

/* ---- messages ---- */

static void path_of(const struct sink *s, const struct client *c, const char *dir, char *buf,
		    size_t size)
{
	snprintf(buf, size, "%s/%s/%s", s->maildir, dir, c->name);
}

static void forget_recipients(struct client *c)
{
	free(c->recipients);
	c->recipients = NULL;
	c->recipients_len = 0;
}

static bool add_recipient(struct client *c)
{
	static const char header[] = "Delivered-To: ";
	const struct smtp_path *p = &c->smtp.forward;
	size_t n = sizeof(header) - 1 + p->len + 1;
	char *grown = realloc(c->recipients, c->recipients_len + n + 1);

	if (!grown)
		return false;
	c->recipients = grown;
	snprintf(grown + c->recipients_len, n + 1, "%s%.*s\n", header, (int)p->len, p->text);
	c->recipients_len += n;
	return true;
}

static void drop_message(const struct sink *s, struct client *c)
{
	char path[4200];

	if (!c->message)
		return;
	fclose(c->message);
	c->message = NULL;
	path_of(s, c, "tmp", path, sizeof(path));
	unlink(path);
}

static bool open_message(struct sink *s, struct client *c)
{
	char path[4200];
	int fd;

	snprintf(c->name, sizeof(c->name), "%" PRId64 ".%d_%u.sink", (int64_t)time(NULL),
		 (int)getpid(), ++s->serial);
	path_of(s, c, "tmp", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	c->message = fd < 0 ? NULL : fdopen(fd, "w");
	if (!c->message) {
		cli_complain("sink: %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	c->undot = AT_LINE;
	c->failed = fprintf(c->message, "Return-Path: <%s>\n%s", c->smtp.reverse.text,
			    c->recipients ? c->recipients : "") < 0;
	return true;
}

static void put_byte(struct client *c, char b)
{
	if (b == '\r')
		return;
	c->failed |= putc_unlocked(b, c->message) == EOF;
	c->undot = b == '\n' ? AT_LINE : IN_TEXT;
}

static void put_text(struct client *c, const char *data, size_t len)
{
	if (c->smtp.state == SMTP_CHUNK) {
		for (size_t i = 0; i < len; i++)
			put_byte(c, data[i]);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (c->undot == AT_LINE && data[i] == '.')
			c->undot = AFTER_DOT;
		else if (c->undot == AFTER_DOT && data[i] == '\r')
			c->undot = AFTER_DOT_CR;
		else if (c->undot != AFTER_DOT_CR)
			put_byte(c, data[i]);
		/* else the LF of CRLF "." CRLF: the end, and no part of the message */
	}
}

/* The message is on the disk and in new/, or false and nothing of it is left. */
static bool close_message(struct sink *s, struct client *c)
{
	char from[4200], to[4200], dir[4200];
	int fd;
	bool good = !c->failed && fflush(c->message) == 0 && fsync(fileno(c->message)) == 0;

	path_of(s, c, "tmp", from, sizeof(from));
	path_of(s, c, "new", to, sizeof(to));
	good = good && rename(from, to) == 0;
	if (!good) {
		cli_complain("sink: %s: %s", from, strerror(errno));
		drop_message(s, c);
		return false;
	}
	fclose(c->message);
	c->message = NULL;
	snprintf(dir, sizeof(dir), "%s/new", s->maildir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	if (!s->quiet) {
		printf("sink: new/%s from <%s> by %s\n", c->name, c->smtp.reverse.text, c->peer);
		fflush(stdout);
	}
	return true;
}

/* ---- sessions ---- */

static void say(struct client *c, const char *line)
{
	size_t n = strlen(line);

	if (c->out.len + n <= c->out.cap) {
		memcpy(c->out.buf + c->out.len, line, n);
		c->out.len += n;
	}
}

static void act(struct sink *s, struct client *c, const struct smtp_step *step)
{
	bool good;

	switch (step->act) {
	case SMTP_ASK_RCPT:
		good = add_recipient(c);
		if (good)
			smtp_reply(&c->out, &s->conf, REPLY_RCPT_OK, NULL);
		else
			say(c, "452 4.3.1 Out of memory\r\n");
		smtp_rcpt_done(&c->smtp, good);
		break;
	case SMTP_ASK_DATA:
		good = open_message(s, c);
		say(c, good ? "354 End data with <CR><LF>.<CR><LF>\r\n"
			    : "451 4.3.0 Cannot store a message\r\n");
		smtp_data_done(&c->smtp, good);
		break;
	case SMTP_ASK_CHUNK:
		if (c->message || open_message(s, c))
			break;
		say(c, "451 4.3.0 Cannot store a message\r\n");
		smtp_chunk_done(&c->smtp, false);
		break;
	case SMTP_CHUNK_END:
		put_text(c, step->data, step->len);
		smtp_reply(&c->out, &s->conf, REPLY_CHUNK_OK, NULL);
		smtp_chunk_done(&c->smtp, true);
		break;
	case SMTP_TEXT:
		put_text(c, step->data, step->len);
		break;
	case SMTP_TEXT_END:
		put_text(c, step->data, step->len);
		good = close_message(s, c);
		if (good)
			say(c, "250 2.0.0 Ok: stored as "), say(c, c->name), say(c, "\r\n");
		else
			say(c, "451 4.3.0 Cannot store the message\r\n");
		smtp_text_done(&c->smtp, good);
		forget_recipients(c);
		break;
	case SMTP_TEXT_BAD:
	case SMTP_RESET:
		drop_message(s, c);
		forget_recipients(c);
		break;
	case SMTP_HANGUP:
		c->leaving = true;
		break;
	case SMTP_ASK_TLS: /* never asked: it is not offered */
	case SMTP_NEED_MORE:
	case SMTP_REPLIED:
		break;
	}
}

/* Takes what was read, as long as there is room for a reply. */
static void work(struct sink *s, struct client *c)
{
	size_t at = 0;

	while (!c->leaving && c->out.cap - c->out.len >= SMTP_REPLY_MAX) {
		struct smtp_step step;
		size_t n =
			smtp_input(&c->smtp, &s->conf, c->in + at, c->in_len - at, &c->out, &step);

		at += n;
		act(s, c, &step);
		if (step.act == SMTP_NEED_MORE)
			break;
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
}

static void end(struct sink *s, struct client *c)
{
	drop_message(s, c);
	forget_recipients(c);
	close(c->fd);
	c->fd = -1;
}

static bool write_out(struct client *c)
{
	while (c->out_sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.buf + c->out_sent, c->out.len - c->out_sent,
				 MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_sent += (size_t)n;
	}
	c->out.len = c->out_sent = 0;
	return !c->leaving;
}

static bool read_in(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->in_len += (size_t)n;
	c->last = time(NULL);
	return n > 0;
}

static void serve(struct sink *s, struct client *c, short ready)
{
	bool stays = true;

	if (ready & (POLLIN | POLLHUP | POLLERR))
		stays = c->in_len < sizeof(c->in) ? read_in(c) : !(ready & (POLLHUP | POLLERR));
	if (stays) {
		work(s, c);
		stays = write_out(c);
	}
	/* Room for replies again: what is read already may go on at once. */
	if (stays && !c->out.len && c->in_len) {
		work(s, c);
		stays = write_out(c);
	}
	if (!stays)
		end(s, c);
}

static void welcome(struct sink *s)
{
	static const char full[] = "421 4.3.2 Too many connections\r\n";
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct endpoint peer;
	struct client *c = s->clients;
	int fd = accept4(s->listen, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	while (c < s->clients + CLIENTS && c->fd >= 0)
		c++;
	if (c == s->clients + CLIENTS) {
		send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	memset(c, 0, offsetof(struct client, in));
	c->fd = fd;
	c->last = time(NULL);
	c->out = (struct smtp_out){.buf = c->out_buf, .cap = sizeof(c->out_buf)};
	if (addr_from_sockaddr((struct sockaddr *)&from, &peer) == 0)
		endpoint_text(&peer, c->peer);
	smtp_init(&c->smtp);
	smtp_reply(&c->out, &s->conf, REPLY_BANNER, NULL);
	if (!write_out(c))
		end(s, c);
}

static int loop(struct sink *s)
{
	struct pollfd p[CLIENTS + 2];

	for (;;) {
		time_t now = time(NULL);

		p[0] = (struct pollfd){.fd = s->listen, .events = POLLIN};
		p[1] = (struct pollfd){.fd = s->signals, .events = POLLIN};
		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &s->clients[i];

			if (c->fd >= 0 && now - c->last > SILENCE)
				end(s, c);
			/* A client that does not read its replies is not read from. */
			p[i + 2] = (struct pollfd){.fd = c->fd,
						   .events = c->out.len ? POLLOUT : POLLIN};
		}
		if (poll(p, CLIENTS + 2, 10000) < 0 && errno != EINTR)
			return CLI_FAILED;
		if (p[1].revents)
			return CLI_DONE;
		for (int i = 0; i < CLIENTS; i++) {
			if (s->clients[i].fd >= 0 && p[i + 2].revents)
				serve(s, &s->clients[i], p[i + 2].revents);
		}
		if (p[0].revents)
			welcome(s);
	}
}

/* ---- start ---- */

static int open_listener(const char *text)
{
	struct sockaddr_storage to;
	struct endpoint e;
	socklen_t len;
	int fd, one = 1;

	if (endpoint_parse(text, &e)) {
		cli_complain("sink: \"%s\" is not an address with a port, such as 127.0.0.1:2526",
			     text);
		return -1;
	}
	len = addr_to_sockaddr(&e, &to);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&to, len) == 0 && listen(fd, CLIENTS) == 0)
		return fd;
	cli_complain("sink: %s: %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool make_maildir(const char *dir)
{
	static const char *const parts[] = {"", "/tmp", "/new", "/cur"};
	char path[4200];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, parts[i]);
		if (mkdir(path, 0700) && errno != EEXIST) {
			cli_complain("sink: %s: %s", path, strerror(errno));
			return false;
		}
	}
	return true;
}

static bool start(struct sink *s, const char *endpoint)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	s->signals = signalfd(-1, &ends, SFD_CLOEXEC);
	s->clients = calloc(CLIENTS, sizeof(*s->clients));
	if (s->signals < 0 || !s->clients) {
		cli_complain("sink: %s", strerror(errno));
		return false;
	}
	for (int i = 0; i < CLIENTS; i++)
		s->clients[i].fd = -1;
	if (!make_maildir(s->maildir))
		return false;
	s->listen = open_listener(endpoint);
	return s->listen >= 0;
}

int cmd_sink(struct cli *cli, int argc, char **argv)
{
	const char *endpoint = NULL;
	struct sink s = {.listen = -1, .signals = -1};
	const struct cli_option options[] = {{"--listen", &endpoint, NULL},
					     {"--maildir", &s.maildir, NULL},
					     {"--quiet", NULL, &s.quiet},
					     {NULL, NULL, NULL}};
	int rc = CLI_FAILED;

	if (cli_parse(cli, argc, argv, options, 0, 0, NULL) < 0)
		return CLI_USAGE;
	if (!endpoint || !s.maildir || strlen(s.maildir) > 4000) {
		cli_complain("sink: --listen ADDR:PORT and --maildir DIR are needed");
		return CLI_USAGE;
	}
	s.conf = (struct smtp_conf){.hostname = "sink.invalid",
				    .contact = "postmaster",
				    .line = LINE,
				    .errors = 20,
				    .recipients = 100,
				    .message = 100 << 20,
				    .offers = SMTP_OFFER_8BITMIME | SMTP_OFFER_SMTPUTF8 |
					      SMTP_OFFER_DSN | SMTP_OFFER_CHUNKING};
	if (start(&s, endpoint)) {
		if (!s.quiet) {
			printf("sink: listening on %s, storing in %s\n", endpoint, s.maildir);
			fflush(stdout);
		}
		rc = loop(&s);
	}
	for (int i = 0; s.clients && i < CLIENTS; i++) {
		if (s.clients[i].fd >= 0)
			end(&s, &s.clients[i]);
	}
	if (s.listen >= 0)
		close(s.listen);
	if (s.signals >= 0)
		close(s.signals);
	free(s.clients);
	return rc;
}
