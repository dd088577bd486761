// SPDX-License-Identifier: GPL-2.0-or-later
/* The resolver with a server in the same thread: a socket on a loopback address that the test reads
 * and answers itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dns/resolver.h"

#define FDS 64
#define PATIENT 20000 /* where there is an answer, however late it comes */
#define HASTY 300

struct bench {
	int server;
	struct resolver *r;
	struct pollfd fds[FDS];
	uint16_t generations[FDS];
	int got; /* answers */
	struct dns_asker who[64];
	uint8_t status[64];
	uint16_t count[64];
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void watch(void *arg, int fd, unsigned events, uint32_t slot, uint16_t generation)
{
	struct bench *b = arg;

	assert_true(slot < FDS);
	b->fds[slot] = (struct pollfd){.fd = fd, .events = (short)events};
	b->generations[slot] = generation;
}

static void unwatch(void *arg, uint32_t slot, uint16_t generation)
{
	struct bench *b = arg;

	assert_int_equal(b->generations[slot], generation);
	b->fds[slot].fd = -1;
}

static void done(void *arg, struct dns_asker who, const struct dns_answer *a)
{
	struct bench *b = arg;

	assert_true(b->got < 64);
	b->who[b->got] = who;
	b->status[b->got] = a->status;
	b->count[b->got++] = a->count;
	/* Whoever is called may ask at once. */
	if (who.part == 99)
		assert_null(resolver_ask(b->r, "next.example", DNS_A, (struct dns_asker){7, 7, 7},
					 now_ms()));
}

static int set_up(void **state, uint64_t timeout)
{
	static struct bench b;
	static const uint8_t key[16] = "sixteen letters.";
	struct endpoint at;
	struct sockaddr_storage sa;
	socklen_t len;
	struct resolver_conf conf = {.server_count = 1,
				     .servers = &at,
				     .timeout = timeout,
				     .cache = 100,
				     .key = key,
				     .hooks = {watch, unwatch, done, &b}};
	char err[200];

	memset(&b, 0, sizeof(b));
	for (int i = 0; i < FDS; i++)
		b.fds[i].fd = -1;
	b.server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	endpoint_parse("127.0.0.1:1", &at);
	at.port = 0;
	len = addr_to_sockaddr(&at, &sa);
	if (bind(b.server, (struct sockaddr *)&sa, len) ||
	    getsockname(b.server, (struct sockaddr *)&sa, &len) ||
	    addr_from_sockaddr((struct sockaddr *)&sa, &at))
		return -1;
	*state = &b;
	return resolver_new(&conf, &b.r, err, sizeof(err));
}

static int set_up_patient(void **state)
{
	return set_up(state, PATIENT);
}

static int set_up_hasty(void **state)
{
	return set_up(state, HASTY);
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	resolver_free(&b->r);
	close(b->server);
	return b->r ? -1 : 0;
}

/* One question as the server sees it; 0 when there is none. Answers it unless rcode is negative:
 * with an A record for rcode 0. */
static int serve(struct bench *b, int rcode)
{
	static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 7};
	uint8_t msg[1500];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(b->server, msg, 512, 0, (struct sockaddr *)&from, &len);
	size_t end = 12;

	if (n < 12)
		return 0;
	if (rcode < 0)
		return 1;
	while (msg[end])
		end += 1u + msg[end];
	end += 5;
	msg[2] |= 0x80;
	msg[3] = (uint8_t)rcode;
	msg[7] = rcode == 0;
	msg[9] = msg[11] = 0;
	if (!rcode) {
		memcpy(msg + end, record, sizeof(record));
		end += sizeof(record);
	}
	assert_int_equal(sendto(b->server, msg, end, 0, (struct sockaddr *)&from, len),
			 (ssize_t)end);
	return 1;
}

