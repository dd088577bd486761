// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/doctor.c"
#include "tools/doctor_mend.c"
#include "tools/doctor_nic.c"
#include "tools/doctor_setting.c"
#include "tools/doctor_start.c"
#include "tools/doctor_veth.c"
#include "tools/doctor_way.c"

#include "found.h"

/* doctor.c's command is not run here. */
int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, int min,
	      int max, const char *words[])
{
	(void)cli, (void)argc, (void)argv, (void)options, (void)min, (void)max, (void)words;
	return -1;
}
bool cli_config(const struct cli *cli, struct config **ret)
{
	(void)cli, (void)ret;
	return false;
}
bool cli_print_json(const json_t *row, void *arg)
{
	(void)row, (void)arg;
	return true;
}
void format_wrap(const char *text, int used, int indent)
{
	(void)text, (void)used, (void)indent;
}
const char *format_colour(char which)
{
	(void)which;
	return "";
}

static char root[] = "/tmp/greygate-doctor.XXXXXX";

static void keep(const struct finding *f, void *arg)
{
	(void)arg;
	assert_true(f->level == DOCTOR_OK ? !*f->mend : *f->mend);
	assert_true(*f->what && !strchr(f->what, '\n'));
	found_keep(f->level, f->check, f->what, f->mend);
}

static struct doctor doctor(const struct config *config)
{
	count = 0;
	return (struct doctor){.root = root, .config = config, .see = keep};
}

static void put(const char *path, const char *text)
{
	char full[300];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *c = strchr(full + strlen(root) + 1, '/'); c; c = strchr(c + 1, '/')) {
		*c = '\0';
		mkdir(full, 0755);
		*c = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void remove_file(const char *path)
{
	char full[300];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(unlink(full), 0);
}

static void settings_of_the_kernel(void **state)
{
	static const struct {
		const char *path, *value, *check;
		enum doctor_level level;
		const char *mend;
	} t[] = {
		{"net/core/bpf_jit_enable", "1\n", "jit", DOCTOR_OK, ""},
		{"net/core/bpf_jit_enable", "2\n", "jit", DOCTOR_OK, ""},
		{"net/core/bpf_jit_enable", "0\n", "jit", DOCTOR_WARN,
		 "sysctl -w net.core.bpf_jit_enable=1"},
		{"net/ipv4/tcp_syncookies", "1\n", "syncookies", DOCTOR_OK, ""},
		{"net/ipv4/tcp_syncookies", "0\n", "syncookies", DOCTOR_WARN,
		 "sysctl -w net.ipv4.tcp_syncookies=1"},
		{"net/ipv4/tcp_syncookies", "2\n", "syncookies", DOCTOR_WARN,
		 "sysctl -w net.ipv4.tcp_syncookies=1"},
		{"net/core/somaxconn", "4096\n", "somaxconn", DOCTOR_OK, ""},
		{"net/core/somaxconn", "4095\n", "somaxconn", DOCTOR_WARN,
		 "sysctl -w net.core.somaxconn=65535"},
		{"net/ipv4/tcp_max_syn_backlog", "1023\n", "syn_backlog", DOCTOR_WARN,
		 "sysctl -w net.ipv4.tcp_max_syn_backlog=65535"},
	};
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct doctor d = doctor(NULL);

		snprintf(path, sizeof(path), "/proc/sys/%s", t[i].path);
		put(path, t[i].value);
		doctor_settings(&d);
		said(t[i].check, t[i].level, t[i].mend);
	}
}

