// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/control.h"

#define ROWS 100000 /* of `flood`: several MB, more than any socket buffer */

static char dir[] = "/tmp/test_control.XXXXXX";
static char path[100];

/* ---- a table of commands ---- */

static int echo(struct control_reply *r, json_t *args, void *context)
{
	(void)context;
	json_object_set(control_summary(r), "args", args);
	return 0;
}

static int rows(struct control_reply *r, json_t *args, void *context)
{
	json_int_t n = json_integer_value(json_object_get(args, "n"));

	(void)context;
	for (json_int_t i = 0; i < n; i++) {
		if (!control_row(r, json_pack("{s:I}", "i", i)))
			return 0;
	}
	return 0;
}

static int broken(struct control_reply *r, json_t *args, void *context)
{
	(void)args;
	(void)context;
	return control_fail(r, "mend \"it\"", "thing %d: \xff\n cause", 7);
}

static int flood(struct control_reply *r, json_t *args, void *context)
{
	_Atomic int *ended = context;

	(void)args;
	for (int i = 0; i < ROWS; i++) {
		if (!control_row(r, json_pack("{s:s}", "text", "0123456789012345678901234567890")))
			break;
	}
	++*ended;
	return 0;
}

static _Atomic bool held = true; /* `hold` goes on when it is not */
static _Atomic int holding;

static int hold(struct control_reply *r, json_t *args, void *context)
{
	(void)r;
	(void)args;
	(void)context;
	++holding;
	while (held)
		usleep(1000);
	--holding;
	return 0;
}

static int lost(struct control_reply *r, json_t *args, void *context)
{
	(void)args;
	(void)context;
	control_row(r, NULL);
	return 0;
}

static const struct control_command table[] = {
	{"echo", echo, "gives the arguments back"},
	{"rows", rows, "n rows"},
	{"broken", broken, "fails"},
	{"flood", flood, "many rows"},
	{"hold", hold, "takes its time"},
	{"lost", lost, "runs out of memory"},
	{NULL, NULL, NULL},
};

static _Atomic int ended; /* floods that came to an end */

static struct control_conf conf(int stall)
{
	return (struct control_conf){.path = path,
				     .uid = geteuid(),
				     .gid = getegid(),
				     .commands = table,
				     .context = &ended,
				     .stall = stall};
}

static struct control *start_with(const struct control_conf *c)
{
	struct control *control;
	char err[500];

