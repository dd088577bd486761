// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hold: many SMTP connections that only listen, to see a tarpit stutter.
 *
 * Opens N connections at a steady rate, each from an address of its own out of 127.0.0.0/8, never
 * says a word, reads whatever drips and counts it, per connection. A process may hold fewer
 * descriptors than there are connections, so it forks one reader for every 15 000.
 *
 * Prints three JSON objects, a line each: "part" when a fifth of the connections have had their
 * first byte and "held" when all have, with the memory at that moment (what grows between the two
 * is what a session costs; what is there before is the server's own), and "done" after the measured
 * seconds.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "options.h"

#define READERS 64
#define PER_READER 15000
#define EVENTS 512
#define OPEN_LIMIT_S 120

enum phase { OPENING, MEASURE, STOP };

struct drip {
	int fd;
	uint32_t bytes; /* in the measured time */
	uint32_t total;
};

/* What one reader tells; written by it alone. */
struct report {
	_Atomic uint32_t talking; /* had their first byte and are open */
	uint64_t bytes;           /* in the measured time */
	uint32_t open, refused, closed, wrong, on_pace;
	double cpu;
};

struct shared {
	_Atomic int phase;
	_Atomic uint32_t limit; /* connections of each reader, for now */
	double seconds;         /* length of the measured time, known when it is over */
	struct report reader[READERS];
};

static struct {
	struct sockaddr_in target;
	unsigned int sessions, rate, first_source, pid;
	double seconds;
} opt = {.rate = 5000, .seconds = 10};

static struct shared *shared;

static double own_cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_utime.tv_sec + r.ru_stime.tv_sec +
	       (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void drip_open(struct report *r, struct drip *d, int epoll, uint32_t *source,
		      uint32_t stride)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = d};

	d->fd = source_connect(source_next(source, stride), &opt.target);
	if (d->fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, d->fd, &e) == 0)
		return;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	r->refused++;
}

static void drip_closed(struct report *r, struct drip *d)
{
	close(d->fd);
	d->fd = -1;
	if (d->total) {
		r->talking--;
		r->closed++;
	} else {
		r->refused++;
	}
}

static void drip_read(struct report *r, struct drip *d, uint32_t events)
{
	static const char code[] = "220";
	char in[256];
	ssize_t got;

	do {
		got = read(d->fd, in, sizeof(in));
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			drip_closed(r, d);
			return;
		}
		for (ssize_t i = 0; i < got && d->total + i < 3; i++)
			if (in[i] != code[d->total + i]) {
				r->wrong++;
				break;
			}
		if (!d->total)
			r->talking++;
		d->total += got;
		d->bytes += got;
	} while (got == (ssize_t)sizeof(in) || (events & EPOLLRDHUP));
}

static void reader_report(struct report *r, const struct drip *drips, uint32_t count)
{
	/* One byte an interval of one second; the ends of the measured time may cut one off. */
	double low = shared->seconds * 0.8 - 1, high = shared->seconds * 1.2 + 1;

	for (uint32_t i = 0; i < count; i++) {
		r->bytes += drips[i].bytes;
		r->open += drips[i].fd >= 0;
		r->on_pace += drips[i].fd >= 0 && drips[i].bytes >= low && drips[i].bytes <= high;
	}
}

static int reader_run(uint32_t index, uint32_t readers)
{
	uint32_t count = opt.sessions / readers + (index < opt.sessions % readers);
	uint32_t source = opt.first_source + index, opened = 0;
	double credit = 0, cpu = 0;
	struct drip *drips = calloc(count, sizeof(*drips));
	struct report *r = &shared->reader[index];
	int epoll = epoll_create1(EPOLL_CLOEXEC), n;
	struct epoll_event events[EVENTS];
	uint64_t last = clock_us(), now;
	bool measuring = false;

	if (!drips || epoll < 0)
		return 1;
	while (shared->phase != STOP) {
		now = clock_us();
		credit += (now - last) / 1e6 * opt.rate / readers;
		last = now;
		for (; credit >= 1; credit--)
			if (opened < count && opened < shared->limit)
				drip_open(r, &drips[opened++], epoll, &source, readers);
		if (!measuring && shared->phase == MEASURE) {
			for (uint32_t i = 0; i < count; i++)
				drips[i].bytes = 0;
			measuring = true;
			cpu = own_cpu();
		}
		n = epoll_wait(epoll, events, EVENTS, 10);
		for (int i = 0; i < n; i++)
			drip_read(r, events[i].data.ptr, events[i].events);
	}
	r->cpu = own_cpu() - cpu;
	reader_report(r, drips, count);
	return 0;
}

static uint32_t talking(uint32_t readers)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < readers; i++)
		n += shared->reader[i].talking;
	return n;
}

struct memory {
	long server, slab; /* kB */
};

