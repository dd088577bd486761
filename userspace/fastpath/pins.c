// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pin directory: who works on it, what is in force, what is being built.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int pins_path(char ret[PINS_PATH], const char *dir, const char *name)
{
	int n = snprintf(ret, PINS_PATH, "%s/%s", dir, name);

	return n < PINS_PATH ? 0 : -ENAMETOOLONG;
}

int pins_dir(char ret[PINS_PATH], const char *bpffs, bool building)
{
	int n = snprintf(ret, PINS_PATH, "%s/v%d%s", bpffs, GG_SCHEMA, building ? "-new" : "");

	return n < PINS_PATH - PINS_NAME ? 0 : -ENAMETOOLONG;
}

bool pins_is_dir(const char *name)
{
	size_t digits;

	if (name[0] != 'v')
		return false;
	digits = strspn(name + 1, "0123456789");
	return digits && (!name[1 + digits] || !strcmp(name + 1 + digits, "-new"));
}

static bool is_empty(const char *dir)
{
	struct dirent *entry;
	bool empty = true;
	DIR *d = opendir(dir);

	while (d && empty && (entry = readdir(d)))
		empty = entry->d_name[0] == '.';
	if (d)
		closedir(d);
	return d && empty; /* what can't be read may hold something */
}

bool pins_any(const char *bpffs)
{
	char building[PINS_PATH], dir[PINS_PATH];
	struct dirent *entry;
	DIR *d = opendir(bpffs);
	bool any = !d;

	pins_dir(building, bpffs, true);
	while (d && !any && (entry = readdir(d)))
		any = pins_is_dir(entry->d_name) && !pins_path(dir, bpffs, entry->d_name) &&
		      strcmp(dir, building) != 0 && !is_empty(dir);
	if (d)
		closedir(d);
	return any;
}

void pins_clear_others(const char *bpffs, bool strange, char *ret, size_t size)
{
	char own[16], dir[PINS_PATH];
	struct dirent *entry;
	size_t len;
	DIR *d = opendir(bpffs);

	snprintf(own, sizeof(own), "v%d", GG_SCHEMA);
	len = (size_t)snprintf(ret, size, "%s", strange ? own : "");
	while (d && (entry = readdir(d))) {
		if (!pins_is_dir(entry->d_name) || !strcmp(entry->d_name, own) ||
		    pins_path(dir, bpffs, entry->d_name))
			continue;
		lookup_detach(dir);
		if (pins_remove(dir) > 0 && len < size)
			len += (size_t)snprintf(ret + len, size - len, "%s%s", len ? ", " : "",
						entry->d_name);
	}
	if (d)
		closedir(d);
}

static int make_dir(const char *bpffs, char *err, size_t err_size)
{
	const char *name = strrchr(bpffs, '/');
	struct statfs fs;
	int made = mkdir(bpffs, 0755) ? -errno : 0;

	if (!made || made == -EEXIST) {
		if (!statfs(bpffs, &fs) && fs.f_type == BPF_FS_MAGIC)
			return 0;
		if (!made)
			rmdir(bpffs);
		made = -ENODEV;
	}
	/* A bpf file system reserves dots; sysfs allows no directory at all. */
	if (made == -EPERM && name && strchr(name, '.'))
		return words_fail(err, err_size, -EINVAL,
				  "bpffs %s: a bpf file system allows no dot in a name; choose "
				  "another",
				  bpffs);
	if (made == -ENODEV || made == -ENOENT || made == -EPERM)
		return words_fail(
			err, err_size, made,
			"bpffs %s: no bpf file system is mounted there; mount one (mount -t "
			"bpf bpf /sys/fs/bpf) and let bpffs name a directory in it, or one where "
			"it is (greygate doctor says how)",
			bpffs);
	return words_fail(err, err_size, made, "bpffs %s: the directory cannot be made: %s%s",
			  bpffs, strerror(-made),
			  made == -EROFS ? "; make it writable (mount -o remount,rw)" : "");
}

int pins_lock(const char *bpffs, bool create, int *ret_fd, char *err, size_t err_size)
{
	struct stat locked, there;
	char probe[PINS_PATH];
	int fd, code;

	if (pins_dir(probe, bpffs, true))
		return words_fail(err, err_size, -ENAMETOOLONG,
				  "bpffs %.40s...: the path is too long; %d bytes at most", bpffs,
				  PINS_PATH - 2 * PINS_NAME);
	for (;;) {
		code = create ? make_dir(bpffs, err, err_size) : 0;
		if (code)
			return code;
		fd = open(bpffs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return words_fail(err, err_size, -errno, "bpffs %s: %s", bpffs,
					  strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			close(fd);
			return words_fail(
				err, err_size, -EBUSY,
				"bpffs %s: a running greygated works on it; stop that one "
				"first, or give this one a bpffs of its own",
				bpffs);
		}
		/* A detach may have removed the directory between open and flock. */
		if (!fstat(fd, &locked) && !stat(bpffs, &there) && locked.st_ino == there.st_ino) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
		if (!create)
			return words_fail(err, err_size, -ENOENT, "bpffs %s: gone", bpffs);
	}
}

int pins_remove(const char *dir)
{
	char path[PINS_PATH];
	struct dirent *entry;
	int removed = 0, inner;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || pins_path(path, dir, entry->d_name))
			continue;
		if (!unlink(path)) {
			removed++;
		} else if (errno == EISDIR || errno == EPERM) {
			inner = pins_remove(path);
			removed += inner > 0 ? inner : 0;
		}
	}
	closedir(d);
	return rmdir(dir) ? -errno : removed;
}

