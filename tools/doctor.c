// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * greygate doctor: what stands in greygate's way on this machine, and the command that mends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "../userspace/core/utf8.h"
#include "cli.h"
#include "doctor.h"

void doctor_say(const struct doctor *d, enum doctor_level level, const char *check,
		const char *about, const char *mend, const char *format, ...)
{
	char what[400];
	const struct finding f = {level, check, about, what, level == DOCTOR_OK ? "" : mend};
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	d->see(&f, d->arg);
}

/* The first line of root/path; false when it can't be read. */
static bool read_line(const struct doctor *d, const char *path, char *ret, size_t size)
{
	char full[300];
	bool got;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", d->root, path);
	f = fopen(full, "re");
	if (!f)
		return false;
	got = fgets(ret, (int)size, f) != NULL;
	fclose(f);
	if (got)
		ret[strcspn(ret, "\n")] = '\0';
	return got;
}

long doctor_number(const struct doctor *d, const char *path)
{
	char text[40], *end;
	long n;

	if (!read_line(d, path, text, sizeof(text)))
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno || end == text ? -1 : n;
}

/* ---- kernel ---- */

static void check_release(const struct doctor *d)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	if (sscanf(name.release, "%d.%d", &major, &minor) != 2)
		return;
	doctor_say(d, major > 6 || (major == 6 && minor >= 1) ? DOCTOR_OK : DOCTOR_FAIL, "kernel",
		   "", DOCTOR_KERNEL, "Linux %s; 6.1 or newer is needed", name.release);
}

static const struct feature {
	const char *name;
	int program; /* enum bpf_prog_type, 0: a map */
	int number;  /* enum bpf_func_id or bpf_map_type, 0: the program type itself */
	enum doctor_level missing;
	const char *without;
} features[] = {
	{"XDP programs", BPF_PROG_TYPE_XDP, 0, DOCTOR_FAIL, "no verdict before the stack"},
	{"tc programs", BPF_PROG_TYPE_SCHED_CLS, 0, DOCTOR_FAIL, "no gateway mode"},
	{"socket lookup programs", BPF_PROG_TYPE_SK_LOOKUP, 0, DOCTOR_FAIL, "no host mode"},
	{"freplace programs", BPF_PROG_TYPE_EXT, 0, DOCTOR_WARN,
	 "no other XDP program beside greygate's on an interface"},
	{"LPM tries", 0, BPF_MAP_TYPE_LPM_TRIE, DOCTOR_FAIL, "no prefixes"},
	{"BPF ring buffers", 0, BPF_MAP_TYPE_RINGBUF, DOCTOR_FAIL, "no events"},
	{"socket maps", 0, BPF_MAP_TYPE_SOCKMAP, DOCTOR_FAIL, "no host mode"},
	{"device maps", 0, BPF_MAP_TYPE_DEVMAP_HASH, DOCTOR_FAIL, "no gateway mode"},
	{"bpf_skc_lookup_tcp in XDP", BPF_PROG_TYPE_XDP, BPF_FUNC_skc_lookup_tcp, DOCTOR_FAIL,
	 "open connections can't be told"},
	{"bpf_fib_lookup in XDP", BPF_PROG_TYPE_XDP, BPF_FUNC_fib_lookup, DOCTOR_FAIL,
	 "no gateway mode"},
};

static bool has_feature(const struct feature *f)
{
	if (!f->program)
		return libbpf_probe_bpf_map_type((enum bpf_map_type)f->number, NULL) == 1;
	if (!f->number)
		return libbpf_probe_bpf_prog_type((enum bpf_prog_type)f->program, NULL) == 1;
	return libbpf_probe_bpf_helper((enum bpf_prog_type)f->program, (enum bpf_func_id)f->number,
				       NULL) == 1;
}

static int silent(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

static void check_features(const struct doctor *d)
{
	char mend[DOCTOR_COMMAND + 20];
	int missing = 0;

	if (geteuid() != 0) {
		doctor_mend_again(d, "sudo", mend, sizeof(mend));
		doctor_say(d, DOCTOR_WARN, "bpf", "", mend,
			   "only root can ask the kernel what it has");
		return;
	}
	libbpf_set_print(silent);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (has_feature(&features[i]))
			continue;
		missing++;
		doctor_say(d, features[i].missing, "bpf", "", DOCTOR_KERNEL,
			   "the kernel has no %s: %s", features[i].name, features[i].without);
	}
	if (!missing)
		doctor_say(d, DOCTOR_OK, "bpf", "", "", "the kernel has all that is used");
}

