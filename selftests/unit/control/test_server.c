// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests, whole or not, and the places of those who make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "socket.h"

/* ---- requests ---- */

static void pieces(void **state)
{
	static const char request[] = "{\"command\":\"echo\",\"args\":{\"x\":\"y\"}}\n";
	struct control *c = start(0);
	int fd = dial();

	(void)state;
	for (size_t cut = 1; cut < sizeof(request) - 1; cut++) {
		assert_int_equal(send(fd, request, cut, 0), cut);
		sched_yield();
		say(fd, request + cut);
		assert_string_equal(hear(fd), "{\"args\":{\"x\":\"y\"},\"done\":true}");
	}
	for (size_t i = 0; i < sizeof(request) - 1; i++)
		assert_int_equal(send(fd, request + i, 1, 0), 1);
	assert_string_equal(hear(fd), "{\"args\":{\"x\":\"y\"},\"done\":true}");
	/* several at once, the last one cut off */
	say(fd, "{\"command\":\"rows\",\"args\":{\"n\":1}}\n{\"command\":\"echo\"}\n{\"comm");
	expect(fd, "\"row\"");
	expect(fd, "\"done\"");
	expect(fd, "\"done\"");
	say(fd, "and\":\"echo\"}\n");
	expect(fd, "\"done\"");
	close(fd);
	control_close(&c);
}

static void garbage(void **state)
{
	static const char *const lines[] = {
		"\n",
		"x\n",
		"{\n",
		"[]\n",
		"7\n",
		"null\n",
		"{}\n",
		"{\"command\":7}\n",
		"{\"command\":\"echo\",\"args\":[]}\n",
		"{\"command\":\"echo\",\"args\":null}\n",
		"{\"command\":\"echo\",\"command\":\"echo\"}\n",
		"{\"command\":\"echo\"} x\n",
		"{\"command\":\"\xff\"}\n",
		"{\"command\":\"echo\\u0000\"}\n",
		"GET / HTTP/1.0\r\n",
	};
	struct control *c = start(0);
	char deep[20001];
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		say(fd, lines[i]);
		expect(fd, "{\"error\":\"");
	}
	say(fd, "{\"command\":\"ech\"}\n");
	expect(fd, "unknown command \\\"ech\\\"");
	assert_int_equal(send(fd, "{\"command\":\"ec\0ho\"}\n", 20, 0), 20);
	expect(fd, "{\"error\":\"");
	memset(deep, '[', sizeof(deep) - 2);
	memcpy(deep + sizeof(deep) - 2, "\n", 2);
	say(fd, deep);
	expect(fd, "{\"error\":\"");
	/* none of it did any harm */
	ask(fd);
	close(fd);
	control_close(&c);
}

/* A line of the longest length is taken, a longer one gets an error and the end. */
static void oversized(void **state)
{
	struct control *c = start(0);
	char *line = malloc(CONTROL_LINE + 2);
	int fd = dial(), n;

	(void)state;
	memset(line, ' ', CONTROL_LINE + 1);
	n = snprintf(line, CONTROL_LINE, "{\"command\":\"echo\"}");
	line[n] = ' ';
	line[CONTROL_LINE - 1] = '\n';
	line[CONTROL_LINE] = 0;
	say(fd, line);
	expect(fd, "\"done\"");
	line[CONTROL_LINE - 1] = ' ';
	line[CONTROL_LINE] = ' ';
	line[CONTROL_LINE + 1] = 0;
	say(fd, line);
	expect(fd, "longer than");
	assert_string_equal(hear(fd), "");
	close(fd);
	fd = dial();
	ask(fd);
	close(fd);
	free(line);
	control_close(&c);
}

/* ---- clients ---- */

static void hold_all(int fd[CONTROL_CLIENTS])
{
	held = true;
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		fd[i] = dial();
		say(fd[i], "{\"command\":\"hold\"}\n");
	}
	while (holding < CONTROL_CLIENTS)
		usleep(1000);
}

static void let_all(const int fd[CONTROL_CLIENTS])
{
	held = false;
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		expect(fd[i], "done");
		close(fd[i]);
	}
	while (holding)
		usleep(1000);
}

/* Who finds every place taken waits for his, and is served in his turn. */
static void crowd(void **state)
{
	int fd[CONTROL_CLIENTS], more[4 * CONTROL_CLIENTS];
	struct control *c = start(0);
	char early;

	(void)state;
	for (int round = 0; round < 3; round++) {
		hold_all(fd);
		for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
			more[i] = dial();
			say(more[i], "{\"command\":\"echo\"}\n");
		}
		assert_int_equal(recv(more[0], &early, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, EAGAIN);
		let_all(fd);
		for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
			expect(more[i], "done");
			close(more[i]);
		}
	}
	control_close(&c);
}

