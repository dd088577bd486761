// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * loadgen: first contacts with an SMTP server, as many as it takes.
 *
 * A closed loop of N connections, each from an address out of a network and with a sender of its
 * own: banner, EHLO, MAIL, RCPT, QUIT, one command at a time, every reply compared with the code it
 * has to have. Prints one JSON object: sessions per second, latency of a whole session, and what
 * did not go as it should. Of several servers each connection tries one after the other, or all try
 * one for a while and then the next one, so that what else the machine does is the same for all.
 *
 * It shares the machine with what it measures, so it is built to cost little: one ring a thread,
 * sends and receives of many connections go to the kernel in one call.
 */
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "options.h"
#include "tally.h"

#define IN_SIZE 1024
#define OUT_SIZE 128
#define STALLED_US 3000000
#define THREADS 64
#define TARGETS 8
#define SLICES 1024

enum step { BANNER, EHLO, MAIL, RCPT, QUIT, STEPS };
enum phase { WARM_UP, MEASURE, STOP };

struct conn {
	int fd;
	enum step step; /* whose reply is awaited */
	uint32_t used;
	unsigned int to; /* which target */
	uint64_t start;  /* us */
	char out[OUT_SIZE];
	char in[IN_SIZE];
};

struct thread {
	pthread_t id;
	struct io_uring ring;
	struct conn *conns;
	unsigned int count;
	uint32_t source, uses, addr;
	uint64_t random;
	struct tally tally;
	struct share shares[TARGETS];
	uint32_t slices[SLICES]; /* sessions that began in each, from first_slice on */
};

static struct {
	struct sockaddr_in targets[TARGETS];
	unsigned int target_count;
	unsigned int connections, threads, per_source;
	double slice; /* s that all try one server; 0: each tries any */
	double warm_up, seconds;
	unsigned int first_source;
	int expect[STEPS];
	unsigned int pid;
	enum step until; /* whose reply ends a session */
} opt = {
	.connections = 256,
	.threads = 1,
	.per_source = 2,
	.warm_up = 1,
	.seconds = 5,
	.expect = {220, 250, 250, 451, 221},
	.until = QUIT,
};

static _Atomic int phase;
static uint64_t slice;               /* opt.slice in us */
static _Atomic uint64_t first_slice; /* a turn of the first target */

static const char *const step_name[STEPS] = {"banner", "EHLO", "MAIL", "RCPT", "QUIT"};

static uint64_t random_next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* The code of the one complete reply in buf, 0 when more has to come, -1 when it is none. */
static int reply_code(const char *buf, size_t len)
{
	const char *line = buf, *end = buf + len, *nl;
	int code = 0, c;

	while (line < end && (nl = memchr(line, '\n', end - line))) {
		if (nl - line < 4 || nl[-1] != '\r')
			return -1;
		c = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
		if (c < 200 || c > 599 || (code && c != code))
			return -1;
		code = c;
		if (line[3] == ' ' || line[3] == '\r')
			return nl + 1 == end ? code : -1;
		if (line[3] != '-')
			return -1;
		line = nl + 1;
	}
	return len < IN_SIZE ? 0 : -1;
}

static struct io_uring_sqe *sqe_get(struct thread *t)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);

	while (!sqe) {
		io_uring_submit(&t->ring);
		sqe = io_uring_get_sqe(&t->ring);
	}
	return sqe;
}

static void await_reply(struct thread *t, struct conn *c)
{
	struct io_uring_sqe *sqe = sqe_get(t);

	io_uring_prep_recv(sqe, c->fd, c->in + c->used, IN_SIZE - c->used, 0);
	/* The answer to what was just sent is never there yet. */
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data(sqe, c);
}

static void conn_open(struct thread *t, struct conn *c)
{
	if (t->uses == 0) {
		t->addr = source_next(&t->source, opt.threads);
		t->uses = opt.per_source;
	}
	t->uses--;
	c->step = BANNER;
	c->used = 0;
	c->start = clock_us();
	/* Not in turns: connections that wait for each other would keep in step for as long as they
	 * go on, and what meets whom would be luck once and not each time. */
	c->to = (slice ? c->start / slice : random_next(&t->random) >> 32) % opt.target_count;
	c->fd = source_connect(t->addr, &opt.targets[c->to]);
	if (c->fd < 0) {
		struct io_uring_sqe *sqe = sqe_get(t);

		t->tally.failed++;
		t->tally.last_error = c->fd;
		/* Tried again when the ring comes round, never in a loop here. */
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, c);
		return;
	}
	await_reply(t, c);
}

