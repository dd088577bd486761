// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tools/doctor_mend.c"
#include "tools/doctor_nic.c"
#include "tools/doctor_veth.c"

#include "found.h"

void doctor_say(const struct doctor *d, enum doctor_level level, const char *check,
		const char *about, const char *mend, const char *format, ...)
{
	(void)d, (void)about;
	assert_true(*format);
	assert_true(level == DOCTOR_OK || *mend);
	found_keep(level, check, "", level ? mend : "");
}

long doctor_number(const struct doctor *d, const char *path)
{
	(void)d, (void)path;
	return -1;
}

void doctor_vacant(const struct doctor *d, const char *name)
{
	(void)d, (void)name;
}

static struct doctor doctor(const struct config *config)
{
	count = 0;
	return (struct doctor){.root = "", .config = config};
}

static void interfaces(void **state)
{
	static const struct nic good = {.driver = "mlx5_core",
					.mtu = 1500,
					.up = true,
					.channels = 4,
					.channels_max = 8,
					.cpus = 4};
	static const struct {
		const char *check, *mend;
		struct nic nic;
	} t[] = {
		{"mtu", "ip link set dev eth0 mtu 1500", {.driver = "igb", .mtu = 9000}},
		{"lro", "ethtool -K eth0 lro off", {.driver = "igb", .lro = true}},
		{"rx-gro-hw", "ethtool -K eth0 rx-gro-hw off", {.driver = "igb", .gro_hw = true}},
		{"rxvlan", "ethtool -K eth0 rxvlan off", {.driver = "igb", .rxvlan = true}},
		{"channels",
		 "ethtool -L eth0 combined 4",
		 {.driver = "igb", .channels = 1, .channels_max = 4, .cpus = 16}},
		{"channels",
		 "ethtool -L eth0 combined 2",
		 {.driver = "igb", .channels = 1, .channels_max = 64, .cpus = 2}},
		{"channels",
		 "ethtool -L eth0 rx 2 tx 2",
		 {.driver = "stmmac", .channels = 1, .channels_max = 8, .cpus = 2, .apart = true}},
		/* The peer could have no XDP program with more to receive by than it has. */
		{"channels",
		 "ethtool -L eth0 rx 2",
		 {.driver = "veth", .channels = 1, .channels_max = 8, .cpus = 2, .apart = true}},
	};
	struct config c = {.mode = GG_MODE_GATEWAY};
	struct doctor d = doctor(&c);

	(void)state;
	doctor_nic(&d, "eth0", &good);
	assert_int_equal(count, 7);
	for (int i = 0; i < count; i++)
		assert_int_equal(found[i].level, DOCTOR_OK);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		d = doctor(&c);
		doctor_nic(&d, "eth0", &t[i].nic);
		said(t[i].check, DOCTOR_WARN, t[i].mend);
	}
}

/* A gateway needs each of its interfaces. */
static void one_that_is_down(void **state)
{
	static const struct nic nic = {.driver = "igb", .mtu = 1500};
	struct config c = {.mode = GG_MODE_GATEWAY};
	struct doctor d = doctor(&c);

	(void)state;
	doctor_nic(&d, "eth0", &nic);
	said("link", DOCTOR_FAIL, "ip link set dev eth0 up");
	c.mode = GG_MODE_RELAY;
	d = doctor(&c);
	doctor_nic(&d, "eth0", &nic);
	said("link", DOCTOR_WARN, "ip link set dev eth0 up");
	d = doctor(NULL);
	doctor_nic(&d, "eth0", &nic);
	said("link", DOCTOR_WARN, "ip link set dev eth0 up");
}

