// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "selftests/unit/core/logged.h"
#include "selftests/unit/random.h"

static void decision(uint64_t n)
{
	struct log_line l;
	struct addr a;

	addr_parse("192.0.2.1", &a);
	log_begin(&l, LOG_DECISION);
	log_hex(&l, "session", n);
	log_addr(&l, "src", &a);
	log_int(&l, "port", 40000);
	log_str(&l, "helo", "mail.example.org");
	log_str(&l, "from", "a@example.org");
	log_str(&l, "to", "b@example.net");
	log_int(&l, "n", (int64_t)n);
	log_end(&l);
}

static void the_log_is_started_once_and_sinks_need_it(void **state)
{
	(void)state;
	log_stop();
	assert_int_equal(log_sink(1 << 16), -ESRCH);
	begin(LOG_JSON);
	assert_int_equal(log_start(file, LOG_JSON), -EBUSY);
	assert_int_equal(log_sink(1 << 15), -EINVAL);
	assert_int_equal(log_sink((1 << 16) + 1), -EINVAL);
	assert_int_equal(log_sink(1 << 16), 0);
	assert_int_equal(log_sink(1 << 16), -EEXIST);
	free(end());
	begin(LOG_JSON);
	/* The old run's sink is gone; a line finds its way without one and with a new one. */
	decision(1);
	assert_int_equal(log_sink(1 << 16), 0);
	decision(2);
	free(end());
}

static void without_a_log_thread_lines_go_to_standard_error(void **state)
{
	int saved = dup(STDERR_FILENO), p[2];
	char text[LOG_LINE] = "";
	json_t *o;

	(void)state;
	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	log_set_format(LOG_JSON);
	log_message(LOG_START, "early");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(p[1]);
	assert_true(read(p[0], text, sizeof(text)) > 0);
	close(p[0]);
	o = parsed(text, strlen(text));
	assert_string_equal(word(o, "message"), "early");
	json_decref(o);
}

#define THREADS 4
#define LINES 8000

struct writers {
	_Atomic int number;
	bool sinks;
};

static void *write_many(void *arg)
{
	struct writers *w = arg;
	uint64_t me = (uint64_t)atomic_fetch_add(&w->number, 1);

	if (w->sinks)
		log_sink(1 << 16);
	for (uint64_t i = 0; i < LINES; i++)
		decision(me * LINES + i);
	return NULL;
}

struct reader {
	int fd;
	_Atomic bool go;
	_Atomic int reports;
	uint64_t lines, lost, broken;
	int64_t last[THREADS];
	bool disordered;
};

static void read_line(struct reader *r, const char *line, size_t n)
{
	json_t *o = json_loadb(line, n, 0, NULL);
	int64_t i;

	if (!o) {
		r->broken++;
		return;
	}
	if (strcmp(word(o, "event"), "limit") == 0) {
		r->lost += (uint64_t)json_integer_value(json_object_get(o, "lost"));
		r->reports++;
		json_decref(o);
		return;
	}
	i = json_integer_value(json_object_get(o, "n"));
	if (i < 0 || i >= THREADS * LINES || i <= r->last[i / LINES])
		r->disordered = true;
	else
		r->last[i / LINES] = i;
	r->lines++;
	json_decref(o);
}

/* Reads to the end of the pipe in odd pieces. */
static void *read_all(void *arg)
{
	struct reader *r = arg;
	static char buf[2 * LOG_LINE];
	size_t have = 0;
	uint64_t rnd = 5;

	while (!atomic_load(&r->go))
		sched_yield();
	for (;;) {
		size_t want = 1 + random_below(&rnd, LOG_LINE);
		ssize_t n = read(r->fd, buf + have, want);
		char *nl;

		if (n <= 0)
			break;
		have += (size_t)n;
		while ((nl = memchr(buf, '\n', have))) {
			size_t len = (size_t)(nl + 1 - buf);

			read_line(r, buf, len);
			memmove(buf, nl + 1, have - len);
			have -= len;
		}
		if (have > LOG_LINE)
			have = 0, r->broken++;
	}
	if (have)
		read_line(r, buf, have);
	return NULL;
}