static void conn_again(struct thread *t, struct conn *c)
{
	close(c->fd);
	conn_open(t, c);
}

/* A reverse-path that no normalisation folds into another one: syllables, no digits. */
static size_t mail_command(struct thread *t, char *out)
{
	static const char head[] = "MAIL FROM:<", tail[] = ".example>\r\n";
	uint64_t r = random_next(&t->random);
	char *p = out + sizeof(head) - 1;
	int i;

	memcpy(out, head, sizeof(head) - 1);
	for (i = 0; i < 9; i++, r >>= 7) {
		if (i == 5)
			*p++ = '@';
		*p++ = "bdfgklmnprstvwxz"[r & 15];
		*p++ = "aeiouaei"[r >> 4 & 7];
	}
	memcpy(p, tail, sizeof(tail) - 1);
	return p - out + sizeof(tail) - 1;
}

static void send_command(struct thread *t, struct conn *c)
{
	static const char ehlo[] = "EHLO client.example\r\n";
	static const char rcpt[] = "RCPT TO:<user@example.net>\r\n";
	static const char quit[] = "QUIT\r\n";
	struct io_uring_sqe *sqe = sqe_get(t);
	const char *text = c->out;
	size_t len = 0;

	c->step++;
	c->used = 0;
	switch (c->step) {
	case EHLO:
		text = ehlo;
		len = sizeof(ehlo) - 1;
		break;
	case MAIL:
		len = mail_command(t, c->out);
		break;
	case RCPT:
		text = rcpt;
		len = sizeof(rcpt) - 1;
		break;
	default:
		text = quit;
		len = sizeof(quit) - 1;
	}
	io_uring_prep_send(sqe, c->fd, text, len, MSG_NOSIGNAL);
	/* A send that fails is told by the receive that follows it. */
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data(sqe, NULL);
	await_reply(t, c);
}

static void wrong_reply(struct thread *t, const struct conn *c)
{
	struct tally *y = &t->tally;
	size_t n;

	if (y->wrong++)
		return;
	n = snprintf(y->first_wrong, sizeof(y->first_wrong), "%s: ", step_name[c->step]);
	for (size_t i = 0; i < c->used && n < sizeof(y->first_wrong) - 1; i++)
		y->first_wrong[n++] = strchr("\"\\", c->in[i]) || c->in[i] < ' ' ? ' ' : c->in[i];
	y->first_wrong[n] = '\0';
}

static void session_done(struct thread *t, const struct conn *c)
{
	uint64_t took = clock_us() - c->start;
	unsigned int cell = tally_cell(took);

	/* A session counts where it ends; one that began in the warm-up has an honest length too.
	 */
	t->tally.sessions++;
	t->tally.latency[cell]++;
	t->shares[c->to].sessions[cell]++;
	t->shares[c->to].sum[cell] += took;
	if (slice && c->start / slice - first_slice < SLICES)
		t->slices[c->start / slice - first_slice]++;
	if (took > t->tally.longest)
		t->tally.longest = took;
}

static void on_recv(struct thread *t, struct conn *c, int res)
{
	int code;

	if (c->fd < 0) {
		conn_open(t, c);
		return;
	}
	if (res <= 0) {
		t->tally.failed++;
		t->tally.last_error = res ? res : -ECONNRESET;
		conn_again(t, c);
		return;
	}
	c->used += res;
	code = reply_code(c->in, c->used);
	if (code == 0) {
		await_reply(t, c);
	} else if (code != opt.expect[c->step]) {
		wrong_reply(t, c);
		conn_again(t, c);
	} else if (c->step == opt.until) {
		session_done(t, c);
		conn_again(t, c);
	} else {
		send_command(t, c);
	}
}

