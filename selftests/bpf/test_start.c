// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is attached and pinned when: start, restart, kill, change of config, bad days, detach.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "room.h"

#define V1 ROOM_BPFFS "/v1"

static int set_up(void **state)
{
	if (room_enter(state))
		return -1;
	return system("ip link add gg0 type veth peer name gg1 && ip link set gg0 up && "
		      "ip link set gg1 up");
}

/* ---- looking ---- */

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

static uint32_t program_on(const char *interface)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id(if_nametoindex(interface), 0, &id), 0);
	return id;
}

static uint32_t map_pinned(const char *path)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info.id;
}

/* The program of the pinned link; 0: no link. */
static uint32_t lookup_program(void)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	int fd = bpf_obj_get(V1 "/link_lookup");

	if (fd < 0)
		return 0;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info.prog_id;
}

static bool lookup_attached(void)
{
	int netns = open("/proc/self/ns/net", O_RDONLY);
	uint32_t flags, ids[4], count = 4;

	assert_int_equal(bpf_prog_query(netns, BPF_SK_LOOKUP, 0, &flags, ids, &count), 0);
	close(netns);
	return count > 0;
}

static struct gg_meta meta_pinned(void)
{
	struct gg_meta m = {};
	uint32_t zero = 0;
	int fd = bpf_obj_get(V1 "/meta");

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &m), 0);
	close(fd);
	return m;
}

static void nothing_is_left(void)
{
	assert_int_equal(program_on("gg0"), 0);
	assert_int_equal(program_on("gg1"), 0);
	assert_int_equal(program_on("lo"), 0);
	assert_false(lookup_attached());
	assert_false(exists(ROOM_BPFFS));
}

static int end_clean(void **state)
{
	(void)state;
	room_detach();
	nothing_is_left();
	return 0;
}

/* ---- acting ---- */

static struct fastpath_conf on(const char *interface, enum gg_mode mode)
{
	struct fastpath_conf conf = room_conf(mode);

	conf.interfaces[0] = interface;
	conf.interface_count = interface ? 1 : 0;
	return conf;
}

static void refused(const struct fastpath_conf *conf, int code, const char *const *words)
{
	struct fastpath *fp = (void *)1;
	char err[400] = "";
	int got = fastpath_open(conf, &fp, err, sizeof(err));

	if (got != code)
		fail_msg("fastpath_open: %d, not %d (%s)", got, code, err);
	assert_ptr_equal(fp, (void *)1);
	assert_null(strchr(err, '\n'));
	for (; *words; words++)
		if (!strstr(err, *words))
			fail_msg("\"%s\" does not say \"%s\"", err, *words);
}

#define REFUSED(conf, code, ...) refused(conf, code, (const char *const[]){__VA_ARGS__, NULL})

static int attach_foreign(const char *interface)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach(if_nametoindex(interface), fd, XDP_FLAGS_DRV_MODE, NULL),
			 0);
	return fd;
}

