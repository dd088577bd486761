// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover.h"

struct both {
	int a, b;
};

static struct both both_new(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	return (struct both){pair[0], pair[1]};
}

static struct handover_message *room(void)
{
	static struct handover_message m;

	memset(&m, 0x55, sizeof(m));
	return &m;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void a_message_arrives_as_it_was_sent(void **state)
{
	struct both s = both_new();
	struct handover_message *m = room();
	struct store_item items[HANDOVER_ITEMS_MAX];

	(void)state;
	memset(items, 7, sizeof(items));
	assert_int_equal(handover_send(s.a, HANDOVER_READY, NULL, 0, NULL, 0), 0);
	assert_int_equal(handover_send(s.a, HANDOVER_ITEMS, items, sizeof(items), NULL, 0), 0);
	assert_int_equal(handover_receive(s.b, m), 0);
	assert_int_equal(m->kind, HANDOVER_READY);
	assert_int_equal(m->length, 0);
	assert_int_equal(m->fd_count, 0);
	assert_int_equal(handover_receive(s.b, m), 0);
	assert_int_equal(m->kind, HANDOVER_ITEMS);
	assert_int_equal(m->length, sizeof(items));
	assert_memory_equal(m->data, items, sizeof(items));
	close(s.a);
	close(s.b);
}

static void descriptors_come_along(void **state)
{
	struct both s = both_new();
	struct handover_message *m = room();
	int fds[WORKER_LISTENERS];

	(void)state;
	for (int i = 0; i < WORKER_LISTENERS; i++) {
		fds[i] = open(i % 2 ? "/dev/null" : "/dev/zero", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(handover_send(s.a, HANDOVER_WORKER, NULL, 0, fds, WORKER_LISTENERS), 0);
	assert_int_equal(handover_receive(s.b, m), 0);
	assert_int_equal(m->fd_count, WORKER_LISTENERS);
	for (int i = 0; i < WORKER_LISTENERS; i++) {
		assert_int_not_equal(m->fds[i], fds[i]);
		assert_true(same_file(m->fds[i], fds[i]));
		assert_true(fcntl(m->fds[i], F_GETFD) & FD_CLOEXEC);
		close(fds[i]);
	}
	handover_close(m);
	assert_int_equal(m->fd_count, 0);
	assert_int_equal(fcntl(m->fds[0], F_GETFD), -1);
	close(s.a);
	close(s.b);
}

static void what_is_no_message_is_refused(void **state)
{
	struct both s = both_new();
	struct handover_message *m = room();
	static char large[sizeof(m->data) + sizeof(m->kind) + 1];

	(void)state;
	assert_int_equal(send(s.a, "abc", 3, 0), 3);
	assert_int_equal(handover_receive(s.b, m), -EPROTO);
	assert_int_equal(send(s.a, large, sizeof(large), 0), sizeof(large));
	assert_int_equal(handover_receive(s.b, m), -EPROTO);
	assert_int_equal(m->fd_count, 0);
	/* The next one is none the worse for it. */
	assert_int_equal(handover_send(s.a, HANDOVER_GO, NULL, 0, NULL, 0), 0);
	assert_int_equal(handover_receive(s.b, m), 0);
	assert_int_equal(m->kind, HANDOVER_GO);
	close(s.a);
	close(s.b);
}

static void an_end_is_an_end_on_both_sides(void **state)
{
	struct both s = both_new();
	struct handover_message *m = room();

	(void)state;
	handover_fail(s.a, "because");
	close(s.a);
	assert_int_equal(handover_receive(s.b, m), 0);
	assert_int_equal(m->kind, HANDOVER_FAILED);
	assert_int_equal(m->length, 7);
	assert_memory_equal(m->data, "because", 7);
	assert_int_equal(handover_receive(s.b, m), -EPIPE);
	assert_int_equal(handover_send(s.b, HANDOVER_GO, NULL, 0, NULL, 0), -EPIPE);
	close(s.b);
}

static void a_long_reason_is_cut(void **state)
{
	struct both s = both_new();
	struct handover_message *m = room();
	static char why[3 * HANDOVER_TEXT];

	(void)state;
	memset(why, 'x', sizeof(why) - 1);
	handover_fail(s.a, why);
	assert_int_equal(handover_receive(s.b, m), 0);
	assert_int_equal(m->length, HANDOVER_TEXT - 1);
	close(s.a);
	close(s.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_as_it_was_sent),
		cmocka_unit_test(descriptors_come_along),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(an_end_is_an_end_on_both_sides),
		cmocka_unit_test(a_long_reason_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
