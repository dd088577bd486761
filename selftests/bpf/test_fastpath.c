// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Entries, endpoints, counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "entries.h"

static int lookup_raw(enum map_id id, const void *key)
{
	struct gg_entry e;

	return bpf_map_lookup_elem(fp->maps[id], key, &e) ? -errno : 0;
}

static void a_prefix_goes_to_the_map_of_its_kind(void **state)
{
	const struct gg_key4 host4 = {{192, 0, 2, 7}};
	const struct gg_key6 host6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 7}};
	const struct gg_net4 net4 = {24, {192, 0, 2, 0}};
	const struct gg_net6 net6 = {48, {0x20, 0x01, 0x0d, 0xb8}};

	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::7", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "192.0.2.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::/48", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(lookup_raw(MAP_HOST4, &host4), 0);
	assert_int_equal(lookup_raw(MAP_HOST6, &host6), 0);
	assert_int_equal(lookup_raw(MAP_NET4, &net4), 0);
	assert_int_equal(lookup_raw(MAP_NET6, &net6), 0);
	assert_int_equal(get("192.0.2.7").length, 32);
	assert_int_equal(get("2001:db8::7").length, 128);
	assert_int_equal(get("192.0.2.0/24").length, 24);
	assert_int_equal(get("2001:db8::/48").length, 48);
}

static void the_widest_prefixes_have_their_place(void **state)
{
	(void)state;
	room_put(fp, "0.0.0.0/0", GG_DENY, GG_REJECT, 0);
	room_put(fp, "::/0", GG_DENY, GG_STUTTER, 0);
	assert_int_equal(get("0.0.0.0/0").action, GG_REJECT);
	assert_int_equal(get("::/0").action, GG_STUTTER);
	assert_int_equal(switches().have_net4, 1);
	assert_int_equal(switches().have_net6, 1);
}

