// SPDX-License-Identifier: GPL-2.0-or-later
/* The name of the socket: made, left to others, handed over, taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "socket.h"

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
	ask(fd);
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

/* A successor has the socket: who is connected is served by the one who left, who comes by the
 * successor, whose socket it is in the end. */
static void a_successor(void **state)
{
	struct control_conf k = conf(0);
	struct control *old = start(0), *next;
	int before = dial(), after;
	char err[500];

	(void)state;
	ask(before);
	k.listener = dup(control_listener(old));
	assert_int_equal(control_open(&k, &next, err, sizeof(err)), 0);
	control_leave(old);
	after = dial(); /* waits in the queue */
	ask(before);
	control_close(&old);
	assert_string_equal(hear(before), "");
	assert_int_equal(control_start(next), 0);
	ask(after);
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
	ask(fd);
	close(fd);
	control_close(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path),
		cmocka_unit_test(a_successor),
		cmocka_unit_test(a_successor_that_fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