	if (control_open(c, &control, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(control_start(control), 0);
	return control;
}

static struct control *start(int stall)
{
	const struct control_conf c = conf(stall);

	return start_with(&c);
}

/* ---- a client ---- */

static int dial(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line without its end; "" when the other side closed. */
static const char *hear(int fd)
{
	static char line[70000];
	size_t n = 0;

	while (n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	return line;
}

static void expect(int fd, const char *what)
{
	const char *line = hear(fd);

	if (!strstr(line, what))
		fail_msg("expected %s, got %s", what, line);
}

/* ---- tests ---- */

static void answers(void **state)
{
	struct control *c = start(0);
	int fd = dial();

	(void)state;
	say(fd, "{\"command\":\"echo\",\"args\":{\"a\":1,\"b\":\"\\u00e9\"}}\n");
	assert_string_equal(hear(fd), "{\"args\":{\"a\":1,\"b\":\"\xc3\xa9\"},\"done\":true}");
	say(fd, "{\"command\":\"echo\"}\n");
	assert_string_equal(hear(fd), "{\"args\":{},\"done\":true}");
	say(fd, "{\"command\":\"rows\",\"args\":{\"n\":3}}\n");
	for (int i = 0; i < 3; i++) {
		char row[40];

		snprintf(row, sizeof(row), "{\"row\":{\"i\":%d}}", i);
		assert_string_equal(hear(fd), row);
	}
	assert_string_equal(hear(fd), "{\"done\":true}");
	say(fd, "{\"command\":\"broken\"}\n");
	assert_string_equal(hear(fd),
			    "{\"error\":\"thing 7: ?\\n cause\",\"mend\":\"mend \\\"it\\\"\"}");
	say(fd, "{\"command\":\"lost\"}\n");
	assert_string_equal(hear(fd), "{\"error\":\"out of memory\"}");
	say(fd, "{\"command\":\"help\"}\n");
	for (int i = 0; table[i].name; i++)
		expect(fd, table[i].words);
	expect(fd, "\"done\":true");
	close(fd);
	control_close(&c);
	assert_null(c);
}

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
	say(fd, "{\"command\":\"echo\"}\n");
	expect(fd, "\"done\"");
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
	say(fd, "{\"command\":\"echo\"}\n");
	expect(fd, "\"done\"");
	close(fd);
	free(line);
	control_close(&c);
}

static void ask(int fd)
{
	say(fd, "{\"command\":\"echo\"}\n");
	expect(fd, "done");
}

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
	more[0] = dial();
	ask(more[0]);
	close(more[0]);
	control_close(&c);
}

/* Clients that say nothing, or no whole request, or do not read, give their places to others; while
 * nobody waits they keep them. */
static void silent(void **state)
{
	int fd[2 * CONTROL_CLIENTS], more;
	struct control *c = start(0);

	(void)state;
	ended = 0;
	for (int i = 0; i < 2 * CONTROL_CLIENTS; i++) {
		fd[i] = dial();
		assert_true(fd[i] >= 0);
		if (i % 4 == 1)
			say(fd[i], "{\"comm");
		else if (i % 4 == 2)
			say(fd[i], "{\"command\":\"flood\"}\n");
	}
	more = dial();
	ask(more);
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (i % 4 == 2)
			continue;
		expect(fd[i], "closed: no request came, and other clients wait");
		assert_string_equal(hear(fd[i]), "");
	}
	while (ended < CONTROL_CLIENTS / 4)
		usleep(1000);
	for (int i = 0; i < 2 * CONTROL_CLIENTS; i++)
		close(fd[i]);
	/* Alone, one may take his time. */
	usleep((CONTROL_YIELD + 200) * 1000);
	ask(more);
	close(more);
	control_close(&c);
}

/* A reader that stops reading holds up nobody, and is dropped. */
static void slow_reader(void **state)
{
	struct control *c = start(200);
	int slow = dial(), fd = dial();
	struct stat st;
	ssize_t n;
	size_t total = 0;
	char buf[65536];
	FILE *f;

	(void)state;
	ended = 0;
	say(slow, "{\"command\":\"flood\"}\n");
	for (int i = 0; i < 100; i++) {
		say(fd, "{\"command\":\"echo\"}\n");
		expect(fd, "done");
	}
	while (!ended)
		usleep(1000);
	while ((n = recv(slow, buf, sizeof(buf), 0)) > 0)
		total += (size_t)n;
	assert_true(total < ROWS * 40);
	close(slow);
	close(fd);
	control_close(&c);
	assert_int_equal(stat(path, &st), -1);
	/* who reads gets all of it */
	c = start(0);
	fd = dial();
	say(fd, "{\"command\":\"flood\"}\n");
	f = fdopen(fd, "r");
	for (int i = 0; i < ROWS; i++)
		assert_ptr_equal(strstr(fgets(buf, sizeof(buf), f), "{\"row\":"), buf);
	assert_string_equal(fgets(buf, sizeof(buf), f), "{\"done\":true}\n");
	fclose(f);
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

static void client_leaves(void **state)
{
	struct control *c = start(0);
	int fd = dial();

	(void)state;
	ended = 0;
	say(fd, "{\"command\":\"flood\"}\n");
	expect(fd, "row");
	close(fd);
	while (!ended)
		usleep(1000);
	fd = dial();
	say(fd, "{\"command\":\"echo\"}\n");
	expect(fd, "done");
	close(fd);
	control_close(&c);
}

static void the_path(void **state)
{
	struct control *c, *other = NULL;
	struct control_conf k = conf(0);
	char err[500], keep[sizeof(path)];
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	(void)state;
	memcpy(keep, path, sizeof(path));
	/* the directory is made, the modes are as promised */
	snprintf(path, sizeof(path), "%s/made/sock", dir);
	c = start(0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	/* a live one is left alone, also by the end of who came second */
	assert_int_equal(control_open(&k, &other, err, sizeof(err)), -EADDRINUSE);
	assert_non_null(strstr(err, path));
	assert_null(other);
	fd = dial();
	say(fd, "{\"command\":\"echo\"}\n");
	expect(fd, "done");
	close(fd);
	control_close(&c);
	assert_int_equal(stat(path, &st), -1);
	/* that of a dead one is replaced */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(name.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
	c = start(0);
	/* and if somebody replaces ours, his stays */
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	control_close(&c);
	assert_int_equal(stat(path, &st), 0);
	/* what is no socket is not touched */
	assert_int_equal(control_open(&k, &other, err, sizeof(err)), -EEXIST);
	assert_non_null(strstr(err, "is no socket"));
	assert_int_equal(stat(path, &st), 0);
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
	/* no such place, too long */
	snprintf(path, sizeof(path), "%s/no/such/sock", dir);
	assert_int_equal(control_open(&k, &other, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, path));
	k.path = "/tmp/0123456789012345678901234567890123456789012345678901234567890123456789012345"
		 "678901234567890123456789012345678901234567890";
	assert_int_equal(control_open(&k, &other, err, sizeof(err)), -ENAMETOOLONG);
	memcpy(path, keep, sizeof(path));
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

/* A successor has the socket: who is connected is served by the one who left, who comes by the
 * successor, whose socket it is in the end. */
static void a_successor(void **state)
{
	struct control_conf k = conf(0);
	struct control *old = start(0), *next;
	int before = dial(), after;
	char err[500];

	(void)state;
	say(before, "{\"command\":\"echo\"}\n");
	expect(before, "done");
	k.listener = dup(control_listener(old));
	assert_int_equal(control_open(&k, &next, err, sizeof(err)), 0);
	control_leave(old);
	after = dial(); /* waits in the queue */
	say(before, "{\"command\":\"echo\"}\n");
	expect(before, "done");
	control_close(&old);
	assert_string_equal(hear(before), "");
	assert_int_equal(control_start(next), 0);
	say(after, "{\"command\":\"echo\"}\n");
	expect(after, "done");
	assert_int_equal(access(path, F_OK), 0);
	control_close(&next);
	assert_int_equal(access(path, F_OK), -1);
	close(before);
	close(after);
}

/* One that does not get ready leaves the socket where it is. */
static void a_successor_that_fails(void **state)
{
	struct control_conf k = conf(0);
	struct control *old = start(0), *next;
	char err[500];
	int fd;

	(void)state;
	k.listener = dup(control_listener(old));
	assert_int_equal(control_open(&k, &next, err, sizeof(err)), 0);
	control_close(&next);
	fd = dial();
	say(fd, "{\"command\":\"echo\"}\n");
	expect(fd, "done");
	close(fd);
	control_close(&old);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),     cmocka_unit_test(pieces),
		cmocka_unit_test(garbage),     cmocka_unit_test(oversized),
		cmocka_unit_test(crowd),       cmocka_unit_test(no_place),
		cmocka_unit_test(silent),      cmocka_unit_test(slow_reader),
		cmocka_unit_test(closing),     cmocka_unit_test(client_leaves),
		cmocka_unit_test(the_path),    cmocka_unit_test(strangers),
		cmocka_unit_test(a_successor), cmocka_unit_test(a_successor_that_fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
