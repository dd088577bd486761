/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the generators share: client addresses out of one network, sockets that come from them, the
 * clock, and a look at another process's use of the machine.
 */
#ifndef BENCH_SOURCE_H
#define BENCH_SOURCE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* CLOCK_MONOTONIC in us. */
static inline uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The network whose addresses are the clients', host order. */
static struct {
	uint32_t base, mask; /* mask: the bits of the host */
} source_net = {0x7f000000u, 0xffffff};

/* "ADDR/LEN" of IPv4, LEN from 8 to 30. */
static inline bool source_network(const char *text)
{
	char host[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct in_addr a;
	int len = slash ? atoi(slash + 1) : 0;

	if (len < 8 || len > 30 || (size_t)(slash - text) >= sizeof(host))
		return false;
	memcpy(host, text, slash - text);
	host[slash - text] = '\0';
	if (inet_pton(AF_INET, host, &a) != 1)
		return false;
	source_net.mask = 0xffffffffu >> len;
	source_net.base = ntohl(a.s_addr) & ~source_net.mask;
	return true;
}

/* The n-th client address in network order: a walk over the network that meets every address once
 * and leaves neighbours far apart, so that neither a network nor a hash bucket is favoured. */
static inline uint32_t source_addr(uint32_t n)
{
	return htonl(source_net.base | ((n * 0x9e3779u + 0x5bd1e9u) & source_net.mask));
}

/* 127.0.0.0/24 is the servers' own; the ends of a /24 are no host's address. */
static inline bool source_usable(uint32_t addr)
{
	uint32_t a = ntohl(addr);

	return a >> 8 != 0x7f0000 && (a & 0xff) != 0 && (a & 0xff) != 255;
}

/* The next usable client address of a walk that owns every `stride`-th number; moves *n on. */
static inline uint32_t source_next(uint32_t *n, uint32_t stride)
{
	uint32_t addr;

	do {
		addr = source_addr(*n);
		*n += stride;
	} while (!source_usable(addr));
	return addr;
}

/* A non-blocking connection attempt from `from`; the descriptor or -errno. */
static inline int source_connect(uint32_t from, const struct sockaddr_in *to)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = from};
	int one = 1, err, fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The port is chosen at connect, when the whole 4-tuple counts: a bind would hold it. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0 &&
	    (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 || errno == EINPROGRESS))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* "ADDR:PORT" of IPv4. */
static inline bool source_target(const char *text, struct sockaddr_in *ret)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in a = {.sin_family = AF_INET};
	char host[INET_ADDRSTRLEN];
	char *end;
	unsigned long port;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	memcpy(host, text, colon - text);
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end || end == colon + 1 || port == 0 || port > 65535 ||
	    inet_pton(AF_INET, host, &a.sin_addr) != 1)
		return false;
	a.sin_port = htons((uint16_t)port);
	*ret = a;
	return true;
}

/* Says why nothing can be measured at a target, from an attempt that waits. */
static inline int source_probe(const struct sockaddr_in *to)
{
	char host[INET_ADDRSTRLEN];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		fprintf(stderr, "%s:%u: %s: is the server running there?\n",
			inet_ntop(AF_INET, &to->sin_addr, host, sizeof(host)), ntohs(to->sin_port),
			strerror(-err));
	return err;
}

/* CPU seconds a process has used, threads included; 0 when it is gone or pid is 0. */
static inline double process_cpu(int pid)
{
	char path[64], line[1024];
	unsigned long user, system;
	double cpu = 0;
	char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = pid ? fopen(path, "r") : NULL;
	if (!f)
		return 0;
	/* The name, in brackets, may hold blanks: count from behind it. */
	if (fgets(line, sizeof(line), f) && (p = strrchr(line, ')')) &&
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) ==
		    2)
		cpu = (double)(user + system) / sysconf(_SC_CLK_TCK);
	fclose(f);
	return cpu;
}

/* The figure in kB behind `key` (with its colon) in a file like /proc/meminfo; 0 when not there. */
static inline long proc_kb(const char *path, const char *key)
{
	char line[256];
	long kb = 0;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kb = strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

#endif
