// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Starts that fail: the message names the thing, the cause and the mend, and what there was before
 * is there after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "start.h"

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
		/* A dispatcher is put together anew for each change. */
		if (is_dispatcher(program_on("gg0")))
			program = program_on("gg0");
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
	REFUSED(&conf, -EADDRINUSE, "gg0", "another greygated");
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

#define ANY UINT32_MAX

/* A kernel that fails one system call: always, or with this first argument. */
static void forbid(uint32_t call, uint32_t first)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | (first == ANY ? BPF_JGE : BPF_JEQ) | BPF_K,
			 first == ANY ? 0 : first, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(rules) / sizeof(rules[0]), rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(9);
}

static void forbid_bpf(uint32_t command)
{
	forbid(SYS_bpf, command);
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

static void no_renames(void)
{
	forbid(SYS_renameat2, ANY);
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
	} rows[] = {{no_pins, "pin "},
		    {no_links, "socket lookup"},
		    {no_map_updates, "maps:"},
		    {no_renames, "put in place"}};
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);
	uint32_t program, lookup;
	struct fastpath *fp;
	char err[400];
	bool shared;
	size_t i;

	(void)state;
	start_and_die(&conf, NULL);
	shared = is_dispatcher(program_on("gg0"));
	room_detach();
	for (i = 0; i < 4; i++) {
		assert_true(open_confined(&conf, rows[i].confine, err, sizeof(err)) < 0);
		if (!strstr(err, rows[i].words))
			fail_msg("\"%s\" does not say \"%s\"", err, rows[i].words);
		nothing_is_left();
	}
	start_and_die(&conf, NULL);
	program = program_on("gg0");
	lookup = lookup_program();
	assert_true(open_confined(&conf, no_map_updates, err, sizeof(err)) < 0);
	if (shared && is_dispatcher(program_on("gg0")))
		program = program_on("gg0");
	assert_int_equal(program_on("gg0"), program);
	assert_int_equal(lookup_program(), lookup);
	conf.hosts = 2000;
	for (i = 0; i < 4; i++) {
		if (rows[i].confine == no_links)
			continue; /* a restart has its link */
		assert_true(open_confined(&conf, rows[i].confine, err, sizeof(err)) < 0);
		/* A dispatcher is put together anew for each change. */
		if (shared && is_dispatcher(program_on("gg0")))
			program = program_on("gg0");
		assert_int_equal(program_on("gg0"), program);
		assert_int_equal(lookup_program(), lookup);
		assert_false(exists(V1 "-new"));
	}
	conf.hosts = 1000;
	fp = room_open(&conf);
	assert_true(fastpath_reused(fp));
	fastpath_close(&fp);
}

#define TEST(name) cmocka_unit_test_teardown(name, start_end_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, start_room, NULL);
}