static void mtu_of_ipv6(void **state)
{
	struct endpoint v6 = {.addr.b = {0x20, 1}, .port = 25};
	struct config c = {.mode = GG_MODE_GATEWAY, .protect = &v6, .protect_count = 1};
	struct nic nic = {.driver = "igb", .mtu = 1279};
	struct doctor d = doctor(&c);

	(void)state;
	doctor_nic(&d, "eth0", &nic);
	said("mtu", DOCTOR_FAIL, "ip link set dev eth0 mtu 1500");
	nic.mtu = 1280;
	d = doctor(&c);
	doctor_nic(&d, "eth0", &nic);
	said("mtu", DOCTOR_OK, "");
	c.protect_count = 0;
	nic.mtu = 600;
	d = doctor(&c);
	doctor_nic(&d, "eth0", &nic);
	said("mtu", DOCTOR_OK, "");
}

/* What a start refuses fails, what is set already is no advice. */
static void drivers_without_native_xdp(void **state)
{
	static const struct {
		enum gg_mode mode;
		enum fastpath_xdp xdp;
		enum doctor_level level, native; /* of one without, and of one with native XDP */
		const char *mend;
	} t[] = {
		{GG_MODE_GATEWAY, FASTPATH_AUTO, DOCTOR_FAIL, DOCTOR_OK, "off"},
		{GG_MODE_GATEWAY, FASTPATH_NATIVE, DOCTOR_FAIL, DOCTOR_OK, "off"},
		{GG_MODE_GATEWAY, FASTPATH_GENERIC, DOCTOR_FAIL, DOCTOR_FAIL, "off"},
		{GG_MODE_GATEWAY, FASTPATH_OFF, DOCTOR_OK, DOCTOR_OK, ""},
		{GG_MODE_HOST, FASTPATH_AUTO, DOCTOR_WARN, DOCTOR_OK, "generic"},
		{GG_MODE_HOST, FASTPATH_NATIVE, DOCTOR_FAIL, DOCTOR_OK, "generic"},
		{GG_MODE_RELAY, FASTPATH_NATIVE, DOCTOR_FAIL, DOCTOR_OK, "generic"},
		{GG_MODE_RELAY, FASTPATH_GENERIC, DOCTOR_OK, DOCTOR_OK, ""},
		{GG_MODE_RELAY, FASTPATH_OFF, DOCTOR_OK, DOCTOR_OK, ""},
	};
	const struct nic without = {.driver = "r8169"}, unnamed = {.driver = ""},
			 with = {.driver = "igb"}, proven = {.driver = "r8169", .attached = true};
	struct doctor d = doctor(NULL);
	char mend[100];

	(void)state;
	doctor_nic(&d, "eth0", &without);
	said("driver", DOCTOR_WARN, "write xdp = generic into the configuration");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct config c = {.mode = t[i].mode, .xdp = t[i].xdp};

		snprintf(mend, sizeof(mend), "write xdp = %s into the configuration", t[i].mend);
		d = doctor(&c);
		doctor_nic(&d, "eth0", &without);
		said("driver", t[i].level, t[i].level ? mend : "");
		d = doctor(&c);
		doctor_nic(&d, "eth0", &unnamed);
		said("driver", t[i].level, t[i].level ? mend : "");
		snprintf(mend, sizeof(mend), "write xdp = auto into the configuration");
		d = doctor(&c);
		doctor_nic(&d, "eth0", &with);
		said("driver", t[i].native, t[i].native ? mend : "");
		d = doctor(&c);
		doctor_nic(&d, "eth0", &proven);
		said("driver", t[i].native, t[i].native ? mend : "");
	}
}

