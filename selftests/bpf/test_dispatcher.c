// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxdp's dispatcher: greygate and xdp-filter share an interface. Needs a kernel with freplace
 * programs; `make check-kernels` brings one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "parts.h"

#define FILTER "xdp-filter"

/* A start on gg0, or NULL where programs stand alone. */
static struct fastpath *start_shared(void)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	const struct fastpath_attachment *at;
	struct fastpath *fp = room_open(&conf);

	assert_int_equal(fastpath_attachments(fp, &at), 1);
	if (!strcmp(at[0].with, "dispatcher"))
		return fp;
	assert_string_equal(at[0].with, "alone");
	fastpath_close(&fp);
	room_detach();
	print_message("this kernel has no freplace programs: make check-kernels brings one\n");
	return NULL;
}

/* How many programs of that name the dispatcher of gg0 holds; 0 without one. */
static int inside(const char *name)
{
	char command[200], line[200];
	FILE *f;
	int n = 0;

	snprintf(command, sizeof(command), "xdp-loader status gg0");
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, name) != NULL;
	pclose(f);
	return n;
}

static void the_other_program_was_there_before(void **state)
{
	struct fastpath *fp = start_shared();

	(void)state;
	if (!fp)
		skip();
	fastpath_close(&fp);
	room_detach();
	room_run(FILTER " load -f tcp gg0");
	fp = start_shared();
	assert_non_null(fp);
	assert_int_equal(inside("greygate_xdp"), 1);
	assert_int_equal(inside("xdpfilt"), 1);
	fastpath_close(&fp);
	/* A restart takes the place of the earlier start, and only that. */
	fp = start_shared();
	assert_non_null(fp);
	assert_int_equal(inside("greygate_xdp"), 1);
	assert_int_equal(inside("xdpfilt"), 1);
	fastpath_close(&fp);
	room_detach();
	assert_int_equal(inside("greygate_xdp"), 0);
	assert_int_equal(inside("xdpfilt"), 1);
	room_run(FILTER " unload gg0");
	assert_int_equal(program_on("gg0"), 0);
}

static void the_other_program_comes_later(void **state)
{
	struct fastpath *fp = start_shared();

	(void)state;
	if (!fp)
		skip();
	room_run(FILTER " load -f tcp gg0");
	assert_int_equal(inside("greygate_xdp"), 1);
	assert_int_equal(inside("xdpfilt"), 1);
	/* And goes first: ours is none the worse for it. */
	room_run(FILTER " unload gg0");
	assert_int_equal(inside("greygate_xdp"), 1);
	assert_int_equal(inside("xdpfilt"), 0);
	fastpath_close(&fp);
}

/* The dispatcher is another program then: whose ours is in it is asked. */
static void what_others_do_to_the_dispatcher(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = start_shared();

	(void)state;
	if (!fp)
		skip();
	room_run(FILTER " load -f tcp gg0");
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_XDP, "gg0"), FASTPATH_OTHER);
	mend_all(fp, &conf);
	assert_int_equal(inside("greygate_xdp"), 1);
	/* Ours alone is taken out. */
	room_run("xdp-loader unload gg0 --id $(xdp-loader status gg0 | "
		 "sed -n 's/.*greygate_xdp *\\([0-9]*\\) .*/\\1/p')");
	assert_int_equal(inside("greygate_xdp"), 0);
	assert_true(fastpath_look(fp));
	mend_all(fp, &conf);
	assert_int_equal(inside("greygate_xdp"), 1);
	assert_int_equal(inside("xdpfilt"), 1);
	assert_true(part(fp, FASTPATH_XDP, "gg0").dispatched);
	assert_false(fastpath_look(fp));
	fastpath_close(&fp);
	room_run(FILTER " unload gg0");
}

#define TEST(name) cmocka_unit_test_teardown(name, start_end_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_other_program_was_there_before),
		TEST(the_other_program_comes_later),
		TEST(what_others_do_to_the_dispatcher),
	};

	return cmocka_run_group_tests(tests, start_room, NULL);
}
