/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts of a fast path, and a look at what is attached and pinned. Two ends of a veth pair, gg0
 * and gg1, are there to attach to. */
#ifndef SELFTESTS_BPF_START_H
#define SELFTESTS_BPF_START_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <sys/wait.h>

#include "room.h"

#define V1 ROOM_BPFFS "/v1"

static inline int start_room(void **state)
{
	if (room_enter(state))
		return -1;
	return system("ip link add gg0 type veth peer name gg1 && ip link set gg0 up && "
		      "ip link set gg1 up");
}

/* The same on a machine that routes, with a second pair, gg2 and gg3. */
static inline int start_routing_room(void **state)
{
	int rc = start_room(state);

	return rc ? rc
		  : system("ip link add gg2 type veth peer name gg3 && ip link set gg2 up && "
			   "ip link set gg3 up && sysctl -qw net.ipv4.conf.all.forwarding=1 "
			   "net.ipv6.conf.all.forwarding=1");
}

/* The number that a command prints. */
static inline int number(const char *command)
{
	FILE *f = popen(command, "r");
	int n = -1;

	assert_non_null(f);
	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	pclose(f);
	return n;
}

static inline bool exists(const char *path)
{
	return !access(path, F_OK);
}

static inline uint32_t program_on(const char *interface)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id(if_nametoindex(interface), 0, &id), 0);
	return id;
}

/* Where the kernel has freplace programs: then what is attached is libxdp's own. */
static inline bool is_dispatcher(uint32_t program)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return !strcmp(info.name, "xdp_dispatcher");
}

static inline uint32_t map_pinned(const char *path)
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
static inline uint32_t lookup_program(void)
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

static inline bool lookup_attached(void)
{
	int netns = open("/proc/self/ns/net", O_RDONLY);
	uint32_t flags, ids[4], count = 4;

	assert_int_equal(bpf_prog_query(netns, BPF_SK_LOOKUP, 0, &flags, ids, &count), 0);
	close(netns);
	return count > 0;
}

static inline struct gg_meta meta_pinned(void)
{
	struct gg_meta m = {};
	uint32_t zero = 0;
	int fd = bpf_obj_get(V1 "/meta");

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &m), 0);
	close(fd);
	return m;
}

/* As if whoever pinned it had died long ago. */
static inline void forget_heartbeat(void)
{
	struct gg_meta m = meta_pinned();
	uint32_t zero = 0;
	int fd = bpf_obj_get(V1 "/meta");

	m.heartbeat = 0;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &m, BPF_ANY), 0);
	close(fd);
}

static inline void nothing_is_left(void)
{
	assert_int_equal(program_on("gg0"), 0);
	assert_int_equal(program_on("gg1"), 0);
	assert_int_equal(program_on("lo"), 0);
	assert_false(lookup_attached());
	assert_false(exists(ROOM_BPFFS));
}

static inline int start_end_clean(void **state)
{
	(void)state;
	room_detach();
	nothing_is_left();
	return 0;
}

static inline struct fastpath_conf on(const char *interface, enum gg_mode mode)
{
	struct fastpath_conf conf = room_conf(mode);

	conf.interfaces[0] = interface;
	conf.interface_count = interface ? 1 : 0;
	return conf;
}

/* Between gg0 and gg1, for both families. */
static inline struct fastpath_conf gateway(void)
{
	static struct endpoint vips[2];
	struct fastpath_conf conf = on("gg0", GG_MODE_GATEWAY);

	vips[0] = room_endpoint("192.0.2.25:25");
	vips[1] = room_endpoint("[2001:db8::25]:25");
	conf.interfaces[1] = "gg1";
	conf.interface_count = 2;
	conf.vips = vips;
	conf.vip_count = 2;
	return conf;
}

static inline void refused(const struct fastpath_conf *conf, int code, const char *const *words)
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

static inline int attach_foreign(const char *interface)
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

/* A tc program of somebody else. */
static inline void filter_add(const char *interface, enum bpf_tc_attach_point point,
			      uint32_t handle, uint32_t priority)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface),
		    .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);
	int code;

	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "somebody", "GPL", pass, 2, NULL);
	assert_true(opts.prog_fd >= 0);
	code = bpf_tc_hook_create(&hook);
	assert_true(!code || code == -EEXIST);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

static inline void detach_foreign(const char *interface, int fd)
{
	assert_int_equal(bpf_xdp_detach(if_nametoindex(interface), XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
}

/* A daemon that starts and is killed. Its exit status: 0 when it had started. */
static inline void start_and_die(const struct fastpath_conf *conf, const char *allow)
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

#endif