/* late: nobody reads before the writers are done. */
static void run_writers(int fd[2], bool sinks, bool late, struct reader *r)
{
	struct writers w = {.sinks = sinks};
	pthread_t thread[THREADS], reader;
	uint64_t dropped = log_dropped();

	*r = (struct reader){.fd = fd[0], .go = !late, .last = {-1, -1, -1, -1}};
	assert_int_equal(log_start(fd[1], LOG_JSON), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_all, r), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, write_many, &w), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&r->go, true);
	while (late && !atomic_load(&r->reports))
		sched_yield();
	log_stop();
	close(fd[1]);
	pthread_join(reader, NULL);
	close(fd[0]);
	assert_false(r->disordered);
	dropped = log_dropped() - dropped;
	/* Where log_stop has given up a reader that stood still for a second. One that is broken by
	 * another takes that along, and the sum is less. */
	assert_true(r->broken <= dropped);
	assert_int_equal(r->lines + dropped, THREADS * LINES);
	assert_true(r->lost <= dropped);
}

static void lines_of_many_threads_never_mix(void **state)
{
	struct reader r;
	int p[2];

	(void)state;
	for (int sinks = 0; sinks < 2; sinks++)
		for (int nonblock = 0; nonblock < 2; nonblock++) {
			assert_int_equal(pipe2(p, O_CLOEXEC), 0);
			if (nonblock)
				fcntl(p[1], F_SETFL, O_NONBLOCK);
			run_writers(p, sinks, false, &r);
			assert_true(sinks || r.lost == 0);
		}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	run_writers(p, true, false, &r);
}

/* The sinks hold a fraction of these lines. */
static void a_late_reader_costs_lines_that_are_counted(void **state)
{
	struct reader r;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	run_writers(p, true, true, &r);
	assert_true(r.lost > 0);
}

/* A disk that is full in the middle of a line, and has room again: that line is lost, the next one
 * is not. */
static void what_is_broken_off_spoils_no_other_line(void **state)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	static struct reader r;

	(void)state;
	assert_int_equal(sigaction(SIGXFSZ, &ignore, &before), 0);
	for (int i = 0; i < 240; i++) {
		/* Every place of a line; some of them behind more than a sink holds. */
		const bool sink = i % 40 == 0;
		const struct rlimit some = {(sink ? 130000 : 2000) + (rlim_t)i, RLIM_INFINITY};
		uint64_t dropped = log_dropped();
		struct stat st = {0};
		int64_t n = 0;
		char *text, *line;

		begin(LOG_JSON);
		if (sink)
			assert_int_equal(log_sink(1 << 16), 0);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &some), 0);
		while ((rlim_t)st.st_size < some.rlim_cur && !fstat(file, &st))
			decision((uint64_t)n++), sched_yield();
		setrlimit(RLIMIT_FSIZE, &all);
		decision((uint64_t)n++);
		text = end();
		r = (struct reader){.last = {-1, -1, -1, -1}};
		for (line = text; *line; line = strchr(line, '\n') + 1)
			read_line(&r, line, (size_t)(strchr(line, '\n') + 1 - line));
		free(text);
		assert_true(r.broken <= 1);
		assert_int_equal(r.lines + log_dropped() - dropped, n);
	}
	sigaction(SIGXFSZ, &before, NULL);
}

static void a_reader_that_went_away_does_no_harm(void **state)
{
	uint64_t before = log_dropped();
	int p[2];

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		if (kind == 0)
			assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		else
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
		close(p[0]);
		assert_int_equal(log_start(p[1], LOG_JSON), 0);
		assert_int_equal(log_sink(1 << 16), 0);
		for (uint64_t i = 0; i < 100; i++)
			decision(i);
		log_stop();
		close(p[1]);
	}
	assert_int_equal(log_dropped() - before, 200);
}

static void a_reader_that_sleeps_does_not_stop_log_stop(void **state)
{
	uint64_t before = log_dropped();
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(log_start(p[1], LOG_JSON), 0);
	assert_int_equal(log_sink(1 << 20), 0);
	for (uint64_t i = 0; i < 3000; i++)
		decision(i);
	log_stop();
	assert_true(log_dropped() > before);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_is_started_once_and_sinks_need_it),
		cmocka_unit_test(without_a_log_thread_lines_go_to_standard_error),
		cmocka_unit_test(lines_of_many_threads_never_mix),
		cmocka_unit_test(a_late_reader_costs_lines_that_are_counted),
		cmocka_unit_test(what_is_broken_off_spoils_no_other_line),
		cmocka_unit_test(a_reader_that_went_away_does_no_harm),
		cmocka_unit_test(a_reader_that_sleeps_does_not_stop_log_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
