/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xdp-filter as a peer of row xdp: loaded by its own command, its map filled as that does. */
#ifndef SELFTESTS_BENCH_FILTER_H
#define SELFTESTS_BENCH_FILTER_H

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "selftests/bench/xdpgen.h"

#define FILTER_HOSTS 10000 /* max_entries of its maps */

static inline void die(const char *what)
{
	fprintf(stderr, "xdp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void run(const char *command)
{
	if (system(command)) {
		fprintf(stderr, "xdp: failed: %s\n", command);
		exit(1);
	}
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

#define FILTER_PINS "/sys/fs/bpf/xdp-filter"

static int filter_stats = -1;

static inline void filter_load(const char *interface, const char *features)
{
	char command[128];

	snprintf(command, sizeof(command), "xdp-filter load %s -m native %s 2>/dev/null", interface,
		 features);
	run(command);
}

/* Ethernet, IPv4, IPv6, TCP and UDP. The maps are those of filter_start. */
static inline void filter_start_all(const char *interface)
{
	filter_load(interface, "");
}

/* Its own command adds one address a call; what that writes for the first is written for all. */
static inline void filter_start(const char *interface)
{
	int cpus = libbpf_num_possible_cpus(), map;
	char command[128], text[INET_ADDRSTRLEN];
	uint32_t i, addr = xdpgen_host(0);
	uint64_t *values;

	filter_load(interface, "-f ipv4");
	snprintf(command, sizeof(command), "xdp-filter ip %s -m src",
		 inet_ntop(AF_INET, &addr, text, sizeof(text)));
	run(command);
	map = bpf_obj_get(FILTER_PINS "/filter_ipv4");
	filter_stats = bpf_obj_get(FILTER_PINS "/xdp_stats_map");
	values = calloc(cpus, sizeof(*values));
	if (map < 0 || filter_stats < 0 || !values || bpf_map_lookup_elem(map, &addr, values))
		die("xdp-filter's maps");
	for (i = 0; i < FILTER_HOSTS; i++) {
		addr = xdpgen_host(i);
		if (bpf_map_update_elem(map, &addr, values, BPF_ANY))
			die("xdp-filter's map");
	}
	free(values);
	close(map);
}

static inline uint64_t filter_count(void)
{
	struct {
		uint64_t packets, bytes;
	} * each;
	int cpus = libbpf_num_possible_cpus(), i;
	uint32_t key = XDP_DROP;
	uint64_t sum = 0;

	each = calloc(cpus, sizeof(*each));
	if (!each || bpf_map_lookup_elem(filter_stats, &key, each))
		die("xdp-filter's counters");
	for (i = 0; i < cpus; i++)
		sum += each[i].packets;
	free(each);
	return sum;
}

#endif
