// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The other end of a veth pair. What XDP sends out of this one arrives there only when that one
 * polls (NAPI): for what is redirected GRO is enough, answers of XDP itself want an XDP program
 * there; and nobody computes the checksums that the peer has left to its hardware. The kernel has a
 * native program on an end only that receives by as many queues as the other transmits by.
 *
 * Limits: a peer in a namespace that has no name in /run/netns is not found.
 */
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../userspace/fastpath/netlink.h"
#include "doctor.h"

#define NAMESPACES "/run/netns"

/* Numbers of interfaces are of a namespace: the same pair of them may be in several. */
struct place {
	unsigned index;
	int netns; /* the number that this namespace has for it; -1: this one */
};

static void see_link(const struct nlmsghdr *h, void *arg)
{
	const size_t header = sizeof(struct ifinfomsg);
	const uint32_t *index = netlink_find(h, header, IFLA_LINK, sizeof(*index));
	const int32_t *netns = netlink_find(h, header, IFLA_LINK_NETNSID, sizeof(*netns));
	struct place *place = arg;

	place->index = index ? *index : 0;
	place->netns = netns ? *netns : -1;
}

static struct place place_of_peer(int netlink, const char *name)
{
	const struct ifinfomsg header = {.ifi_index = (int)if_nametoindex(name)};
	struct netlink_message m;
	struct place place = {0};

	netlink_begin(&m, RTM_GETLINK, 0, &header, sizeof(header));
	netlink_get(netlink, &m, see_link, &place);
	return place;
}

static void see_netns(const struct nlmsghdr *h, void *arg)
{
	const int32_t *number =
		netlink_find(h, sizeof(struct rtgenmsg), NETNSA_NSID, sizeof(*number));

	if (number)
		*(int *)arg = *number;
}

/* -1: this namespace has none for it. */
static int number_of(int netlink, int netns)
{
	const struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	struct netlink_message m;
	int number = -1;

	netlink_begin(&m, RTM_GETNSID, 0, &header, sizeof(header));
	netlink_put_u32(&m, NETNSA_FD, (uint32_t)netns);
	netlink_get(netlink, &m, see_netns, &number);
	return number;
}

/* The interface of that number in the namespace that this thread is in. */
static bool look_at(unsigned index, struct veth_peer *ret)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[IF_NAMESIZE];
	struct nic nic = {0};
	__u32 id = 0;

	if (fd < 0)
		return false;
	if (!if_indextoname(index, name)) {
		close(fd);
		return false;
	}
	memcpy(ret->name, name, sizeof(name));
	ret->tx = doctor_feature(fd, name, "tx-checksum-ip-generic");
	ret->gro = doctor_feature(fd, name, "rx-gro");
	ret->xdp = !bpf_xdp_query_id((int)index, 0, &id) && id;
	doctor_channels(fd, name, &nic);
	ret->senders = nic.senders;
	ret->receivers = nic.channels;
	ret->receivers_max = nic.channels_max;
	close(fd);
	return true;
}

static bool look_around(int netlink, const struct place *place, struct veth_peer *ret)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	DIR *dir = home < 0 ? NULL : opendir(NAMESPACES);
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && number_of(netlink, fd) == place->netns && !setns(fd, CLONE_NEWNET)) {
			found = look_at(place->index, ret);
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

static bool find_peer(const char *name, struct veth_peer *ret)
{
	int netlink = netlink_open();
	struct place place;
	bool found = false;

	if (netlink < 0)
		return false;
	place = place_of_peer(netlink, name);
	if (place.index)
		found = place.netns < 0 ? look_at(place.index, ret)
					: look_around(netlink, &place, ret);
	close(netlink);
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

/* The kernel's own words: XDP expects number of rx queues not less than peer tx queues. */
void doctor_queues(const struct doctor *d, const char *name, const struct nic *nic,
		   const struct veth_peer *peer)
{
	const int wanted = peer->senders ? peer->senders : nic->channels_max;
	enum doctor_level level = doctor_without_native(d->config);
	char mend[400], after[30];

	if (!level)
		return;
	if (!peer->senders && !nic->attached && level != DOCTOR_FAIL)
		return;
	if (nic->attached || (peer->senders && peer->senders <= nic->channels)) {
		doctor_say(d, DOCTOR_OK, "queues", name, "",
			   "it receives by as many as its peer transmits by");
		return;
	}
	if (wanted > nic->channels && wanted <= nic->channels_max) {
		snprintf(mend, sizeof(mend), "ethtool -L %s rx %d", name, wanted);
	} else {
		snprintf(after, sizeof(after), " tx %d", nic->channels);
		mend_there(peer, "ethtool -L", after, mend, sizeof(mend));
	}
	if (peer->senders)
		doctor_say(d, level, "queues", name, mend,
			   "native XDP is refused: it receives by %d, its peer transmits by %d",
			   nic->channels, peer->senders);
	else
		doctor_say(d, DOCTOR_WARN, "queues", name, mend,
			   "its peer can't be seen: native XDP is refused if that transmits by "
			   "more than the %d that it receives by",
			   nic->channels);
}

/* Its peer gets a program only with a queue for each that this end transmits by. */
void doctor_tarpit(const struct doctor *d, const char *name, const struct nic *nic,
		   const struct veth_peer *peer)
{
	char mend[800], before[400] = "", load[400], after[30];

	if (peer->receivers && peer->receivers < nic->senders &&
	    nic->senders <= peer->receivers_max) {
		snprintf(after, sizeof(after), " rx %d && ", nic->senders);
		mend_there(peer, "ethtool -L", after, before, sizeof(before));
	} else if (peer->receivers && peer->receivers < nic->senders) {
		snprintf(before, sizeof(before), "ethtool -L %s tx %d && ", name, peer->receivers);
	}
	mend_there(peer, "xdp-filter load -p allow", "", load, sizeof(load));
	snprintf(mend, sizeof(mend), "%s%s", before, load);
	doctor_say(d, peer->xdp ? DOCTOR_OK : DOCTOR_WARN, "tarpit", name, mend, "%s",
		   peer->xdp
			   ? "its peer takes the answers of action tarpit"
			   : "action tarpit is mute: its peer has no XDP program, and so takes no "
			     "answers of XDP (xdp-filter is of xdp-tools)");
}

void doctor_pair(const struct doctor *d, const char *name, const struct nic *nic)
{
	struct veth_peer peer = {.tx = true};

	if (!find_peer(name, &peer))
		snprintf(peer.name, sizeof(peer.name), "PEER");
	doctor_queues(d, name, nic, &peer);
	if (d->config->mode == GG_MODE_GATEWAY)
		doctor_veth(d, name, &peer);
	if (d->config->xdp == FASTPATH_AUTO || d->config->xdp == FASTPATH_NATIVE)
		doctor_tarpit(d, name, nic, &peer);
}