/* The same for one that is on its way. */
static void serve_next(struct bench *b, int rcode)
{
	struct pollfd asked = {.fd = b->server, .events = POLLIN};

	assert_int_equal(poll(&asked, 1, 20000), 1);
	assert_int_equal(serve(b, rcode), 1);
}

/* Turns the loop once: true when something was ready. */
static bool turn(struct bench *b, int wait)
{
	int ready = poll(b->fds, FDS, wait);

	for (uint32_t i = 0; ready > 0 && i < FDS; i++) {
		unsigned events = (unsigned)b->fds[i].revents;

		if (b->fds[i].fd < 0 || !events)
			continue;
		b->fds[i].fd = -1;
		resolver_ready(b->r, i, b->generations[i], events, now_ms());
	}
	resolver_tick(b->r, now_ms());
	return ready > 0;
}

static void until(struct bench *b, int answers)
{
	uint64_t end = now_ms() + 20000;

	while (b->got < answers && now_ms() < end)
		turn(b, 10);
	assert_int_equal(b->got, answers);
}

static const struct dns_answer *ask(struct bench *b, const char *name, uint32_t number)
{
	return resolver_ask(b->r, name, DNS_A, (struct dns_asker){number, 1, 2}, now_ms());
}

static void one_flight_for_all_who_ask(void **state)
{
	struct bench *b = *state;
	const struct dns_answer *a;

	assert_null(ask(b, "mail.example", 1));
	assert_null(ask(b, "MAIL.example", 2));
	assert_null(ask(b, "mail.EXAMPLE", 3));
	serve_next(b, 0);
	assert_int_equal(serve(b, 0), 0);
	until(b, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(b->who[i].number + (unsigned)i, 3); /* the last one first */
		assert_int_equal(b->who[i].generation, 1);
		assert_int_equal(b->who[i].part, 2);
		assert_int_equal(b->status[i], DNS_FOUND);
		assert_int_equal(b->count[i], 1);
	}
	a = ask(b, "Mail.Example", 4);
	assert_non_null(a);
	assert_int_equal(a->status, DNS_FOUND);
	assert_int_equal(resolver_stats(b->r)->asked, 1);
	assert_int_equal(resolver_stats(b->r)->joined, 2);
	assert_int_equal(resolver_stats(b->r)->kept, 1);
	assert_int_equal(resolver_wait(b->r, now_ms(), 1000), 1000);
}

static void what_is_not_there_is_kept_too(void **state)
{
	struct bench *b = *state;

	assert_null(ask(b, "no.example", 1));
	serve_next(b, 3);
	until(b, 1);
	assert_int_equal(b->status[0], DNS_NONE);
	assert_int_equal(ask(b, "no.example", 2)->status, DNS_NONE);
}

static void no_answer_ends_by_itself(void **state)
{
	struct bench *b = *state;

	assert_null(ask(b, "dead.example", 1));
	assert_true(resolver_wait(b->r, now_ms(), 1000) <= RESOLVER_TICK);
	until(b, 1);
	assert_int_equal(b->status[0], DNS_TIMEOUT);
	assert_int_equal(resolver_stats(b->r)->timeouts, 1);
	assert_true(serve(b, -1) == 1 && serve(b, -1) == 1 && serve(b, -1) == 0); /* two tries */
	/* and is kept for a moment */
	assert_int_equal(ask(b, "dead.example", 2)->status, DNS_TIMEOUT);
}

