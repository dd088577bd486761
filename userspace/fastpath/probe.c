// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a start needs of the process, the kernel and the machine, asked before anything is made, so
 * that the answer names the missing thing and not the call that failed for want of it.
 */
#include "internal.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define OLDEST_KERNEL "6.1"

static bool has_capability(const struct __user_cap_data_struct caps[2], int cap)
{
	return caps[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

int probe_capabilities(char *err, size_t err_size)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
		{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{CAP_BPF, "CAP_BPF"},
	};
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {};
	size_t i;

	if (syscall(SYS_capget, &head, caps))
		return words_fail(err, err_size, -errno, "capabilities: %s", strerror(errno));
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!has_capability(caps, needed[i].number))
			return words_fail(
				err, err_size, -EPERM,
				"missing capability %s: the kernel fast path needs root, or "
				"CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN",
				needed[i].name);
	return 0;
}

bool fastpath_clock_offset(const char *root, long long *ret)
{
	long long s = 0, ns = 0;
	char path[300], line[100];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/timens_offsets", root);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "monotonic %lld %lld", &s, &ns) == 2;
	if (f)
		fclose(f);
	/* The nanoseconds count forward. */
	if (found)
		*ret = s >= 0 && ns > 0 ? s + 1 : s;
	return found;
}

int probe_clock(char *err, size_t err_size)
{
	long long off = 0;

	if (!fastpath_clock_offset("", &off) || !off)
		return 0;
	return words_fail(
		err, err_size, -EINVAL,
		"time namespace: CLOCK_MONOTONIC is %lld s off the kernel's own, by which its "
		"programs judge heartbeat and lifetimes; start greygated outside of it, or "
		"without an offset (/proc/self/timens_offsets)",
		off);
}

enum feature_kind { FEATURE_PROGRAM, FEATURE_MAP, FEATURE_HELPER };

static const struct feature {
	const char *name;
	enum feature_kind kind;
	int program;  /* enum bpf_prog_type */
	int number;   /* enum bpf_map_type, enum bpf_func_id */
	bool lookup;  /* only for socket lookup */
	bool xdp;     /* only for XDP */
	bool gateway; /* only for gateway mode */
} features[] = {
	{"XDP programs", FEATURE_PROGRAM, BPF_PROG_TYPE_XDP, 0, false, true, false},
	{"tc programs", FEATURE_PROGRAM, BPF_PROG_TYPE_SCHED_CLS, 0, false, false, true},
	{"bpf_skc_lookup_tcp in tc", FEATURE_HELPER, BPF_PROG_TYPE_SCHED_CLS,
	 BPF_FUNC_skc_lookup_tcp, false, false, true},
	{"bpf_fib_lookup in XDP", FEATURE_HELPER, BPF_PROG_TYPE_XDP, BPF_FUNC_fib_lookup, false,
	 true, true},
	{"socket lookup programs", FEATURE_PROGRAM, BPF_PROG_TYPE_SK_LOOKUP, 0, true, false, false},
	{"LPM tries", FEATURE_MAP, 0, BPF_MAP_TYPE_LPM_TRIE, false, false, false},
	{"BPF ring buffers", FEATURE_MAP, 0, BPF_MAP_TYPE_RINGBUF, false, false, false},
	{"socket maps", FEATURE_MAP, 0, BPF_MAP_TYPE_SOCKMAP, false, false, false},
	{"bpf_skc_lookup_tcp in XDP", FEATURE_HELPER, BPF_PROG_TYPE_XDP, BPF_FUNC_skc_lookup_tcp,
	 false, true, false},
	{"bpf_ktime_get_coarse_ns in XDP", FEATURE_HELPER, BPF_PROG_TYPE_XDP,
	 BPF_FUNC_ktime_get_coarse_ns, false, true, false},
	{"bpf_ktime_get_coarse_ns in socket lookup", FEATURE_HELPER, BPF_PROG_TYPE_SK_LOOKUP,
	 BPF_FUNC_ktime_get_coarse_ns, true, false, false},
};

static bool has_feature(const struct feature *f)
{
	switch (f->kind) {
	case FEATURE_PROGRAM:
		return libbpf_probe_bpf_prog_type(f->program, NULL) == 1;
	case FEATURE_MAP:
		return libbpf_probe_bpf_map_type(f->number, NULL) == 1;
	case FEATURE_HELPER:
		return libbpf_probe_bpf_helper(f->program, f->number, NULL) == 1;
	}
	return false;
}

