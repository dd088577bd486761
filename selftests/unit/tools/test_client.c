// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "tools/client.c"

static char dir[] = "/tmp/greygate-client.XXXXXX";
static char path[100];
static char complaint[300];

char *cli_control_path(const struct cli *cli)
{
	(void)cli;
	return strdup(path);
}
void cli_complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(complaint, sizeof(complaint), format, ap);
	va_end(ap);
}
void cli_complain_mend(const char *error, const char *mend)
{
	cli_complain("%s; %s", error, mend ? mend : "");
}
const char *format_safe(const char *text, int max, char *buf, size_t size)
{
	(void)max;
	snprintf(buf, size, "%s", text);
	return buf;
}
const char *row_str(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

/* ---- a daemon ---- */

static struct server {
	const char *const *pieces; /* of its answer, NULL behind the last */
	int fd;
	pthread_t thread;
} server;

static void *answer(void *arg)
{
	int fd = accept(server.fd, NULL, NULL);
	char c;

	(void)arg;
	assert_true(fd >= 0);
	while (read(fd, &c, 1) == 1 && c != '\n')
		;
	for (const char *const *p = server.pieces; *p; p++) {
		usleep(20000);
		assert_int_equal(write(fd, *p, strlen(*p)), strlen(*p));
	}
	close(fd);
	return NULL;
}

static void serve(const char *const *pieces)
{
	sigset_t all, before;

	server.pieces = pieces;
	/* Signals are for who asks. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	assert_int_equal(pthread_create(&server.thread, NULL, answer, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int rows;

static bool see(const json_t *row, void *arg)
{
	(void)arg;
	rows += json_integer_value(json_object_get(row, "n")) == rows + 1;
	return true;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms = 1;
}

static const char *const pieces[] = {"{\"row\":{\"n\":1}}\n{\"row\":", "{\"n\":2}}\n",
				     "{\"done\":", "true}\n", NULL};

static void an_interruption_is_no_end(void **state)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {0};
	const struct cli cli = {0};
	json_t *summary = NULL;
	int rc;

	(void)state;
	serve(pieces);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	rc = cli_ask(&cli, "status", NULL, see, NULL, &summary);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	pthread_join(server.thread, NULL);
	assert_string_equal(complaint, "");
	assert_int_equal(rc, CLI_DONE);
	assert_int_equal(rows, 2);
	assert_true(alarms);
	assert_true(json_is_true(json_object_get(summary, "done")));
	json_decref(summary);
}

static void an_end_is_one(void **state)
{
	static const char *const half[] = {"{\"row\":{\"n\":1}}\n{\"do", NULL};
	const struct cli cli = {0};

	(void)state;
	serve(half);
	assert_int_equal(cli_ask(&cli, "status", NULL, NULL, NULL, NULL), CLI_FAILED);
	pthread_join(server.thread, NULL);
	assert_non_null(strstr(complaint, "broke off"));
}

/* Turned away before the request has left. */
static void a_refusal_is_heard(void **state)
{
	static const char line[] = "{\"error\":\"not allowed\",\"mend\":\"be root\"}\n";
	int ends[2];
	FILE *f;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(write(ends[1], line, strlen(line)), strlen(line));
	close(ends[1]);
	assert_true(send_request(ends[0], "status", NULL, -1));
	f = fdopen(ends[0], "r");
	assert_int_equal(read_answer(f, NULL, NULL, NULL), CLI_FAILED);
	assert_string_equal(complaint, "not allowed; be root");
	fclose(f);
	assert_false(send_request(-1, "status", NULL, -1));
}

/* What is asked of a daemon that is only slow is done in the end. */
static void silence_is_no_end(void **state)
{
	const cookie_io_functions_t io = {.read = read_on, .close = close_it};
	static const char half[] = "{\"row\":{\"n\":1}}\n{\"do";
	const struct timeval patience = {.tv_usec = 1000};
	FILE *f;

	(void)state;
	for (int gone = 0; gone < 2; gone++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		assert_int_equal(
			setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			0);
		assert_int_equal(write(ends[1], half, strlen(half)), strlen(half));
		if (gone)
			close(ends[1]);
		f = fopencookie(&ends[0], "r", io);
		assert_int_equal(read_answer(f, NULL, NULL, NULL), gone ? -EPIPE : -ETIMEDOUT);
		fclose(f);
		if (!gone)
			close(ends[1]);
	}
}

static int set_up(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	memcpy(name.sun_path, path, strlen(path) + 1);
	server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return server.fd < 0 || bind(server.fd, (struct sockaddr *)&name, sizeof(name)) ||
	       listen(server.fd, 4);
}

static int tear_down(void **state)
{
	(void)state;
	close(server.fd);
	return unlink(path) || rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interruption_is_no_end),
		cmocka_unit_test(an_end_is_one),
		cmocka_unit_test(silence_is_no_end),
		cmocka_unit_test(a_refusal_is_heard),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
