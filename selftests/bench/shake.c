// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shake: TLS handshakes a second, each on a connection of its own and none resumed. With --starttls
 * the server is asked for TLS in SMTP first, which is part of what is measured. One blocking client
 * a thread. Prints one JSON object.
 */
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "options.h"

#define THREADS 64

static struct {
	struct sockaddr_in target;
	unsigned int threads;
	double warm_up, seconds;
	bool starttls;
	unsigned int pid;
} opt = {.threads = 2, .warm_up = 0.5, .seconds = 3};

static SSL_CTX *context;
static _Atomic bool stop;
static _Atomic uint64_t done, failed;

/* One whole reply (RFC 5321 4.2) whose code is wanted. */
static bool reply_is(int fd, const char *code)
{
	char buf[1024];
	size_t used = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + used, sizeof(buf) - used, 0);
		char *line;

		if (n <= 0)
			return false;
		used += (size_t)n;
		if (buf[used - 1] != '\n' || used < 6)
			continue;
		for (line = buf + used - 1; line > buf && line[-1] != '\n';)
			line--;
		if (line[3] != '-')
			return !strncmp(line, code, 3);
		if (used == sizeof(buf))
			return false;
	}
}

static bool say(int fd, const char *command, const char *code)
{
	size_t len = strlen(command);

	return send(fd, command, len, MSG_NOSIGNAL) == (ssize_t)len && reply_is(fd, code);
}

static bool ask_for_tls(int fd)
{
	return reply_is(fd, "220") && say(fd, "EHLO client.example\r\n", "250") &&
	       say(fd, "STARTTLS\r\n", "220");
}

static bool shake(void)
{
	const struct linger at_once = {1, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	SSL *ssl = SSL_new(context);
	bool good;

	setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
	good = fd >= 0 && ssl && !connect(fd, (struct sockaddr *)&opt.target, sizeof(opt.target)) &&
	       (!opt.starttls || ask_for_tls(fd)) && SSL_set_fd(ssl, fd) == 1 &&
	       SSL_connect(ssl) == 1;
	SSL_free(ssl);
	if (fd >= 0) {
		/* No TIME_WAIT: the ports are needed again. */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
	}
	return good;
}

static void *thread_main(void *arg)
{
	while (!stop)
		atomic_fetch_add(shake() ? &done : &failed, 1);
	return arg;
}

static void sleep_s(double s)
{
	struct timespec ts = {.tv_sec = (time_t)s, .tv_nsec = (long)((s - (time_t)s) * 1e9)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

static int measure(void)
{
	pthread_t threads[THREADS];
	uint64_t start, before;
	double cpu, took;

	for (unsigned int i = 0; i < opt.threads; i++)
		if (pthread_create(&threads[i], NULL, thread_main, NULL)) {
			fprintf(stderr, "shake: no thread\n");
			return 1;
		}
	sleep_s(opt.warm_up);
	before = done;
	cpu = process_cpu(opt.pid);
	start = clock_us();
	sleep_s(opt.seconds);
	took = (double)(clock_us() - start) / 1e6;
	before = done - before;
	cpu = process_cpu(opt.pid) - cpu;
	stop = true;
	for (unsigned int i = 0; i < opt.threads; i++)
		pthread_join(threads[i], NULL);
	printf("{\"handshakes_s\": %.1f, \"failed\": %llu, \"cpu_server\": %.2f}\n", before / took,
	       (unsigned long long)failed, cpu / took);
	return before ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct told known[] = {
		{"target", read_target, &opt.target},    {"threads", read_number, &opt.threads},
		{"seconds", read_seconds, &opt.seconds}, {"starttls", read_flag, &opt.starttls},
		{"pid", read_number, &opt.pid},
	};

	if (!OPTIONS_TAKE(argc, argv, known) || !opt.target.sin_port || !opt.threads ||
	    opt.threads > THREADS || optind < argc) {
		fprintf(stderr, "usage: shake --target ADDR:PORT [--threads N] [--seconds S] "
				"[--starttls] [--pid PID]\n");
		return 2;
	}
	if (source_probe(&opt.target))
		return 1;
	context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return measure();
}
