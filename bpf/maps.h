/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The maps, shared by all programs through their pins. Sizes of host and net maps are set by
 * userspace before load; the figures here are what a bare `bpftool prog load` gets.
 */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <greygate/index.h>
#include <greygate/types.h>

#define AF_INET 2 /* linux/socket.h, which asks for headers of the C library */
#define AF_INET6 10

/* Exact addresses, allow and deny in one map: one lookup, no contradiction possible. Memory is paid
 * as it fills. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct gg_key4);
	__type(value, struct gg_entry);
} host4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct gg_key6);
	__type(value, struct gg_entry);
} host6 SEC(".maps");

/*
 * Prefixes, imported ones of any length among them: all that the programs ask of a list in force
 * is one walk through one trie. net4 and net6 are in force; what is to be in force next is made in
 * the spare ones, and the programs find either through nets4 and nets6. A prefix of the daemon's
 * own, an operator's or one that was learned, stands in own4 and own6 too: they are never swapped,
 * and they are what net4 and net6 are made from again.
 */
struct net4_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 17);
	__type(key, struct gg_net4);
	__type(value, struct gg_entry);
} net4 SEC(".maps"), spare4 SEC(".maps"), own4 SEC(".maps");

struct net6_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 17);
	__type(key, struct gg_net6);
	__type(value, struct gg_entry);
} net6 SEC(".maps"), spare6 SEC(".maps"), own6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct net4_map);
} nets4 SEC(".maps") = {.values = {[0] = &net4}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct net6_map);
} nets6 SEC(".maps") = {.values = {[0] = &net6}};

/* New connections (drop_all: packets) of what each imported list names that the daemon never sees,
 * by the list's number. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GG_LISTS);
	__type(key, __u32);
	__type(value, __u64);
} lists SEC(".maps");

/* The hot index over host4 and host6. Memory is paid at start. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, struct gg_bucket);
} index4 SEC(".maps"), index6 SEC(".maps");

/* Protected endpoints. Memory is paid as it fills. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * GG_ENDPOINTS);
	__type(key, struct gg_vip_key);
	__type(value, struct gg_vip);
} vip SEC(".maps");

/* Token buckets of sources. A small LRU map forgets long before it is full, see userspace. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct gg_key4);
	__type(value, struct gg_rate);
} rate4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct gg_half6);
	__type(value, struct gg_rate);
} rate6 SEC(".maps");

/* New connections each CPU has let through. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gg_budget);
} budget SEC(".maps");

/* Counters by enum gg_stat. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GG_STAT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} stats SEC(".maps");

/* struct gg_event. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

/* Switches the programs read at run time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gg_conf);
} conf SEC(".maps");

/* What created the pins, and the daemon's heartbeat. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gg_meta);
} meta SEC(".maps");

/* The daemon's listeners, by enum gg_sock. A socket that closes leaves by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, GG_SOCK_MAX);
	__type(key, __u32);
	__type(value, __u64);
} socks SEC(".maps");

/* Gateway mode: the interfaces that XDP may send out of, by their number. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, GG_PORTS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

/* Set while a program asks the socket table on this CPU: that question runs the socket lookup
 * program too, which must then not count, drop or choose. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} asking SEC(".maps");

/* No atomics: the programs run with bottom halves off, so one CPU is in one of them at a time. */
static __always_inline void count(enum gg_stat which)
{
	__u32 key = which;
	__u64 *n = bpf_map_lookup_elem(&stats, &key);

	if (n)
		(*n)++;
}

#endif