static void detach_foreign(const char *interface, int fd)
{
	assert_int_equal(bpf_xdp_detach(if_nametoindex(interface), XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
}

/* A daemon that starts and is killed. Its exit status: 0 when it had started. */
static void start_and_die(const struct fastpath_conf *conf, const char *allow)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct fastpath *fp;
		struct prefix p;
		const struct verdict_entry e = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING};
		char err[400];

		if (fastpath_open(conf, &fp, err, sizeof(err)))
			_exit(1);
		if (allow && (prefix_parse(allow, &p) || fastpath_put(fp, &p, &e)))
			_exit(2);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* ---- starts ---- */

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

/* ---- restarts ---- */

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

static void a_smaller_map_takes_what_fits(void **state)
{
	const struct verdict_entry deny = {.verdict = GG_DENY, .action = GG_REJECT};
	struct fastpath_conf conf = on(NULL, GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	struct prefix p = room_prefix("192.0.2.0");
	struct gg_entry e;
	int i, found = 0;

	(void)state;
	for (i = 0; i < 200; i++) {
		p.addr.b[15] = i;
		assert_int_equal(fastpath_put(fp, &p, &deny), 0);
	}
	fastpath_close(&fp);
	conf.hosts = 50;
	fp = room_open(&conf);
	for (i = 0; i < 200; i++) {
		p.addr.b[15] = i;
		found += !fastpath_get(fp, &p, &e);
	}
	assert_in_range(found, 40, 64);
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

/* ---- bad days ---- */

static void a_program_of_somebody_else_is_named(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	int fd = attach_foreign("gg0");
	uint32_t id = program_on("gg0");

	(void)state;
	REFUSED(&conf, -EBUSY, "interface gg0", "somebody", "xdp off", "interfaces");
	assert_int_equal(program_on("gg0"), id);
	assert_false(exists(ROOM_BPFFS));
	assert_false(lookup_attached());
	detach_foreign("gg0", fd);
}

static void a_failed_first_start_takes_everything_back(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	int fd = attach_foreign("gg1");

	(void)state;
	conf.interfaces[1] = "gg1";
	conf.interface_count = 2;
	REFUSED(&conf, -EBUSY, "interface gg1");
	detach_foreign("gg1", fd);
	nothing_is_left();
}

static void a_failed_restart_leaves_the_earlier_start_in_force(void **state)
{
	const struct prefix p = room_prefix("192.0.2.7");
	const struct endpoint vip = room_endpoint("192.0.2.25:25");
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	uint32_t program, lookup, host4;
	struct gg_entry e;
	struct gg_meta before, after;
	struct fastpath *fp;
	int fd, round;

	(void)state;
	start_and_die(&conf, "192.0.2.7");
	program = program_on("gg0");
	lookup = lookup_program();
	host4 = map_pinned(V1 "/host4");
	before = meta_pinned();
	fd = attach_foreign("gg1");
	conf.interfaces[1] = "gg1";
	conf.interface_count = 2;
	conf.vips = &vip;
	conf.vip_count = 1;
	for (round = 0; round < 2; round++) {
		REFUSED(&conf, -EBUSY, "interface gg1");
		assert_int_equal(program_on("gg0"), program);
		assert_int_equal(lookup_program(), lookup);
		assert_int_equal(map_pinned(V1 "/host4"), host4);
		assert_false(exists(V1 "-new"));
		after = meta_pinned();
		assert_memory_equal(&before, &after, sizeof(before));
		/* Then with maps of another size. */
		conf.hosts = 2000;
	}
	detach_foreign("gg1", fd);
	conf.hosts = 1000;
	conf.interface_count = 1;
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	assert_int_equal(fastpath_get(fp, &p, &e), 0);
	fastpath_close(&fp);
}

static void without_a_bpf_file_system_it_says_how_to_get_one(void **state)
{
	struct fastpath_conf conf = on(NULL, GG_MODE_RELAY);

	(void)state;
	conf.bpffs = "/proc/self/greygate";
	REFUSED(&conf, -ENOENT, "/proc/self/greygate", "mount -t bpf bpf /sys/fs/bpf");
	conf.bpffs = "/var/tmp";
	REFUSED(&conf, -ENODEV, "/var/tmp", "mount -t bpf bpf");
	conf.bpffs = "/nowhere/greygate";
	REFUSED(&conf, -ENOENT, "/nowhere/greygate", "mount -t bpf bpf");
	conf.bpffs = "/sys/fs/bpf/grey.gate";
	REFUSED(&conf, -EINVAL, "/sys/fs/bpf/grey.gate", "dot");
	assert_true(exists("/var/tmp"));
}

static void a_path_too_long_is_refused(void **state)
{
	struct fastpath_conf conf = on(NULL, GG_MODE_RELAY);
	char path[400] = "/sys/fs/bpf/";

	(void)state;
	memset(path + strlen(path), 'x', 300);
	conf.bpffs = path;
	REFUSED(&conf, -ENAMETOOLONG, "too long");
}

static void a_missing_interface_is_named(void **state)
{
	struct fastpath_conf conf = on("nosuch7", GG_MODE_HOST);

	(void)state;
	REFUSED(&conf, -ENODEV, "nosuch7", "ip link", "interfaces");
	nothing_is_left();
}

static void two_daemons_do_not_share_a_directory(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	uint32_t program = program_on("gg0");
	char err[400] = "";

	(void)state;
	REFUSED(&conf, -EBUSY, ROOM_BPFFS, "running greygated");
	assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)), -EBUSY);
	assert_non_null(strstr(err, "running greygated"));
	assert_int_equal(program_on("gg0"), program);
	fastpath_close(&fp);
}

static void two_daemons_do_not_share_an_interface(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);
	uint32_t program = program_on("gg0");

	(void)state;
	conf.bpffs = "/sys/fs/bpf/second";
	REFUSED(&conf, -EBUSY, "gg0", "another greygated");
	assert_int_equal(program_on("gg0"), program);
	assert_false(exists("/sys/fs/bpf/second"));
	fastpath_close(&fp);
}

/* In a child, since what is given up here doesn't come back. Returns what fastpath_open did. */
static int open_confined(const struct fastpath_conf *conf, void (*confine)(void), char *err,
			 size_t err_size)
{
	struct {
		int code;
		char err[400];
	} answer = {};
	struct fastpath *fp = NULL;
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		confine();
		answer.code = fastpath_open(conf, &fp, answer.err, sizeof(answer.err));
		_exit(write(pipes[1], &answer, sizeof(answer)) != sizeof(answer));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(pipes[0], &answer, sizeof(answer)), sizeof(answer));
	close(pipes[0]);
	close(pipes[1]);
	snprintf(err, err_size, "%s", answer.err);
	return answer.code;
}

static void keep_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {
		{.effective = kept, .permitted = kept},
		{.effective = kept >> 32, .permitted = kept >> 32},
	};

	if (syscall(SYS_capset, &head, caps))
		_exit(9);
}

static void without_any(void)
{
	keep_capabilities(0);
}

static void without_net_admin(void)
{
	keep_capabilities(1ull << CAP_SYS_ADMIN | 1ull << CAP_BPF);
}

static void without_bpf(void)
{
	keep_capabilities(1ull << CAP_SYS_ADMIN | 1ull << CAP_NET_ADMIN);
}

