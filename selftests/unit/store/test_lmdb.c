// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/store/shelf.h"
#include "store/engine.h"

static void the_secret_stays(void **state)
{
	struct store *s = shelf_open();
	uint8_t first[16], zero[16] = {0};

	(void)state;
	memcpy(first, shelf_key, 16);
	assert_memory_not_equal(first, zero, 16);
	shelf_close(&s);
	s = shelf_open();
	assert_memory_equal(first, shelf_key, 16);
	shelf_close(&s);
	unlink(shelf_path("store"));
	s = shelf_open();
	assert_memory_not_equal(first, shelf_key, 16);
	shelf_close(&s);
}

static int disk_full_at_first(void *arg)
{
	(void)arg;
	if (own_tmpfs("size=64k"))
		return 77;
	if (filler(true))
		return 1;
	if (shelf_open())
		return 2;
	if (!strstr(shelf_err, shelf) || !strstr(shelf_err, "No space left") ||
	    !strstr(shelf_err, "free space"))
		return 3;
	if (filler(false) || !shelf_open())
		return 4;
	return 0;
}

static int read_only(void *arg)
{
	(void)arg;
	if (own_tmpfs("size=1m") || mount(NULL, shelf, NULL, MS_REMOUNT | MS_RDONLY, NULL))
		return 77;
	if (shelf_open())
		return 1;
	return strstr(shelf_err, shelf) && strstr(shelf_err, "Read-only") &&
			       strstr(shelf_err, "state_dir")
		       ? 0
		       : 2;
}

static int unprivileged(void *arg)
{
	(void)arg;
	if (chmod(shelf, 0500) || setuid(65534))
		return 77;
	if (shelf_open())
		return 1;
	return strstr(shelf_err, shelf) && strstr(shelf_err, "Permission denied") &&
			       strstr(shelf_err, "chown")
		       ? 0
		       : 2;
}

static void a_full_disk_at_first_open_is_named(void **state)
{
	(void)state;
	run_or_skip(disk_full_at_first);
}

static void a_read_only_file_system_is_named(void **state)
{
	(void)state;
	run_or_skip(read_only);
}

static void a_forbidden_directory_is_named(void **state)
{
	(void)state;
	run_or_skip(unprivileged);
	chmod(shelf, 0700);
}

static void impossible_directories_are_named(void **state)
{
	struct store_conf conf = shelf_conf();
	struct store *s = NULL;
	char dir[200], longer[5000];
	int fd;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/a/b", shelf);
	conf.dir = dir;
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)),
			 -ENOENT);
	assert_non_null(strstr(shelf_err, dir));
	assert_non_null(strstr(shelf_err, "parent"));
	snprintf(dir, sizeof(dir), "%s/file", shelf);
	fd = open(dir, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)),
			 -ENOTDIR);
	assert_non_null(strstr(shelf_err, "state_dir"));
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	conf.dir = longer;
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)),
			 -ENAMETOOLONG);
	assert_null(s);
}

