// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is attached and pinned when: start, restart, kill, change of config.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "start.h"

static void a_start_attaches_and_pins(void **state)
{
	static const char *const pins[] = {"host4", "host6",  "net4", "net6", "vip",
					   "stats", "events", "conf", "meta", "socks"};
	const struct fastpath_attachment *how;
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);
	char path[PINS_PATH];
	size_t i;

	(void)state;
	assert_false(fastpath_reused(fp));
	assert_int_equal(fastpath_attachments(fp, &how), 1);
	assert_string_equal(how->interface, "gg0");
	assert_string_equal(how->how, "native");
	assert_true(!strcmp(how->with, "alone") || !strcmp(how->with, "dispatcher"));
	assert_true(how->why[0]);
	for (i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		assert_int_equal(pins_path(path, V1, pins[i]), 0);
		if (!map_pinned(path))
			fail_msg("%s is not pinned", path);
	}
	assert_true(program_on("gg0") > 0);
	assert_true(lookup_program() > 0);
	assert_true(lookup_attached());
	assert_false(exists(V1 "-new"));
	assert_int_equal(meta_pinned().magic, GG_MAGIC);
	assert_int_equal(meta_pinned().schema, GG_SCHEMA);
	assert_int_equal(meta_pinned().generation, 1);
	assert_true(meta_pinned().build[0]);
	fastpath_close(&fp);
	assert_null(fp);
	/* All of it outlives the process, which has said goodbye. */
	assert_true(program_on("gg0") > 0);
	assert_true(lookup_attached());
	assert_int_equal(meta_pinned().heartbeat, 0);
}

static void a_relay_has_no_socket_lookup(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);

	(void)state;
	assert_false(lookup_attached());
	assert_false(exists(V1 "/link_lookup"));
	fastpath_close(&fp);
}

static void host_mode_works_without_xdp(void **state)
{
	struct fastpath_conf conf = on(NULL, GG_MODE_HOST);
	const struct fastpath_attachment *how;
	struct fastpath *fp = room_open(&conf);

	(void)state;
	assert_int_equal(fastpath_attachments(fp, &how), 0);
	assert_true(lookup_attached());
	fastpath_close(&fp);
	conf = on("gg0", GG_MODE_HOST);
	conf.xdp = FASTPATH_OFF;
	fp = room_open(&conf);
	assert_int_equal(fastpath_attachments(fp, &how), 0);
	assert_int_equal(program_on("gg0"), 0);
	assert_true(lookup_attached());
	fastpath_close(&fp);
}

static void auto_falls_back_to_generic_and_says_why(void **state)
{
	struct fastpath_conf conf = on("lo", GG_MODE_RELAY);
	const struct fastpath_attachment *how;
	struct fastpath *fp = room_open(&conf);

	(void)state;
	assert_int_equal(fastpath_attachments(fp, &how), 1);
	assert_string_equal(how->how, "generic");
	assert_non_null(strstr(how->why, "native refused: "));
	fastpath_close(&fp);
	room_detach();
	conf.xdp = FASTPATH_NATIVE;
	REFUSED(&conf, -EOPNOTSUPP, "interface lo", "native", "xdp = generic");
	nothing_is_left();
	conf.xdp = FASTPATH_GENERIC;
	fp = room_open(&conf);
	fastpath_close(&fp);
}

static void a_restart_takes_over_maps_and_replaces_programs(void **state)
{
	const struct prefix p = room_prefix("192.0.2.7");
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	uint32_t program, lookup, host4;
	struct gg_entry e;
	struct fastpath *fp;

	(void)state;
	start_and_die(&conf, "192.0.2.7");
	program = program_on("gg0");
	lookup = lookup_program();
	host4 = map_pinned(V1 "/host4");
	assert_true(program && lookup && host4);
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	assert_int_equal(map_pinned(V1 "/host4"), host4);
	assert_true(program_on("gg0") && program_on("gg0") != program);
	assert_true(lookup_program() && lookup_program() != lookup);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_int_equal(e.verdict, GG_ALLOW);
	assert_int_equal(meta_pinned().generation, 2);
	fastpath_close(&fp);
}

static _Atomic bool watching;
static _Atomic int gaps;

static void *watch(void *arg)
{
	uint32_t id;

	(void)arg;
	while (watching)
		if (bpf_xdp_query_id(if_nametoindex("gg0"), 0, &id) || !id || !lookup_attached())
			gaps++;
	return NULL;
}

static void a_restart_leaves_no_moment_without_programs(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);
	pthread_t watcher;
	int i;

	(void)state;
	fastpath_close(&fp);
	gaps = 0;
	watching = true;
	assert_int_equal(pthread_create(&watcher, NULL, watch, NULL), 0);
	for (i = 0; i < 10; i++) {
		conf.hosts = 1000 + i % 3; /* with and without new maps */
		fp = room_open(&conf);
		fastpath_close(&fp);
	}
	watching = false;
	pthread_join(watcher, NULL);
	assert_int_equal(gaps, 0);
}

