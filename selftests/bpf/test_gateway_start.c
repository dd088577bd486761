// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode from start to detach: filters, rules and routes are there once, come back as they
 * were when a start fails, and leave nothing behind but what is somebody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "start.h"

static int rules(void)
{
	return number("{ ip rule show; ip -6 rule show; } | grep -c 'fwmark 0x67726579.*26489'");
}

static int routes(void)
{
	return number("{ ip route show table 26489; ip -6 route show table 26489; } 2>/dev/null | "
		      "grep -c '^local default dev lo'");
}

static int filters(void)
{
	return number("for i in gg0 gg1; do tc filter show dev $i ingress; done | "
		      "grep -c greygate_tc");
}

static int qdiscs(void)
{
	return number("tc qdisc show | grep -c clsact");
}

static int clean(void **state)
{
	start_end_clean(state);
	assert_int_equal(rules(), 0);
	assert_int_equal(routes(), 0);
	assert_int_equal(filters(), 0);
	assert_int_equal(qdiscs(), 0);
	return 0;
}

static void in_force(int r, int t, int f)
{
	assert_int_equal(rules(), r);
	assert_int_equal(routes(), t);
	assert_int_equal(filters(), f);
}

static void a_start_twice_is_a_start_once(void **state)
{
	struct fastpath_conf conf = gateway();
	struct fastpath *fp;
	uint32_t ports = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		fp = room_open(&conf);
		in_force(4, 2, 2);
		assert_int_not_equal(program_on("gg0"), 0);
		if (!i)
			ports = map_pinned(V1 "/ports");
		assert_int_equal(map_pinned(V1 "/ports"), ports);
		fastpath_close(&fp);
		in_force(4, 2, 2);
	}
}

static void without_xdp_the_tc_program_is_there(void **state)
{
	struct fastpath_conf conf = gateway();
	const struct fastpath_attachment *at;
	struct fastpath *fp;

	(void)state;
	conf.xdp = FASTPATH_OFF;
	fp = room_open(&conf);
	in_force(4, 2, 2);
	assert_int_equal(program_on("gg0"), 0);
	assert_int_equal(fastpath_attachments(fp, &at), 2);
	assert_string_equal(at[1].interface, "gg1");
	assert_string_equal(at[1].with, "tc");
	fastpath_close(&fp);
}

/* What it says would mend it is not refused. */
static void a_driver_without_xdp_has_its_mend(void **state)
{
	struct fastpath_conf conf = gateway();
	struct fastpath *fp = NULL;
	char err[400] = "";

	(void)state;
	conf.interfaces[conf.interface_count++] = "lo";
	room_run("for f in 4 6; do echo 1 >/proc/sys/net/ipv$f/conf/lo/forwarding; done");
	assert_true(fastpath_open(&conf, &fp, err, sizeof(err)) < 0);
	assert_non_null(strstr(err, "interface lo: XDP program not accepted (native)"));
	assert_non_null(strstr(err, "; set xdp = off, or xdp = generic where mode is not gateway"));
	in_force(0, 0, 0);
	conf.xdp = FASTPATH_OFF;
	fp = room_open(&conf);
	in_force(6, 2, 2);
	fastpath_close(&fp);
}

/* The programs would read its packets as what they are not, and guard nothing. */
static void an_interface_without_ethernet_headers_is_refused(void **state)
{
	static const struct {
		enum gg_mode mode;
		enum fastpath_xdp xdp;
		const char *mend;
	} t[] = {
		{GG_MODE_GATEWAY, FASTPATH_AUTO, "; name Ethernet interfaces"},
		{GG_MODE_GATEWAY, FASTPATH_OFF, "; name Ethernet interfaces"},
		{GG_MODE_HOST, FASTPATH_GENERIC, "; take it out of interfaces; the socket lookup"},
		{GG_MODE_RELAY, FASTPATH_AUTO, "; take it out of interfaces; the daemon alone"},
	};
	struct fastpath *fp = NULL;

	(void)state;
	room_run("ip tuntap add dev gg8 mode tun");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct fastpath_conf conf = gateway();
		char err[400] = "";

		conf.mode = t[i].mode;
		conf.xdp = t[i].xdp;
		conf.interfaces[conf.interface_count++] = "gg8";
		assert_int_equal(fastpath_open(&conf, &fp, err, sizeof(err)), -EPFNOSUPPORT);
		assert_non_null(strstr(err, "interface gg8: its packets have no Ethernet header"));
		assert_non_null(strstr(err, t[i].mend));
		in_force(0, 0, 0);
		assert_int_equal(program_on("gg0"), 0);
	}
	room_run("ip link del gg8");
}