static void *thread_run(void *arg)
{
	struct thread *t = arg;
	struct io_uring_cqe *cqe;
	bool measuring = false;
	uint64_t now;

	for (unsigned int i = 0; i < t->count; i++)
		conn_open(t, &t->conns[i]);
	while (phase != STOP) {
		struct __kernel_timespec tick = {.tv_nsec = 20000000};
		unsigned int head, seen = 0;

		if (!measuring && phase == MEASURE) {
			memset(&t->tally, 0, sizeof(t->tally));
			memset(t->shares, 0, sizeof(t->shares));
			measuring = true;
		}
		io_uring_submit_and_wait_timeout(&t->ring, &cqe, 1, &tick, NULL);
		io_uring_for_each_cqe(&t->ring, head, cqe)
		{
			seen++;
			if (io_uring_cqe_get_data(cqe))
				on_recv(t, io_uring_cqe_get_data(cqe), cqe->res);
		}
		io_uring_cq_advance(&t->ring, seen);
	}
	now = clock_us();
	for (unsigned int i = 0; i < t->count; i++)
		t->tally.stalled += now - t->conns[i].start > STALLED_US;
	return NULL;
}

/* The ring is made by the thread that uses it: IORING_SETUP_SINGLE_ISSUER binds it to its maker. */
static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = 16384,
	};
	int err = io_uring_queue_init_params(4096, &t->ring, &p);

	if (err) {
		fprintf(stderr,
			"loadgen: io_uring: %s (kernel 6.1 or newer is needed, "
			"kernel.io_uring_disabled must be 0)\n",
			strerror(-err));
		exit(1);
	}
	thread_run(t);
	io_uring_queue_exit(&t->ring);
	return NULL;
}