static void check_btf(const struct doctor *d)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", d->root);
	if (access(path, F_OK))
		doctor_say(d, DOCTOR_WARN, "btf", "", DOCTOR_KERNEL,
			   "no type information of the kernel: bpftool prints less");
	else
		doctor_say(d, DOCTOR_OK, "btf", "", "", "the kernel has its type information");
}

/* Of a mount's directory the mount itself is what can be mounted anew. */
static const char *mount_of(const char *dir, char quoted[PATH_MAX + 100])
{
	char path[PATH_MAX];
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	snprintf(path, sizeof(path), "%s", dir);
	if (fd >= 0) {
		path[fastpath_mount(dir, fd)] = '\0';
		close(fd);
	}
	doctor_quote(path, quoted, PATH_MAX + 100);
	return quoted;
}

static void check_bpffs(const struct doctor *d)
{
	const char *path = d->config ? d->config->bpffs : "/sys/fs/bpf";
	char dir[PATH_MAX], quoted[PATH_MAX + 100], mend[2 * PATH_MAX + 300], *slash;
	struct statfs fs;

	snprintf(dir, sizeof(dir), "%s", path);
	/* The daemon makes the last directory itself. */
	slash = strrchr(dir, '/');
	if (access(dir, F_OK) && slash && slash != dir)
		*slash = '\0';
	doctor_quote(dir, quoted, sizeof(quoted));
	if (access(dir, F_OK))
		snprintf(mend, sizeof(mend), "mkdir -p %s && mount -t bpf bpf %s", quoted, quoted);
	else
		snprintf(mend, sizeof(mend), "mount -t bpf bpf %s", quoted);
	if (statfs(dir, &fs) || fs.f_type != BPF_FS_MAGIC) {
		doctor_say(d, DOCTOR_FAIL, "bpffs", "", mend,
			   "%s is no BPF file system: nothing can be pinned", dir);
	} else if (fs.f_flags & ST_RDONLY) {
		snprintf(mend, sizeof(mend), "mount -o remount,rw %s", mount_of(dir, quoted));
		doctor_say(d, DOCTOR_FAIL, "bpffs", "", mend,
			   "%s is mounted read-only: nothing can be pinned", dir);
	} else {
		doctor_say(d, DOCTOR_OK, "bpffs", "", "", "%s is a BPF file system", dir);
	}
}

/* ---- the user ---- */

static void check_user(const struct doctor *d)
{
	char mend[120];

	if (!d->config)
		return;
	snprintf(mend, sizeof(mend), "useradd --system --no-create-home %s", d->config->user);
	if (getpwnam(d->config->user))
		doctor_say(d, DOCTOR_OK, "user", "", "", "%s exists", d->config->user);
	else
		doctor_say(d, DOCTOR_FAIL, "user", "", mend, "%s doesn't exist", d->config->user);
}

void doctor_machine(const struct doctor *d)
{
	check_release(d);
	check_features(d);
	check_btf(d);
	doctor_clock(d);
	check_bpffs(d);
	doctor_settings(d);
	doctor_limits(d);
	check_user(d);
	doctor_start(d);
}

/* ---- the daemon ---- */

#define RESTART "systemctl restart greygated"

/* What it put in the way of packets, and somebody has taken away since. */
static void check_attached(const struct doctor *d, const json_t *status)
{
	json_t *kernel, *missing, *one;
	const char *pin;
	size_t i;

	kernel = json_object_get(status, "kernel");
	missing = json_object_get(kernel, "missing");
	json_array_foreach(missing, i, one) doctor_say(
		d, DOCTOR_FAIL, "attached", row_str(one, "interface"), row_str(one, "mend"),
		"%s: %s", row_str(one, "program"), row_str(one, "reason"));
	if (missing && !json_array_size(missing))
		doctor_say(d, DOCTOR_OK, "attached", "", "",
			   "all that the daemon put into the kernel is there");
	if (json_is_true(json_object_get(kernel, "helpless")))
		doctor_say(d, DOCTOR_FAIL, "starter", "", RESTART,
			   "greygate-start is gone: what is taken away is not put back, an "
			   "upgrade is refused");
	pin = row_str(kernel, "unpinned");
	if (*pin)
		doctor_say(d, DOCTOR_FAIL, "pins", "", RESTART,
			   "%s is gone: what is taken away is not put back", pin);
}

