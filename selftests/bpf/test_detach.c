// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Detach: all of it goes, whatever there is, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "start.h"

struct lines {
	int count;
	char text[1024];
};

static void take_line(const char *line, void *arg)
{
	struct lines *l = arg;

	l->count++;
	assert_null(strchr(line, '\n'));
	snprintf(l->text + strlen(l->text), sizeof(l->text) - strlen(l->text), "%s\n", line);
}

static void detach_removes_all_and_says_what(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct lines lines = {};
	char err[400];

	(void)state;
	conf.interfaces[1] = "lo";
	conf.interface_count = 2;
	start_and_die(&conf, NULL);
	assert_int_equal(fastpath_detach(ROOM_BPFFS, take_line, &lines, err, sizeof(err)), 0);
	assert_int_equal(lines.count, 4);
	assert_non_null(strstr(lines.text, "gg0: XDP program (native"));
	assert_non_null(strstr(lines.text, "lo: XDP program (generic"));
	assert_non_null(strstr(lines.text, "socket lookup program"));
	assert_non_null(strstr(lines.text, "pins removed"));
	nothing_is_left();
	memset(&lines, 0, sizeof(lines));
	assert_int_equal(fastpath_detach(ROOM_BPFFS, take_line, &lines, err, sizeof(err)), 0);
	assert_int_equal(lines.count, 0);
}

static void detach_works_on_the_half_that_is_there(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);
	char err[400];

	(void)state;
	/* Programs without pins. */
	fastpath_close(&fp);
	room_run("rm -r " ROOM_BPFFS);
	assert_true(program_on("gg0") > 0);
	assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)), 0);
	nothing_is_left();
	/* Pins without programs, some of them gone, and those of other starts and schemas. */
	start_and_die(&conf, NULL);
	assert_int_equal(bpf_xdp_detach(if_nametoindex("gg0"), XDP_FLAGS_DRV_MODE, NULL), 0);
	room_run("rm -rf " LIBXDP_DIR);
	room_run("rm " V1 "/host4 " V1 "/conf && mkdir " V1 "-new " ROOM_BPFFS "/v7");
	assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)), 0);
	nothing_is_left();
}

static void detach_leaves_alone_what_is_not_ours(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	int fd = attach_foreign("gg1");
	char err[400];

	(void)state;
	fastpath_close(&fp);
	room_run("mkdir " ROOM_BPFFS "/other");
	assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)), 0);
	assert_int_equal(program_on("gg0"), 0);
	assert_true(program_on("gg1") > 0);
	assert_true(exists(ROOM_BPFFS "/other"));
	room_run("rmdir " ROOM_BPFFS "/other " ROOM_BPFFS);
	detach_foreign("gg1", fd);
	assert_int_equal(fastpath_detach("/nowhere/at/all", NULL, NULL, err, sizeof(err)), 0);
}

/* The room's own namespace is left for a new one and entered again. */
static void detach_in_another_namespace(const struct fastpath_conf *conf)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char err[400] = "";

	assert_true(here >= 0);
	start_and_die(conf, NULL);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)), -EXDEV);
	assert_non_null(strstr(err, "another network namespace"));
	assert_non_null(strstr(err, "ip netns"));
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	assert_true(exists(V1 "/host4"));
	assert_true(program_on("gg0") > 0);
	assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)), 0);
	nothing_is_left();
}

static void detach_elsewhere_claims_no_success(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);

	(void)state;
	detach_in_another_namespace(&conf);
	conf = on("gg0", GG_MODE_HOST);
	detach_in_another_namespace(&conf);
}

/* What stands nowhere but in its pin goes wherever detach is run. */
static void detach_elsewhere_of_the_lookup_program_alone(void **state)
{
	struct fastpath_conf conf = on(NULL, GG_MODE_HOST);
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char err[400] = "";

	(void)state;
	assert_true(here >= 0);
	start_and_die(&conf, NULL);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)), 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	nothing_is_left();
}

#define TEST(name) cmocka_unit_test_teardown(name, start_end_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(detach_removes_all_and_says_what),
		TEST(detach_works_on_the_half_that_is_there),
		TEST(detach_leaves_alone_what_is_not_ours),
		TEST(detach_elsewhere_claims_no_success),
		TEST(detach_elsewhere_of_the_lookup_program_alone),
	};

	return cmocka_run_group_tests(tests, start_room, NULL);
}
