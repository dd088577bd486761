// SPDX-License-Identifier: GPL-2.0-or-later
/* One interface: what its driver says, by the ioctls of ethtool(8), and what greygate thinks of it.
 */
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor.h"

#define FRAME_MAX 3498 /* MTU that a driver can hold in one page, XDP's headroom deducted */

/* Drivers with native XDP in Linux 6.1. */
static const char *const native[] = {
	"atlantic",    "bnxt_en",    "bonding", "cpsw",        "dpaa2-eth", "dpaa_eth", "ena",
	"enetc",       "fec",        "gve",     "hv_netvsc",   "i40e",      "ice",      "igb",
	"igc",         "ixgbe",      "ixgbevf", "lan966x",     "mana",      "mlx4_en",  "mlx5_core",
	"mtk_soc_eth", "mvneta",     "mvpp2",   "netsec",      "nfp",       "qede",     "rvu_nicpf",
	"sfc",         "st_gmac",    "stmmac",  "thunder-nic", "tsnep",     "tun",      "veth",
	"vif",         "virtio_net", NULL,
};

static bool is_native(const char *driver)
{
	for (const char *const *n = native; *n; n++)
		if (!strcmp(*n, driver))
			return true;
	return false;
}

static void say_offload(const struct doctor *d, const char *name, bool on, const char *check,
			const char *why)
{
	char mend[80];

	snprintf(mend, sizeof(mend), "ethtool -K %s %s off", name, check);
	doctor_say(d, on ? DOCTOR_WARN : DOCTOR_OK, check, name, mend, "%s%s%s", on ? "on" : "off",
		   on ? ": " : "", on ? why : "");
}

/* What becomes of a driver without native XDP. */
static const struct without {
	enum doctor_level level;
	const char *what, *mend; /* a value of xdp */
} withouts[2][FASTPATH_OFF + 1] = {
	{
		[FASTPATH_AUTO] = {DOCTOR_WARN, "without it works, but slower", "generic"},
		[FASTPATH_NATIVE] = {DOCTOR_FAIL, "greygated does not start with xdp = native",
				     "generic"},
		[FASTPATH_GENERIC] = {DOCTOR_OK, "xdp = generic does without", ""},
		[FASTPATH_OFF] = {DOCTOR_OK, "xdp = off does without", ""},
	},
	/* A gateway has no generic mode. */
	{
		[FASTPATH_AUTO] = {DOCTOR_FAIL, "greygated does not start as a gateway", "off"},
		[FASTPATH_NATIVE] = {DOCTOR_FAIL, "greygated does not start with xdp = native",
				     "off"},
		[FASTPATH_GENERIC] = {DOCTOR_FAIL,
				      "greygated does not start as a gateway with xdp = generic",
				      "off"},
		[FASTPATH_OFF] = {DOCTOR_OK, "xdp = off does without", ""},
	},
};

static const struct without *without_native(const struct config *c)
{
	return &withouts[c && c->mode == GG_MODE_GATEWAY][c ? c->xdp : FASTPATH_AUTO];
}

enum doctor_level doctor_without_native(const struct config *c)
{
	return without_native(c)->level;
}

static void check_driver(const struct doctor *d, const char *name, const struct nic *nic)
{
	const struct without *w = without_native(d->config);
	const bool has = nic->attached || is_native(nic->driver);
	const bool generic = d->config && d->config->mode == GG_MODE_GATEWAY &&
			     d->config->xdp == FASTPATH_GENERIC;
	const char *driver = *nic->driver ? nic->driver : "no driver named";
	char mend[500] = "";

	if (w->level)
		doctor_mend_value(d, "xdp", has ? "auto" : w->mend, mend, sizeof(mend));
	if (has && !generic)
		doctor_say(d, DOCTOR_OK, "driver", name, "", "%s has native XDP", driver);
	else if (has)
		doctor_say(d, w->level, "driver", name, mend, "%s has native XDP; %s", driver,
			   w->what);
	else
		doctor_say(d, w->level, "driver", name, mend,
			   "%s: not known to have native XDP; %s", driver, w->what);
}

static bool protects(const struct config *c, bool is4)
{
	for (int i = 0; i < c->protect_count; i++)
		if (addr_is4(&c->protect[i].addr) == is4)
			return true;
	return false;
}

static void check_mtu(const struct doctor *d, const char *name, int mtu)
{
	const bool gateway = d->config && d->config->mode == GG_MODE_GATEWAY;
	char mend[80];

	snprintf(mend, sizeof(mend), "ip link set dev %s mtu 1500", name);
	if (gateway && protects(d->config, false) && mtu && mtu < DOCTOR_MTU6)
		doctor_say(d, DOCTOR_FAIL, "mtu", name, mend,
			   "%d: below %d the kernel has no IPv6 on an interface", mtu, DOCTOR_MTU6);
	else
		doctor_say(d, mtu > FRAME_MAX ? DOCTOR_WARN : DOCTOR_OK, "mtu", name, mend, "%d%s",
			   mtu, mtu > FRAME_MAX ? ": some drivers then refuse native XDP" : "");
}