/* ---- the command ---- */

#define INDENT 19 /* of what is found, behind the level and the check */

struct report {
	const struct cli *cli;
	int count[3];
};

static const char *const level_words[] = {"ok", "warn", "fail"};

/* A name of an interface is any bytes, JSON is UTF-8. */
static json_t *text_of(const char *text)
{
	char clean[2000];
	size_t n = 0;

	for (size_t left = strlen(text), length; left && n + 4 < sizeof(clean); left -= length) {
		const bool high = (unsigned char)*text > 0x7f;

		length = high ? utf8_length(text, left) : 1;
		if (length)
			memcpy(clean + n, text, length);
		else
			clean[n] = '?';
		length += !length;
		n += length;
		text += length;
	}
	return json_stringn(clean, n);
}

static void print_finding(const struct finding *f, void *arg)
{
	static const char colours[] = {'g', 'y', 'r'};
	char text[450];
	struct report *r = arg;
	json_t *row;

	r->count[f->level]++;
	if (r->cli->json) {
		row = json_pack("{s:s, s:s, s:o, s:o, s:o}", "check", f->check, "level",
				level_words[f->level], "about", text_of(f->about), "what",
				text_of(f->what), "mend", text_of(f->mend));
		cli_print_json(row, NULL);
		json_decref(row);
		return;
	}
	snprintf(text, sizeof(text), "%s%s%s", f->about, *f->about ? ": " : "", f->what);
	printf("%s%-4s%s  %-12s ", format_colour(colours[f->level]), level_words[f->level],
	       format_colour('0'), f->check);
	format_wrap(text, INDENT, INDENT);
	/* A command stays in one piece. */
	putchar('\n');
	if (*f->mend)
		printf("%*s%s\n", INDENT, "", f->mend);
}

/* The command as it was given, for root or another namespace. */
static void command_of(const struct cli *cli, char ret[DOCTOR_COMMAND])
{
	char config[PATH_MAX] = "", socket[PATH_MAX] = "";

	if (cli->config)
		doctor_quote(cli->config, config, sizeof(config));
	if (cli->socket)
		doctor_quote(cli->socket, socket, sizeof(socket));
	snprintf(ret, DOCTOR_COMMAND, "greygate%s%s%s%s%s doctor", cli->config ? " -c " : "",
		 config, cli->socket ? " -s " : "", socket, cli->json ? " --json" : "");
}

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
	char command[DOCTOR_COMMAND];
	struct report r = {.cli = cli};
	struct doctor d = {.root = "",
			   .config_file = cli->config ? cli->config : CLI_CONFIG,
			   .command = command,
			   .see = print_finding,
			   .arg = &r};
	struct if_nameindex *all, *i;
	struct config *config = NULL;
	json_t *status = NULL;

	if (cli_parse(cli, argc, argv, NULL, 0, 0, NULL) < 0)
		return CLI_USAGE;
	if (!cli_config(cli, &config))
		return CLI_FAILED;
	d.config = config;
	command_of(cli, command);
	if (cli_answers(cli) && !cli_ask(cli, "status", NULL, NULL, NULL, &status))
		d.daemon = (int)row_num(status, "pid");
	doctor_machine(&d);
	if (status)
		check_attached(&d, status);
	json_decref(status);
	for (int k = 0; config && k < config->interface_count; k++)
		doctor_interface(&d, config->interfaces[k]);
	if (config && config->mode == GG_MODE_GATEWAY) {
		doctor_ways(&d);
		doctor_firewall(&d);
	}
	all = config ? NULL : if_nameindex();
	for (i = all; i && i->if_index; i++)
		if (strcmp(i->if_name, "lo") != 0)
			doctor_interface(&d, i->if_name);
	if (all)
		if_freenameindex(all);
	config_free(&config);
	if (!cli->json)
		printf("%d ok, %d warn, %d fail\n", r.count[DOCTOR_OK], r.count[DOCTOR_WARN],
		       r.count[DOCTOR_FAIL]);
	return r.count[DOCTOR_FAIL] ? CLI_FAILED : CLI_DONE;
}
