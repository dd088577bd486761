// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Removes every program, link and pin, of whatever schema and however much of a start there is.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The kernel lets go of a tc program some time after it was detached: tries, 20 ms apart. */
#define PATIENCE 100

struct detach {
	void (*report)(const char *line, void *arg);
	void *arg;
};

static void say(const struct detach *d, const char *line)
{
	if (d->report)
		d->report(line, d->arg);
}

static int detach_dir(const struct detach *d, const char *dir, char *err, size_t err_size)
{
	char line[PINS_PATH + 64];
	int removed;

	if (lookup_detach(dir))
		say(d, "socket lookup program detached");
	removed = pins_remove(dir);
	if (removed < 0)
		return words_fail(err, err_size, removed, "pins %s: cannot be removed: %s", dir,
				  strerror(-removed));
	snprintf(line, sizeof(line), "%s: %d pins removed", dir, removed);
	say(d, line);
	return 0;
}

static int detach_dirs(const struct detach *d, const char *bpffs, char *err, size_t err_size)
{
	char dir[PINS_PATH];
	struct dirent *entry;
	DIR *all;
	int code = 0;

	all = opendir(bpffs);
	if (!all)
		return words_fail(err, err_size, -errno, "bpffs %s: %s", bpffs, strerror(errno));
	while (!code && (entry = readdir(all)))
		if (pins_is_dir(entry->d_name) && !pins_path(dir, bpffs, entry->d_name))
			code = detach_dir(d, dir, err, err_size);
	closedir(all);
	return code;
}

/* Whether this process has a descriptor of the program: then it found it in this network namespace,
 * and libxdp forgot to close what it looked at. */
static bool is_held(uint32_t id)
{
	char line[64], want[32];
	struct dirent *entry;
	bool held = false;
	DIR *all = opendir("/proc/self/fdinfo");

	if (!all)
		return false;
	snprintf(want, sizeof(want), "prog_id:\t%u\n", id);
	while (!held && (entry = readdir(all))) {
		int fd = openat(dirfd(all), entry->d_name, O_RDONLY | O_CLOEXEC);
		FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

		while (f && !held && fgets(line, sizeof(line), f))
			held = !strcmp(line, want);
		if (f)
			fclose(f);
	}
	closedir(all);
	return held;
}

/* A program over these maps that no interface of this network namespace has: its id, 0 for none.
 * The socket lookup program is not meant: it goes with its pin, wherever it is attached. */
static uint32_t elsewhere(const struct pins_ids *own)
{
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);
		bool ours;

		if (fd < 0)
			continue;
		ours = !bpf_obj_get_info_by_fd(fd, &info, &size) &&
		       info.type != BPF_PROG_TYPE_SK_LOOKUP && owner_of(fd, own) == OWNER_US;
		close(fd);
		if (ours && !is_held(id))
			return id;
	}
	return 0;
}

static int none_elsewhere(const struct pins_ids *own, char *err, size_t err_size)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	uint32_t id = elsewhere(own);
	int i;

	for (i = 0; i < PATIENCE && id; i++) {
		nanosleep(&pause, NULL);
		id = elsewhere(own);
	}
	if (!id)
		return 0;
	return words_fail(err, err_size, -EXDEV,
			  "program id %u is attached in another network namespace and stays, and "
			  "so do the pins; run detach there (ip netns list, ip netns exec NAME "
			  "greygate detach)",
			  id);
}

/* Whether a greygated of another bpffs seems to be at work there. */
static bool is_others(int ifindex, const struct pins_ids *own)
{
	struct occupant there;
	bool others = false;

	if (!owner_look(ifindex, own, &there)) {
		others = there.owner == OWNER_ALIVE;
		if (there.fd >= 0)
			close(there.fd);
	}
	return others || filter_owner(ifindex, false, own) == OWNER_ALIVE ||
	       filter_owner(ifindex, true, own) == OWNER_ALIVE;
}

/* Nothing was found to remove: of a daemon that was killed a moment ago, or of one that runs, and
 * whose pins are elsewhere or gone, all is still there. */
static int none_of_others(const char *bpffs, const struct pins_ids *own, char *err, size_t err_size)
{
	struct if_nameindex *all = if_nameindex(), *i;
	char names[200] = "";
	size_t len = 0;

	for (i = all; i && i->if_index; i++)
		if (is_others((int)i->if_index, own) && len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
						len ? ", " : "", i->if_name);
	if (all)
		if_freenameindex(all);
	if (!len)
		return 0;
	return words_fail(err, err_size, -EADDRINUSE,
			  "bpffs %s: nothing of greygate is there, and the programs on %s stay: "
			  "another greygated seems to be at work with them, whose pins are not "
			  "there; detach again 10 s after its end, or with its bpffs (greygate -c "
			  "FILE detach)",
			  bpffs, names);
}

/* What stands over the maps of `own`; with `orphans`, of a daemon that is gone, too. Returns how
 * many. Programs first: while pins exist, a second try finds what is left. */
static int clear_programs(const struct detach *d, const struct pins_ids *own, bool orphans)
{
	int removed = attach_clear(own, orphans, NULL, 0, d->report, d->arg);

	rmdir(LIBXDP_DIR);
	removed += filter_clear(own, orphans, NULL, NULL, d->report, d->arg);
	if (route_clear(NULL))
		say(d, "policy rules and routes removed");
	return removed;
}

static int clear_pins(const struct detach *d, const char *bpffs, const struct pins_ids *own,
		      char *err, size_t err_size)
{
	int code = own->count ? none_elsewhere(own, err, err_size) : 0;

	return code ? code : detach_dirs(d, bpffs, err, err_size);
}

int fastpath_detach(const char *bpffs, void (*report)(const char *line, void *arg), void *arg,
		    char *err, size_t err_size)
{
	const struct detach d = {report, arg};
	struct pins_ids own = {};
	int lock = -1, removed, code;

	words_mute();
	code = probe_capabilities(err, err_size);
	if (code)
		return code;
	if (!access(bpffs, F_OK)) {
		code = pins_lock(bpffs, false, &lock, err, err_size);
		if (code)
			return code;
		pins_own(bpffs, &own);
	}
	removed = clear_programs(&d, &own, !own.count);
	if (lock >= 0) {
		code = clear_pins(&d, bpffs, &own, err, err_size);
		/* Fails, and should, where the directory is a mount point or holds more. */
		if (!code)
			rmdir(bpffs);
		close(lock);
	}
	if (!code && !own.count && !removed)
		code = none_of_others(bpffs, &own, err, err_size);
	return code;
}

int fastpath_clear(const char *bpffs, int held_lock, void (*report)(const char *line, void *arg),
		   void *arg, char *err, size_t err_size)
{
	const struct detach d = {report, arg};
	struct pins_ids own = {};
	int lock = -1, code;

	words_mute();
	code = probe_capabilities(err, err_size);
	if (!code && !held_lock)
		code = pins_lock(bpffs, false, &lock, err, err_size);
	if (code)
		return code;
	pins_own(bpffs, &own);
	clear_programs(&d, &own, false);
	code = clear_pins(&d, bpffs, &own, err, err_size);
	if (!code && !held_lock)
		rmdir(bpffs);
	if (lock >= 0)
		close(lock);
	return code;
}
