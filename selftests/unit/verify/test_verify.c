// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "verify.h"

#define NOW 1000000u
#define TARGET VERIFY_BACKENDS
static const uint8_t key[HASH_KEY] = "0123456789abcde";
static struct verify *v;
static struct verify_answer a;

static int make(void **state)
{
	(void)state;
	return verify_new(key, 1000, 2, &v);
}

static int unmake(void **state)
{
	(void)state;
	verify_free(&v);
	return v ? -1 : 0;
}

static enum verify_state ask(const char *mailbox, uint32_t now)
{
	return verify_ask(v, 0, TARGET, mailbox, now, &a);
}

/* Takes the next question, which must be this one, and answers it. */
static void answer(const char *mailbox, enum verify_state state, uint32_t now, uint32_t life,
		   const char *reply)
{
	struct verify_request r;

	assert_true(verify_next(v, &r));
	assert_string_equal(r.mailbox, mailbox);
	verify_answered(v, &r, state, now, life, reply, strlen(reply));
}

static bool woken(void)
{
	struct pollfd p = {.fd = verify_fd(v), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void one_question_for_each_recipient(void **state)
{
	struct verify_request r;

	(void)state;
	assert_false(woken());
	assert_int_equal(ask("a@example.net", NOW), VERIFY_ASKED);
	assert_true(woken());
	assert_int_equal(ask("a@example.net", NOW), VERIFY_ASKED);
	assert_int_equal(ask("a@EXAMPLE.net", NOW + 1), VERIFY_ASKED);
	assert_int_equal(verify_ask(v, 1, TARGET, "a@example.net", NOW, &a), VERIFY_ASKED);
	/* the local part as it is written, another mail server, another domain */
	assert_int_equal(ask("A@example.net", NOW), VERIFY_ASKED);
	assert_int_equal(verify_ask(v, 0, 3, "a@example.net", NOW, &a), VERIFY_ASKED);
	assert_int_equal(ask("a@example.org", NOW), VERIFY_ASKED);
	for (int i = 0; i < 4; i++)
		assert_true(verify_next(v, &r));
	assert_false(verify_next(v, &r));
	/* an answer that never comes is not awaited for ever */
	assert_int_equal(ask("a@example.net", NOW + 59), VERIFY_ASKED);
	assert_false(verify_next(v, &r));
	assert_int_equal(ask("a@example.net", NOW + 60), VERIFY_ASKED);
	assert_true(verify_next(v, &r));
	assert_int_equal(r.asked, NOW + 60);
}

static void answers_live_as_long_as_they_are_to(void **state)
{
	static const char refusal[] = "550 5.1.1 <b@example.net>: unknown\r\n";
	struct verify_request r;

	(void)state;
	assert_int_equal(ask("a@example.net", NOW), VERIFY_ASKED);
	answer("a@example.net", VERIFY_VALID, NOW + 1, 100, "250 ok\r\n");
	assert_int_equal(ask("a@example.net", NOW + 100), VERIFY_VALID);
	assert_int_equal(a.since, NOW + 1);
	assert_int_equal(a.until, NOW + 101);
	assert_int_equal(ask("a@example.net", NOW + 101), VERIFY_ASKED);
	assert_true(verify_next(v, &r));

	assert_int_equal(ask("b@example.net", NOW), VERIFY_ASKED);
	answer("b@example.net", VERIFY_UNKNOWN, NOW, 10, refusal);
	assert_int_equal(ask("b@example.net", NOW + 9), VERIFY_UNKNOWN);
	assert_string_equal(a.reply.text, refusal);
	assert_int_equal(a.reply.len, strlen(refusal));
	assert_int_equal(a.reply.code, 550);
	assert_int_equal(verify_find(v, TARGET, "b@example.net", NOW + 10, &a), VERIFY_NOTHING);

	/* the mail server took it meanwhile */
	verify_accepted(v, TARGET, "b@example.net", NOW + 5, 100);
	assert_int_equal(ask("b@example.net", NOW + 9), VERIFY_VALID);
	verify_forget(v);
	assert_int_equal(verify_find(v, TARGET, "b@example.net", NOW + 9, &a), VERIFY_NOTHING);
}

static void long_replies_are_cut_where_they_may_be(void **state)
{
	char reply[4096], line[600];
	size_t len = 0;

	(void)state;
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 9; i++)
		len += (size_t)snprintf(reply + len, sizeof(reply) - len, "550%c%d %.90s\r\n",
					i < 8 ? '-' : ' ', i, line);
	assert_int_equal(ask("a@example.net", NOW), VERIFY_ASKED);
	answer("a@example.net", VERIFY_UNKNOWN, NOW, 10, reply);
	assert_int_equal(ask("a@example.net", NOW), VERIFY_UNKNOWN);
	assert_int_equal(a.reply.len, strlen(a.reply.text));
	assert_int_equal(a.reply.len, 5 * 98);
	assert_memory_equal(a.reply.text, reply, 4 * 98);
	assert_memory_equal(a.reply.text + 4 * 98, "550 4 x", 7);

	snprintf(reply, sizeof(reply), "550 %.590s\r\n", line);
	assert_int_equal(ask("b@example.net", NOW), VERIFY_ASKED);
	answer("b@example.net", VERIFY_UNKNOWN, NOW, 10, reply);
	assert_int_equal(ask("b@example.net", NOW), VERIFY_UNKNOWN);
	assert_int_equal(a.reply.len, VERIFY_REPLY);
	assert_string_equal(a.reply.text + VERIFY_REPLY - 3, "x\r\n");
}

static void a_domain_that_takes_any_is_left_alone(void **state)
{
	static struct verify_domain domains[VERIFY_DOMAINS];
	struct verify_request r;

	(void)state;
	assert_int_equal(ask("a@example.net", NOW), VERIFY_ASKED);
	assert_true(verify_next(v, &r));
	assert_int_equal(verify_domain_of(v, &r, NOW), VERIFY_NOTHING);
	assert_true(verify_domain_is(v, &r, VERIFY_ANY, NOW, 100));
	assert_int_equal(verify_domain_of(v, &r, NOW), VERIFY_ANY);
	assert_int_equal(ask("other@Example.Net", NOW), VERIFY_ANY);
	assert_false(verify_next(v, &r));
	assert_int_equal(verify_domains(v, NOW, domains), 1);
	assert_string_equal(domains[0].name, "example.net");
	assert_int_equal(verify_domains(v, NOW + 100, domains), 0);

	/* still so, which is no news; then not any more, which is */
	assert_int_equal(ask("a@example.net", NOW + 100), VERIFY_ASKED);
	assert_true(verify_next(v, &r));
	assert_false(verify_domain_is(v, &r, VERIFY_ANY, NOW + 100, 100));
	assert_int_equal(verify_domains(v, NOW + 100, domains), 1);
	assert_true(verify_domain_is(v, &r, VERIFY_SELECT, NOW + 200, 100));
	assert_int_equal(verify_domains(v, NOW + 200, domains), 0);
	assert_int_equal(ask("c@example.net", NOW + 200), VERIFY_ASKED);
	assert_true(verify_next(v, &r));
	assert_int_equal(verify_domain_of(v, &r, NOW + 200), VERIFY_SELECT);
	assert_false(verify_domain_is(v, &r, VERIFY_SELECT, NOW + 300, 100));
}

static void more_domains_than_are_named(void **state)
{
	static struct verify_domain domains[VERIFY_DOMAINS];
	struct verify_request r = {.target = TARGET};

	(void)state;
	for (int i = 0; i < VERIFY_DOMAINS + 10; i++) {
		snprintf(r.mailbox, sizeof(r.mailbox), "a@d%d.example", i);
		assert_true(verify_domain_is(v, &r, VERIFY_ANY, NOW, 100));
		assert_int_equal(ask(r.mailbox, NOW), VERIFY_ANY);
	}
	assert_int_equal(verify_domains(v, NOW, domains), VERIFY_DOMAINS);
	/* those whose time is over make room */
	assert_false(verify_domain_is(v, &r, VERIFY_ANY, NOW + 100, 100));
	assert_int_equal(verify_domains(v, NOW + 100, domains), 1);
}

static void a_full_queue_leaves_no_trace(void **state)
{
	struct verify_request r;
	char mailbox[40];
	int asked = 0, n = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		snprintf(mailbox, sizeof(mailbox), "u%d@example.net", i);
		asked += ask(mailbox, NOW) == VERIFY_ASKED;
	}
	assert_in_range(asked, 100, 1000);
	assert_int_equal(ask(mailbox, NOW), VERIFY_UNASKED);
	/* another thread has a queue of its own, and they take turns */
	assert_int_equal(verify_ask(v, 1, TARGET, "b@example.net", NOW, &a), VERIFY_ASKED);
	assert_true(verify_next(v, &r));
	assert_true(verify_next(v, &r));
	assert_string_equal(r.mailbox, "b@example.net");
	assert_int_equal(ask(mailbox, NOW), VERIFY_ASKED);
	while (verify_next(v, &r))
		n++;
	assert_int_equal(n, asked);
}

