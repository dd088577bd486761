// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "aside.c"

static char state[] = "/tmp/greygate-aside.XXXXXX";

static const char *path(const char *name)
{
	static char file[2][sizeof(state) + NAME_MAX + 2];
	static int turn;

	turn = !turn;
	snprintf(file[turn], sizeof(file[turn]), "%s/%s", state, name);
	return file[turn];
}

static int put(const char *first, const char *second)
{
	const struct aside_text parts[] = {{first, strlen(first)}, {second, strlen(second)}};

	return aside_write(AT_FDCWD, state, "file", parts, 2);
}

static void expect(const char *text)
{
	char got[64] = "";
	FILE *f = fopen(path("file"), "r");

	assert_non_null(f);
	assert_int_equal(fread(got, 1, sizeof(got) - 1, f), strlen(text));
	fclose(f);
	assert_string_equal(got, text);
	assert_int_equal(access(path("file.new"), F_OK), -1);
}

static void it_is_replaced_whole(void **unused)
{
	struct stat st;
	ino_t was;

	(void)unused;
	assert_int_equal(put("one ", "two"), 0);
	expect("one two");
	assert_int_equal(stat(path("file"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	was = st.st_ino;
	assert_int_equal(put("", "three"), 0);
	expect("three");
	assert_int_equal(stat(path("file"), &st), 0);
	/* Who has it open goes on reading the former one. */
	assert_int_not_equal(st.st_ino, was);
	assert_int_equal(put("", ""), 0);
	expect("");
}

static void what_stands_beside_is_not_followed(void **unused)
{
	const char *victim = "/tmp/greygate-aside-victim";
	struct stat st;

	(void)unused;
	unlink(victim);
	assert_int_equal(symlink(victim, path("file.new")), 0);
	assert_int_equal(put("own", ""), 0);
	expect("own");
	assert_int_equal(lstat(victim, &st), -1);
	assert_int_equal(lstat(path("file"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* The disk is full; the directory isn't there; a directory stands beside; a name is too long. */
static void what_can_not_be_written_leaves_what_was(void **unused)
{
	const struct rlimit none = {.rlim_cur = 4, .rlim_max = RLIM_INFINITY};
	const struct aside_text text = {"x", 1};
	char longest[NAME_MAX + 1];
	struct rlimit was;

	(void)unused;
	assert_int_equal(put("kept", ""), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(put("abc", "defg"), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	expect("kept");

	assert_int_equal(mkdir(path("file.new"), 0700), 0);
	assert_int_equal(put("lost", ""), -EEXIST);
	assert_int_equal(rmdir(path("file.new")), 0);
	expect("kept");

	assert_int_equal(aside_write(AT_FDCWD, "/nonexistent", "file", &text, 1), -ENOENT);
	memset(longest, 'x', NAME_MAX);
	longest[NAME_MAX] = '\0';
	assert_int_equal(aside_write(AT_FDCWD, state, longest, &text, 1), -ENAMETOOLONG);
}

static void a_directory_is_meant_against_another(void **unused)
{
	const struct aside_text text = {"x", 1};
	int at = open("/tmp", O_RDONLY | O_DIRECTORY);

	(void)unused;
	assert_true(at >= 0);
	assert_int_equal(aside_write(at, state + strlen("/tmp/"), "file", &text, 1), 0);
	expect("x");
	close(at);
}

static int make(void **unused)
{
	(void)unused;
	return !mkdtemp(state);
}

static int clear(void **unused)
{
	(void)unused;
	unlink(path("file"));
	return rmdir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_replaced_whole),
		cmocka_unit_test(what_stands_beside_is_not_followed),
		cmocka_unit_test(what_can_not_be_written_leaves_what_was),
		cmocka_unit_test(a_directory_is_meant_against_another),
	};

	return cmocka_run_group_tests(tests, make, clear);
}
