// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What others take away of a start is seen, also without rights; it is put back where nothing is,
 * and what somebody else has put there stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "parts.h"

static struct fastpath_conf observing(void)
{
	struct fastpath_conf conf = gateway();

	conf.observe = true;
	return conf;
}

/* gg0 or gg1 is deleted and made again. */
static int renewed(void **state)
{
	int code = start_end_clean(state);

	room_run("ip link del gg0; ip link add gg0 type veth peer name gg1 && "
		 "ip link set gg0 up && ip link set gg1 up");
	return code;
}

static void a_start_that_nobody_touches_lacks_nothing(void **state)
{
	struct fastpath_conf conf = observing();
	struct fastpath *fp = room_open(&conf);
	struct fastpath_part parts[FASTPATH_PARTS];
	uint32_t program = program_on("gg0");

	(void)state;
	/* Rules and routes, and on each of two interfaces tc, XDP and the way out. */
	assert_int_equal(fastpath_parts(fp, parts), 7);
	assert_false(fastpath_look(fp));
	assert_int_equal(missing(fp), 0);
	mend(fp, &conf);
	assert_false(fastpath_look(fp));
	assert_int_equal(missing(fp), 0);
	assert_int_equal(program_on("gg0"), program);
	assert_false(part(fp, FASTPATH_XDP, "gg0").restored);
	/* What went since the last look comes back as well, and is known for it. */
	room_run("ip link set dev gg0 xdp off");
	mend(fp, &conf);
	assert_true(part(fp, FASTPATH_XDP, "gg0").restored);
	assert_false(part(fp, FASTPATH_XDP, "gg1").restored);
	assert_int_not_equal(program_on("gg0"), 0);
	fastpath_close(&fp);
}

/* One row: what is taken away, and what is missing then. */
static const struct {
	const char *command;
	enum fastpath_kind kind;
	const char *interface;
	int lost;
} thefts[] = {
	{"ip link set dev gg0 xdp off", FASTPATH_XDP, "gg0", 1},
	{"ip link set dev gg1 xdp off; ip link set dev gg0 xdp off", FASTPATH_XDP, "gg1", 2},
	{"tc qdisc del dev gg1 clsact", FASTPATH_TC, "gg1", 2},
	{"tc filter del dev gg0 ingress", FASTPATH_TC, "gg0", 1},
	{"tc filter del dev gg0 egress", FASTPATH_TC_OUT, "gg0", 1},
	{"ip rule del pref 10000 iif gg0", FASTPATH_POLICY, "", 1},
	{"ip -6 rule del pref 10000 iif gg1", FASTPATH_POLICY, "", 1},
	{"ip route flush table 26489", FASTPATH_POLICY, "", 1},
	{"ip -6 route flush table 26489", FASTPATH_POLICY, "", 1},
	{"ip link set lo down; ip link set lo up", FASTPATH_POLICY, "", 1},
};

static void what_is_taken_away_comes_back(void **state)
{
	struct fastpath_conf conf = observing();
	struct fastpath *fp = room_open(&conf);

	(void)state;
	for (size_t i = 0; i < sizeof(thefts) / sizeof(thefts[0]); i++) {
		struct fastpath_part p;

		room_run(thefts[i].command);
		if (!fastpath_look(fp) || missing(fp) != thefts[i].lost)
			fail_msg("%s: %d missing", thefts[i].command, missing(fp));
		p = part(fp, thefts[i].kind, thefts[i].interface);
		assert_int_equal(p.state, FASTPATH_GONE);
		assert_true(p.why[0]);
		assert_false(p.restored);
		assert_false(fastpath_look(fp)); /* no news */
		mend(fp, &conf);
		assert_true(part(fp, thefts[i].kind, thefts[i].interface).restored);
		if (missing(fp) || fastpath_look(fp) || missing(fp))
			fail_msg("%s: %d still missing", thefts[i].command, missing(fp));
	}
	fastpath_close(&fp);
}