static void memory_is_bounded(void **state)
{
	struct verify_request r = {.target = TARGET};
	int known = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(r.mailbox, sizeof(r.mailbox), "u%d@example.net", i);
		verify_answered(v, &r, VERIFY_UNKNOWN, NOW, 1000 + (uint32_t)i, "550 no\r\n", 8);
	}
	assert_true(verify_count(v) < 2000);
	for (int i = 0; i < 20000; i++) {
		snprintf(r.mailbox, sizeof(r.mailbox), "u%d@example.net", i);
		known += verify_find(v, TARGET, r.mailbox, NOW, &a) == VERIFY_UNKNOWN;
	}
	/* refusals without their words are not known */
	assert_in_range(known, 200, 256);
	assert_int_equal(verify_find(v, TARGET, "u19999@example.net", NOW, &a), VERIFY_UNKNOWN);
	/* and are asked about again */
	assert_int_equal(ask("u19000@example.net", NOW), VERIFY_ASKED);
	assert_true(verify_next(v, &r));
}

static void *ask_many(void *arg)
{
	struct verify_answer mine;
	char mailbox[40];
	size_t me = (size_t)arg;

	for (int i = 0; i < 20000; i++) {
		snprintf(mailbox, sizeof(mailbox), "u%d@example.net", i % 100);
		verify_ask(v, (int)me, TARGET, mailbox, NOW, &mine);
	}
	return NULL;
}

