// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A successor that did not stay: with the same maps, with some of another size, with all of another
 * layout. It is killed before each of the calls by which its start changes what others can see, and
 * after the last one; each time the programs over the daemon's maps are back, and nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "heir.h"
#include "killed.h"
#include "parts.h"

/* ---- a successor, killed ---- */

enum version { SAME, NEXT };

static void become_heir(enum version version, const struct fastpath_conf *conf, uint32_t hosts,
			int lock)
{
	char path[PATH_MAX], text[3][12];
	ssize_t len;

	fcntl(lock, F_SETFD, 0);
	dies_here();
	if (version == SAME)
		_exit(heir_start(conf->mode, hosts, lock));
	len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (len < 0)
		_exit(3);
	path[len] = '\0';
	snprintf(strrchr(path, '/'), 6, "/heir");
	snprintf(text[0], sizeof(text[0]), "%d", conf->mode);
	snprintf(text[1], sizeof(text[1]), "%u", hosts);
	snprintf(text[2], sizeof(text[2]), "%d", lock);
	execl(path, path, text[0], text[1], text[2], NULL);
	_exit(4);
}

/* Before its nth change; false: it made fewer, and got through. */
static bool start_and_die_at(int n, enum version version, const struct fastpath_conf *conf,
			     uint32_t hosts, int lock)
{
	pid_t pid = fork();

	if (!pid)
		become_heir(version, conf, hosts, lock);
	return die_at(pid, n);
}

/* ---- what should be there then ---- */

/* How many sk_lookup programs this network namespace has. */
static uint32_t lookups(void)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	uint32_t flags, ids[8], count = 8;

	assert_int_equal(bpf_prog_query(netns, BPF_SK_LOOKUP, 0, &flags, ids, &count), 0);
	close(netns);
	return count;
}

static bool is_over(const char *interface, const struct fastpath *fp)
{
	struct pins_ids mine = {};
	struct attach a;

	pins_add(&mine, fp->maps);
	return attach_stands((int)if_nametoindex(interface), &mine, &a);
}

static void stands(struct fastpath *fp, const struct fastpath_conf *conf, int at)
{
	struct pins_ids mine = {};
	struct attach a;
	int tc = 0;

	pins_add(&mine, fp->maps);
	for (int i = 0; i < conf->interface_count; i++) {
		if (!attach_stands((int)if_nametoindex(conf->interfaces[i]), &mine, &a))
			fail_msg("change %d: no program over the maps on %s", at,
				 conf->interfaces[i]);
		if (conf->mode != GG_MODE_GATEWAY)
			continue;
		tc++;
		if (filter_owner((int)if_nametoindex(conf->interfaces[i]), false, &mine) !=
		    OWNER_US)
			fail_msg("change %d: no filter over the maps on %s", at,
				 conf->interfaces[i]);
	}
	if (program_on("gg2"))
		fail_msg("change %d: a program is left on gg2", at);
	if (number("for i in gg0 gg1 gg2; do tc filter show dev $i ingress; "
		   "tc filter show dev $i egress; done | grep -c greygate") != tc)
		fail_msg("change %d: not %d filters", at, tc);
	if (number("{ ip rule show; ip -6 rule show; } | grep -c 26489") != 2 * tc)
		fail_msg("change %d: not %d rules", at, 2 * tc);
	if (lookups() != (conf->mode == GG_MODE_HOST))
		fail_msg("change %d: %u socket lookup programs", at, lookups());
	if (conf->mode == GG_MODE_HOST && !lookup_ours(fp->link_fd, &mine))
		fail_msg("change %d: the link runs a program over other maps", at);
	if (conf->mode == GG_MODE_HOST && !exists(V1 "/link_lookup"))
		fail_msg("change %d: the link is not pinned", at);
	if (!pins_are(V1, fp->maps))
		fail_msg("change %d: other maps are pinned", at);
	if (number("ls -d " ROOM_BPFFS "/v* | wc -l") != 1)
		fail_msg("change %d: pins are left", at);
	fastpath_look(fp);
	if (missing(fp))
		fail_msg("change %d: the daemon misses %d parts", at, missing(fp));
	/* By their names, without rights to come by them. */
	assert_int_equal(pins_exchange(fp), 0);
	assert_int_equal(pins_exchange(fp), 0);
	assert_true(pins_are(V1, fp->maps));
}

static void restore(struct fastpath *fp, const struct fastpath_conf *conf)
{
	int held[FASTPATH_HELD], pins = -1;
	char err[400] = "";

	fastpath_held(fp, held);
	if (fastpath_restore(conf, held, adopt, fp, &pins, err, sizeof(err)))
		fail_msg("fastpath_restore: %s", err);
	fastpath_restored(fp, pins);
	close(pins);
}

/* A start with dispatchers makes many more changes, most of them libxdp's. */
#define FEWER 40

