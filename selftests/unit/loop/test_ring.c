// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/ring.h"

#define SLOT 3
#define PATIENCE 5000000 /* us until a completion that does not come fails the test */

enum { ACCEPTED = 1, SENT, CLOSED, CANCELLED, RECEIVED };

struct fixture {
	struct ring ring;
	int listener, peer;
	struct sockaddr_storage from;
	socklen_t from_len;
};

static struct ring_event event(uint8_t op)
{
	return (struct ring_event){SLOT, 7, op};
}

/* The next completion's op; its result into *ret_res. */
static int next(struct fixture *f, int *ret_res)
{
	struct io_uring_cqe *cqe;
	int op;

	if (io_uring_peek_cqe(&f->ring.uring, &cqe))
		ring_submit(&f->ring, PATIENCE);
	if (io_uring_peek_cqe(&f->ring.uring, &cqe))
		return 0;
	op = ring_event_of(cqe).op;
	assert_int_equal(ring_event_of(cqe).number, SLOT);
	assert_int_equal(ring_event_of(cqe).generation, 7);
	*ret_res = cqe->res;
	io_uring_cqe_seen(&f->ring.uring, cqe);
	return op;
}

static bool idle(struct fixture *f)
{
	ring_submit(&f->ring, 50000);
	return !io_uring_cq_ready(&f->ring.uring);
}

/* A connection of this machine with itself: our end in SLOT, the other is f->peer. */
static void connected(struct fixture *f, int family, int window)
{
	struct ring_conf conf = {.slots = 8, .entries = 8, .buffers = 8, .buffer_size = 512};
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *sa = family == AF_INET ? (void *)&sa4 : (void *)&sa6;
	socklen_t len = family == AF_INET ? sizeof(sa4) : sizeof(sa6);
	char err[256] = "";
	int res;

	memset(f, 0, sizeof(*f));
	if (ring_new(&f->ring, &conf, err, sizeof(err)))
		fail_msg("%s", err);
	f->listener = socket(family, SOCK_STREAM, 0);
	f->peer = socket(family, SOCK_STREAM, 0);
	assert_true(f->listener >= 0 && f->peer >= 0);
	if (window)
		assert_int_equal(
			setsockopt(f->peer, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)), 0);
	assert_int_equal(bind(f->listener, sa, len), 0);
	assert_int_equal(listen(f->listener, 1), 0);
	assert_int_equal(getsockname(f->listener, sa, &len), 0);
	assert_int_equal(connect(f->peer, sa, len), 0);
	f->from_len = sizeof(f->from);
	ring_accept(&f->ring, f->listener, SLOT, &f->from, &f->from_len, event(ACCEPTED));
	assert_int_equal(next(f, &res), ACCEPTED);
	assert_true(res >= 0);
	assert_int_equal(f->from.ss_family, family);
}

static void disconnected(struct fixture *f)
{
	close(f->peer);
	close(f->listener);
	ring_free(&f->ring);
}

/* Everything the peer gets until the end; -1 when the connection is reset instead. */
static ssize_t read_to_end(int fd, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, buf + got, size - got)) > 0)
		got += (size_t)n;
	return n < 0 ? -1 : (ssize_t)got;
}

static void last_words(int family)
{
	struct fixture f;
	char got[64];
	int res;

	connected(&f, family, 0);
	ring_send_close(&f.ring, SLOT, "221 Bye\r\n", 9, event(SENT), event(CLOSED));
	assert_int_equal(next(&f, &res), CLOSED);
	assert_int_equal(res, 0);
	assert_int_equal(read_to_end(f.peer, got, sizeof(got)), 9);
	assert_memory_equal(got, "221 Bye\r\n", 9);
	assert_true(idle(&f));
	/* The slot is free: closing it once more finds nothing. */
	ring_close(&f.ring, SLOT, event(CLOSED));
	assert_int_equal(next(&f, &res), CLOSED);
	assert_int_equal(res, -EBADF);
	disconnected(&f);
}

static void last_words_and_the_end_are_one_completion(void **state)
{
	(void)state;
	last_words(AF_INET);
	last_words(AF_INET6);
}

/* A queue with room for one more: the pair is not torn in two. */
static void pair_in_a_full_queue(void **state)
{
	struct fixture f;
	char got[64];
	int res, cancelled = 0, op;

	(void)state;
	connected(&f, AF_INET, 0);
	for (unsigned i = 0; i + 1 < f.ring.uring.sq.ring_entries; i++)
		ring_cancel(&f.ring, (struct ring_event){9, 9, 9}, event(CANCELLED));
	assert_int_equal(io_uring_sq_space_left(&f.ring.uring), 1);
	ring_send_close(&f.ring, SLOT, "bye", 3, event(SENT), event(CLOSED));
	while ((op = next(&f, &res)) == CANCELLED)
		cancelled++;
	assert_int_equal(op, CLOSED);
	assert_int_equal(res, 0);
	assert_int_equal(cancelled, (int)f.ring.uring.sq.ring_entries - 1);
	assert_int_equal(read_to_end(f.peer, got, sizeof(got)), 3);
	disconnected(&f);
}

/* The peer is gone: the send alone completes, the socket is still ours to close. */
static void failed_send_leaves_the_socket_open(void **state)
{
	const struct linger at_once = {.l_onoff = 1};
	struct fixture f;
	int res;

	(void)state;
	connected(&f, AF_INET, 0);
	setsockopt(f.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(f.peer);
	f.peer = -1;
	/* Its reset is here when a read fails. */
	ring_recv(&f.ring, SLOT, event(RECEIVED));
	assert_int_equal(next(&f, &res), RECEIVED);
	assert_int_equal(res, -ECONNRESET);
	ring_send_close(&f.ring, SLOT, "bye", 3, event(SENT), event(CLOSED));
	assert_int_equal(next(&f, &res), SENT);
	assert_true(res == -ECONNRESET || res == -EPIPE);
	assert_true(idle(&f));
	ring_close(&f.ring, SLOT, event(CLOSED));
	assert_int_equal(next(&f, &res), CLOSED);
	assert_int_equal(res, 0);
	disconnected(&f);
}

/* A peer that does not read holds the send up; called off, it completes and nothing is closed. */
static void held_up_send_can_be_called_off(void **state)
{
	static char much[8 << 20];
	struct fixture f;
	int res, op;

	(void)state;
	connected(&f, AF_INET, 4096);
	ring_send_close(&f.ring, SLOT, much, sizeof(much), event(SENT), event(CLOSED));
	assert_true(idle(&f));
	ring_cancel(&f.ring, event(SENT), event(CANCELLED));
	op = next(&f, &res);
	if (op == CANCELLED)
		op = next(&f, &res);
	assert_int_equal(op, SENT);
	assert_true(res != (int)sizeof(much));
	ring_close(&f.ring, SLOT, event(CLOSED));
	do
		op = next(&f, &res);
	while (op == CANCELLED);
	assert_int_equal(op, CLOSED);
	assert_int_equal(res, 0);
	disconnected(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_words_and_the_end_are_one_completion),
		cmocka_unit_test(pair_in_a_full_queue),
		cmocka_unit_test(failed_send_leaves_the_socket_open),
		cmocka_unit_test(held_up_send_can_be_called_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