static void other_sizes_carry_the_entries_over(void **state)
{
	static const char *const prefixes[] = {"192.0.2.7", "2001:db8::7", "192.0.2.0/24",
					       "2001:db8::/48"};
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	const struct gg_key4 key = {{192, 0, 2, 7}};
	struct fastpath *fp = room_open(&conf);
	const struct gg_entry marked = {.verdict = GG_DENY,
					.action = GG_DROP_NEW,
					.length = 32,
					.hits = 77,
					.last_seen = 5,
					.added = 3};
	uint32_t host4 = map_pinned(V1 "/host4"), events = map_pinned(V1 "/events");
	struct gg_entry e;
	struct gg_conf c;
	uint32_t zero = 0;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		room_put(fp, prefixes[i], GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &marked, BPF_ANY), 0);
	fastpath_close(&fp);
	conf.hosts = 3000;
	conf.nets = 500;
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	assert_true(map_pinned(V1 "/host4") != host4);
	assert_int_equal(map_pinned(V1 "/events"), events);
	assert_false(exists(V1 "-new"));
	for (i = 0; i < 4; i++) {
		const struct prefix p = room_prefix(prefixes[i]);

		assert_int_equal(fastpath_get(fp, &p, &e), 0);
		assert_int_equal(e.action, GG_DROP_NEW);
		if (!i)
			assert_memory_equal(&e, &marked, sizeof(e));
	}
	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &c), 0);
	assert_int_equal(c.have_net4, 1);
	assert_int_equal(c.have_net6, 1);
	assert_int_equal(meta_pinned().generation, 2);
	assert_true(lookup_attached());
	fastpath_close(&fp);
}

/* What an earlier version has put into it means something else here. */
static void an_index_of_another_layout_is_made_anew(void **state)
{
	const struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	const struct prefix host = room_prefix("192.0.2.7");
	struct fastpath *fp = room_open(&conf);
	uint32_t host4 = map_pinned(V1 "/host4"), index4 = map_pinned(V1 "/index4");
	struct gg_index_head *head = (void *)fp->index[INDEX4].bucket;
	struct gg_entry e;

	(void)state;
	room_put(fp, "192.0.2.7", GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(head->layout, GG_INDEX_LAYOUT);
	assert_true((uint32_t)head->geometry);
	head->layout = GG_INDEX_LAYOUT - 1;
	fastpath_close(&fp);
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	assert_int_equal(map_pinned(V1 "/host4"), host4);
	assert_int_not_equal(map_pinned(V1 "/index4"), index4);
	assert_int_equal(fastpath_get(fp, &host, &e), 0);
	assert_int_equal(e.action, GG_DROP_NEW);
	assert_true(lookup_attached());
	fastpath_close(&fp);
	index4 = map_pinned(V1 "/index4");
	fp = room_open(&conf);
	assert_int_equal(map_pinned(V1 "/index4"), index4);
	fastpath_close(&fp);
}

static void a_map_that_is_too_small_is_left_to_the_comparison(void **state)
{
	const struct verdict_entry deny = {.verdict = GG_DENY, .action = GG_REJECT};
	struct fastpath_conf conf = on(NULL, GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	struct prefix p = room_prefix("192.0.2.0");
	const struct prefix net = room_prefix("10.0.0.0/8");
	struct gg_entry e;
	int i;

	(void)state;
	assert_int_equal(fastpath_put(fp, &net, &deny), 0);
	for (i = 0; i < 200; i++) {
		p.addr.b[15] = i;
		assert_int_equal(fastpath_put(fp, &p, &deny), 0);
	}
	fastpath_close(&fp);
	conf.hosts = 50;
	fp = room_open(&conf);
	for (i = 0; i < 200; i++) {
		p.addr.b[15] = i;
		assert_int_equal(fastpath_get(fp, &p, &e), -ENOENT);
	}
	assert_int_equal(fastpath_get(fp, &net, &e), -ENOENT);
	fastpath_close(&fp);
}

static void pins_that_are_missing_are_made_again(void **state)
{
	const struct prefix p = room_prefix("192.0.2.7");
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct gg_entry e;
	struct fastpath *fp;

	(void)state;
	start_and_die(&conf, "192.0.2.7");
	assert_int_equal(unlink(V1 "/stats"), 0);
	assert_int_equal(unlink(V1 "/link_lookup"), 0);
	fp = room_open(&conf);
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	assert_true(map_pinned(V1 "/stats") > 0);
	assert_true(lookup_attached());
	fastpath_close(&fp);
}

static void pins_of_another_make_are_not_believed(void **state)
{
	const struct prefix p = room_prefix("192.0.2.7");
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	uint32_t zero = 0;
	struct gg_meta m;
	struct gg_entry e;
	struct fastpath *fp;
	int fd;

	(void)state;
	start_and_die(&conf, "192.0.2.7");
	fd = bpf_obj_get(V1 "/meta");
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &m), 0);
	m.schema = GG_SCHEMA + 1;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &m, BPF_ANY), 0);
	close(fd);
	fp = room_open(&conf);
	assert_false(fastpath_reused(fp));
	assert_int_equal(fastpath_get(fp, &p, &e), -ENOENT);
	assert_int_equal(meta_pinned().schema, GG_SCHEMA);
	assert_int_equal(meta_pinned().generation, 1);
	fastpath_close(&fp);
}