static void get_and_del_want_the_very_prefix(void **state)
{
	const struct prefix inner = room_prefix("192.0.2.0/25"), other = room_prefix("192.0.2.7");
	const struct prefix outer6 = room_prefix("2001:db8::/47");
	struct gg_entry e = {.hits = 77};

	(void)state;
	room_put(fp, "192.0.2.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::/48", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(fastpath_get(fp, &inner, &e), -ENOENT);
	assert_int_equal(fastpath_get(fp, &other, &e), -ENOENT);
	assert_int_equal(fastpath_get(fp, &outer6, &e), -ENOENT);
	assert_int_equal(e.hits, 77);
	assert_int_equal(fastpath_del(fp, &inner), -ENOENT);
	assert_int_equal(fastpath_del(fp, &other), -ENOENT);
	assert_int_equal(fastpath_del(fp, &outer6), -ENOENT);
	assert_int_equal(get("192.0.2.0/24").verdict, GG_ALLOW);
}

static void the_programs_know_how_many_prefixes_there_are(void **state)
{
	const struct prefix a = room_prefix("192.0.2.0/24"), b = room_prefix("192.0.2.0/25");
	const struct prefix c = room_prefix("2001:db8::/48");

	(void)state;
	room_put(fp, "198.51.100.1", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(switches().have_net4, 0);
	room_put(fp, "192.0.2.0/24", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "192.0.2.0/24", GG_DENY, GG_REJECT, 0);
	room_put(fp, "192.0.2.0/25", GG_ALLOW, GG_NO_ACTION, 0);
	room_put(fp, "2001:db8::/48", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(switches().have_net4, 2);
	assert_int_equal(switches().have_net6, 1);
	assert_int_equal(fastpath_del(fp, &a), 0);
	assert_int_equal(fastpath_del(fp, &a), -ENOENT);
	assert_int_equal(fastpath_del(fp, &b), 0);
	assert_int_equal(fastpath_del(fp, &c), 0);
	assert_int_equal(switches().have_net4, 0);
	assert_int_equal(switches().have_net6, 0);
}

/* As the kernel would have. */
static void the_same_verdict_again_keeps_the_marks(void **state)
{
	const uint32_t later = time(NULL) + 3600;

	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 0);
	set_marks("192.0.2.7", 5, 9);
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, later);
	assert_int_equal(get("192.0.2.7").hits, 5);
	assert_int_equal(get("192.0.2.7").last_seen, 9);
	assert_in_range(get("192.0.2.7").expires, entries_now() + 3590, entries_now() + 3610);
	/* Another verdict is another story. */
	room_put(fp, "192.0.2.7", GG_DENY, GG_DROP_NEW, later);
	assert_int_equal(get("192.0.2.7").hits, 0);
	assert_int_equal(get("192.0.2.7").last_seen, 0);
}

static void a_time_before_the_boot_has_passed(void **state)
{
	(void)state;
	room_put(fp, "192.0.2.7", GG_ALLOW, GG_NO_ACTION, 1);
	assert_int_equal(get("192.0.2.7").expires, 1);
	room_put(fp, "192.0.2.8", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(get("192.0.2.8").expires, 0);
}

static void a_full_map_says_so_and_keeps_what_it_has(void **state)
{
	const struct verdict_entry e = {.verdict = GG_DENY, .action = GG_REJECT};
	struct prefix p = room_prefix("192.0.0.0");
	struct prefix net = room_prefix("10.0.0.0/24");
	int i, code = 0;

	(void)state;
	for (i = 0; i < 6000 && !code; i++) {
		p.addr.b[14] = i >> 8;
		p.addr.b[15] = i;
		code = fastpath_put(fp, &p, &e);
	}
	assert_int_equal(code, -ENOSPC);
	assert_true(i > 5000);
	assert_int_equal(get("192.0.0.0").verdict, GG_DENY);
	/* What is there can still be changed. */
	room_put(fp, "192.0.0.0", GG_ALLOW, GG_NO_ACTION, 0);
	for (i = 0, code = 0; i < 200 && !code; i++) {
		net.addr.b[14] = i;
		code = fastpath_put(fp, &net, &e);
	}
	assert_int_equal(code, -ENOSPC);
	assert_int_equal(i, 101);
	assert_int_equal(switches().have_net4, 100);
}

static bool is_protected(const char *address, uint16_t port)
{
	struct gg_vip_key key = {.port = port};
	struct gg_vip value;
	struct addr a;

	assert_int_equal(addr_parse(address, &a), 0);
	memcpy(key.addr, a.b, 16);
	return !bpf_map_lookup_elem(fp->maps[MAP_VIP], &key, &value);
}

static void endpoints_come_and_go_with_their_markers(void **state)
{
	const struct endpoint first[] = {room_endpoint("192.0.2.25:25"),
					 room_endpoint("192.0.2.25:587"),
					 room_endpoint("[2001:db8::25]:25")};
	const struct endpoint second[] = {room_endpoint("192.0.2.25:587"),
					  room_endpoint("192.0.2.26:25")};
	struct gg_vip_key key = {.port = 587};
	struct gg_vip value = {.unused = 42};

	(void)state;
	memcpy(key.addr, first[1].addr.b, 16);
	assert_int_equal(fastpath_vips(fp, first, 3), 0);
	assert_true(is_protected("192.0.2.25", 25));
	assert_true(is_protected("192.0.2.25", 587));
	assert_true(is_protected("192.0.2.25", 0));
	assert_true(is_protected("2001:db8::25", 25));
	assert_true(is_protected("2001:db8::25", 0));
	assert_false(is_protected("192.0.2.26", 25));
	assert_int_equal(switches().first.port, 25);
	assert_memory_equal(switches().first.addr, first[0].addr.b, 16);
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_VIP], &key, &value, BPF_EXIST), 0);

	assert_int_equal(fastpath_vips(fp, second, 2), 0);
	assert_false(is_protected("192.0.2.25", 25));
	assert_true(is_protected("192.0.2.25", 587));
	assert_true(is_protected("192.0.2.25", 0));
	assert_true(is_protected("192.0.2.26", 25));
	assert_true(is_protected("192.0.2.26", 0));
	assert_false(is_protected("2001:db8::25", 25));
	assert_false(is_protected("2001:db8::25", 0));
	/* What stayed was never away: its value says so. */
	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_VIP], &key, &value), 0);
	assert_int_equal(value.unused, 42);

	assert_int_equal(switches().first.port, 587);

	assert_int_equal(fastpath_vips(fp, NULL, 0), 0);
	assert_false(is_protected("192.0.2.25", 0));
	assert_int_equal(switches().first.port, 0);
}

static bool is_guarded(const struct endpoint *e)
{
	struct gg_vip_key key = {.port = e->port}, marker = {};
	struct gg_vip value;

	memcpy(key.addr, e->addr.b, 16);
	memcpy(marker.addr, e->addr.b, 16);
	return !bpf_map_lookup_elem(fp->maps[MAP_VIP], &key, &value) &&
	       !bpf_map_lookup_elem(fp->maps[MAP_VIP], &marker, &value);
}

/* An address each. */
static void number_endpoints(struct endpoint *ret, int first, int n)
{
	for (int i = 0; i < n; i++) {
		ret[i] = room_endpoint("10.0.0.1:25");
		ret[i].addr.b[13] = (first + i) >> 16;
		ret[i].addr.b[14] = (first + i) >> 8;
		ret[i].addr.b[15] = first + i;
	}
}