void doctor_nic(const struct doctor *d, const char *name, const struct nic *nic)
{
	char mend[80];
	int wanted = nic->cpus < nic->channels_max ? nic->cpus : nic->channels_max;
	const bool gateway = d->config && d->config->mode == GG_MODE_GATEWAY;

	snprintf(mend, sizeof(mend), "ip link set dev %s up", name);
	/* Half a gateway is none. */
	doctor_say(d,
		   nic->up   ? DOCTOR_OK
		   : gateway ? DOCTOR_FAIL
			     : DOCTOR_WARN,
		   "link", name, mend, "%s", nic->up ? "up" : "down");
	check_driver(d, name, nic);
	check_mtu(d, name, nic->mtu);
	say_offload(d, name, nic->lro, "lro", "packets that were put together can't be sent on");
	say_offload(d, name, nic->gro_hw, "rx-gro-hw",
		    "packets that were put together reach XDP, or native XDP is refused");
	say_offload(d, name, nic->rxvlan, "rxvlan",
		    "VLAN tags are gone before XDP sees the frame; no matter without VLANs");
	/* More queues to transmit by would keep XDP from the peer. */
	if (!strcmp(nic->driver, "veth"))
		snprintf(mend, sizeof(mend), "ethtool -L %s rx %d", name, wanted);
	else if (nic->apart)
		snprintf(mend, sizeof(mend), "ethtool -L %s rx %d tx %d", name, wanted, wanted);
	else
		snprintf(mend, sizeof(mend), "ethtool -L %s combined %d", name, wanted);
	if (nic->channels_max)
		doctor_say(d, nic->channels < wanted ? DOCTOR_WARN : DOCTOR_OK, "channels", name,
			   mend, "%d of %d, for %d CPUs", nic->channels, nic->channels_max,
			   nic->cpus);
}

/* ---- asking the driver ---- */

static bool ask_driver(int fd, const char *name, void *command)
{
	struct ifreq r = {.ifr_data = command};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return !ioctl(fd, SIOCETHTOOL, &r);
}

/* Features are told apart by name; their numbers differ from kernel to kernel. */
bool doctor_feature(int fd, const char *name, const char *feature)
{
	struct {
		struct ethtool_sset_info info;
		__u32 count;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
	struct ethtool_gstrings *names;
	struct ethtool_gfeatures *flags;
	bool on = false;
	__u32 i;

	if (!ask_driver(fd, name, &set) || !set.info.sset_mask || set.count > 1024)
		return false;
	names = calloc(1, sizeof(*names) + (size_t)set.count * ETH_GSTRING_LEN);
	flags = calloc(1, sizeof(*flags) + (set.count + 31) / 32 * sizeof(flags->features[0]));
	if (names && flags) {
		names->cmd = ETHTOOL_GSTRINGS;
		names->string_set = ETH_SS_FEATURES;
		names->len = set.count;
		flags->cmd = ETHTOOL_GFEATURES;
		flags->size = (set.count + 31) / 32;
	}
	if (names && flags && ask_driver(fd, name, names) && ask_driver(fd, name, flags))
		for (i = 0; i < set.count; i++)
			if (!strncmp((char *)names->data + (size_t)i * ETH_GSTRING_LEN, feature,
				     ETH_GSTRING_LEN))
				on = flags->features[i / 32].active >> i % 32 & 1 &&
				     !(flags->features[i / 32].never_changed >> i % 32 & 1);
	free(names);
	free(flags);
	return on;
}

bool doctor_channels(int fd, const char *name, struct nic *ret)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (!ask_driver(fd, name, &channels))
		return false;
	ret->apart = !channels.max_combined;
	ret->channels = (int)(ret->apart ? channels.rx_count : channels.combined_count);
	ret->channels_max = (int)(ret->apart ? channels.max_rx : channels.max_combined);
	ret->senders = (int)channels.tx_count;
	return true;
}

int doctor_mtu(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), mtu = 0;
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd >= 0 && !ioctl(fd, SIOCGIFMTU, &r))
		mtu = r.ifr_mtu;
	if (fd >= 0)
		close(fd);
	return mtu;
}

bool doctor_down(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	bool down;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	down = fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &r) && !(r.ifr_flags & IFF_UP);
	if (fd >= 0)
		close(fd);
	return down;
}

static bool read_nic(const char *name, struct nic *ret)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	__u32 id = 0;

	if (fd < 0)
		return false;
	*ret = (struct nic){.cpus = (int)sysconf(_SC_NPROCESSORS_ONLN)};
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	ret->up = !doctor_down(name);
	ret->mtu = doctor_mtu(name);
	if (ask_driver(fd, name, &driver))
		snprintf(ret->driver, sizeof(ret->driver), "%s", driver.driver);
	ret->lro = doctor_feature(fd, name, "rx-lro");
	ret->gro_hw = doctor_feature(fd, name, "rx-gro-hw");
	ret->rxvlan = doctor_feature(fd, name, "rx-vlan-hw-parse");
	doctor_channels(fd, name, ret);
	ret->attached = !bpf_xdp_query_id((int)if_nametoindex(name), XDP_FLAGS_DRV_MODE, &id) && id;
	close(fd);
	return true;
}