static void queues_of_a_pair(void **state)
{
	static const struct {
		enum fastpath_xdp xdp;
		int channels, most, senders; /* of the peer; 0: it can't be seen */
		bool attached;
		enum doctor_level level;
		const char *mend; /* NULL: nothing is said */
	} t[] = {
		{FASTPATH_NATIVE, 1, 2, 1, false, DOCTOR_OK, ""},
		{FASTPATH_NATIVE, 1, 2, 2, false, DOCTOR_FAIL, "ethtool -L g0 rx 2"},
		{FASTPATH_NATIVE, 1, 1, 2, false, DOCTOR_FAIL,
		 "nsenter --net=/run/netns/client ethtool -L c0 tx 1"},
		{FASTPATH_AUTO, 1, 2, 2, false, DOCTOR_WARN, "ethtool -L g0 rx 2"},
		{FASTPATH_NATIVE, 1, 2, 0, false, DOCTOR_WARN, "ethtool -L g0 rx 2"},
		{FASTPATH_NATIVE, 2, 2, 0, false, DOCTOR_WARN, "ethtool -L PEER tx 2"},
		{FASTPATH_NATIVE, 1, 2, 0, true, DOCTOR_OK, ""},
		{FASTPATH_AUTO, 1, 2, 0, false, DOCTOR_OK, NULL},
		{FASTPATH_GENERIC, 1, 2, 2, false, DOCTOR_OK, NULL},
		{FASTPATH_OFF, 1, 2, 2, false, DOCTOR_OK, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct config c = {.mode = GG_MODE_HOST, .xdp = t[i].xdp};
		const struct nic nic = {.channels = t[i].channels,
					.channels_max = t[i].most,
					.attached = t[i].attached};
		struct veth_peer peer = {.name = "PEER"};
		struct doctor d = doctor(&c);

		if (t[i].senders)
			peer = (struct veth_peer){
				.name = "c0", .netns = "client", .senders = t[i].senders};
		doctor_queues(&d, "g0", &nic, &peer);
		assert_int_equal(count, t[i].mend ? 1 : 0);
		if (t[i].mend)
			said("queues", t[i].level, t[i].mend);
	}
}

/* Both in the order in which they are printed. */
static void a_program_for_the_peer(void **state)
{
	static const struct nic two = {.senders = 2};
	static const struct veth_peer few = {.name = "c0", .receivers = 1, .receivers_max = 2},
				      one = {.name = "c0", .receivers = 1, .receivers_max = 1};
	struct doctor d = doctor(NULL);

	(void)state;
	doctor_tarpit(&d, "g0", &two, &few);
	said("tarpit", DOCTOR_WARN, "ethtool -L c0 rx 2 && xdp-filter load -p allow c0");
	d = doctor(NULL);
	doctor_tarpit(&d, "g0", &two, &one);
	said("tarpit", DOCTOR_WARN, "ethtool -L g0 tx 1 && xdp-filter load -p allow c0");
}

static void the_other_end_of_a_pair(void **state)
{
	static const struct {
		struct veth_peer peer;
		enum doctor_level level;
		const char *mend, *tarpit;
	} t[] = {
		{{"c0", "", false, false, true, 0, 0, 0}, DOCTOR_OK, "", ""},
		{{"c0", "", false, true, false, 0, 0, 0},
		 DOCTOR_OK,
		 "",
		 "xdp-filter load -p allow c0"},
		{{"c0", "", true, true, true, 0, 0, 0},
		 DOCTOR_WARN,
		 "ethtool -K c0 tx off gro on",
		 ""},
		{{"c0", "client", false, false, false, 0, 0, 0},
		 DOCTOR_WARN,
		 "nsenter --net=/run/netns/client ethtool -K c0 tx off gro on",
		 "nsenter --net=/run/netns/client xdp-filter load -p allow c0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct doctor d = doctor(NULL);

		doctor_veth(&d, "g0", &t[i].peer);
		said("veth", t[i].level, t[i].mend);
		d = doctor(NULL);
		doctor_tarpit(&d, "g0", &(struct nic){0}, &t[i].peer);
		said("tarpit", *t[i].tarpit ? DOCTOR_WARN : DOCTOR_OK, t[i].tarpit);
	}
}

static void drivers_are_in_order_and_once(void **state)
{
	(void)state;
	for (size_t i = 0; native[i + 1]; i++)
		assert_true(strcmp(native[i], native[i + 1]) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces),
		cmocka_unit_test(one_that_is_down),
		cmocka_unit_test(mtu_of_ipv6),
		cmocka_unit_test(drivers_without_native_xdp),
		cmocka_unit_test(queues_of_a_pair),
		cmocka_unit_test(a_program_for_the_peer),
		cmocka_unit_test(the_other_end_of_a_pair),
		cmocka_unit_test(drivers_are_in_order_and_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