static void enslave(const char *kind)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "ip link add gg8 type %s && ip link set gg0 down && "
		 "ip link set gg0 master gg8 && ip link set gg0 up",
		 kind);
	room_run(command);
}

static void release(void)
{
	room_run("ip link del gg8; ip link set gg0 up");
}

static bool kernel_has(const char *kind)
{
	char command[100];

	snprintf(command, sizeof(command), "ip link add gg8 type %s 2>/dev/null && ip link del gg8",
		 kind);
	return !system(command);
}

/* The rules of its name would never hold. A successor is not kept from its place by it. */
static void a_port_of_another_interface_is_refused(void **state)
{
	static const struct {
		const char *kind, *mend;
	} t[] = {
		{"bridge",
		 "; name gg8 in interfaces in its place, with xdp = off where its driver "
		 "has no native XDP, or take gg0 out of it: ip link set dev gg0 nomaster"},
		{"bond", "; name gg8 in interfaces in its place"},
		{"vrf table 8", "; ip link set dev gg0 nomaster"},
	};
	int tried = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct fastpath_conf conf = gateway();
		struct fastpath *fp;

		if (!kernel_has(t[i].kind)) {
			printf("# this kernel has no %s\n", t[i].kind);
			continue;
		}
		tried++;
		enslave(t[i].kind);
		for (int k = 0; k < 2; k++) {
			conf.xdp = k ? FASTPATH_OFF : FASTPATH_AUTO;
			REFUSED(&conf, -EINVAL, "interface gg0: its master is gg8 (", t[i].mend);
			in_force(0, 0, 0);
		}
		release();
		fp = room_open(&conf);
		enslave(t[i].kind);
		conf.held_lock = dup(fastpath_lock_fd(fp));
		fastpath_leave(&fp);
		fp = room_open(&conf);
		fastpath_close(&fp);
		release();
		room_detach();
	}
	if (!tried)
		skip();
}

static void what_is_no_longer_named_goes(void **state)
{
	struct fastpath_conf conf = gateway();
	struct fastpath *fp = room_open(&conf);

	(void)state;
	fastpath_close(&fp);
	conf.interface_count = 1;
	conf.vip_count = 1; /* IPv4 only */
	fp = room_open(&conf);
	in_force(1, 1, 1);
	assert_int_equal(qdiscs(), 1);
	fastpath_close(&fp);
	conf = on("gg0", GG_MODE_RELAY);
	fp = room_open(&conf);
	in_force(0, 0, 0);
	assert_int_equal(qdiscs(), 0);
	fastpath_close(&fp);
}

static void filters_of_others_stay(void **state)
{
	struct fastpath_conf conf = gateway();
	struct fastpath *fp;

	(void)state;
	filter_add("gg0", BPF_TC_EGRESS, 1, 7);
	room_run("ip rule add fwmark 0x67726579 lookup 26490 pref 24");
	fp = room_open(&conf);
	fastpath_close(&fp);
	in_force(4, 2, 2);
	room_detach();
	in_force(0, 0, 0);
	assert_int_equal(qdiscs(), 1);
	assert_int_equal(number("tc filter show dev gg0 egress | grep -c somebody"), 1);
	assert_int_equal(number("ip rule show | grep -c 26490"), 1);
	room_run("tc qdisc del dev gg0 clsact && ip rule del pref 24");
}

/* Of either name, and on the way out too; through restarts, a failed one and a kill. */
static void a_qdisc_of_somebody_else_stays(void **state)
{
	static const char *const theirs[] = {"clsact", "ingress"};
	struct fastpath_conf conf = gateway();
	struct fastpath *fp;

	(void)state;
	conf.observe = true;
	for (size_t i = 0; i < 2; i++) {
		char command[100];
		int foreign;

		snprintf(command, sizeof(command), "tc qdisc add dev gg0 %s", theirs[i]);
		room_run(command);
		foreign = attach_foreign("gg1");
		REFUSED(&conf, -EBUSY, "gg1", "somebody");
		detach_foreign("gg1", foreign);
		in_force(0, 0, 0);
		assert_int_equal(number("tc qdisc show | grep -cE 'clsact|ingress'"), 1);
		for (int k = 0; k < 2; k++) {
			fp = room_open(&conf);
			in_force(4, 2, 2);
			/* ingress has no way out: what stands on the way in must not go for it. */
			assert_int_equal(!fastpath_observe_why(fp), !i);
			if (i)
				assert_non_null(strstr(fastpath_observe_why(fp),
						       "gg0: its qdisc is ingress"));
			fastpath_close(&fp);
		}
		start_and_die(&conf, NULL);
		room_detach();
		in_force(0, 0, 0);
		assert_int_equal(number("tc qdisc show | grep -cE 'clsact|ingress'"), 1);
		snprintf(command, sizeof(command), "tc qdisc del dev gg0 %s", theirs[i]);
		room_run(command);
	}
}

