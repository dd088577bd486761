// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The other end of a veth pair. What XDP sends out of this one arrives there only when that one
 * polls (NAPI): for what is redirected GRO is enough, answers of XDP itself want an XDP program
 * there; and nobody computes the checksums that the peer has left to its hardware.
 *
 * Limits: a peer in a namespace that has no name in /run/netns is not found.
 */
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define NAMESPACES "/run/netns"

/* Of the driver: its first figure is the number of the other end. */
static unsigned peer_of(int fd, const char *name)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_stats *s;
	unsigned peer = 0;

	if (!doctor_ethtool(fd, name, &driver) || strcmp(driver.driver, "veth") != 0 ||
	    !driver.n_stats)
		return 0;
	s = calloc(1, sizeof(*s) + driver.n_stats * sizeof(s->data[0]));
	if (s) {
		s->cmd = ETHTOOL_GSTATS;
		s->n_stats = driver.n_stats;
		if (doctor_ethtool(fd, name, s))
			peer = (unsigned)s->data[0];
	}
	free(s);
	return peer;
}

/* Whether the interface of that number, in the namespace that this thread is in, is the one. */
static bool look_at(unsigned index, unsigned ours, struct veth_peer *ret)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[IF_NAMESIZE];
	__u32 id = 0;

	if (fd < 0)
		return false;
	if (!if_indextoname(index, name) || peer_of(fd, name) != ours) {
		close(fd);
		return false;
	}
	memcpy(ret->name, name, sizeof(name));
	ret->tx = doctor_feature(fd, name, "tx-checksum-ip-generic");
	ret->gro = doctor_feature(fd, name, "rx-gro");
	ret->xdp = !bpf_xdp_query_id((int)index, 0, &id) && id;
	close(fd);
	return true;
}

static bool is_same(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static bool look_around(unsigned index, unsigned ours, struct veth_peer *ret)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	DIR *dir = home < 0 ? NULL : opendir(NAMESPACES);
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && !is_same(fd, home) && !setns(fd, CLONE_NEWNET)) {
			found = look_at(index, ours, ret);
			if (setns(home, CLONE_NEWNET))
				found = false;
		}
		if (fd >= 0)
			close(fd);
		if (found)
			snprintf(ret->netns, sizeof(ret->netns), "%.200s", e->d_name);
	}
	if (dir)
		closedir(dir);
	if (home >= 0)
		close(home);
	return found;
}

/* How a command is run where the peer is. */
static void mend_there(const struct veth_peer *peer, const char *before, const char *after,
		       char *ret, size_t size)
{
	char at[280] = "";

	if (*peer->netns)
		snprintf(at, sizeof(at), "nsenter --net=" NAMESPACES "/%s ", peer->netns);
	snprintf(ret, size, "%s%s %s%s", at, before, peer->name, after);
}

void doctor_veth(const struct doctor *d, const char *name, const struct veth_peer *peer)
{
	const bool well = !peer->tx && (peer->gro || peer->xdp);
	char mend[400];

	mend_there(peer, "ethtool -K", " tx off gro on", mend, sizeof(mend));
	doctor_say(d, well ? DOCTOR_OK : DOCTOR_WARN, "veth", name, mend, "%s",
		   well ? "its peer takes what XDP sends on"
			: "frames sent on by XDP need whole checksums from its peer, and GRO "
			  "there");
}

void doctor_tarpit(const struct doctor *d, const char *name, const struct veth_peer *peer)
{
	char mend[400];

	mend_there(peer, "xdp-filter load -p allow", "", mend, sizeof(mend));
	doctor_say(d, peer->xdp ? DOCTOR_OK : DOCTOR_WARN, "tarpit", name, mend, "%s",
		   peer->xdp
			   ? "its peer takes the answers of action tarpit"
			   : "action tarpit is mute: its peer has no XDP program, and so takes no "
			     "answers of XDP (xdp-filter is of xdp-tools)");
}

void doctor_pair(const struct doctor *d, const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned ours = if_nametoindex(name), index = fd < 0 ? 0 : peer_of(fd, name);
	struct veth_peer peer = {.tx = true};

	if (fd >= 0)
		close(fd);
	/* Numbers are of a namespace: the same one here is this end itself. */
	if (!index ||
	    !((index != ours && look_at(index, ours, &peer)) || look_around(index, ours, &peer)))
		snprintf(peer.name, sizeof(peer.name), "PEER");
	if (d->config->mode == GG_MODE_GATEWAY)
		doctor_veth(d, name, &peer);
	if (d->config->xdp == FASTPATH_AUTO || d->config->xdp == FASTPATH_NATIVE)
		doctor_tarpit(d, name, &peer);
}
