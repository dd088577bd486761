// SPDX-License-Identifier: GPL-2.0-or-later
/* Exchanging lists: pins, prefixes of the daemon's own, starts, and what goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "import.h"

static struct imports *one(const char *text, enum import_says says)
{
	const uint8_t rank[GG_LISTS] = {0};
	struct prefix p = room_prefix(text);
	struct import_item item = {.addr = p.addr, .len = p.len, .list = 3, .says = says};
	struct imports *in;

	assert_int_equal(imports_make(&item, 1, rank, &in), 0);
	in->action[3] = GG_DROP_NEW;
	return in;
}

/* 10.0.0.0/23 and so on. */
static struct imports *many(uint32_t n)
{
	struct import_item *items = calloc(n, sizeof(*items));
	const uint8_t rank[GG_LISTS] = {0};
	struct imports *in;

	assert_non_null(items);
	for (uint32_t i = 0; i < n; i++) {
		items[i] = (struct import_item){.len = 119, .list = 2, .says = IMPORT_DENY};
		items[i].addr = (struct addr){.b = {[10] = 0xff, [11] = 0xff, [12] = 10}};
		items[i].addr.b[12] += i >> 15;
		items[i].addr.b[13] = i >> 7;
		items[i].addr.b[14] = i << 1;
	}
	assert_int_equal(imports_make(items, n, rank, &in), 0);
	memset(in->action, GG_DROP_NEW, sizeof(in->action));
	free(items);
	return in;
}

static bool is_dropped(const char *text)
{
	struct addr a = room_prefix(text).addr;

	return is_dropped_by_xdp(&a);
}

/* Through the pin, as a person with bpftool would. */
static int read_pin(const char *path, const char *prefix, struct gg_entry *ret)
{
	struct prefix p = room_prefix(prefix);
	union entries_key key;
	int fd = bpf_obj_get(path), code;

	assert_true(fd >= 0);
	entries_net_key(&p, &key);
	code = bpf_map_lookup_elem(fd, &key, ret) ? -errno : 0;
	close(fd);
	return code;
}

static uint32_t id_of(int fd)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	return info.id;
}

static uint32_t id_in_force(enum map_id outer)
{
	uint32_t zero = 0, id = 0;

	assert_int_equal(bpf_map_lookup_elem(fp->maps[outer], &zero, &id), 0);
	return id;
}

static uint32_t id_pinned(const char *path)
{
	int fd = bpf_obj_get(path);
	uint32_t id;

	assert_true(fd >= 0);
	id = id_of(fd);
	close(fd);
	return id;
}

static void the_pins_name_what_is_in_force(void **state)
{
	struct gg_entry e;

	(void)state;
	for (int i = 0; i < 3; i++) {
		uint32_t four = id_in_force(MAP_NETS4), six = id_in_force(MAP_NETS6);

		put_in_force(one(i % 2 ? "2001:db8:9::/48" : "203.0.113.0/24", IMPORT_DENY), NULL);
		assert_int_not_equal(id_in_force(MAP_NETS4), four);
		assert_int_not_equal(id_in_force(MAP_NETS6), six);
		assert_int_equal(id_pinned(V1 "/net4"), id_in_force(MAP_NETS4));
		assert_int_equal(id_pinned(V1 "/net6"), id_in_force(MAP_NETS6));
		assert_int_equal(id_pinned(V1 "/spare4"), four);
		assert_int_equal(read_pin(V1 "/net4", "203.0.113.0/24", &e), i % 2 ? -ENOENT : 0);
		assert_int_equal(read_pin(V1 "/net6", "2001:db8:9::/48", &e), i % 2 ? 0 : -ENOENT);
	}
	assert_int_equal(read_pin(V1 "/net4", "203.0.113.0/24", &e), 0);
	assert_int_equal(e.verdict, GG_DENY);
	assert_int_equal(e.origin, GG_BY_IMPORT);
	assert_int_equal(e.list, 3);
	assert_int_equal(e.length, 24);
	put_in_force(NULL, NULL);
	assert_int_equal(read_pin(V1 "/net4", "203.0.113.0/24", &e), -ENOENT);
	/* What was replaced is cleared away. */
	assert_int_equal(fastpath_tidy(fp), 0);
	assert_int_equal(read_pin(V1 "/spare4", "203.0.113.0/24", &e), -ENOENT);
}