/* At each of its changes, or every so many of them; at last at none. */
static void killed_anywhere(const struct fastpath_conf *conf, enum version version, uint32_t hosts,
			    int every)
{
	struct fastpath *fp = room_open(conf);
	const int lock = fcntl(fastpath_lock_fd(fp), F_DUPFD_CLOEXEC, 100);
	bool killed = true;
	int n;

	stands(fp, conf, -1);
	if (is_dispatcher(program_on("gg0")))
		every *= FEWER;
	for (n = 0; killed; n += every) {
		killed = start_and_die_at(n, version, conf, hosts, lock);
		restore(fp, conf);
		stands(fp, conf, n);
	}
	assert_true(n > 20);
	close(lock);
	fastpath_close(&fp);
}

static void host_same_maps(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);

	(void)state;
	killed_anywhere(&conf, SAME, conf.hosts, 7);
}

static void host_another_size(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);

	(void)state;
	killed_anywhere(&conf, SAME, 2 * conf.hosts, 4);
}

static void host_another_layout(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);

	(void)state;
	killed_anywhere(&conf, NEXT, conf.hosts, 2);
}

static void gateway_another_size(void **state)
{
	struct fastpath_conf conf = gateway();

	(void)state;
	killed_anywhere(&conf, SAME, 2 * conf.hosts, 9);
}

static void gateway_another_layout(void **state)
{
	struct fastpath_conf conf = gateway();

	(void)state;
	killed_anywhere(&conf, NEXT, conf.hosts, 7);
}

static void generic_another_layout(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);

	(void)state;
	conf.xdp = FASTPATH_GENERIC;
	killed_anywhere(&conf, NEXT, conf.hosts, 9);
}

/* By a successor with the same maps, for one family or both: killed between two steps, or later. */
static void tries_that_it_has_exchanged_have_their_names(void **state)
{
	static const struct {
		bool names;
		int families;
	} rows[] = {{true, 2}, {true, 1}, {true, 0}, {false, 0}};
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int *m = fp->maps;
		__u32 zero = 0;

		if (rows[i].names)
			assert_int_equal(pins_exchange(fp), 0);
		for (int f = 0; f < rows[i].families; f++)
			assert_int_equal(bpf_map_update_elem(m[f ? MAP_NETS6 : MAP_NETS4], &zero,
							     &m[f ? MAP_SPARE6 : MAP_SPARE4],
							     BPF_ANY),
					 0);
		restore(fp, &conf);
		fastpath_again(fp);
		stands(fp, &conf, (int)i);
	}
	fastpath_close(&fp);
}

/* ---- what can't be put back ---- */

static void somebody_elses_program_stays(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);
	struct fastpath_part p;
	int lock = fcntl(fastpath_lock_fd(fp), F_DUPFD_CLOEXEC, 100), fd;

	(void)state;
	assert_false(start_and_die_at(10000, NEXT, &conf, conf.hosts, lock));
	room_run("ip link set dev gg0 xdp off");
	fd = attach_foreign("gg0");
	restore(fp, &conf);
	p = part(fp, FASTPATH_XDP, "gg0");
	assert_int_equal(p.state, FASTPATH_OTHER);
	assert_non_null(strstr(p.why, "somebody (id "));
	assert_false(is_over("gg0", fp));
	/* The rest is back. */
	assert_int_equal(missing(fp), 1);
	assert_int_equal(lookups(), 1);
	assert_true(pins_are(V1, fp->maps));
	assert_false(exists(ROOM_BPFFS "/v2"));
	detach_foreign("gg0", fd);
	mend_all(fp, &conf);
	assert_true(is_over("gg0", fp));
	close(lock);
	fastpath_close(&fp);
}

/* An earlier try was killed when all but the pins was there. */
static void twice_is_once(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);
	int lock = fcntl(fastpath_lock_fd(fp), F_DUPFD_CLOEXEC, 100);
	uint32_t program;

	(void)state;
	assert_false(start_and_die_at(10000, NEXT, &conf, conf.hosts, lock));
	restore(fp, &conf);
	program = program_on("gg0");
	room_run("rm -r " V1);
	restore(fp, &conf);
	stands(fp, &conf, -1);
	if (!is_dispatcher(program))
		assert_int_equal(program_on("gg0"), program);
	close(lock);
	fastpath_close(&fp);
}

#define TEST(name) cmocka_unit_test_teardown(name, start_end_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(host_same_maps),
		TEST(host_another_size),
		TEST(host_another_layout),
		TEST(gateway_another_size),
		TEST(gateway_another_layout),
		TEST(generic_another_layout),
		TEST(tries_that_it_has_exchanged_have_their_names),
		TEST(somebody_elses_program_stays),
		TEST(twice_is_once),
	};

	return cmocka_run_group_tests(tests, start_routing_room, NULL);
}