static void a_missing_capability_is_named(void **state)
{
	static const struct {
		void (*confine)(void);
		const char *name;
	} rows[] = {{without_any, "CAP_SYS_ADMIN"},
		    {without_net_admin, "CAP_NET_ADMIN"},
		    {without_bpf, "CAP_BPF"}};
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	char err[400], wanted[64];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(open_confined(&conf, rows[i].confine, err, sizeof(err)), -EPERM);
		snprintf(wanted, sizeof(wanted), "missing capability %s:", rows[i].name);
		if (!strstr(err, wanted))
			fail_msg("\"%s\" does not say \"%s\"", err, wanted);
		nothing_is_left();
	}
}

/* A kernel that fails one bpf command, or one kind of it. */
static void forbid_bpf(uint32_t command)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(rules) / sizeof(rules[0]), rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(9);
}

static void no_programs(void)
{
	forbid_bpf(BPF_PROG_LOAD);
}

static void no_maps(void)
{
	forbid_bpf(BPF_MAP_CREATE);
}

static void no_pins(void)
{
	forbid_bpf(BPF_OBJ_PIN);
}

static void no_links(void)
{
	forbid_bpf(BPF_LINK_CREATE);
}

static void no_map_updates(void)
{
	forbid_bpf(BPF_MAP_UPDATE_ELEM);
}

static void a_missing_kernel_feature_is_named(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	char err[400];

	(void)state;
	assert_int_equal(open_confined(&conf, no_programs, err, sizeof(err)), -EOPNOTSUPP);
	assert_non_null(strstr(err, "XDP programs"));
	assert_non_null(strstr(err, "6.1"));
	conf = on(NULL, GG_MODE_HOST);
	assert_int_equal(open_confined(&conf, no_programs, err, sizeof(err)), -EOPNOTSUPP);
	assert_non_null(strstr(err, "socket lookup programs"));
	assert_int_equal(open_confined(&conf, no_maps, err, sizeof(err)), -EOPNOTSUPP);
	assert_non_null(strstr(err, "LPM tries"));
	nothing_is_left();
}

/* Whichever step fails, a first start leaves nothing and a restart leaves what there was. */
static void whatever_step_fails_it_is_taken_back(void **state)
{
	static const struct {
		void (*confine)(void);
		const char *words;
	} rows[] = {{no_pins, "pin "}, {no_links, "socket lookup"}, {no_map_updates, "maps:"}};
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	uint32_t program;
	struct fastpath *fp;
	char err[400];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_true(open_confined(&conf, rows[i].confine, err, sizeof(err)) < 0);
		if (!strstr(err, rows[i].words))
			fail_msg("\"%s\" does not say \"%s\"", err, rows[i].words);
		nothing_is_left();
	}
	start_and_die(&conf, NULL);
	program = program_on("gg0");
	assert_true(open_confined(&conf, no_map_updates, err, sizeof(err)) < 0);
	assert_int_equal(program_on("gg0"), program);
	conf.hosts = 2000;
	for (i = 0; i < 3; i++) {
		if (rows[i].confine == no_links)
			continue; /* a restart has its link */
		assert_true(open_confined(&conf, rows[i].confine, err, sizeof(err)) < 0);
		assert_int_equal(program_on("gg0"), program);
		assert_true(lookup_attached());
		assert_false(exists(V1 "-new"));
	}
	conf.hosts = 1000;
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	fastpath_close(&fp);
}

/* ---- detach ---- */

struct lines {
	int count;
	char text[1024];
};

static void take_line(const char *line, void *arg)
{
	struct lines *l = arg;

	l->count++;
	assert_null(strchr(line, '\n'));
	strncat(l->text, line, sizeof(l->text) - strlen(l->text) - 2);
	strcat(l->text, "\n");
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

#define TEST(name) cmocka_unit_test_teardown(name, end_clean)

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
		TEST(a_smaller_map_takes_what_fits),
		TEST(pins_that_are_missing_are_made_again),
		TEST(pins_of_another_make_are_not_believed),
		TEST(a_start_cut_short_leaves_nothing_in_the_way),
		TEST(an_interface_no_longer_named_is_let_go),
		TEST(a_change_of_xdp_mode_is_carried_out),
		TEST(from_host_to_relay_the_lookup_goes),
		TEST(programs_whose_pins_are_lost_are_taken_over),
		TEST(a_program_of_somebody_else_is_named),
		TEST(a_failed_first_start_takes_everything_back),
		TEST(a_failed_restart_leaves_the_earlier_start_in_force),
		TEST(without_a_bpf_file_system_it_says_how_to_get_one),
		TEST(a_path_too_long_is_refused),
		TEST(a_missing_interface_is_named),
		TEST(two_daemons_do_not_share_a_directory),
		TEST(two_daemons_do_not_share_an_interface),
		TEST(a_missing_capability_is_named),
		TEST(a_missing_kernel_feature_is_named),
		TEST(whatever_step_fails_it_is_taken_back),
		TEST(detach_removes_all_and_says_what),
		TEST(detach_works_on_the_half_that_is_there),
		TEST(detach_leaves_alone_what_is_not_ours),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