/* What isn't there, or isn't a number, is not judged, and that is said. */
static void settings_that_cannot_be_read(void **state)
{
	struct doctor d = doctor(NULL);

	(void)state;
	d.root = "/nonexistent";
	doctor_settings(&d);
	assert_int_equal(count, 4);
	said("jit", DOCTOR_WARN, "mount -t proc proc /proc");
	put("/proc/sys/net/core/somaxconn", "many\n");
	d = doctor(NULL);
	doctor_settings(&d);
	said("somaxconn", DOCTOR_WARN, "nsenter --target 1 --net sysctl net.core.somaxconn");
	assert_string_equal(found[2].what, "net.core.somaxconn can't be read here: no number");
	remove_file("/proc/sys/net/core/bpf_jit_enable");
	d = doctor(NULL);
	doctor_settings(&d);
	said("jit", DOCTOR_WARN, "nsenter --target 1 --net sysctl net.core.bpf_jit_enable");
	assert_string_equal(found[0].what, "net.core.bpf_jit_enable can't be read here: No such "
					   "file or directory");
	assert_int_equal(doctor_number(&d, "/proc/sys/net/core/somaxconn"), -1);
	put("/proc/sys/net/core/somaxconn", "");
	assert_int_equal(doctor_number(&d, "/proc/sys/net/core/somaxconn"), -1);
	put("/proc/sys/net/core/somaxconn", "4096\n");
}

static void clock_of_a_time_namespace(void **state)
{
	static const struct {
		const char *text;
		enum doctor_level level;
		const char *what; /* in it */
	} t[] = {
		{"monotonic           0         0\nboottime            7         0\n", DOCTOR_OK,
		 ""},
		{"monotonic       -2000         0\nboottime            0         0\n", DOCTOR_FAIL,
		 " -2000 s"},
		{"monotonic      100000         0\nboottime            0         0\n", DOCTOR_FAIL,
		 " 100000 s"},
		{"monotonic           0 500000000\nboottime            0         0\n", DOCTOR_FAIL,
		 " 1 s"},
		{"monotonic          -1 500000000\nboottime            0         0\n", DOCTOR_FAIL,
		 " -1 s"},
	};
	struct doctor d = doctor(NULL);

	(void)state;
	doctor_clock(&d);
	said("clock", DOCTOR_WARN, "mount -t proc proc /proc");
	/* A kernel without time namespaces. */
	put("/proc/self/limits", "");
	d = doctor(NULL);
	doctor_clock(&d);
	said("clock", DOCTOR_OK, "");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		d = doctor(NULL);
		put("/proc/self/timens_offsets", t[i].text);
		doctor_clock(&d);
		said("clock", t[i].level,
		     t[i].level == DOCTOR_OK ? "" : "nsenter --target 1 --time greygate doctor");
		assert_non_null(strstr(found[0].what, t[i].what));
	}
}

static void forwarding_of_a_gateway(void **state)
{
	struct endpoint both[2] = {{.addr.b = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 25},
				   {.addr.b = {0x20, 1}, .port = 25}};
	struct config c = {.mode = GG_MODE_GATEWAY, .protect = both, .protect_count = 1};
	struct doctor d = doctor(&c);

	(void)state;
	put("/proc/sys/net/ipv4/conf/all/forwarding", "1\n");
	put("/proc/sys/net/ipv6/conf/all/forwarding", "0\n");
	put("/proc/sys/net/ipv4/conf/eth0/forwarding", "1\n");
	put("/proc/sys/net/ipv6/conf/eth0/forwarding", "0\n");
	check_forwarding(&d, "eth0");
	assert_int_equal(count, 1); /* IPv6 is not protected */
	said("forwarding", DOCTOR_OK, "");
	put("/proc/sys/net/ipv4/conf/eth0/forwarding", "0\n");
	d = doctor(&c);
	check_forwarding(&d, "eth0");
	said("forwarding", DOCTOR_FAIL, "sysctl -w net.ipv4.conf.eth0.forwarding=1");
	put("/proc/sys/net/ipv4/conf/all/forwarding", "0\n");
	d = doctor(&c);
	check_forwarding(&d, "eth0");
	said("forwarding", DOCTOR_FAIL, "sysctl -w net.ipv4.conf.all.forwarding=1");
	put("/proc/sys/net/ipv4/conf/all/forwarding", "1\n");
	put("/proc/sys/net/ipv4/conf/eth0.7/forwarding", "0\n");
	d = doctor(&c);
	check_forwarding(&d, "eth0.7");
	said("forwarding", DOCTOR_FAIL, "sysctl -w net/ipv4/conf/eth0.7/forwarding=1");
	c.protect = both + 1;
	d = doctor(&c);
	check_forwarding(&d, "eth0");
	said("forwarding", DOCTOR_FAIL, "sysctl -w net.ipv6.conf.all.forwarding=1");
}