/* ---- the kernel's settings for it ---- */

/* A dot in an interface's name is no separator where the others are slashes. */
void doctor_mend_sysctl(char *ret, size_t size, int family, const char *name, const char *key,
			int value)
{
	const char c = strchr(name, '.') ? '/' : '.';

	snprintf(ret, size, "sysctl -w net%cipv%d%cconf%c%s%c%s=%d", c, family, c, c, name, c, key,
		 value);
}

static void check_forwarding(const struct doctor *d, const char *name)
{
	char path[120], mend[120];

	for (int family = 4; family <= 6; family += 2) {
		long on, all;

		if (!protects(d->config, family == 4))
			continue;
		snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/all/forwarding", family);
		all = doctor_number(d, path);
		snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/forwarding", family,
			 name);
		on = doctor_number(d, path);
		/* A change of all is one of each interface; all = 1 written again is none. */
		doctor_mend_sysctl(mend, sizeof(mend), family, all ? name : "all", "forwarding", 1);
		/* The kernel wants both for IPv6. */
		if (on > 0 && family == 6)
			on = all;
		if (on >= 0)
			doctor_say(d, on ? DOCTOR_OK : DOCTOR_FAIL, "forwarding", name, mend,
				   "IPv%d is %s", family, on ? "forwarded" : "not forwarded");
	}
}

static void check_rp_filter(const struct doctor *d, const char *name)
{
	char path[120], mend[120];
	long all = doctor_number(d, "/proc/sys/net/ipv4/conf/all/rp_filter"), own;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", name);
	doctor_mend_sysctl(mend, sizeof(mend), 4, name, "rp_filter", 2);
	own = doctor_number(d, path);
	if (all < 0 || own < 0)
		return;
	/* The kernel takes the larger of the two. */
	if (own < all)
		own = all;
	doctor_say(d, own == 1 ? DOCTOR_WARN : DOCTOR_OK, "rp_filter", name, mend, "%s",
		   own == 1 ? "strict: who answers by another way than he came is dropped"
		   : own    ? "loose"
			    : "off");
}

bool doctor_names(const struct config *c, const char *interface)
{
	for (int i = 0; i < c->interface_count; i++)
		if (!strcmp(c->interfaces[i], interface))
			return true;
	return false;
}

static void check_missing(const struct doctor *d, const char *name)
{
	char mend[500];

	if (!d->config || !doctor_mend_missing(d, name, mend, sizeof(mend)))
		snprintf(mend, sizeof(mend), "ip -brief link");
	doctor_say(d, DOCTOR_FAIL, "link", name, mend,
		   "there is no such interface; change interfaces");
}

/* A start refuses it, and nothing else about it matters then. */
static bool check_header(const struct doctor *d, const char *name)
{
	const struct config *c = d->config;
	int type;

	if (!c || (c->xdp == FASTPATH_OFF && c->mode != GG_MODE_GATEWAY) ||
	    fastpath_ethernet(name, &type))
		return true;
	doctor_say(d, DOCTOR_FAIL, "ethernet", name, fastpath_without_ethernet(c->mode),
		   "its packets have no Ethernet header (type %d): it can't be guarded", type);
	return false;
}

/* Nor that, in gateway mode: what comes by a port is its master's. */
static bool check_master(const struct doctor *d, const char *name)
{
	struct fastpath_master m;
	char mend[500];

	if (!d->config || d->config->mode != GG_MODE_GATEWAY || !fastpath_master(name, &m))
		return true;
	if (m.stands_in)
		doctor_mend_port(d, name, &m, mend, sizeof(mend));
	else
		snprintf(mend, sizeof(mend), "ip link set dev %s nomaster", name);
	doctor_say(d, DOCTOR_FAIL, "master", name, mend,
		   "a port of %s (%s), whose are the packets that come by it: greygated does not "
		   "start as a gateway",
		   m.name, *m.kind ? m.kind : "kind not known");
	return false;
}

void doctor_interface(const struct doctor *d, const char *name)
{
	struct nic nic = {0};

	if (!if_nametoindex(name)) {
		check_missing(d, name);
		return;
	}
	if (!check_header(d, name) || !check_master(d, name))
		return;
	if (read_nic(name, &nic))
		doctor_nic(d, name, &nic);
	doctor_vacant(d, name);
	if (d->config && d->config->mode == GG_MODE_GATEWAY) {
		check_forwarding(d, name);
		check_rp_filter(d, name);
	}
	if (d->config && !strcmp(nic.driver, "veth"))
		doctor_pair(d, name, &nic);
}