static void an_own_prefix_hides_a_list_and_gives_it_back(void **state)
{
	const struct prefix net = room_prefix("203.0.113.0/24");

	(void)state;
	put_in_force(one("203.0.113.0/24", IMPORT_DENY), NULL);
	assert_true(is_dropped("203.0.113.7"));
	room_put(fp, "203.0.113.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	assert_false(is_dropped("203.0.113.7"));
	assert_int_equal(fastpath_del(fp, &net), 0);
	assert_true(is_dropped("203.0.113.7"));
	/* And through an exchange. */
	room_put(fp, "203.0.113.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	put_in_force(one("203.0.113.0/24", IMPORT_DENY), NULL);
	assert_false(is_dropped("203.0.113.7"));
	assert_int_equal(fastpath_del(fp, &net), 0);
	assert_true(is_dropped("203.0.113.7"));
	put_in_force(NULL, NULL);
	assert_false(is_dropped("203.0.113.7"));
}

static void a_list_of_single_addresses_gives_way_to_the_daemon(void **state)
{
	const struct prefix host = room_prefix("203.0.113.7");

	(void)state;
	put_in_force(one("203.0.113.7", IMPORT_DENY), NULL);
	assert_true(is_dropped("203.0.113.7"));
	assert_false(is_dropped("203.0.113.6"));
	room_put(fp, "203.0.113.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	assert_true(is_dropped("203.0.113.7"));
	room_put(fp, "203.0.113.7", GG_ALLOW, GG_NO_ACTION, 0);
	assert_false(is_dropped("203.0.113.7"));
	assert_int_equal(fastpath_del(fp, &host), 0);
	fastpath_del(fp, &(struct prefix){room_prefix("203.0.113.0/24").addr, 120});
	put_in_force(NULL, NULL);
}

static void marks_of_own_prefixes_outlive_an_exchange(void **state)
{
	const struct verdict_entry learned = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING};
	const struct prefix net = room_prefix("203.0.113.0/24");
	struct addr a = room_prefix("203.0.113.7").addr;
	struct gg_entry e, pinned;

	(void)state;
	assert_int_equal(fastpath_put(fp, &net, &learned), 0);
	assert_int_equal(verdict_of_lookup(&a), GG_ALLOW);
	assert_int_equal(fastpath_get(fp, &net, &e), 0);
	assert_int_equal(e.hits, 1);
	assert_in_range(e.last_seen, entries_now() - 2, entries_now());
	put_in_force(one("10.0.0.0/8", IMPORT_DENY), NULL);
	assert_int_equal(read_pin(V1 "/net4", "203.0.113.0/24", &pinned), 0);
	assert_memory_equal(&pinned, &e, sizeof(e));
	assert_int_equal(fastpath_del(fp, &net), 0);
	put_in_force(NULL, NULL);
}

static void behind_a_load_balancer_the_kernel_knows_of_no_list(void **state)
{
	const struct prefix skip[] = {room_prefix("10.1.0.0/16")};
	struct imports *in = one("10.1.2.0/24", IMPORT_DENY);
	const struct prefix net = room_prefix("10.1.2.0/24");

	(void)state;
	assert_int_equal(fastpath_import(fp, in, skip, 1, NULL), 0);
	assert_false(is_dropped("10.1.2.3"));
	room_put(fp, "10.1.2.0/24", GG_DENY, GG_DROP_NEW, 0);
	assert_true(is_dropped("10.1.2.3"));
	assert_int_equal(fastpath_del(fp, &net), 0);
	assert_false(is_dropped("10.1.2.3"));
	assert_int_equal(fastpath_import(fp, NULL, NULL, 0, NULL), 0);
	imports_free(&in);
}

static void too_long_a_list_changes_nothing(void **state)
{
	struct imports *in = many(40000);
	uint32_t id;
	struct gg_entry e;

	(void)state;
	put_in_force(one("203.0.113.0/24", IMPORT_DENY), NULL);
	id = id_in_force(MAP_NETS4);
	assert_int_equal(fastpath_import(fp, in, NULL, 0, NULL), -ENOSPC);
	assert_int_equal(id_in_force(MAP_NETS4), id);
	assert_int_equal(id_pinned(V1 "/net4"), id);
	assert_true(is_dropped("203.0.113.7"));
	assert_false(is_dropped("10.0.0.1"));
	imports_free(&in);
	/* Nor is the next one hindered by what is left of it. */
	put_in_force(one("198.51.100.0/24", IMPORT_DENY), NULL);
	assert_false(is_dropped("203.0.113.7"));
	assert_true(is_dropped("198.51.100.7"));
	assert_int_equal(read_pin(V1 "/net4", "10.0.0.0/23", &e), -ENOENT);
	put_in_force(NULL, NULL);
}

static void a_restart_finds_the_lists_in_force(void **state)
{
	struct imports *in = one("203.0.113.0/24", IMPORT_DENY);
	const struct prefix net = room_prefix("198.51.100.0/24");

	(void)state;
	room_put(fp, "198.51.100.0/24", GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(fastpath_import(fp, in, NULL, 0, NULL), 0);
	close_all();
	imports_free(&in);
	open_all();
	assert_true(is_dropped("203.0.113.7"));
	assert_true(is_dropped("198.51.100.7"));
	/* The last own prefix goes: the lists are still asked. */
	assert_int_equal(fastpath_del(fp, &net), 0);
	assert_true(is_dropped("203.0.113.7"));
	put_in_force(NULL, NULL);
	assert_false(is_dropped("203.0.113.7"));
	assert_int_equal(fp->switches.have_net4, 0);
}

static void names_that_were_left_halfway_are_put_right(void **state)
{
	uint32_t id;

	(void)state;
	put_in_force(one("203.0.113.0/24", IMPORT_DENY), NULL);
	id = id_in_force(MAP_NETS4);
	assert_int_equal(pins_exchange(fp), 0);
	close_all();
	assert_int_not_equal(id_pinned(V1 "/net4"), id);
	open_all();
	assert_int_equal(id_in_force(MAP_NETS4), id);
	assert_int_equal(id_pinned(V1 "/net4"), id);
	assert_true(is_dropped("203.0.113.7"));
	put_in_force(NULL, NULL);
}

static void who_takes_back_the_maps_finds_what_is_in_force(void **state)
{
	int net = fp->maps[MAP_NET4];

	(void)state;
	put_in_force(one("203.0.113.0/24", IMPORT_DENY), NULL);
	put_in_force(one("203.0.113.0/24", IMPORT_DENY), NULL);
	assert_int_equal(fp->maps[MAP_NET4], net);
	/* As if a successor had made the second exchange. */
	fp->maps[MAP_NET4] = fp->maps[MAP_SPARE4];
	fp->maps[MAP_SPARE4] = net;
	fastpath_again(fp);
	assert_int_equal(fp->maps[MAP_NET4], net);
	put_in_force(one("198.51.100.0/24", IMPORT_DENY), NULL);
	assert_true(is_dropped("198.51.100.7"));
	assert_false(is_dropped("203.0.113.7"));
	put_in_force(NULL, NULL);
}

static void a_start_in_another_size_takes_the_lists_along(void **state)
{
	struct fastpath_conf conf = room_conf(GG_MODE_HOST);
	const struct endpoint vip = room_endpoint(VIP4 ":25");

	(void)state;
	put_in_force(one("203.0.113.0/24", IMPORT_DENY), NULL);
	close_all();
	conf.imported = 30000;
	conf.vips = &vip;
	conf.vip_count = 1;
	fp = room_open(&conf);
	xdp = program_xdp(fp);
	assert_true(is_dropped("203.0.113.7"));
	assert_int_equal(fp->switches.have_net4, 1);
	xdp_bpf__destroy(xdp);
	fastpath_close(&fp);
	open_all();
	assert_true(is_dropped("203.0.113.7"));
	put_in_force(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pins_name_what_is_in_force),
		cmocka_unit_test(an_own_prefix_hides_a_list_and_gives_it_back),
		cmocka_unit_test(a_list_of_single_addresses_gives_way_to_the_daemon),
		cmocka_unit_test(marks_of_own_prefixes_outlive_an_exchange),
		cmocka_unit_test(behind_a_load_balancer_the_kernel_knows_of_no_list),
		cmocka_unit_test(too_long_a_list_changes_nothing),
		cmocka_unit_test(a_restart_finds_the_lists_in_force),
		cmocka_unit_test(names_that_were_left_halfway_are_put_right),
		cmocka_unit_test(who_takes_back_the_maps_finds_what_is_in_force),
		cmocka_unit_test(a_start_in_another_size_takes_the_lists_along),
	};

	return cmocka_run_group_tests(tests, import_set_up, import_tear_down);
}
