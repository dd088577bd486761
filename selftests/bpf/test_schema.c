// SPDX-License-Identifier: GPL-2.0-or-later
/* Pins that another version made, of an older or a newer schema, and such as nobody can read:
 * replaced without a gap, and gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "start.h"

/* What a daemon of another schema would leave: its maps in a directory of its number, its programs
 * at work over them. */
static void leave_schema(const struct fastpath_conf *conf, const char *dir, unsigned schema)
{
	struct gg_meta m;
	uint32_t zero = 0;
	char path[100];
	int fd;

	start_and_die(conf, "192.0.2.7");
	assert_int_equal(rename(V1, dir), 0);
	snprintf(path, sizeof(path), "%s/meta", dir);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &m), 0);
	m.schema = schema;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &m, BPF_ANY), 0);
	close(fd);
}

static void replaced(const struct fastpath_conf *conf, const char *dir, unsigned schema)
{
	const struct prefix p = room_prefix("192.0.2.7");
	const struct verdict_entry allow = {.verdict = GG_ALLOW, .origin = GG_BY_OPERATOR};
	const uint8_t key[16] = {1};
	struct verdicts *v;
	struct fastpath *fp;
	struct gg_entry e;
	uint32_t program;

	leave_schema(conf, dir, schema);
	program = program_on("gg0");
	fp = room_open(conf);
	assert_false(fastpath_reused(fp));
	assert_string_equal(fastpath_replaced(fp), strrchr(dir, '/') + 1);
	assert_false(exists(dir));
	assert_true(exists(V1 "/host4"));
	assert_int_equal(meta_pinned().schema, GG_SCHEMA);
	assert_int_not_equal(program_on("gg0"), program);
	assert_int_not_equal(fastpath_get(fp, &p, &e), 0);
	/* The daemon's own verdicts fill it. */
	assert_int_equal(verdicts_new(100, key, &v), 0);
	assert_int_equal(verdicts_put(v, &p, &allow), 0);
	assert_int_equal(fastpath_sync(fp, v, 1), 1);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_int_equal(e.verdict, GG_ALLOW);
	verdicts_free(&v);
	fastpath_close(&fp);
	/* Once only. */
	fp = room_open(conf);
	assert_true(fastpath_reused(fp));
	assert_string_equal(fastpath_replaced(fp), "");
	fastpath_close(&fp);
	room_detach();
	nothing_is_left();
}

static void pins_of_an_older_schema_are_replaced(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);

	(void)state;
	replaced(&conf, ROOM_BPFFS "/v0", 0);
}

static void pins_of_a_newer_schema_are_replaced(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);

	(void)state;
	replaced(&conf, ROOM_BPFFS "/v2", 2);
}

static void pin_anything(const char *path, const char *name)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, 4, 8, 10, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

static void pins_that_nobody_can_read_are_replaced(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp;

	(void)state;
	room_run("mkdir -p " V1 "/deep/er " V1 "-new/deep " ROOM_BPFFS "/v9/deep");
	pin_anything(V1 "/meta", "meta");
	pin_anything(V1 "/deep/er/host4", "host4");
	pin_anything(V1 "-new/deep/meta", "meta");
	pin_anything(ROOM_BPFFS "/v9/deep/meta", "meta");
	fp = room_open(&conf);
	assert_false(fastpath_reused(fp));
	assert_string_equal(fastpath_replaced(fp), "v1, v9");
	assert_false(exists(V1 "-new"));
	assert_false(exists(V1 "/deep"));
	assert_false(exists(ROOM_BPFFS "/v9"));
	fastpath_close(&fp);
	/* Nor do a few that are missing or others hinder a start, which takes over the rest. */
	room_run("rm " V1 "/host6 " V1 "/vip " V1 "/stats && mkdir " V1 "/deep " V1 "-new");
	pin_anything(V1 "/vip", "vip");
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	assert_string_equal(fastpath_replaced(fp), "");
	assert_false(exists(V1 "-new"));
	fastpath_close(&fp);
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	fastpath_close(&fp);
	room_run("mkdir " V1 "/deep");
	room_detach();
	nothing_is_left();
}

static void a_failed_start_leaves_them(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	int fd;

	(void)state;
	leave_schema(&conf, ROOM_BPFFS "/v2", 2);
	fd = attach_foreign("gg1");
	conf.interfaces[1] = "gg1";
	conf.interface_count = 2;
	REFUSED(&conf, -EBUSY, "interface gg1");
	detach_foreign("gg1", fd);
	assert_true(exists(ROOM_BPFFS "/v2/host4"));
	assert_true(exists(ROOM_BPFFS "/v2/link_lookup"));
	assert_false(exists(V1));
	assert_true(program_on("gg0") > 0);
	assert_true(lookup_attached());
}

#define TEST(name) cmocka_unit_test_teardown(name, start_end_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pins_of_an_older_schema_are_replaced),
		TEST(pins_of_a_newer_schema_are_replaced),
		TEST(pins_that_nobody_can_read_are_replaced),
		TEST(a_failed_start_leaves_them),
	};

	return cmocka_run_group_tests(tests, start_room, NULL);
}