static double own_cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_utime.tv_sec + r.ru_stime.tv_sec +
	       (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void sleep_s(double s)
{
	struct timespec ts = {.tv_sec = (time_t)s, .tv_nsec = (long)((s - (time_t)s) * 1e9)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

static void print_targets(const struct thread *threads)
{
	static struct share sum;

	printf("\"targets\": [");
	for (unsigned int to = 0; to < opt.target_count; to++) {
		uint64_t sessions = 0;

		memset(&sum, 0, sizeof(sum));
		for (unsigned int i = 0; i < opt.threads; i++)
			for (unsigned int k = 0; k < TALLY_CELLS; k++) {
				sum.sessions[k] += threads[i].shares[to].sessions[k];
				sum.sum[k] += threads[i].shares[to].sum[k];
				sessions += threads[i].shares[to].sessions[k];
			}
		printf("%s{\"sessions\": %llu, \"middle_us\": %.2f}", to ? ", " : "",
		       (unsigned long long)sessions, share_middle(&sum));
	}
	printf("], ");
}

/* Of each round, a turn of each target: the sessions that began in each turn. Without the last
 * round: what began in it may not have ended. */
static void print_rounds(const struct thread *threads, uint64_t end)
{
	uint64_t slices = end / slice > first_slice ? end / slice - first_slice : 0;

	if (slices > SLICES)
		slices = SLICES;
	printf("\"rounds\": [");
	for (uint64_t k = 0; k + 2 * opt.target_count <= slices; k += opt.target_count) {
		printf("%s[", k ? ", " : "");
		for (unsigned int to = 0; to < opt.target_count; to++) {
			uint64_t n = 0;

			for (unsigned int i = 0; i < opt.threads; i++)
				n += threads[i].slices[k + to];
			printf("%s%llu", to ? ", " : "", (unsigned long long)n);
		}
		printf("]");
	}
	printf("], ");
}

static int measure(struct thread *threads)
{
	static struct tally sum;
	double own, server, took;
	uint64_t start;

	for (unsigned int i = 0; i < opt.threads; i++)
		if (pthread_create(&threads[i].id, NULL, thread_main, &threads[i])) {
			fprintf(stderr, "loadgen: no thread\n");
			return 1;
		}
	sleep_s(opt.warm_up);
	own = own_cpu();
	server = process_cpu(opt.pid);
	start = clock_us();
	/* One round later: until then all threads have heard of it. */
	if (slice)
		first_slice = (start / slice / opt.target_count + 2) * opt.target_count;
	phase = MEASURE;
	sleep_s(opt.seconds);
	took = (clock_us() - start) / 1e6;
	phase = STOP;
	own = own_cpu() - own;
	server = process_cpu(opt.pid) - server;
	for (unsigned int i = 0; i < opt.threads; i++) {
		pthread_join(threads[i].id, NULL);
		tally_add(&sum, &threads[i].tally);
	}
	printf("{");
	print_targets(threads);
	if (slice)
		print_rounds(threads, start + (uint64_t)(took * 1e6));
	printf("\"sessions_s\": %.1f, \"sessions\": %llu, \"seconds\": %.2f, \"connections\": %u, "
	       "\"wrong\": %llu, \"failed\": %llu, \"stalled\": %llu, \"p50_us\": %llu, "
	       "\"p99_us\": %llu, \"p999_us\": %llu, \"max_us\": %llu, \"cpu_client\": %.2f, "
	       "\"cpu_server\": %.2f, "
	       "\"first_wrong\": \"%s\", \"last_error\": \"%s\"}\n",
	       sum.sessions / took, (unsigned long long)sum.sessions, took, opt.connections,
	       (unsigned long long)sum.wrong, (unsigned long long)sum.failed,
	       (unsigned long long)sum.stalled, (unsigned long long)tally_percentile(&sum, 0.5),
	       (unsigned long long)tally_percentile(&sum, 0.99),
	       (unsigned long long)tally_percentile(&sum, 0.999), (unsigned long long)sum.longest,
	       own / took, server / took, sum.first_wrong,
	       sum.last_error ? strerror(-sum.last_error) : "");
	return sum.sessions ? 0 : 1;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: loadgen --target ADDR:PORT ... [--connections N] [--threads N] [--seconds "
		"S]\n"
		"               [--warm-up S] [--expect CODE] [--per-source N] [--first-source N]\n"
		"               [--network ADDR/LEN] [--pid SERVER] [--until banner|rcpt|quit]\n"
		"               [--slice S]\n"
		"  --expect        the reply RCPT has to get (451)\n"
		"  --per-source    sessions from one client address before the next one's turn "
		"(2)\n"
		"  --network       whose addresses are the clients' (127.0.0.0/8)\n"
		"  --first-source  where in the network to begin (0)\n"
		"  --pid           process whose CPU is reported as cpu_server, in cores\n"
		"  --until         whose reply ends a session (quit)\n"
		"  --slice         how long all try one of several servers (0: each connection any)"
		"\n");
	return 2;
}

static bool read_one_more(const char *text, void *to)
{
	(void)to;
	return opt.target_count < TARGETS && source_target(text, &opt.targets[opt.target_count++]);
}

static bool read_code(const char *text, void *to)
{
	unsigned int code;

	if (!read_number(text, &code) || code < 200 || code > 599)
		return false;
	*(int *)to = (int)code;
	return true;
}

static bool read_step(const char *text, void *to)
{
	static const struct {
		const char *word;
		enum step step;
	} words[] = {{"banner", BANNER}, {"rcpt", RCPT}, {"quit", QUIT}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(text, words[i].word)) {
			*(enum step *)to = words[i].step;
			return true;
		}
	return false;
}

static bool options_read(int argc, char **argv)
{
	static const struct told known[] = {
		{"target", read_one_more, NULL},
		{"connections", read_number, &opt.connections},
		{"threads", read_number, &opt.threads},
		{"seconds", read_seconds, &opt.seconds},
		{"warm-up", read_seconds, &opt.warm_up},
		{"expect", read_code, &opt.expect[RCPT]},
		{"per-source", read_number, &opt.per_source},
		{"first-source", read_number, &opt.first_source},
		{"pid", read_number, &opt.pid},
		{"until", read_step, &opt.until},
		{"network", read_network, NULL},
		{"slice", read_seconds, &opt.slice},
	};

	return OPTIONS_TAKE(argc, argv, known) && opt.target_count && optind == argc &&
	       opt.threads >= 1 && opt.threads <= THREADS && opt.connections >= opt.threads &&
	       opt.connections <= 16000 && opt.per_source && opt.seconds > 0;
}

int main(int argc, char **argv)
{
	static struct thread threads[THREADS];

	if (!options_read(argc, argv))
		return usage();
	slice = (uint64_t)(opt.slice * 1e6);
	for (unsigned int i = 0; i < opt.target_count; i++)
		if (source_probe(&opt.targets[i]))
			return 1;
	for (unsigned int i = 0; i < opt.threads; i++) {
		struct thread *t = &threads[i];

		t->count = opt.connections / opt.threads + (i < opt.connections % opt.threads);
		t->conns = calloc(t->count, sizeof(*t->conns));
		if (!t->conns) {
			fprintf(stderr, "loadgen: no memory for %u connections\n", t->count);
			return 1;
		}
		t->source = opt.first_source + i;
		t->random = clock_us() * 0x9e3779b97f4a7c15ULL + i + 1;
	}
	return measure(threads);
}