static struct memory memory_now(void)
{
	struct memory m = {0};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/status", opt.pid);
	m.server = opt.pid ? proc_kb(path, "VmRSS:") : 0;
	m.slab = proc_kb("/proc/meminfo", "Slab:");
	return m;
}

/* Waits until `wanted` have had a byte, or nothing more comes. */
static void wait_opened(uint32_t readers, uint32_t wanted)
{
	uint64_t start = clock_us(), moved = start;
	uint32_t n = 0, before = 0;

	while (n < wanted && clock_us() - moved < 5000000 &&
	       clock_us() - start < OPEN_LIMIT_S * 1000000ULL) {
		usleep(20000);
		n = talking(readers);
		if (n != before)
			moved = clock_us();
		before = n;
	}
}

static void memory_print(const char *event, const struct memory *before, uint32_t readers,
			 uint64_t start)
{
	struct memory now = memory_now();

	printf("{\"event\": \"%s\", \"sessions\": %u, \"opened_s\": %.2f, \"rss_kb\": %ld, "
	       "\"rss_delta_kb\": %ld, \"slab_delta_kb\": %ld}\n",
	       event, talking(readers), (clock_us() - start) / 1e6, now.server,
	       now.server - before->server, now.slab - before->slab);
	fflush(stdout);
}

static void measure(uint32_t readers, const struct memory *before)
{
	uint64_t start = clock_us(), from;
	uint32_t part = opt.sessions / 5 / readers;
	struct report sum = {0};
	double server;

	shared->limit = part;
	wait_opened(readers, part * readers);
	memory_print("part", before, readers, start);
	shared->limit = UINT32_MAX;
	wait_opened(readers, opt.sessions);
	memory_print("held", before, readers, start);

	server = process_cpu(opt.pid);
	from = clock_us();
	shared->phase = MEASURE;
	usleep((useconds_t)(opt.seconds * 1e6));
	shared->seconds = (clock_us() - from) / 1e6;
	server = process_cpu(opt.pid) - server;
	shared->phase = STOP;
	while (wait(NULL) > 0)
		;
	for (uint32_t i = 0; i < readers; i++) {
		const struct report *r = &shared->reader[i];

		sum.bytes += r->bytes;
		sum.open += r->open;
		sum.refused += r->refused;
		sum.closed += r->closed;
		sum.wrong += r->wrong;
		sum.on_pace += r->on_pace;
		sum.cpu += r->cpu;
	}
	printf("{\"event\": \"done\", \"sessions\": %u, \"on_pace\": %u, \"bytes_s\": %.0f, "
	       "\"refused\": %u, \"closed\": %u, \"wrong\": %u, \"seconds\": %.2f, "
	       "\"cpu_server\": %.3f, \"cpu_client\": %.3f}\n",
	       sum.open, sum.on_pace, sum.bytes / shared->seconds, sum.refused, sum.closed,
	       sum.wrong, shared->seconds, server / shared->seconds, sum.cpu / shared->seconds);
}

static int usage(void)
{
	fprintf(stderr, "usage: hold --target ADDR:PORT --sessions N [--rate N] [--seconds S]\n"
			"            [--first-source N] [--pid SERVER]\n"
			"  --rate          connections opened per second (5000)\n"
			"  --seconds       measured time once all are open (10)\n"
			"  --first-source  where in 127.0.0.0/8 to begin (0)\n"
			"  --pid           process whose memory and CPU are reported\n");
	return 2;
}

static bool options_read(int argc, char **argv)
{
	static const struct told known[] = {
		{"target", read_target, &opt.target},
		{"sessions", read_number, &opt.sessions},
		{"rate", read_number, &opt.rate},
		{"seconds", read_seconds, &opt.seconds},
		{"first-source", read_number, &opt.first_source},
		{"pid", read_number, &opt.pid},
	};

	return OPTIONS_TAKE(argc, argv, known) && opt.target.sin_port && optind == argc &&
	       opt.rate && opt.seconds > 0 && opt.sessions && opt.sessions <= READERS * PER_READER;
}

int main(int argc, char **argv)
{
	struct memory before;
	uint32_t readers;
	struct rlimit files = {.rlim_cur = PER_READER + 100, .rlim_max = PER_READER + 100};

	if (!options_read(argc, argv))
		return usage();
	if (setrlimit(RLIMIT_NOFILE, &files)) {
		fprintf(stderr, "hold: %u descriptors are needed: %s (raise `ulimit -Hn`)\n",
			PER_READER + 100, strerror(errno));
		return 1;
	}
	if (source_probe(&opt.target))
		return 1;
	readers = (opt.sessions + PER_READER - 1) / PER_READER;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	before = memory_now();
	for (uint32_t i = 0; i < readers; i++) {
		pid_t child = fork();

		if (child == 0) {
			/* Thousands of connections must not outlive a parent that was killed. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(reader_run(i, readers));
		}
		if (child < 0) {
			perror("hold: fork");
			shared->phase = STOP;
			return 1;
		}
	}
	measure(readers, &before);
	return 0;
}
