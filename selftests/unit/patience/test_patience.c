// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a session ends whose time is over: the session, its reply and the clock are the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../../userspace/patience.c"

#define STATE_TIME 3000
#define SESSION_TIME 10000
#define BEGAN 50000

static struct worker worker;
static struct session session;
static struct config config;
static struct dialog dialog;
static int ended, replies, logged;
static uint64_t due; /* 0: no timer was set */

struct session *worker_session(struct worker *w, uint32_t n)
{
	(void)w, (void)n;
	return &session;
}

struct dialog *session_dialog(struct worker *w, struct session *s)
{
	(void)w, (void)s;
	return &dialog;
}

struct delivery *delivery_of(struct worker *w, const struct session *s)
{
	(void)w, (void)s;
	return NULL;
}

struct smtp *session_smtp(struct worker *w, struct session *s)
{
	(void)w, (void)s;
	return NULL;
}

void worker_timer(struct worker *w, uint32_t n, uint64_t at)
{
	(void)w, (void)n;
	due = at;
}

void session_end(struct worker *w, uint32_t n)
{
	(void)w, (void)n;
	ended++;
}

void session_reply(struct worker *w, struct session *s, enum smtp_reply r,
		   const struct smtp_reply_args *args)
{
	(void)w, (void)s, (void)args;
	assert_int_equal(r, REPLY_TIMEOUT);
	replies++;
}

void session_continue(struct worker *w, uint32_t n)
{
	(void)w, (void)n;
}

bool message_abandon(struct worker *w, uint32_t n)
{
	(void)w, (void)n;
	return false;
}

void session_header_late(struct worker *w, uint32_t n)
{
	(void)w, (void)n;
}

void secure_late(struct worker *w, uint32_t n)
{
	(void)w, (void)n;
}

void journal_line(struct worker *w, const struct session *s, struct log_line *l,
		  enum log_event event)
{
	(void)w, (void)s, (void)l, (void)event;
	logged++;
}

void log_str(struct log_line *l, const char *key, const char *value)
{
	(void)l, (void)key, (void)value;
}

void log_int(struct log_line *l, const char *key, int64_t value)
{
	(void)l, (void)key, (void)value;
}

void log_end(struct log_line *l)
{
	(void)l;
}

/* So long after it began, and after its last line, the timer of a session fires. */
static void fire(uint64_t age, uint64_t quiet, bool sending)
{
	config.limit.state_time = STATE_TIME;
	config.limit.session_time = SESSION_TIME;
	worker.config = &config;
	worker.now = BEGAN + age;
	session = (struct session){.phase = PHASE_DIALOG, .dialog = 1, .started = BEGAN};
	session.touched = worker.now - quiet;
	session.sending = sending;
	ended = replies = logged = 0;
	due = 0;
	session_timeout(&worker, 0);
}

static void in_its_time_it_is_looked_at_again(void **state)
{
	(void)state;
	fire(5000, 1000, false);
	assert_int_equal(ended + replies + logged, 0);
	assert_int_equal(due, BEGAN + 5000 + 2000);
	fire(9000, 1000, true);
	assert_int_equal(ended + replies + logged, 0);
	assert_int_equal(due, BEGAN + SESSION_TIME);
}

static void who_reads_is_told(void **state)
{
	(void)state;
	fire(SESSION_TIME, 0, false);
	assert_int_equal(replies, 1);
	assert_int_equal(logged, 1);
	assert_int_equal(ended, 0);
	assert_true(session.hangup);
	fire(5000, STATE_TIME, false);
	assert_int_equal(replies, 1);
	assert_int_equal(ended, 0);
}

/* A worker that is late meets a command and the end of its session's time in one turn. */
static void a_reply_that_is_on_its_way_leaves_first(void **state)
{
	(void)state;
	for (uint64_t late = 0; late < GRACE; late += 50) {
		fire(SESSION_TIME + late, 0, true);
		assert_int_equal(ended + replies + logged, 0);
		assert_in_range(due, worker.now + 1, worker.now + 100);
	}
	fire(SESSION_TIME + GRACE - 1, 0, false);
	assert_int_equal(replies, 1);
}

static void who_does_not_read_is_not_waited_for(void **state)
{
	(void)state;
	fire(SESSION_TIME + GRACE, 0, true);
	assert_int_equal(ended, 1);
	assert_int_equal(logged, 1);
	assert_int_equal(replies, 0);
	fire(5000, STATE_TIME, true);
	assert_int_equal(ended, 1);
	assert_int_equal(replies, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_its_time_it_is_looked_at_again),
		cmocka_unit_test(who_reads_is_told),
		cmocka_unit_test(a_reply_that_is_on_its_way_leaves_first),
		cmocka_unit_test(who_does_not_read_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