static void the_lookup_program_comes_back(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	struct fastpath *fp = room_open(&conf);
	uint32_t old = lookup_program();

	(void)state;
	assert_int_equal(state_of(fp, FASTPATH_LOOKUP, ""), FASTPATH_STANDS);
	room_run("bpftool link detach pinned " V1 "/link_lookup");
	assert_false(lookup_attached());
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_LOOKUP, ""), FASTPATH_GONE);
	mend(fp, &conf);
	assert_true(lookup_attached());
	assert_int_not_equal(lookup_program(), old);
	assert_int_equal(state_of(fp, FASTPATH_LOOKUP, ""), FASTPATH_STANDS);
	assert_false(fastpath_look(fp));
	/* With its pin alone gone it would end with the daemon. */
	old = lookup_program();
	room_run("rm " V1 "/link_lookup");
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_LOOKUP, ""), FASTPATH_GONE);
	mend(fp, &conf);
	assert_int_not_equal(lookup_program(), 0);
	assert_int_not_equal(lookup_program(), old);
	assert_false(fastpath_look(fp));
	assert_int_equal(missing(fp), 0);
	/* The next start takes over the new one. */
	fastpath_close(&fp);
	fp = room_open(&conf);
	assert_true(lookup_attached());
	assert_int_equal(missing(fp), 0);
	fastpath_close(&fp);
}

static void an_interface_made_anew_gets_its_programs(void **state)
{
	struct fastpath_conf conf = observing();
	struct fastpath *fp = room_open(&conf);
	uint32_t port, value;

	(void)state;
	room_run("ip link del gg0"); /* and gg1 with it */
	assert_true(fastpath_look(fp));
	assert_int_equal(missing(fp), 6);
	assert_int_equal(state_of(fp, FASTPATH_XDP, "gg1"), FASTPATH_NO_INTERFACE);
	assert_int_equal(state_of(fp, FASTPATH_POLICY, ""), FASTPATH_STANDS);
	mend(fp, &conf);
	assert_int_equal(missing(fp), 6);
	room_run("ip link add gg0 type veth peer name gg1 && ip link set gg0 up && "
		 "ip link set gg1 up");
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_TC, "gg0"), FASTPATH_GONE);
	mend_all(fp, &conf);
	assert_int_not_equal(program_on("gg0"), 0);
	port = if_nametoindex("gg0");
	assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_PORTS], &port, &value), 0);
	fastpath_close(&fp);
}

/* Known by its index, before a mender has come and after it. */
static void an_interface_that_is_renamed_is_named(void **state)
{
	struct fastpath_conf conf = observing();
	struct fastpath *fp = room_open(&conf);
	static const char *const names[] = {"wan0", "wan1"};
	struct fastpath_part p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		char command[80], why[100];

		snprintf(command, sizeof(command), "ip link set %s down; ip link set %s name %s up",
			 i ? "wan0" : "gg0", i ? "wan0" : "gg0", names[i]);
		snprintf(why, sizeof(why), "the interface is called %s now: what comes by it goes",
			 names[i]);
		room_run(command);
		assert_true(fastpath_look(fp));
		for (int k = 0; k < 2; k++) {
			p = part(fp, FASTPATH_TC, "gg0");
			assert_int_equal(p.state, FASTPATH_NO_INTERFACE);
			assert_string_equal(p.renamed, names[i]);
			assert_non_null(strstr(p.why, why));
			assert_string_equal(part(fp, FASTPATH_XDP, "gg0").renamed, names[i]);
			assert_false(fastpath_look(fp));
			mend(fp, &conf);
		}
	}
	room_run("ip link set wan1 down; ip link set wan1 name gg0 up");
	assert_true(fastpath_look(fp));
	assert_int_equal(missing(fp), 0);
	assert_string_equal(part(fp, FASTPATH_TC, "gg0").renamed, "");
	room_run("ip link set gg0 down; ip link set gg0 name wan0 up");
	assert_true(fastpath_look(fp));
	room_run("ip link del wan0");
	assert_true(fastpath_look(fp));
	p = part(fp, FASTPATH_TC, "gg0");
	assert_string_equal(p.renamed, "");
	assert_string_equal(p.why, "there is no such interface any more");
	fastpath_close(&fp);
}