static void a_failed_start_leaves_things_as_they_were(void **state)
{
	struct fastpath_conf conf = gateway();
	struct fastpath *fp;
	int foreign = attach_foreign("gg1");
	char err[400];

	(void)state;
	/* Asked beforehand it is said, too. */
	assert_int_equal(fastpath_vacant(conf.bpffs, "gg0", err, sizeof(err)), 0);
	assert_int_equal(fastpath_vacant(conf.bpffs, "gg1", err, sizeof(err)), -EBUSY);
	assert_non_null(strstr(err, "interface gg1: XDP program somebody (id "));
	/* The last step of all fails. */
	REFUSED(&conf, -EBUSY, "gg1", "somebody");
	in_force(0, 0, 0);
	assert_int_equal(qdiscs(), 0);
	detach_foreign("gg1", foreign);

	fp = room_open(&conf);
	assert_int_equal(fastpath_vacant(conf.bpffs, "gg1", err, sizeof(err)), 0);
	assert_int_equal(fastpath_vacant(ROOM_BPFFS "-other", "gg1", err, sizeof(err)),
			 -EADDRINUSE);
	fastpath_close(&fp);
	conf.interfaces[conf.interface_count++] = "gg2";
	foreign = attach_foreign("gg2");
	REFUSED(&conf, -EBUSY, "gg2", "somebody");
	in_force(4, 2, 2);
	assert_int_equal(qdiscs(), 2);
	detach_foreign("gg2", foreign);
}

static void a_filter_of_somebody_else_in_our_place_is_named(void **state)
{
	struct fastpath_conf conf = gateway();

	(void)state;
	filter_add("gg1", BPF_TC_INGRESS, 0x67726579, 25);
	REFUSED(&conf, -EBUSY, "gg1", "somebody else", "tc filter del dev gg1 ingress pref 25");
	room_run("tc qdisc del dev gg1 clsact");
	in_force(0, 0, 0);
}

static int filters_at(uint32_t priority)
{
	char command[100];
	int n = -1;
	FILE *f;

	snprintf(command, sizeof(command),
		 "tc filter show dev gg0 ingress pref %u | grep -c greygate_tc", priority);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

/* As an earlier version had it, whose program a start takes over, and a start that fails gives back
 * where it was; detach finds it too. */
static void a_filter_at_the_former_priority_is_taken_over(void **state)
{
	struct fastpath_conf conf = gateway();
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 0x67726579, .priority = 1);
	struct fastpath *fp = room_open(&conf);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("gg0"),
		    .attach_point = BPF_TC_INGRESS);
	int foreign;

	(void)state;
	assert_int_equal(filters_at(1), 1);
	for (int step = 0; step < 3; step++) {
		fastpath_close(&fp);
		assert_int_equal(bpf_tc_query(&hook, &opts), 0);
		opts.prog_fd = bpf_prog_get_fd_by_id(opts.prog_id);
		opts.flags = opts.prog_id = 0;
		opts.priority = 25;
		assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
		close(opts.prog_fd);
		room_run("tc filter del dev gg0 ingress pref 1");
		opts = (struct bpf_tc_opts){
			.sz = sizeof(opts), .handle = 0x67726579, .priority = 1};
		if (step == 0) {
			foreign = attach_foreign("gg2");
			conf.interfaces[conf.interface_count++] = "gg2";
			REFUSED(&conf, -EBUSY, "gg2", "somebody");
			conf.interface_count--;
			detach_foreign("gg2", foreign);
			assert_int_equal(filters_at(25), 1);
			assert_int_equal(filters_at(1), 0);
		} else if (step == 2) {
			break;
		}
		fp = room_open(&conf);
		assert_int_equal(filters_at(25), 0);
		assert_int_equal(filters_at(1), 1);
	}
	room_detach();
	assert_int_equal(filters_at(25), 0);
	in_force(0, 0, 0);
	assert_int_equal(qdiscs(), 0);
}

