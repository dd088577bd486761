// SPDX-License-Identifier: GPL-2.0-or-later
/* What a client gets to read, and one that doesn't read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>

#include "socket.h"

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
	for (int i = 0; i < 100; i++)
		ask(fd);
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
	ask(fd);
	close(fd);
	control_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(client_leaves),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