static void two_threads_ask_once(void **state)
{
	struct verify_request r;
	pthread_t threads[2];
	int n = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many, (void *)i), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	while (verify_next(v, &r))
		n++;
	assert_int_equal(n, 100);
}

static void mailboxes_of_every_shape(void **state)
{
	char mailbox[VERIFY_MAILBOX + 2];
	struct verify_request r;

	(void)state;
	assert_int_equal(ask("\"a@b\"@example.net", NOW), VERIFY_ASKED);
	assert_int_equal(ask("a@[192.0.2.1]", NOW), VERIFY_ASKED);
	assert_int_equal(ask("postmaster", NOW), VERIFY_ASKED);
	memset(mailbox, 'x', sizeof(mailbox));
	memcpy(mailbox + 60, "@", 1);
	mailbox[VERIFY_MAILBOX] = '\0';
	assert_int_equal(ask(mailbox, NOW), VERIFY_ASKED);
	for (int i = 0; i < 4; i++)
		assert_true(verify_next(v, &r));
	assert_string_equal(r.mailbox, mailbox);
	/* a local part that is nothing is not the domain's own mark */
	assert_false(verify_domain_is(v, &r, VERIFY_SELECT, NOW, 10));
	assert_int_equal(verify_find(v, TARGET, strchr(mailbox, '@'), NOW, &a), VERIFY_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_question_for_each_recipient, make, unmake),
		cmocka_unit_test_setup_teardown(answers_live_as_long_as_they_are_to, make, unmake),
		cmocka_unit_test_setup_teardown(long_replies_are_cut_where_they_may_be, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_domain_that_takes_any_is_left_alone, make,
						unmake),
		cmocka_unit_test_setup_teardown(more_domains_than_are_named, make, unmake),
		cmocka_unit_test_setup_teardown(a_full_queue_leaves_no_trace, make, unmake),
		cmocka_unit_test_setup_teardown(memory_is_bounded, make, unmake),
		cmocka_unit_test_setup_teardown(two_threads_ask_once, make, unmake),
		cmocka_unit_test_setup_teardown(mailboxes_of_every_shape, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