/* Another kind of filter keeps its priority; that it stands before ours is told. */
static void what_stands_before_ours_is_named(void **state)
{
	char what[FASTPATH_PORT], mend[FASTPATH_PORT];
	struct fastpath_conf conf = gateway();
	struct fastpath *fp;

	(void)state;
	room_run(
		"tc qdisc add dev gg0 clsact && tc filter add dev gg0 ingress protocol all pref 10 "
		"u32 match u32 0 0 flowid 1:1");
	fp = room_open(&conf);
	assert_false(fastpath_ahead("gg0", what, mend));
	fastpath_close(&fp);
	room_detach();
	room_run("tc filter add dev gg0 ingress protocol all pref 1 u32 match u32 0 0 flowid 1:1");
	fp = room_open(&conf);
	assert_int_equal(filters_at(25), 1);
	assert_true(fastpath_ahead("gg0", what, mend));
	assert_non_null(
		strstr(what, "interface gg0: a tc filter of somebody else (u32, priority 1)"));
	assert_non_null(strstr(mend, "tc filter show dev gg0 ingress"));
	assert_false(fastpath_ahead("gg1", what, mend));
	fastpath_close(&fp);
	room_run("tc filter del dev gg0 ingress pref 1");
	fp = room_open(&conf);
	assert_int_equal(filters_at(1), 1);
	assert_int_equal(filters_at(25), 0);
	/* The kernel asks the newest one of a priority first. */
	filter_add("gg0", BPF_TC_INGRESS, 7, 1);
	assert_true(fastpath_ahead("gg0", what, mend));
	assert_non_null(strstr(what, "(bpf, priority 1)"));
	fastpath_close(&fp);
	room_detach();
	room_run("tc qdisc del dev gg0 clsact");
}

static void what_stands_over_an_interface_is_named(void **state)
{
	char *const named[] = {(char *)"gg0", (char *)"mv0"};
	char name[16], kind[16];

	(void)state;
	if (system("ip link add mv0 link gg0 type macvlan 2>/dev/null"))
		skip();
	assert_true(fastpath_upper("gg0", named, 1, name, kind));
	assert_string_equal(name, "mv0");
	assert_string_equal(kind, "macvlan");
	assert_false(fastpath_upper("gg0", named, 2, name, kind));
	assert_false(fastpath_upper("gg1", named, 1, name, kind));
	room_run("ip link del mv0");
}

static void generic_xdp_is_refused(void **state)
{
	struct fastpath_conf conf = gateway();

	(void)state;
	conf.xdp = FASTPATH_GENERIC;
	REFUSED(&conf, -EINVAL, "xdp", "generic", "xdp = off");
	in_force(0, 0, 0);
}

static void without_forwarding_it_does_not_start(void **state)
{
	struct fastpath_conf conf = gateway();

	(void)state;
	room_run("sysctl -qw net.ipv6.conf.gg1.forwarding=0");
	REFUSED(&conf, -ENETUNREACH, "gg1", "IPv6", "sysctl -w net/ipv6/conf/gg1/forwarding=1");
	room_run("sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.gg0.forwarding=1 "
		 "net.ipv6.conf.gg1.forwarding=1");
	REFUSED(&conf, -ENETUNREACH, "gg0", "IPv6", "sysctl -w net/ipv6/conf/all/forwarding=1");
	room_run("sysctl -qw net.ipv6.conf.all.forwarding=1");
	in_force(0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_start_twice_is_a_start_once, clean),
		cmocka_unit_test_teardown(without_xdp_the_tc_program_is_there, clean),
		cmocka_unit_test_teardown(a_driver_without_xdp_has_its_mend, clean),
		cmocka_unit_test_teardown(an_interface_without_ethernet_headers_is_refused, clean),
		cmocka_unit_test_teardown(a_port_of_another_interface_is_refused, clean),
		cmocka_unit_test_teardown(what_is_no_longer_named_goes, clean),
		cmocka_unit_test_teardown(filters_of_others_stay, clean),
		cmocka_unit_test_teardown(a_qdisc_of_somebody_else_stays, clean),
		cmocka_unit_test_teardown(a_failed_start_leaves_things_as_they_were, clean),
		cmocka_unit_test_teardown(a_filter_of_somebody_else_in_our_place_is_named, clean),
		cmocka_unit_test_teardown(a_filter_at_the_former_priority_is_taken_over, clean),
		cmocka_unit_test_teardown(what_stands_before_ours_is_named, clean),
		cmocka_unit_test_teardown(what_stands_over_an_interface_is_named, clean),
		cmocka_unit_test_teardown(generic_xdp_is_refused, clean),
		cmocka_unit_test_teardown(without_forwarding_it_does_not_start, clean),
	};

	return cmocka_run_group_tests(tests, start_routing_room, NULL);
}