static void somebody_elses_program_stays(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	struct fastpath_part p;
	uint32_t id;
	int fd;

	(void)state;
	room_run("ip link set dev gg0 xdp off");
	fd = attach_foreign("gg0");
	id = program_on("gg0");
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_XDP, "gg0"), FASTPATH_OTHER);
	mend(fp, &conf);
	p = part(fp, FASTPATH_XDP, "gg0");
	assert_int_equal(p.state, FASTPATH_OTHER);
	assert_non_null(strstr(p.why, "somebody (id "));
	assert_non_null(strstr(p.why, "ip link set dev gg0 xdp off"));
	assert_int_equal(program_on("gg0"), id);
	assert_false(fastpath_look(fp));
	detach_foreign("gg0", fd);
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_XDP, "gg0"), FASTPATH_GONE);
	mend_all(fp, &conf);
	fastpath_close(&fp);
}

static void somebody_elses_filter_stays(void **state)
{
	struct fastpath_conf conf = observing();
	struct fastpath *fp = room_open(&conf);
	struct fastpath_part p;

	(void)state;
	room_run("tc qdisc del dev gg0 clsact");
	filter_add("gg0", BPF_TC_INGRESS, 0x6772657a, 25);
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_TC, "gg0"), FASTPATH_OTHER);
	assert_int_equal(state_of(fp, FASTPATH_TC_OUT, "gg0"), FASTPATH_GONE);
	mend(fp, &conf);
	p = part(fp, FASTPATH_TC, "gg0");
	assert_int_equal(p.state, FASTPATH_OTHER);
	assert_non_null(strstr(p.why, "tc filter del dev gg0 ingress pref 25"));
	assert_int_equal(missing(fp), 1); /* the way out is back beside it */
	room_run("tc filter del dev gg0 ingress pref 25");
	assert_true(fastpath_look(fp));
	mend_all(fp, &conf);
	fastpath_close(&fp);
	room_run("tc qdisc del dev gg0 clsact");
}

/* As after an upgrade that was given up: other programs than ours, and yet ours. */
static void programs_of_another_start_are_ours(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST), other;
	struct fastpath *fp = room_open(&conf), *heir;
	uint32_t id;

	(void)state;
	other = conf;
	other.held_lock = dup(fastpath_lock_fd(fp));
	heir = room_open(&other);
	fastpath_leave(&heir);
	id = program_on("gg0");
	assert_true(fastpath_look(fp));
	assert_int_equal(state_of(fp, FASTPATH_XDP, "gg0"), FASTPATH_OTHER);
	mend_all(fp, &conf);
	assert_int_equal(program_on("gg0"), id);
	fastpath_close(&fp);
}

static void nobody_without_rights_is_told_wrong(void **state)
{
	struct fastpath_conf conf = observing();
	struct fastpath *fp = room_open(&conf);
	int status;
	pid_t pid;

	(void)state;
	room_run(
		"ip link set dev gg0 xdp off; tc qdisc del dev gg1 clsact; ip rule del pref 10000");
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(1);
		if (!fastpath_look(fp) || missing(fp) != 4)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(fastpath_look(fp));
	fastpath_close(&fp);
}

/* Any of the maps, and all of them at once; also for somebody without rights. */
static void each_pin_is_missed(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	char command[200];

	(void)state;
	for (int i = 0; i < MAP_COUNT; i++) {
		snprintf(command, sizeof(command), "mv " V1 "/%s " V1 "/elsewhere", map_names[i]);
		room_run(command);
		assert_ptr_equal(fastpath_unpinned(fp), map_names[i]);
		snprintf(command, sizeof(command), "mv " V1 "/elsewhere " V1 "/%s", map_names[i]);
		room_run(command);
		assert_null(fastpath_unpinned(fp));
	}
	assert_int_equal(pins_exchange(fp), 0);
	assert_null(fastpath_unpinned(fp));
	room_run("rm -r " V1);
	assert_non_null(fastpath_unpinned(fp));
	fastpath_close(&fp);
}

