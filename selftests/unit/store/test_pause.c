// SPDX-License-Identifier: GPL-2.0-or-later
/* A writer that stands still, and goes on with another store: an upgrade in place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdatomic.h>

#include "selftests/unit/store/shelf.h"

/* Counts what it gets. Static, as the writer outlives a failed assertion. */
struct tally {
	const struct store_ops *ops;
	_Atomic size_t items;
	_Atomic int fail;
};

static int count(struct store *s, const struct store_item *const *items, size_t n)
{
	struct tally *t = (struct tally *)s;

	(void)items;
	atomic_fetch_add(&t->items, n);
	return atomic_load(&t->fail);
}

static int expire_nothing(struct store *s, uint32_t now, size_t max, size_t *ret_steps)
{
	(void)s, (void)now, (void)max;
	*ret_steps = 0;
	return 0;
}

static int no_stats(struct store *s, struct store_stats *ret)
{
	(void)s, (void)ret;
	return -ENOTSUP;
}

static const struct store_ops tally_ops = {
	.name = "tally", .apply = count, .expire = expire_nothing, .stats = no_stats};

static struct store *of(struct tally *t)
{
	*t = (struct tally){.ops = &tally_ops};
	return (struct store *)t;
}

static void push(struct store_writer *w, uint64_t tag)
{
	struct store_item *item = store_writer_slot(w, 0, true);

	assert_non_null(item);
	*item = item_record(RECORD_PASSED, tag, NOW, "192.0.2.1");
	item->notice = true;
	item->token = tag;
	store_writer_push(w, 0);
}

/* The next notice within ms; 0: none came. */
static uint64_t notice(struct store_writer *w, int ms, int *ret_err)
{
	struct pollfd p = {.fd = store_writer_fd(w, 0), .events = POLLIN};
	struct store_notice got;

	if (poll(&p, 1, ms) < 1 || store_notices(w, 0, &got, 1) != 1)
		return 0;
	*ret_err = got.err;
	return got.token;
}

static void what_is_queued_in_a_pause_waits(void **state)
{
	static struct tally a;
	struct store_writer *w;
	int err = 0;

	(void)state;
	assert_int_equal(store_writer_start(of(&a), 1, 64, &w), 0);
	push(w, 1);
	assert_int_equal(notice(w, 20000, &err), 1);
	for (int round = 0; round < 3; round++) {
		store_writer_pause(w);
		push(w, 2);
		assert_int_equal(notice(w, 120, &err), 0);
		assert_int_equal(atomic_load(&a.items), 1 + round);
		store_writer_resume(w, (struct store *)&a);
		assert_int_equal(notice(w, 20000, &err), 2);
		assert_int_equal(err, 0);
	}
	store_writer_stop(&w);
}

static void it_goes_on_with_another_store(void **state)
{
	static struct tally a, b;
	struct store_writer *w;
	int err = 0;

	(void)state;
	of(&b);
	assert_int_equal(store_writer_start(of(&a), 1, 64, &w), 0);
	push(w, 1);
	assert_int_equal(notice(w, 20000, &err), 1);
	store_writer_pause(w);
	push(w, 2);
	push(w, 3);
	store_writer_resume(w, (struct store *)&b);
	assert_int_equal(notice(w, 20000, &err), 2);
	assert_int_equal(notice(w, 20000, &err), 3);
	assert_int_equal(atomic_load(&a.items), 1);
	assert_int_equal(atomic_load(&b.items), 2);
	/* The other store is gone: the producer is told, and asked for nothing more. */
	atomic_store(&b.fail, -EPIPE);
	push(w, 4);
	assert_int_equal(notice(w, 20000, &err), 4);
	assert_int_equal(err, -EPIPE);
	store_writer_stop(&w);
}

static void a_stop_ends_a_pause(void **state)
{
	static struct tally a;
	struct store_writer *w;

	(void)state;
	assert_int_equal(store_writer_start(of(&a), 1, 64, &w), 0);
	store_writer_pause(w);
	push(w, 1);
	store_writer_stop(&w);
	assert_int_equal(atomic_load(&a.items), 1);
}

static void a_lock_that_is_held_is_taken_over(void **state)
{
	struct store_conf conf = {.dir = shelf,
				  .map_bytes = 1 << 20,
				  .max_bytes = 1 << 20,
				  .window = WINDOW,
				  .keep = KEEP};
	struct store *old, *third;
	uint8_t key[16];
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(store_open_lmdb(&conf, &old, key, shelf_err, sizeof(shelf_err)), 0);
	/* A second process: LMDB opens a file once in each. */
	child = fork();
	if (!child) {
		struct store *next;

		conf.held_lock = dup(store_lock_fd(old));
		_exit(store_open_lmdb(&conf, &next, shelf_key, shelf_err, sizeof(shelf_err)) ||
		      memcmp(key, shelf_key, sizeof(key)) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* Its end has not unlocked it. */
	assert_int_equal(store_open_lmdb(&conf, &third, key, shelf_err, sizeof(shelf_err)), -EBUSY);
	store_ops_of(old)->close(&old);
}

#define ON_SHELF(test) cmocka_unit_test_setup_teardown(test, shelf_setup, shelf_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_queued_in_a_pause_waits),
		cmocka_unit_test(it_goes_on_with_another_store),
		cmocka_unit_test(a_stop_ends_a_pause),
		ON_SHELF(a_lock_that_is_held_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