static void a_dead_server_is_noticed_and_its_return(void **state)
{
	struct bench *b = *state;
	char name[40];
	uint64_t now;

	for (uint32_t i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		assert_null(ask(b, name, i));
	}
	assert_false(resolver_dead(b->r));
	until(b, 8);
	assert_true(resolver_dead(b->r));
	while (serve(b, -1))
		;
	/* One is sent into the dark, not all of them. */
	now = now_ms();
	assert_null(resolver_ask(b->r, "m0.example", DNS_A, (struct dns_asker){0, 1, 2}, now));
	for (uint32_t i = 1; i < 5; i++) {
		snprintf(name, sizeof(name), "m%u.example", i);
		assert_non_null(resolver_ask(b->r, name, DNS_A, (struct dns_asker){i, 1, 2}, now));
	}
	until(b, 9);
	while (serve(b, -1))
		;
	/* Its answer may be too late for one that is hasty. */
	for (int got = b->got; resolver_dead(b->r) && got < 60; got = b->got) {
		snprintf(name, sizeof(name), "back%d.example", got);
		while (serve(b, -1)) /* nobody waits for it any more */
			;
		if (ask(b, name, 9)) {
			turn(b, 10);
			continue;
		}
		serve_next(b, 0);
		until(b, got + 1);
	}
	assert_false(resolver_dead(b->r));
}

static void servers_that_fail(void **state)
{
	static const int rcodes[] = {1, 2, 4, 5};
	struct bench *b = *state;
	char name[40];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		assert_null(ask(b, name, 1));
		while (b->got == i) {
			serve(b, rcodes[i]);
			turn(b, 10);
		}
		assert_int_equal(b->status[i], DNS_FAILED);
	}
	assert_int_equal(resolver_stats(b->r)->failed, 4);
}

static void names_that_cannot_be_asked(void **state)
{
	struct bench *b = *state;

	assert_int_equal(ask(b, "", 1)->status, DNS_FAILED);
	assert_int_equal(ask(b, "a..b", 1)->status, DNS_FAILED);
	assert_int_equal(ask(b, "m\xc3\xbcller.example", 1)->status, DNS_FAILED);
	assert_int_equal(resolver_stats(b->r)->asked, 0);
	/* but these can: what c-ares reads as an escape is none */
	assert_null(ask(b, "a\\b c.example", 1));
	serve_next(b, 0);
	until(b, 1);
}

static void whoever_is_called_may_ask(void **state)
{
	struct bench *b = *state;

	assert_null(
		resolver_ask(b->r, "first.example", DNS_A, (struct dns_asker){1, 1, 99}, now_ms()));
	assert_null(ask(b, "first.example", 2));
	serve_next(b, 0);
	until(b, 2);
	serve_next(b, 0);
	until(b, 3);
	assert_int_equal(b->who[2].part, 7);
}

static void there_is_a_limit(void **state)
{
	struct bench *b = *state;
	const struct dns_answer *a = NULL;
	char name[40];
	uint32_t n;

	for (n = 0; n <= RESOLVER_QUESTIONS && !a; n++) {
		snprintf(name, sizeof(name), "n%u.example", n);
		a = ask(b, name, n);
	}
	assert_int_equal(n, RESOLVER_QUESTIONS + 1);
	assert_int_equal(a->status, DNS_FAILED);
	assert_int_equal(resolver_stats(b->r)->unasked, 1);
	assert_null(ask(b, "n7.example", 1)); /* who joins needs no room */
}

static void late_events_are_harmless(void **state)
{
	struct bench *b = *state;

	resolver_ready(b->r, 0, 77, POLLIN, now_ms());
	resolver_ready(b->r, 63, 0, POLLIN, now_ms());
	resolver_ready(b->r, 64, 0, POLLIN, now_ms());
	assert_null(ask(b, "a.example", 1));
	resolver_ready(b->r, 0, (uint16_t)(b->generations[0] + 1), POLLIN, now_ms());
	serve_next(b, 0);
	until(b, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_patient, tear_down)
#define HASTY_TEST(f) cmocka_unit_test_setup_teardown(f, set_up_hasty, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_flight_for_all_who_ask),
		TEST(what_is_not_there_is_kept_too),
		HASTY_TEST(no_answer_ends_by_itself),
		HASTY_TEST(a_dead_server_is_noticed_and_its_return),
		TEST(servers_that_fail),
		TEST(names_that_cannot_be_asked),
		TEST(whoever_is_called_may_ask),
		TEST(there_is_a_limit),
		TEST(late_events_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
