// SPDX-License-Identifier: GPL-2.0-or-later
/* The writer over a real store: several producers at a time, and a process that is killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#include "selftests/unit/random.h"
#include "selftests/unit/store/queue.h"

#define THREAD_ITEMS 20000

struct worker {
	pthread_t thread;
	struct store_writer *w;
	int number;
	uint64_t noticed;
	uint32_t now;
};

static void *work(void *arg)
{
	struct worker *me = arg;
	struct store_notice got[64];

	for (uint64_t i = 0; i < THREAD_ITEMS;) {
		struct store_item *item = store_writer_slot(me->w, me->number, false);
		int n = store_notices(me->w, me->number, got, 64);

		me->noticed += (uint64_t)n;
		if (!item) {
			sched_yield();
			continue;
		}
		*item = item_record(i % 3 ? RECORD_GREY : RECORD_PASSED,
				    i * 8 + (uint64_t)me->number + 1, me->now + (uint32_t)i / 500,
				    "192.0.2.1");
		item->notice = i % 10 == 0;
		store_writer_push(me->w, me->number);
		i++;
	}
	while (me->noticed < THREAD_ITEMS / 10) {
		me->noticed += (uint64_t)store_notices(me->w, me->number, got, 64);
		sched_yield();
	}
	return NULL;
}

/* Producers, the writer and a reader that walks and asks for figures, all at once. The records
 * are of today: the writer ages its store by the clock, and a walk would find fewer than the one
 * before. The workers outlive a failed assertion. */
static void threads_share_the_store(void **state)
{
	static struct worker workers[3];
	uint32_t now = (uint32_t)time(NULL);
	struct store *s = shelf_open();
	struct store_writer *w;
	struct store_stats st;
	size_t last = 0;

	(void)state;
	assert_non_null(s);
	assert_int_equal(store_writer_start(s, 3, 2048, &w), 0);
	for (int i = 0; i < 3; i++) {
		workers[i] = (struct worker){.w = w, .number = i, .now = now};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 10; i++) {
		struct seen seen = {0};

		assert_int_equal(ops_of(s)->walk(s, STORE_RECORD, RECORD_NONE, see_item, &seen), 0);
		assert_true(seen.count >= last);
		last = seen.count;
		free(seen.items);
		store_writer_stats(w, &st);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(workers[i].thread, NULL);
	store_writer_stop(&w);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(st.items, 3 * THREAD_ITEMS);
	assert_int_equal(st.expired, 0);
	assert_int_equal(load_count(s, now), 3 * THREAD_ITEMS);
	shelf_close(&s);
}

struct victim {
	int pipe[2];
	uint64_t seed;
};

/* Writes records, each third with a notice, and tells the parent of every notice. */
static int write_until_killed(void *arg)
{
	struct victim *v = arg;
	struct store *s = shelf_open();
	uint32_t now = (uint32_t)time(NULL);
	struct store_writer *w;
	struct store_notice got[64];

	if (!s || store_writer_start(s, 1, 1024, &w))
		return 1;
	for (uint64_t tag = v->seed;;) {
		struct store_item *item = store_writer_slot(w, 0, false);
		int n;

		if (item) {
			*item = item_record(tag % 2 ? RECORD_PASSED : RECORD_GREY, tag, now,
					    "192.0.2.1");
			item->notice = tag % 3 == 0;
			item->token = tag++;
			store_writer_push(w, 0);
		}
		n = store_notices(w, 0, got, 64);
		for (int i = 0; i < n; i++)
			if (got[i].err || write(v->pipe[1], &got[i].token, 8) != 8)
				return 2;
	}
}

/* Kills the writing process after so many notices: whatever was noticed by then is there. */
static void kill_after(uint64_t seed, size_t notices, uint64_t *pause)
{
	struct victim v = {.seed = seed};
	uint64_t *noticed = calloc(200000, sizeof(*noticed));
	size_t n = 0;
	struct store *s;
	struct seen seen;
	int status;
	pid_t pid;

	assert_non_null(noticed);
	assert_int_equal(pipe(v.pipe), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(v.pipe[0]);
		_exit(write_until_killed(&v));
	}
	close(v.pipe[1]);
	while (n < notices && read(v.pipe[0], &noticed[n], 8) == 8)
		n++;
	/* somewhere within the next groups */
	for (uint32_t spin = random_below(pause, 200000); spin; spin--)
		__asm__ volatile("");
	kill(pid, SIGKILL);
	while (n < 200000 && read(v.pipe[0], &noticed[n], 8) == 8)
		n++;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	close(v.pipe[0]);

	s = shelf_open();
	assert_non_null(s);
	assert_string_equal(shelf_err, "");
	seen = load_all(s, (uint32_t)time(NULL));
	assert_true(n >= notices);
	for (size_t i = 0; i < n; i++) {
		/* tags of a round are dense, so the list need not be searched for each */
		static uint8_t there[1 << 20];

		if (i == 0) {
			memset(there, 0, sizeof(there));
			for (size_t k = 0; k < seen.count; k++)
				if (seen.items[k].rec.tag - seed < sizeof(there))
					there[seen.items[k].rec.tag - seed] = 1;
		}
		assert_true(noticed[i] - seed < sizeof(there));
		assert_int_equal(there[noticed[i] - seed], 1);
	}
	free(seen.items);
	free(noticed);
	shelf_close(&s);
}

static void what_was_noticed_survives_a_kill(void **state)
{
	uint64_t x = 31;

	(void)state;
	for (uint64_t round = 0; round < 20; round++)
		kill_after((round + 1) << 32, 1 + random_below(&x, 1500), &x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(threads_share_the_store),
		TEST(what_was_noticed_survives_a_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
