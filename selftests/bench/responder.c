// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * responder: the least an SMTP server that defers everybody can do, as the bar for the daemon.
 *
 * One thread a CPU, each with its own SO_REUSEPORT listener and epoll set; edge-triggered, so that
 * an event costs one epoll entry, one read and one write. It looks at the first letter of a line,
 * keeps one byte a connection and remembers nothing else.
 */
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "source.h"

#define FDS 1048576
#define EVENTS 256
#define BACKLOG 4096

struct reply {
	const char *text;
	size_t len;
};

#define REPLY(s)                                                                                   \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

static const struct reply banner = REPLY("220 bench.example ESMTP\r\n");
static const struct reply unknown = REPLY("500 5.5.1 Unknown command\r\n");
static const struct reply replies['Z' + 1] = {
	['E'] = REPLY("250-bench.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
		      "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"),
	['H'] = REPLY("250 bench.example\r\n"),
	['M'] = REPLY("250 2.1.0 Ok\r\n"),
	['R'] = REPLY("451 4.7.1 Greylisted, please retry in 5 minutes\r\n"),
	['Q'] = REPLY("221 2.0.0 Bye\r\n"),
};

static struct sockaddr_in address;
/* First letter of a line whose end has not come yet. */
static char begun[FDS];

static int listener(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG)) {
		perror("responder: listen");
		exit(1);
	}
	return fd;
}

static void add(int epoll, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)) {
		perror("responder: epoll_ctl");
		exit(1);
	}
}

static void accept_all(int epoll, int from)
{
	int fd;

	while ((fd = accept4(from, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= FDS || write(fd, banner.text, banner.len) != (ssize_t)banner.len) {
			close(fd);
			continue;
		}
		begun[fd] = 0;
		add(epoll, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
	}
}

/* Answers every line that is whole; false when the connection is to be closed. */
static bool answer(int fd, const char *in, size_t len)
{
	const char *end = in + len, *nl;
	char out[4096];
	size_t used = 0;
	bool open = true;

	while (open && in < end) {
		const struct reply *r = &unknown;
		unsigned char c = begun[fd] ? begun[fd] : *in;

		nl = memchr(in, '\n', end - in);
		begun[fd] = nl ? 0 : c;
		if (!nl)
			break;
		c &= ~0x20;
		if (c <= 'Z' && replies[c].len)
			r = &replies[c];
		if (used + r->len > sizeof(out))
			return false;
		memcpy(out + used, r->text, r->len);
		used += r->len;
		open = c != 'Q';
		in = nl + 1;
	}
	return (!used || write(fd, out, used) == (ssize_t)used) && open;
}

static void *serve(void *arg)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), from = listener();
	struct epoll_event events[EVENTS];
	char in[2048];
	ssize_t got;
	int n;

	(void)arg;
	add(epoll, from, EPOLLIN);
	for (;;) {
		n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == from) {
				accept_all(epoll, from);
				continue;
			}
			/* A short read has emptied the socket, unless the end is in it already:
			 * that will not be told again. */
			do {
				got = read(fd, in, sizeof(in));
				if (got < 0 && errno == EAGAIN)
					break;
				if (got <= 0 || !answer(fd, in, got)) {
					close(fd);
					break;
				}
			} while (got == (ssize_t)sizeof(in) || (events[i].events & EPOLLRDHUP));
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	cpu_set_t cpus;
	pthread_t id;

	if (argc != 2 || !source_target(argv[1], &address)) {
		fprintf(stderr, "usage: responder ADDR:PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int i = CPU_COUNT(&cpus); i > 1; i--)
		if (pthread_create(&id, NULL, serve, NULL))
			return 1;
	serve(NULL);
	return 0;
}
