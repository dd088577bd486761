/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What greygate doctor finds on a machine. A check reads one thing and says one finding; what it
 * can't read it leaves out or warns of. Nothing is changed.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "../userspace/config/config.h"
#include "../userspace/fastpath/fastpath.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct finding {
	enum doctor_level level;
	const char *check;
	const char *about; /* interface, or "" */
	const char *what;
	const char *mend; /* a command, or "" when all is well */
};

#define DOCTOR_KERNEL "apt install linux-image-amd64"
#define DOCTOR_COMMAND (2 * PATH_MAX + 60)
#define DOCTOR_PROC "mount -t proc proc /proc" /* where nothing of it can be read */

struct doctor {
	const char *root;            /* before /proc and /sys: "" but in tests */
	const struct config *config; /* NULL: none could be read; only the machine is looked at */
	const char *config_file;     /* where it stands */
	const char *command;         /* as it was given; NULL: greygate doctor */
	int daemon;                  /* process id of greygated; 0: none answers */
	void (*see)(const struct finding *f, void *arg);
	void *arg;
};

/* One finding; the mend is dropped when all is well. */
void doctor_say(const struct doctor *d, enum doctor_level level, const char *check,
		const char *about, const char *mend, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
/* The number in root/path; -1 when it can't be read. */
long doctor_number(const struct doctor *d, const char *path);

void doctor_machine(const struct doctor *d);
void doctor_clock(const struct doctor *d);
void doctor_settings(const struct doctor *d);
void doctor_limits(const struct doctor *d);
/* What a start would be refused for. */
void doctor_start(const struct doctor *d);
/* Whether one could put its XDP program on an interface. */
void doctor_vacant(const struct doctor *d, const char *name);
void doctor_interface(const struct doctor *d, const char *name);

/* Gateway mode, of each protected address; and of one of these ways. */
void doctor_ways(const struct doctor *d);
void doctor_way(const struct doctor *d, const struct fastpath_way *w);
/* Gateway mode: whether the input rules of nft let strangers in; and those of a listing of nft. */
void doctor_firewall(const struct doctor *d);
void doctor_rules(const struct doctor *d, const char *ruleset);
/* Whether an interface is in interfaces. */
bool doctor_names(const struct config *c, const char *interface);

/* As one word of a shell's command. */
void doctor_quote(const char *text, char *ret, size_t size);
/* This command over again, behind another. */
void doctor_mend_again(const struct doctor *d, const char *before, char *ret, size_t size);
/* What puts `by` into interfaces, for a name there or NULL, or takes a name out (by NULL): a
 * command when the configuration is written so that it does just that, words otherwise. */
void doctor_mend_list(const struct doctor *d, const char *name, const char *by, char *ret,
		      size_t size);
/* What sets net.ipvFAMILY.conf.NAME.KEY. */
void doctor_mend_sysctl(char *ret, size_t size, int family, const char *name, const char *key,
			int value);
/* What has a key on one value from now on: a command, or words as above. */
void doctor_mend_value(const struct doctor *d, const char *key, const char *value, char *ret,
		       size_t size);
/* For a name in interfaces whose interface is a port of that one: what puts the other in its place,
 * or takes it out where the other is there by then. */
void doctor_mend_port(const struct doctor *d, const char *port, const struct fastpath_master *m,
		      char *ret, size_t size);
/* For a name in interfaces that no interface has; false: none is left to take its place. */
bool doctor_mend_missing(const struct doctor *d, const char *name, char *ret, size_t size);
/* For an interface that interfaces doesn't name: in the place of a port of it or of a missing one,
 * if there is one. */
void doctor_mend_unnamed(const struct doctor *d, const char *name, char *ret, size_t size);

/* What an interface's driver says of itself, and the findings from it. */
struct nic {
	char driver[32];
	int mtu;
	bool up;
	bool attached;              /* a native XDP program is on it now */
	bool lro, gro_hw, rxvlan;   /* on, and can be switched off */
	int channels, channels_max; /* pairs of queues; 0: not told */
	bool apart;                 /* receive and transmit queues are counted apart */
	int senders;                /* transmit queues, where counted apart */
	int cpus;
};
void doctor_nic(const struct doctor *d, const char *name, const struct nic *nic);
/* What greygated makes of an interface that refuses native XDP. */
enum doctor_level doctor_without_native(const struct config *c);
#define DOCTOR_MTU6 1280 /* with less the kernel takes IPv6 away from an interface */
/* Pairs of queues, or both kinds; false: the driver doesn't tell. */
bool doctor_channels(int fd, const char *name, struct nic *ret);
/* 0: can't be told. */
int doctor_mtu(const char *name);
/* False: it is up, or can't be asked. */
bool doctor_down(const char *name);
/* Whether a feature is on and can be switched off; fd: any socket. */
bool doctor_feature(int fd, const char *name, const char *feature);

/* The other end of a veth pair. */
struct veth_peer {
	char name[16];
	char netns[201];   /* its name in /run/netns; "": here */
	bool tx, gro, xdp; /* checksums are left to it; GRO; has a native program */
	/* Queues: transmit, receive, and how many of these it can have; 0: not seen. */
	int senders, receivers, receivers_max;
};
/* What native XDP wants of it, what gateway mode does, and what answers of XDP want. */
void doctor_queues(const struct doctor *d, const char *name, const struct nic *nic,
		   const struct veth_peer *peer);
void doctor_veth(const struct doctor *d, const char *name, const struct veth_peer *peer);
void doctor_tarpit(const struct doctor *d, const char *name, const struct nic *nic,
		   const struct veth_peer *peer);
void doctor_pair(const struct doctor *d, const char *name, const struct nic *nic);

#endif