/* As the daemon asks, which has no rights. */
static bool misses_all(struct fastpath *fp, uid_t user)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		const char *map;

		if (user && setuid(user))
			_exit(2);
		map = fastpath_unpinned(fp);
		_exit(map ? *map ? 3 : 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status);
}

/* Held open they are there as ever, and nobody finds them. */
static void a_file_system_that_goes_is_missed(void **state)
{
	static const uid_t users[] = {0, 65534, 65534};
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	char pin[FASTPATH_PIN];

	(void)state;
	for (int i = 0; i < 3; i++) {
		/* As systemd mounts it. */
		if (i == 2)
			room_run("chmod 700 /sys/fs/bpf");
		assert_false(misses_all(fp, users[i]));
		room_run("mount -t bpf bpf /sys/fs/bpf");
		assert_true(misses_all(fp, users[i]));
		room_run("mkdir -p " V1);
		assert_true(misses_all(fp, users[i]));
		room_run("umount /sys/fs/bpf");
		assert_false(misses_all(fp, users[i]));
	}
	room_run("umount -l /sys/fs/bpf");
	assert_true(misses_all(fp, 65534));
	assert_string_equal(fastpath_unpinned(fp), "");
	fastpath_pin(fp, "", pin);
	assert_string_equal(pin, V1);
	fastpath_close(&fp);
	/* The mend that is told. */
	room_run("mount -t bpf bpf /sys/fs/bpf");
	fp = room_open(&conf);
	assert_null(fastpath_unpinned(fp));
	assert_int_equal(missing(fp), 0);
	fastpath_close(&fp);
}

static void without_pins_nothing_can_be_put_back(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	char err[400] = "", pin[FASTPATH_PIN];

	(void)state;
	assert_null(fastpath_unpinned(fp));
	room_run("mv " V1 "/asking " V1 "/elsewhere; ip link set dev gg0 xdp off");
	assert_string_equal(fastpath_unpinned(fp), "asking");
	fastpath_pin(fp, "asking", pin);
	assert_string_equal(pin, V1 "/asking");
	assert_int_equal(fastpath_mend(&conf, adopt, fp, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "/asking is gone; restart greygated"));
	assert_int_equal(program_on("gg0"), 0);
	fastpath_close(&fp);
	/* The mend that is told. */
	fp = room_open(&conf);
	assert_null(fastpath_unpinned(fp));
	assert_int_not_equal(program_on("gg0"), 0);
	fastpath_close(&fp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_start_that_nobody_touches_lacks_nothing,
					  start_end_clean),
		cmocka_unit_test_teardown(what_is_taken_away_comes_back, start_end_clean),
		cmocka_unit_test_teardown(the_lookup_program_comes_back, start_end_clean),
		cmocka_unit_test_teardown(an_interface_made_anew_gets_its_programs, renewed),
		cmocka_unit_test_teardown(an_interface_that_is_renamed_is_named, renewed),
		cmocka_unit_test_teardown(somebody_elses_program_stays, start_end_clean),
		cmocka_unit_test_teardown(somebody_elses_filter_stays, start_end_clean),
		cmocka_unit_test_teardown(programs_of_another_start_are_ours, start_end_clean),
		cmocka_unit_test_teardown(nobody_without_rights_is_told_wrong, start_end_clean),
		cmocka_unit_test_teardown(each_pin_is_missed, start_end_clean),
		cmocka_unit_test_teardown(a_file_system_that_goes_is_missed, start_end_clean),
		cmocka_unit_test_teardown(without_pins_nothing_can_be_put_back, start_end_clean),
	};

	return cmocka_run_group_tests(tests, start_routing_room, NULL);
}