int probe_kernel(const struct fastpath_conf *conf, char *err, size_t err_size)
{
	bool xdp = conf->xdp != FASTPATH_OFF && conf->interface_count > 0;
	bool lookup = conf->mode == GG_MODE_HOST;
	bool gateway = conf->mode == GG_MODE_GATEWAY;
	struct utsname name;
	size_t i;

	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if ((features[i].xdp && !xdp) || (features[i].lookup && !lookup) ||
		    (features[i].gateway && !gateway))
			continue;
		if (has_feature(&features[i]))
			continue;
		uname(&name);
		return words_fail(err, err_size, -EOPNOTSUPP,
				  "kernel %s gives no %s: use Linux " OLDEST_KERNEL
				  " or newer with CONFIG_BPF_SYSCALL and "
				  "CONFIG_BPF_JIT%s",
				  name.release, features[i].name,
				  features[i].xdp ? ", or set xdp = off" : "");
	}
	return 0;
}

static bool reads_one(const char *path)
{
	FILE *f = fopen(path, "re");
	int c = f ? getc(f) : '1'; /* not there: not compiled in, nothing to be said */

	if (f)
		fclose(f);
	return c == '1';
}

/* Whose switch keeps the kernel from forwarding what comes by the interface; NULL: nobody's. A
 * change of all is one of each interface, but all = 1 written again is none. IPv6 wants both. */
static const char *forwards_not(int family, const char *interface)
{
	char path[80];
	bool own, all;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/forwarding", family, interface);
	own = reads_one(path);
	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/all/forwarding", family);
	all = reads_one(path);
	if (own && (all || family == 4))
		return NULL;
	return all ? interface : "all";
}

int probe_forwarding(const struct fastpath_conf *conf, char *err, size_t err_size)
{
	int i, k;

	for (k = 0; k < conf->vip_count && conf->mode == GG_MODE_GATEWAY; k++) {
		int family = addr_is4(&conf->vips[k].addr) ? 4 : 6;

		for (i = 0; i < conf->interface_count; i++) {
			const char *whose = forwards_not(family, conf->interfaces[i]);

			/* Slashes, since a dot may be part of the name. */
			if (whose)
				return words_fail(
					err, err_size, -ENETUNREACH,
					"interface %s: this machine doesn't forward IPv%d, so the "
					"mail server can't be reached through it; sysctl -w "
					"net/ipv%d/conf/%s/forwarding=1",
					conf->interfaces[i], family, family, whose);
		}
	}
	return 0;
}

/* 0 or -errno. The C library needs a socket to ask by, and doesn't tell why it got none. */
static int ask_interface(const char *name)
{
	int fd;

	if (if_nametoindex(name))
		return 0;
	if (errno == ENODEV)
		return -ENODEV;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	close(fd);
	return -EIO;
}

bool fastpath_ethernet(const char *name, int *ret_type)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	bool known;

	if (fd < 0)
		return true;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	known = !ioctl(fd, SIOCGIFHWADDR, &r);
	close(fd);
	if (!known || r.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
	    r.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK)
		return true;
	*ret_type = r.ifr_hwaddr.sa_family;
	return false;
}

const char *fastpath_without_ethernet(enum gg_mode mode)
{
	static const char *const words[] = {
		[GG_MODE_RELAY] = "take it out of interfaces; the daemon alone decides on what "
				  "comes by it",
		[GG_MODE_HOST] =
			"take it out of interfaces; the socket lookup guards what comes "
			"by it, without limits of new connections, tarpit and correspondents",
		[GG_MODE_GATEWAY] = "name Ethernet interfaces that the mail passes, or use mode "
				    "relay or host",
	};

	return words[mode];
}

int probe_interfaces(const struct fastpath_conf *conf, char *err, size_t err_size)
{
	/* A successor changes nothing about a port, and status tells of it. */
	const bool ports = conf->mode == GG_MODE_GATEWAY && !conf->held_lock;
	char port[FASTPATH_PORT];
	int i;

	if (conf->xdp == FASTPATH_OFF && conf->mode != GG_MODE_GATEWAY)
		return 0;
	if (conf->interface_count > FASTPATH_INTERFACES)
		return words_fail(err, err_size, -E2BIG,
				  "interfaces: %d named, at most %d can get the XDP program",
				  conf->interface_count, FASTPATH_INTERFACES);
	for (i = 0; i < conf->interface_count; i++) {
		const int code = ask_interface(conf->interfaces[i]);
		int type;

		if (code == -ENODEV)
			return words_fail(
				err, err_size, code,
				"interface %s: there is none of that name; `ip link` lists "
				"them, the key is interfaces",
				conf->interfaces[i]);
		if (code)
			return words_fail(err, err_size, code, "interface %s: %s",
					  conf->interfaces[i], strerror(-code));
		if (!fastpath_ethernet(conf->interfaces[i], &type))
			return words_fail(err, err_size, -EPFNOSUPPORT,
					  "interface %s: its packets have no Ethernet header (type "
					  "%d), which the programs read; %s",
					  conf->interfaces[i], type,
					  fastpath_without_ethernet(conf->mode));
		if (ports && fastpath_port(conf->interfaces[i], port))
			return words_fail(err, err_size, -EINVAL, "%s", port);
	}
	return 0;
}