static void the_directory_is_made_for_us_alone(void **state)
{
	struct store_conf conf = shelf_conf();
	struct stat st;
	char dir[200];
	struct store *s;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/new", shelf);
	conf.dir = dir;
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(shelf_path("new/store"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	shelf_close(&s);
	unlink(shelf_path("new/store"));
	unlink(shelf_path("new/store-lock"));
	unlink(shelf_path("new/lock"));
	assert_int_equal(rmdir(dir), 0);
}

static int open_and_say(void *arg)
{
	(void)arg;
	return shelf_open() ? 0 : strstr(shelf_err, "in use by process") ? 1 : 2;
}

static void only_one_daemon_opens_a_store(void **state)
{
	struct store_conf conf = shelf_conf();
	struct store *s = shelf_open(), *t = NULL;
	char pid[32];

	(void)state;
	assert_non_null(s);
	assert_int_equal(in_child(open_and_say, NULL), 1);
	assert_int_equal(store_open_lmdb(&conf, &t, shelf_key, shelf_err, sizeof(shelf_err)),
			 -EBUSY);
	assert_null(t);
	snprintf(pid, sizeof(pid), "process %d:", (int)getpid());
	assert_non_null(strstr(shelf_err, pid));
	shelf_close(&s);
	assert_int_equal(in_child(open_and_say, NULL), 0);
}

/* A transaction failed in a way that leaves the environment unusable, but the file is sound. */
static void a_panic_is_recovered_from(void **state)
{
	struct store *s = shelf_open();
	struct store_item item = item_record(RECORD_PASSED, 1, NOW, "192.0.2.1");
	struct store_stats st;

	(void)state;
	assert_int_equal(apply_one(s, &item), 0);
	assert_int_equal(engine_recover(s, MDB_PANIC), 0);
	item.rec.tag = 2;
	assert_int_equal(apply_one(s, &item), 0);
	assert_int_equal(load_count(s, NOW), 2);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_false(st.set_aside);
	shelf_close(&s);
}

/* The file turns out to be damaged while it is in use. */
static void damage_is_set_aside_while_running(void **state)
{
	struct store *s = shelf_open();
	struct store_item item = item_record(RECORD_PASSED, 1, NOW, "192.0.2.1");
	struct store_stats st;
	uint8_t secret[16];

	(void)state;
	memcpy(secret, shelf_key, sizeof(secret));
	assert_int_equal(apply_one(s, &item), 0);
	assert_int_equal(engine_recover(s, MDB_CORRUPTED), 0);
	assert_int_equal(load_count(s, NOW), 0);
	item.rec.tag = 2;
	assert_int_equal(apply_one(s, &item), 0);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_true(st.set_aside);
	assert_int_equal(shelf_names("store.bad-", false), 1);
	shelf_close(&s);
	/* what the tables in RAM are keyed with goes on being the secret */
	s = shelf_open();
	assert_memory_equal(secret, shelf_key, sizeof(secret));
	assert_int_equal(load_count(s, NOW), 1);
	shelf_close(&s);
}

/* When not even recovery worked, the next group tries again, and readers get an error. */
static void without_an_environment_groups_keep_trying(void **state)
{
	struct store *s = shelf_open();
	struct store_item item = item_record(RECORD_PASSED, 1, NOW, "192.0.2.1");
	struct store_stats st;
	struct seen seen = {0};
	char away[80];
	size_t steps;

	(void)state;
	snprintf(away, sizeof(away), "%s-away", shelf);
	assert_int_equal(rename(shelf, away), 0);
	assert_int_not_equal(engine_recover(s, MDB_PANIC), 0);
	assert_int_not_equal(apply_one(s, &item), 0);
	assert_int_not_equal(ops_of(s)->expire(s, NOW, 10, &steps), 0);
	assert_int_not_equal(ops_of(s)->walk(s, STORE_TRAP, RECORD_NONE, see_item, &seen), 0);
	assert_int_not_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(rename(away, shelf), 0);
	assert_int_equal(apply_one(s, &item), 0);
	assert_int_equal(load_count(s, NOW), 1);
	shelf_close(&s);
}

static void codes_become_errors_of_ours(void **state)
{
	static const struct {
		int code, err;
	} rows[] = {
		{0, 0},
		{ENOSPC, -ENOSPC},
		{EACCES, -EACCES},
		{-ENOMEM, -ENOMEM},
		{MDB_MAP_FULL, -ENOSPC},
		{MDB_PANIC, -EIO},
		{MDB_CORRUPTED, -EUCLEAN},
		{MDB_INVALID, -EUCLEAN},
		{MDB_VERSION_MISMATCH, -EUCLEAN},
		{MDB_PAGE_NOTFOUND, -EUCLEAN},
		{MDB_READERS_FULL, -EAGAIN},
		{MDB_KEYEXIST, -EIO},
		{MDB_BAD_DBI, -EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(engine_errno(rows[i].code), rows[i].err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_secret_stays),
		TEST(a_full_disk_at_first_open_is_named),
		TEST(a_read_only_file_system_is_named),
		TEST(a_forbidden_directory_is_named),
		TEST(impossible_directories_are_named),
		TEST(the_directory_is_made_for_us_alone),
		TEST(only_one_daemon_opens_a_store),
		TEST(a_panic_is_recovered_from),
		TEST(damage_is_set_aside_while_running),
		TEST(without_an_environment_groups_keep_trying),
		TEST(codes_become_errors_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