int pins_swap(const char *bpffs, bool *ret_had_old)
{
	char built[PINS_PATH], used[PINS_PATH];

	if (pins_dir(built, bpffs, true) || pins_dir(used, bpffs, false))
		return -ENAMETOOLONG;
	if (!renameat2(AT_FDCWD, built, AT_FDCWD, used, RENAME_EXCHANGE)) {
		*ret_had_old = true;
		return 0;
	}
	if (errno != ENOENT)
		return -errno;
	if (rename(built, used))
		return -errno;
	*ret_had_old = false;
	return 0;
}

int pins_exchange(const struct fastpath *fp)
{
	static const char *const names[][2] = {{"net4", "spare4"}, {"net6", "spare6"}};
	int code;

	for (int i = 0; i < 2; i++) {
		if (!renameat2(fp->pins_fd, names[i][0], fp->pins_fd, names[i][1], RENAME_EXCHANGE))
			continue;
		code = -errno;
		if (i)
			renameat2(fp->pins_fd, names[0][0], fp->pins_fd, names[0][1],
				  RENAME_EXCHANGE);
		return code;
	}
	return 0;
}

bool pins_has(const struct fastpath *fp, const char *name)
{
	return !faccessat(fp->pins_fd, name, F_OK, 0) || errno != ENOENT;
}

size_t fastpath_mount(const char *dir, int fd)
{
	size_t len = strlen(dir), mount = len;
	struct stat held, there;
	char path[PINS_PATH];

	if (fstat(fd, &held))
		return len;
	for (snprintf(path, sizeof(path), "%s", dir); len; len--) {
		if (path[len] && path[len] != '/')
			continue;
		path[len] = '\0';
		if (stat(path, &there) || there.st_dev != held.st_dev)
			break;
		mount = len;
	}
	return mount;
}

/* Whether the path still leads to what is held open. Who may not go all the way, as the daemon
 * without rights, asks whether the same file system is mounted there. */
static bool leads_there(const struct fastpath *fp)
{
	struct stat held, there;
	char path[PINS_PATH];

	if (pins_dir(path, fp->dir, false) || fstat(fp->pins_fd, &held))
		return true;
	if (!stat(path, &there))
		return there.st_dev == held.st_dev && there.st_ino == held.st_ino;
	if (errno != EACCES)
		return errno != ENOENT && errno != ENOTDIR;
	path[fp->mount_len] = '\0';
	if (stat(path, &there))
		return errno != ENOENT && errno != ENOTDIR;
	return there.st_dev == held.st_dev;
}

const char *fastpath_unpinned(const struct fastpath *fp)
{
	if (!leads_there(fp))
		return "";
	for (int i = 0; i < MAP_COUNT; i++)
		if (!pins_has(fp, map_names[i]))
			return map_names[i];
	return NULL;
}

void fastpath_pin(const struct fastpath *fp, const char *map, char ret[FASTPATH_PIN])
{
	/* The room for it was checked by pins_lock. */
	if (snprintf(ret, FASTPATH_PIN, "%s/v%d%s%s", fp->dir, GG_SCHEMA, *map ? "/" : "", map) >=
	    FASTPATH_PIN)
		ret[0] = '\0';
}

int fastpath_give(struct fastpath *fp, uid_t uid, gid_t gid)
{
	return fchown(fp->pins_fd, uid, gid) ? -errno : 0;
}

/* 0: it is none. */
static uint32_t id_of(int map_fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(map_fd, &info, &size) ? 0 : info.id;
}

static uint32_t id_pinned(const char *dir, enum map_id map)
{
	char path[PINS_PATH];
	uint32_t id;
	int fd;

	if (pins_path(path, dir, map_names[map]))
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	id = id_of(fd);
	close(fd);
	return id;
}

bool pins_are(const char *dir, const int maps[MAP_COUNT])
{
	for (int i = 0; i < MAP_COUNT; i++) {
		const uint32_t id = id_of(maps[i]);

		if (!id || id_pinned(dir, i) != id)
			return false;
	}
	return true;
}

/* Every program of ours uses these. */
static const enum map_id telling[] = {MAP_CONF, MAP_META};

void pins_add(struct pins_ids *to, const int maps[MAP_COUNT])
{
	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		const uint32_t id = id_of(maps[telling[i]]);

		if (id && to->count < PINS_IDS)
			to->ids[to->count++] = id;
	}
}

void pins_own(const char *bpffs, struct pins_ids *ret)
{
	char dir[PINS_PATH];
	struct dirent *entry;
	uint32_t id;
	size_t i;
	DIR *d;

	ret->count = 0;
	d = opendir(bpffs);
	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] != 'v' || pins_path(dir, bpffs, entry->d_name))
			continue;
		for (i = 0; i < 2; i++) {
			id = id_pinned(dir, telling[i]);
			if (id && ret->count < PINS_IDS)
				ret->ids[ret->count++] = id;
		}
	}
	closedir(d);
}
