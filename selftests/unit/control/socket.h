/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A control socket with commands of a test, and clients of it. */
#ifndef UNIT_CONTROL_SOCKET_H
#define UNIT_CONTROL_SOCKET_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

static inline struct control_conf conf(int stall)
{
	return (struct control_conf){.path = path,
				     .uid = geteuid(),
				     .gid = getegid(),
				     .commands = table,
				     .context = &ended,
				     .stall = stall};
}

static inline struct control *start_with(const struct control_conf *c)
{
	struct control *control;
	char err[500];

	if (control_open(c, &control, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(control_start(control), 0);
	return control;
}

static inline struct control *start(int stall)
{
	const struct control_conf c = conf(stall);

	return start_with(&c);
}

/* ---- a client ---- */

static inline int dial(void)
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

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line without its end; "" when the other side closed. */
static inline const char *hear(int fd)
{
	static char line[70000];
	size_t n = 0;

	while (n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	return line;
}

static inline void expect(int fd, const char *what)
{
	const char *line = hear(fd);

	if (!strstr(line, what))
		fail_msg("expected %s, got %s", what, line);
}

static inline void ask(int fd)
{
	say(fd, "{\"command\":\"echo\"}\n");
	expect(fd, "done");
}

static inline int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

#endif