static void a_start_cut_short_leaves_nothing_in_the_way(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);

	(void)state;
	/* As if it had died before the pins were put in place. */
	fastpath_close(&fp);
	assert_int_equal(rename(V1, V1 "-new"), 0);
	fp = room_open(&conf);
	assert_false(fastpath_reused(fp));
	assert_true(program_on("gg0") > 0);
	assert_false(exists(V1 "-new"));
	fastpath_close(&fp);
}

static void an_interface_no_longer_named_is_let_go(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp;

	(void)state;
	conf.interfaces[1] = "gg1";
	conf.interface_count = 2;
	start_and_die(&conf, NULL);
	assert_true(program_on("gg0") && program_on("gg1"));
	conf.interface_count = 1;
	fp = room_open(&conf);
	assert_true(program_on("gg0") > 0);
	assert_int_equal(program_on("gg1"), 0);
	fastpath_close(&fp);
	conf.xdp = FASTPATH_OFF;
	fp = room_open(&conf);
	assert_int_equal(program_on("gg0"), 0);
	fastpath_close(&fp);
}

static void a_change_of_xdp_mode_is_carried_out(void **state)
{
	static const struct {
		enum fastpath_xdp mode;
		const char *how;
	} steps[] = {{FASTPATH_NATIVE, "native"},
		     {FASTPATH_GENERIC, "generic"},
		     {FASTPATH_AUTO, "generic"},
		     {FASTPATH_NATIVE, "native"}};
	const struct fastpath_attachment *how;
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		conf.xdp = steps[i].mode;
		fp = room_open(&conf);
		fastpath_attachments(fp, &how);
		assert_string_equal(how->how, steps[i].how);
		assert_true(program_on("gg0") > 0);
		fastpath_close(&fp);
	}
}

static void from_host_to_relay_the_lookup_goes(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);

	(void)state;
	fastpath_close(&fp);
	conf.mode = GG_MODE_RELAY;
	conf.hosts = 2000; /* with new maps */
	fp = room_open(&conf);
	assert_false(lookup_attached());
	fastpath_close(&fp);
	conf.mode = GG_MODE_HOST;
	fp = room_open(&conf);
	assert_true(lookup_attached());
	fastpath_close(&fp);
	conf.mode = GG_MODE_RELAY; /* with the maps as they are */
	fp = room_open(&conf);
	assert_false(lookup_attached());
	assert_false(exists(V1 "/link_lookup"));
	fastpath_close(&fp);
}

static void programs_whose_pins_are_lost_are_taken_over(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	uint32_t program = program_on("gg0");

	(void)state;
	fastpath_close(&fp);
	room_run("rm -r " ROOM_BPFFS);
	assert_int_equal(program_on("gg0"), program);
	fp = room_open(&conf);
	assert_false(fastpath_reused(fp));
	assert_true(program_on("gg0") && program_on("gg0") != program);
	fastpath_close(&fp);
}

#define TEST(name) cmocka_unit_test_teardown(name, start_end_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_start_attaches_and_pins),
		TEST(a_relay_has_no_socket_lookup),
		TEST(host_mode_works_without_xdp),
		TEST(auto_falls_back_to_generic_and_says_why),
		TEST(a_restart_takes_over_maps_and_replaces_programs),
		TEST(a_restart_leaves_no_moment_without_programs),
		TEST(other_sizes_carry_the_entries_over),
		TEST(an_index_of_another_layout_is_made_anew),
		TEST(a_map_that_is_too_small_is_left_to_the_comparison),
		TEST(pins_that_are_missing_are_made_again),
		TEST(pins_of_another_make_are_not_believed),
		TEST(a_start_cut_short_leaves_nothing_in_the_way),
		TEST(an_interface_no_longer_named_is_let_go),
		TEST(a_change_of_xdp_mode_is_carried_out),
		TEST(from_host_to_relay_the_lookup_goes),
		TEST(programs_whose_pins_are_lost_are_taken_over),
	};

	return cmocka_run_group_tests(tests, start_room, NULL);
}
