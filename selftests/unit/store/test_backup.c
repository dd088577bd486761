// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/store/shelf.h"
#include "store/backup.h"

static char file[400];

static void put(struct store *s, uint64_t tag)
{
	const struct store_item item = item_record(RECORD_PASSED, tag, NOW, "192.0.2.1");
	const struct store_item *group[] = {&item};

	assert_int_equal(store_ops_of(s)->apply(s, group, 1), 0);
}

static struct store *filled(int from, int to)
{
	struct store *s = shelf_open();

	assert_non_null(s);
	for (int i = from; i < to; i++)
		put(s, (uint64_t)i + 1);
	return s;
}

static bool count(const struct store_item *item, void *arg)
{
	(void)item;
	++*(int *)arg;
	return true;
}

/* How many rows a backup has; -errno. */
static int rows_of(const char *path)
{
	uint8_t key[16];
	struct store *s;
	int n = 0, rc;

	rc = store_open_backup(path, &s, key, shelf_err, sizeof(shelf_err));
	if (rc)
		return rc;
	assert_memory_equal(key, shelf_key, sizeof(key));
	store_ops_of(s)->lifetimes(s, WINDOW, KEEP);
	assert_int_equal(store_ops_of(s)->load(s, NOW, count, &n), 0);
	store_ops_of(s)->close(&s);
	return n;
}

/* LMDB opens a file once in a process, so that who copies it is another one, as in life. */
static int backup(void)
{
	uint64_t bytes = 0;
	int status;
	pid_t child = fork();

	if (!child)
		_exit(-store_backup(shelf, file, &bytes, shelf_err, sizeof(shelf_err)));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void a_backup_has_what_was_there_then(void **state)
{
	struct store *s = filled(0, 100);
	struct stat st;

	(void)state;
	snprintf(file, sizeof(file), "%s", shelf_path("copy"));
	assert_int_equal(backup(), 0);
	for (int i = 100; i < 150; i++)
		put(s, (uint64_t)i + 1);
	assert_int_equal(rows_of(file), 100);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* The next one takes its place. */
	assert_int_equal(backup(), 0);
	assert_int_equal(rows_of(file), 150);
	shelf_close(&s);
	assert_int_equal(shelf_names("copy.part", false), 0);
}

static void a_failed_backup_leaves_the_last_one(void **state)
{
	struct store *s = filled(0, 10);

	(void)state;
	snprintf(file, sizeof(file), "%s", shelf_path("copy"));
	assert_int_equal(backup(), 0);
	shelf_close(&s);
	assert_int_equal(truncate(shelf_path("store"), 8192), 0);
	assert_true(backup() != 0);
	assert_int_equal(rows_of(file), 10);
	assert_int_equal(shelf_names("copy.part", false), 0);
	unlink(shelf_path("store"));
	assert_int_equal(backup(), -ENOENT);
	assert_int_equal(rows_of(file), 10);
}

static void what_is_no_backup_is_refused(void **state)
{
	struct store *s = filled(0, 10);
	int fd;

	(void)state;
	snprintf(file, sizeof(file), "%s", shelf_path("copy"));
	assert_int_equal(backup(), 0);
	shelf_close(&s);
	assert_int_equal(truncate(file, 12345), 0);
	assert_int_equal(rows_of(file), -EUCLEAN);
	assert_non_null(strstr(shelf_err, "not a sound backup"));
	assert_int_equal(store_replace(shelf, file, shelf_err, sizeof(shelf_err)), -EUCLEAN);
	assert_int_equal(truncate(file, 0), 0);
	assert_int_equal(rows_of(file), -EUCLEAN);
	fd = open(file, O_WRONLY);
	assert_int_equal(write(fd, "not LMDB at all\n", 16), 16);
	close(fd);
	assert_int_equal(rows_of(file), -EUCLEAN);
	assert_int_equal(rows_of("/no/such/file"), -ENOENT);
	s = shelf_open();
	assert_non_null(s);
	assert_string_equal(shelf_err, "");
	shelf_close(&s);
}

static void a_backup_takes_the_place_of_the_store(void **state)
{
	struct store *s = filled(0, 10);
	int n = 0;

	(void)state;
	snprintf(file, sizeof(file), "%s", shelf_path("copy"));
	assert_int_equal(backup(), 0);
	assert_int_equal(store_replace(shelf, file, shelf_err, sizeof(shelf_err)), -EBUSY);
	for (int i = 10; i < 30; i++)
		put(s, (uint64_t)i + 1);
	shelf_close(&s);
	assert_int_equal(store_replace(shelf, file, shelf_err, sizeof(shelf_err)), 0);
	assert_int_equal(rows_of(shelf_path("store.before-restore")), 30);
	s = shelf_open();
	assert_non_null(s);
	assert_int_equal(store_ops_of(s)->load(s, NOW, count, &n), 0);
	assert_int_equal(n, 10);
	shelf_close(&s);
	/* Where there is none yet, too. */
	unlink(shelf_path("store"));
	assert_int_equal(store_replace(shelf, file, shelf_err, sizeof(shelf_err)), 0);
	assert_int_equal(rows_of(shelf_path("store")), 10);
}

#define ON_SHELF(test) cmocka_unit_test_setup_teardown(test, shelf_setup, shelf_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SHELF(a_backup_has_what_was_there_then),
		ON_SHELF(a_failed_backup_leaves_the_last_one),
		ON_SHELF(what_is_no_backup_is_refused),
		ON_SHELF(a_backup_takes_the_place_of_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