/* A client that comes, and is told so where no place becomes free in time. */
static bool is_served(void)
{
	static const char request[] = "{\"command\":\"echo\"}\n";
	int fd = dial();
	const char *line;

	send(fd, request, strlen(request), MSG_NOSIGNAL);
	line = hear(fd);
	close(fd);
	if (strstr(line, "done"))
		return true;
	if (!strstr(line, "too many control clients"))
		fail_msg("got %s", line);
	return false;
}

/* Where no place becomes free those who wait are told so, and what is going on goes on. */
static void no_place(void **state)
{
	struct control_conf k = conf(0);
	int fd[CONTROL_CLIENTS], more[3];
	struct control *c;

	(void)state;
	k.wait = 100;
	c = start_with(&k);
	hold_all(fd);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++)
			more[i] = dial();
		for (int i = 0; i < 3; i++) {
			expect(more[i], "too many control clients");
			assert_string_equal(hear(more[i]), "");
			close(more[i]);
		}
	}
	let_all(fd);
	while (!is_served())
		;
	control_close(&c);
}

/* Whether one that has asked nothing was told why it is closed. */
static bool gave_way(int fd)
{
	char first;

	if (recv(fd, &first, 1, MSG_DONTWAIT | MSG_PEEK) != 1)
		return false;
	expect(fd, "closed: no request came, and other clients wait");
	assert_string_equal(hear(fd), "");
	return true;
}

/* Clients that say nothing, or no whole request, or do not read, give their places to others; while
 * nobody waits they keep them. */
static void silent(void **state)
{
	int fd[2 * CONTROL_CLIENTS], more, gone = 0;
	struct control *c = start(0);

	(void)state;
	ended = 0;
	for (int i = 0; i < 2 * CONTROL_CLIENTS; i++) {
		fd[i] = dial();
		assert_true(fd[i] >= 0);
		if (i % 2)
			say(fd[i], "{\"command\":\"flood\"}\n");
		else if (i % 4)
			say(fd[i], "{\"comm");
	}
	more = dial();
	ask(more);
	/* Those who came first, as a rule; who is quicker on a slow machine nobody knows. */
	for (int i = 0; i < 2 * CONTROL_CLIENTS; i += 2)
		gone += gave_way(fd[i]);
	assert_true(gone + ended > CONTROL_CLIENTS); /* some of either kind, then */
	for (int i = 0; i < 2 * CONTROL_CLIENTS; i++)
		close(fd[i]);
	/* Alone, one may take his time. */
	usleep((CONTROL_YIELD + 200) * 1000);
	ask(more);
	close(more);
	control_close(&c);
}

/* Closing ends clients in the middle of an answer and in the middle of a request. */
static void closing(void **state)
{
	struct control *c = start(0);
	int reader = dial(), writer = dial(), idle = dial();

	(void)state;
	say(reader, "{\"command\":\"flood\"}\n");
	expect(reader, "row");
	say(writer, "{\"comm");
	control_close(&c);
	assert_string_equal(hear(writer), "");
	assert_string_equal(hear(idle), "");
	assert_int_equal(dial(), -1);
	close(reader);
	close(writer);
	close(idle);
}

/* Another user gets a refusal even if the file lets him in; a member of the group is served. */
static void strangers(void **state)
{
	struct control_conf k = conf(0);
	struct control *c;
	char err[500];
	int status;
	pid_t pid;

	(void)state;
	if (geteuid()) {
		print_message("changing the user needs root\n");
		skip();
	}
	k.uid = 0;
	k.gid = 4242;
	assert_int_equal(control_open(&k, &c, err, sizeof(err)), 0);
	assert_int_equal(control_start(c), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	for (int member = 0; member < 3; member++) {
		pid = fork();
		if (!pid) {
			gid_t group = 4242;
			int fd;

			if (setgroups(member == 1, &group) || setgid(member == 2 ? 4242 : 65534) ||
			    setuid(65534))
				_exit(9);
			fd = dial();
			if (fd < 0)
				_exit(8);
			send(fd, "{\"command\":\"echo\"}\n", 19, MSG_NOSIGNAL);
			_exit(strstr(hear(fd), "\"done\"") ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), member > 0);
	}
	control_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces),  cmocka_unit_test(garbage),   cmocka_unit_test(oversized),
		cmocka_unit_test(crowd),   cmocka_unit_test(no_place),  cmocka_unit_test(silent),
		cmocka_unit_test(closing), cmocka_unit_test(strangers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
