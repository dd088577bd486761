/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A place of the test's own: network namespace with lo up, mount namespace with a bpf file system.
 */
#ifndef SELFTESTS_BPF_ROOM_H
#define SELFTESTS_BPF_ROOM_H

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fastpath/internal.h"

#define ROOM_BPFFS "/sys/fs/bpf/greygate"

static inline void room_run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

/* Group setup. Not root: says so and fails, since nothing here can be tested otherwise. */
static inline int room_enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL)) {
		perror("a namespace and a bpf file system of our own (needs root)");
		return -1;
	}
	setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
	return system("ip link set lo up");
}

static inline struct endpoint room_endpoint(const char *text)
{
	struct endpoint e;

	if (endpoint_parse(text, &e))
		fail_msg("%s is no endpoint", text);
	return e;
}

/* A TCP socket that is bound; flags as of socket(2), shared: others may listen there too. */
static inline int room_socket(const char *address, uint16_t port, int flags, bool shared)
{
	struct endpoint e = {.port = port};
	struct sockaddr_storage sa;
	socklen_t len;
	int one = 1, fd;

	assert_int_equal(addr_parse(address, &e.addr), 0);
	len = addr_to_sockaddr(&e, &sa);
	fd = socket(sa.ss_family, SOCK_STREAM | flags, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len))
		fail_msg("bind %s: %s", address, strerror(errno));
	return fd;
}

static inline struct prefix room_prefix(const char *text)
{
	struct prefix p;

	if (prefix_parse(text, &p))
		fail_msg("%s is no prefix", text);
	return p;
}

/* The nth of the addresses behind a base that ends in three zero bytes. */
static inline struct prefix room_number(const char *base, uint32_t n)
{
	struct prefix p = room_prefix(base);

	p.addr.b[13] = n >> 16;
	p.addr.b[14] = n >> 8;
	p.addr.b[15] = n;
	return p;
}

/* A configuration without interfaces. */
static inline struct fastpath_conf room_conf(enum gg_mode mode)
{
	return (struct fastpath_conf){
		.mode = mode,
		.xdp = FASTPATH_AUTO,
		.bpffs = ROOM_BPFFS,
		.hosts = 1000,
		.nets = 1000,
		.open_when_down = true,
		.heartbeat_limit = 60,
	};
}

static inline struct fastpath *room_open(const struct fastpath_conf *conf)
{
	struct fastpath *fp = NULL;
	char err[400] = "";

	if (fastpath_open(conf, &fp, err, sizeof(err)))
		fail_msg("fastpath_open: %s", err);
	assert_int_equal(fastpath_tidy(fp), 0);
	return fp;
}

static inline void room_detach(void)
{
	char err[400] = "";

	if (fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)))
		fail_msg("fastpath_detach: %s", err);
}

static inline void room_put_prefix(struct fastpath *fp, const struct prefix *p,
				   enum gg_verdict verdict, enum gg_action action, uint32_t expires)
{
	const struct verdict_entry e = {
		.verdict = verdict, .action = action, .origin = GG_BY_OPERATOR, .expires = expires};
	char text[PREFIX_TEXT];

	if (fastpath_put(fp, p, &e))
		fail_msg("fastpath_put %s", prefix_text(p, text));
}

static inline void room_put(struct fastpath *fp, const char *prefix, enum gg_verdict verdict,
			    enum gg_action action, uint32_t expires)
{
	const struct prefix p = room_prefix(prefix);

	room_put_prefix(fp, &p, verdict, action, expires);
}

/* Long past, for entries that have expired. */
#define ROOM_EXPIRED 1000

#endif