static void reverse_path_filter_is_the_larger_of_two(void **state)
{
	static const struct {
		const char *all, *own;
		enum doctor_level level;
	} t[] = {{"0", "0", DOCTOR_OK}, {"1", "0", DOCTOR_WARN}, {"0", "1", DOCTOR_WARN},
		 {"1", "2", DOCTOR_OK}, {"2", "1", DOCTOR_OK},   {"1", "1", DOCTOR_WARN}};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct doctor d = doctor(NULL);

		put("/proc/sys/net/ipv4/conf/all/rp_filter", t[i].all);
		put("/proc/sys/net/ipv4/conf/eth0/rp_filter", t[i].own);
		check_rp_filter(&d, "eth0");
		said("rp_filter", t[i].level,
		     t[i].level ? "sysctl -w net.ipv4.conf.eth0.rp_filter=2" : "");
	}
}

static void an_interface_that_is_not_there(void **state)
{
	struct doctor d = doctor(NULL);

	(void)state;
	doctor_interface(&d, "nosuch7");
	said("link", DOCTOR_FAIL, "ip -brief link");
	assert_int_equal(count, 1);
}

static void an_address_without_a_way(void **state)
{
	const struct endpoint v4 = {.addr.b = {[10] = 0xff, 0xff, 192, 0, 2, 25}, .port = 25},
			      v6 = {.addr.b = {0x20, 1, [15] = 1}, .port = 25};
	const struct {
		struct fastpath_way way;
		const char *what, *mend;
	} t[] = {
		{{&v4, -ENETUNREACH, false, "g1"},
		 "no route to 192.0.2.25:25: Network is unreachable",
		 "ip route replace 192.0.2.25 dev g1"},
		{{&v6, -EHOSTUNREACH, false, "g1"},
		 "no route to [2001::1]:25: No route to host",
		 "ip -6 route replace 2001::1 dev g1"},
		/* Nobody knows which is the inner one. */
		{{&v6, -ENETUNREACH, false, ""},
		 "no route to [2001::1]:25: Network is unreachable",
		 "ip -6 route replace 2001::1 dev INTERFACE"},
		{{&v4, -ENODEV, false, "g1"},
		 "no interface leads to 192.0.2.25:25: is it an address of this machine?",
		 "ip route get 192.0.2.25"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct doctor d = doctor(NULL);

		doctor_way(&d, &t[i].way);
		said("way", DOCTOR_FAIL, t[i].mend);
		assert_string_equal(found[0].what, t[i].what);
	}
}

/* Without IPv6 a wildcard serves IPv4 beside it; an address of its own serves nobody. */
static void ipv6_switched_off(void **state)
{
	struct endpoint any[] = {{.addr.b = {[10] = 0xff, 0xff}, .port = 25}, {.port = 25}},
			one = {.addr.b = {0x20, 1, [15] = 1}, .port = 25};
	const struct {
		const char *off;
		struct config config;
		int count;
		enum doctor_level level;
	} t[] = {
		{"0\n", {.listen = any, .listen_count = 2}, 0, 0},
		{"1\n", {.listen = any, .listen_count = 1}, 0, 0},
		{"1\n", {.listen = any, .listen_count = 2}, 1, DOCTOR_WARN},
		{"1\n",
		 {.listen = any, .listen_count = 2, .protect = &one, .protect_count = 1},
		 1,
		 DOCTOR_FAIL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct doctor d = doctor(&t[i].config);

		put("/proc/sys/net/ipv6/conf/all/disable_ipv6", t[i].off);
		check_ipv6(&d);
		assert_int_equal(count, t[i].count);
		if (count)
			said("ipv6", t[i].level, "sysctl -w net.ipv6.conf.all.disable_ipv6=0");
	}
	remove_file("/proc/sys/net/ipv6/conf/all/disable_ipv6");
}

static void the_machine_at_hand(void **state)
{
	struct config c = {.user = (char *)"no-such-user",
			   .bpffs = (char *)"/proc/greygate",
			   .state_dir = (char *)"/proc/no/state"};
	struct doctor d = doctor(&c);

	(void)state;
	d.root = "";
	doctor_machine(&d);
	said("user", DOCTOR_FAIL, "useradd --system --no-create-home no-such-user");
	said("bpffs", DOCTOR_FAIL, "mount -t bpf bpf /proc");
	if (!geteuid()) {
		said("listen", DOCTOR_OK, "");
		said("state_dir", DOCTOR_FAIL, "mkdir -p /proc/no");
	}
	assert_true(count >= 8);
}

static void mends_for_a_shell(void **state)
{
	struct config c = {.bpffs = (char *)"/proc/my bpf/o'x/greygate"};
	struct doctor d = doctor(&c);
	char text[DOCTOR_COMMAND];

	(void)state;
	check_bpffs(&d);
	said("bpffs", DOCTOR_FAIL,
	     "mkdir -p '/proc/my bpf/o'\\''x' && mount -t bpf bpf '/proc/my bpf/o'\\''x'");
	command_of(&(struct cli){.config = "/etc/my gate.conf", .socket = "/run/s", .json = true},
		   text);
	assert_string_equal(text, "greygate -c '/etc/my gate.conf' -s /run/s --json doctor");
	command_of(&(struct cli){0}, text);
	assert_string_equal(text, "greygate doctor");
	d.command = "greygate -c x doctor";
	doctor_mend_again(&d, "sudo", text, sizeof(text));
	assert_string_equal(text, "sudo greygate -c x doctor");
}

/* That of the daemon where it runs, else that of the shell, and which it was. */
static void limits_of_whom(void **state)
{
#define UNIT                                                                                       \
	"mkdir -p /etc/systemd/system/greygated.service.d && printf "                              \
	"'[Service]\\nLimitNOFILE=1048576\\n' "                                                    \
	">/etc/systemd/system/greygated.service.d/LimitNOFILE.conf && systemctl daemon-reload"
	struct doctor d = doctor(NULL);
	struct rlimit own;

	(void)state;
	d.daemon = 7;
	put("/proc/7/limits",
	    "Limit                     Soft Limit           Hard Limit           "
	    "Units\nMax open files            100                  400       "
	    "files\nMax locked memory         8192          unlimited    bytes\n");
	doctor_limits(&d);
	said("nofile", DOCTOR_WARN, UNIT " && systemctl restart greygated");
	assert_non_null(strstr(found[0].what, "greygated (pid 7): 400 descriptors: "));
	said("memlock", DOCTOR_OK, "");
	/* What is taken away is not given back: the last test of nofile. */
	own = (struct rlimit){300, 300};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &own), 0);
	d = doctor(NULL);
	d.daemon = 8;
	doctor_limits(&d);
	assert_non_null(strstr(found[0].what, "this shell"));
	said("nofile", DOCTOR_WARN, "ulimit -n 1048576; " UNIT);
}

/* Bytes that JSON can't hold are replaced, nothing is left out. */
static void any_bytes_for_json(void **state)
{
	static const char *const t[][2] = {
		{"e\xff\xfe", "e??"},
		{"g\xc3\xbc\xe2\x82", "g\xc3\xbc??"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		json_t *text = text_of(t[i][0]);

		assert_string_equal(json_string_value(text), t[i][1]);
		json_decref(text);
	}
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_of_the_kernel),
		cmocka_unit_test(settings_that_cannot_be_read),
		cmocka_unit_test(clock_of_a_time_namespace),
		cmocka_unit_test(forwarding_of_a_gateway),
		cmocka_unit_test(reverse_path_filter_is_the_larger_of_two),
		cmocka_unit_test(an_interface_that_is_not_there),
		cmocka_unit_test(an_address_without_a_way),
		cmocka_unit_test(ipv6_switched_off),
		cmocka_unit_test(the_machine_at_hand),
		cmocka_unit_test(mends_for_a_shell),
		cmocka_unit_test(limits_of_whom),
		cmocka_unit_test(any_bytes_for_json),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