static void as_many_endpoints_as_there_is_room_for(void **state)
{
	struct endpoint *many = calloc(GG_ENDPOINTS + 3, sizeof(*many));
	int i;

	(void)state;
	number_endpoints(many, 0, GG_ENDPOINTS);
	assert_int_equal(fastpath_vips(fp, many, GG_ENDPOINTS), 0);
	assert_int_equal(fastpath_unguarded(fp), 0);
	for (i = 0; i < GG_ENDPOINTS; i++)
		assert_true(is_guarded(&many[i]));
	/* Who comes first in the list, but later in time, does not take anybody's place. */
	number_endpoints(many, 1 << 20, 3);
	number_endpoints(many + 3, 0, GG_ENDPOINTS);
	assert_int_equal(fastpath_vips(fp, many, GG_ENDPOINTS + 3), 0);
	assert_int_equal(fastpath_unguarded(fp), 3);
	for (i = 0; i < GG_ENDPOINTS + 3; i++)
		assert_int_equal(is_guarded(&many[i]), i >= 3);
	assert_memory_equal(switches().first.addr, many[3].addr.b, 16);
	/* What has room again is guarded. */
	assert_int_equal(fastpath_vips(fp, many, GG_ENDPOINTS), 0);
	assert_int_equal(fastpath_unguarded(fp), 0);
	for (i = 0; i < GG_ENDPOINTS + 3; i++)
		assert_int_equal(is_guarded(&many[i]), i < GG_ENDPOINTS);
	/* Ports of one address share what stands for the address. */
	for (i = 0; i < GG_ENDPOINTS + 1; i++) {
		many[i] = room_endpoint("192.0.2.25:25");
		many[i].port = i + 1;
	}
	assert_int_equal(fastpath_vips(fp, many, GG_ENDPOINTS + 1), 0);
	assert_int_equal(fastpath_unguarded(fp), 0);
	assert_int_equal(fastpath_vips(fp, NULL, 0), 0);
	free(many);
}

static void counters_are_summed_over_the_cpus(void **state)
{
	uint64_t each[256], stats[GG_STAT_MAX];
	__u32 key = GG_STAT_drop_new;
	size_t i;

	(void)state;
	for (i = 0; i < 256; i++)
		each[i] = i + 1;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_STATS], &key, each, BPF_ANY), 0);
	assert_int_equal(fastpath_stats(fp, stats), 0);
	assert_true(stats[GG_STAT_drop_new] >= 1);
	i = libbpf_num_possible_cpus();
	assert_int_equal(stats[GG_STAT_drop_new], i * (i + 1) / 2);
	assert_int_equal(stats[GG_STAT_drop_all], 0);
}

static void *put_many(void *arg)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW};
	struct prefix p = room_prefix("10.0.0.0/24");
	int i;

	p.addr.b[13] = (int)(intptr_t)arg;
	for (i = 0; i < 20000; i++) {
		p.addr.b[14] = i % 10;
		if (i / 10 % 2)
			fastpath_del(fp, &p);
		else
			fastpath_put(fp, &p, &e);
	}
	return NULL;
}

/* Any thread may write; the count of prefixes must come out right. */
static void threads_do_not_lose_count(void **state)
{
	pthread_t threads[4];
	intptr_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, (void *)i), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(switches().have_net4, 0);
}

/* Exit status: number of the first call that failed. */
static int use_all_of_it(void)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW};
	const struct endpoint vip = room_endpoint("192.0.2.25:25");
	const struct prefix host = room_prefix("192.0.2.7"), net = room_prefix("10.0.0.0/8");
	uint64_t stats[GG_STAT_MAX];
	int fd = socket(AF_INET, SOCK_STREAM, 0), count = 0;
	struct gg_entry got;

	if (fd < 0 || listen(fd, 1))
		return 1;
	if (fastpath_put(fp, &host, &e) || fastpath_put(fp, &net, &e))
		return 2;
	if (fastpath_get(fp, &host, &got))
		return 3;
	if (fastpath_sweep(fp, count_one, &count) || count != 2)
		return 4;
	if (fastpath_vips(fp, &vip, 1))
		return 5;
	if (fastpath_listener(fp, GG_SOCK_DAEMON4, fd))
		return 6;
	if (fastpath_stats(fp, stats))
		return 7;
	if (fastpath_events(fp, NULL, NULL) < 0)
		return 8;
	return fastpath_del(fp, &net) ? 9 : 0;
}

static void once_open_it_needs_no_privilege(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
		    setresuid(65534, 65534, 65534))
			_exit(99);
		_exit(use_all_of_it());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_prefix_goes_to_the_map_of_its_kind),
		TEST(the_widest_prefixes_have_their_place),
		TEST(get_and_del_want_the_very_prefix),
		TEST(the_programs_know_how_many_prefixes_there_are),
		TEST(the_same_verdict_again_keeps_the_marks),
		TEST(a_time_before_the_boot_has_passed),
		TEST(a_full_map_says_so_and_keeps_what_it_has),
		TEST(endpoints_come_and_go_with_their_markers),
		TEST(as_many_endpoints_as_there_is_room_for),
		TEST(counters_are_summed_over_the_cpus),
		TEST(threads_do_not_lose_count),
		TEST(once_open_it_needs_no_privilege),
	};

	return cmocka_run_group_tests(tests, room_enter, NULL);
}
