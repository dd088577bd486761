// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kept.c"

static char state[] = "/tmp/greygate-kept.XXXXXX";
static int dir;

static struct kept some(const char *name, char *text)
{
	struct kept k = {.number = 7,
			 .order = 3000000000u,
			 .imported = true,
			 .format = LIST_SPAMHAUS_DROP,
			 .verdict = GG_DENY,
			 .action = GG_TARPIT,
			 .message = "see \"there\" \\ https://example.org/\xc3\xa4",
			 .entries = 3,
			 .read = 4000000000u,
			 .stamp = {-1, 999999999, UINT32_MAX + 5ull, 1ull << 62},
			 .text = text,
			 .len = strlen(text)};

	snprintf(k.name, sizeof(k.name), "%s", name);
	return k;
}

static void what_is_kept_comes_back(void **unused)
{
	struct kept k = some("a.list", (char[]){"192.0.2.0/24 ; x\n"}), got;

	(void)unused;
	assert_int_equal(kept_read(dir, "a.list", true, &got), -ENOENT);
	assert_int_equal(kept_write(dir, &k), 0);
	k.entries = 4;
	assert_int_equal(kept_write(dir, &k), 0);
	assert_int_equal(kept_read(dir, "a.list", true, &got), 0);
	assert_string_equal(got.name, "a.list");
	assert_int_equal(got.number, 7);
	assert_int_equal(got.order, 3000000000u);
	assert_true(got.imported);
	assert_false(got.except);
	assert_int_equal(got.format, LIST_SPAMHAUS_DROP);
	assert_int_equal(got.verdict, GG_DENY);
	assert_int_equal(got.action, GG_TARPIT);
	assert_string_equal(got.message, k.message);
	assert_int_equal(got.entries, 4);
	assert_int_equal(got.read, 4000000000u);
	assert_true(kept_same(&got.stamp, &k.stamp));
	assert_int_equal(got.len, k.len);
	assert_memory_equal(got.text, k.text, k.len);
	free(got.text);
	assert_int_equal(kept_read(dir, "a.list", false, &got), 0);
	assert_null(got.text);
	assert_int_equal(kept_remove(dir, "a.list"), 0);
	assert_int_equal(kept_remove(dir, "a.list"), -ENOENT);
}

static bool count(const char *name, void *arg)
{
	int *n = arg;

	assert_true(!strcmp(name, "one") || !strcmp(name, "..") || !strcmp(name, "two.new"));
	++*n;
	return false;
}

static bool stop(const char *name, void *arg)
{
	(void)name;
	++*(int *)arg;
	return true;
}

static void all_of_them_and_nothing_else(void **unused)
{
	static const char *const names[] = {"one", "..", "two.new"};
	int fd, n = 0;

	(void)unused;
	for (int i = 0; i < 3; i++) {
		struct kept k = some(names[i], (char[]){"x"});

		assert_int_equal(kept_write(dir, &k), 0);
	}
	fd = openat(dir, "left.new", O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	fd = openat(dir, "aside.bad", O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(kept_each(dir, false, count, &n), 0);
	assert_int_equal(n, 3);
	n = 0;
	assert_int_equal(kept_each(dir, true, stop, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(kept_remove(dir, "aside"), -ENOENT);
	assert_false(kept_is_aside(dir, "aside"));
	n = 0;
	assert_int_equal(kept_each(dir, false, stop, &n), 0);
	assert_int_equal(n, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kept_remove(dir, names[i]), 0);
	unlinkat(dir, "left.new", 0);
}

/* Whatever is cut, longer, or says something else than it should. */
static void what_is_damaged_is_not_taken(void **unused)
{
	struct kept k = some("hurt", (char[]){"192.0.2.0/24\n198.51.100.0/24\n"}),
		    got = {.len = 77};
	char whole[4096];
	ssize_t len;
	int fd;

	(void)unused;
	assert_int_equal(kept_write(dir, &k), 0);
	fd = openat(dir, "hurt.list", O_RDWR);
	len = read(fd, whole, sizeof(whole));
	assert_true(len > 0);
	for (ssize_t n = len - 1; n >= 0; n--) {
		assert_int_equal(ftruncate(fd, n), 0);
		assert_int_equal(kept_read(dir, "hurt", true, &got), -EBADMSG);
	}
	assert_int_equal(pwrite(fd, whole, (size_t)len, 0), len);
	assert_int_equal(pwrite(fd, "x", 1, len), 1);
	assert_int_equal(kept_read(dir, "hurt", true, &got), -EBADMSG);
	assert_int_equal(ftruncate(fd, len), 0);
	assert_int_equal(renameat(dir, "hurt.list", dir, "other.list"), 0);
	assert_int_equal(kept_read(dir, "other", true, &got), -EBADMSG);
	assert_int_equal(got.len, 77);
	close(fd);
	kept_remove(dir, "other");
}

static void what_is_set_aside_says_what_it_was(void **unused)
{
	struct kept k = some("hurt", (char[]){"192.0.2.0/24\n"}), got;

	(void)unused;
	assert_int_equal(kept_set_aside(dir, "hurt"), -ENOENT);
	assert_int_equal(kept_write(dir, &k), 0);
	assert_false(kept_is_aside(dir, "hurt"));
	assert_int_equal(kept_read_aside(dir, "hurt", &got), -ENOENT);
	assert_int_equal(kept_set_aside(dir, "hurt"), 0);
	assert_true(kept_is_aside(dir, "hurt"));
	assert_int_equal(kept_read(dir, "hurt", true, &got), -ENOENT);
	assert_int_equal(kept_read_aside(dir, "hurt", &got), 0);
	assert_string_equal(got.name, "hurt");
	assert_int_equal(got.format, LIST_SPAMHAUS_DROP);
	/* One takes the place of the other, and both go at once. */
	assert_int_equal(kept_write(dir, &k), 0);
	assert_int_equal(kept_set_aside(dir, "hurt"), 0);
	assert_int_equal(kept_write(dir, &k), 0);
	assert_int_equal(kept_remove(dir, "hurt"), 0);
	assert_false(kept_is_aside(dir, "hurt"));
}

static void a_file_has_a_stamp(void **unused)
{
	struct kept_stamp none = {0}, a, b;
	char path[64];
	int fd;

	(void)unused;
	snprintf(path, sizeof(path), "%s/f", state);
	a = kept_stamp(path);
	assert_true(kept_same(&a, &none));
	a = kept_stamp(NULL);
	assert_true(kept_same(&a, &none));
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	a = kept_stamp(path);
	assert_false(kept_same(&a, &none));
	assert_int_equal(write(fd, "x", 1), 1);
	b = kept_stamp(path);
	assert_false(kept_same(&a, &b));
	close(fd);
	unlink(path);
}

static int begin(void **unused)
{
	(void)unused;
	if (!mkdtemp(state))
		return -1;
	dir = kept_open(state);
	if (dir >= 0)
		close(dir);
	dir = kept_open(state); /* a second time */
	return dir < 0;
}

static int end(void **unused)
{
	char path[64];

	(void)unused;
	close(dir);
	snprintf(path, sizeof(path), "%s/lists", state);
	return rmdir(path) || rmdir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_comes_back),
		cmocka_unit_test(all_of_them_and_nothing_else),
		cmocka_unit_test(what_is_damaged_is_not_taken),
		cmocka_unit_test(what_is_set_aside_says_what_it_was),
		cmocka_unit_test(a_file_has_a_stamp),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
