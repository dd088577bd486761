// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The socket lookup program: a link to the network namespace, pinned so that it outlives the
 * process, whose program a restart exchanges in one step.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <lookup.skel.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_NETNS "/proc/self/ns/net"

/* NULL, and *ret_code, when it can't be loaded. */
static struct lookup_bpf *load(const int maps[MAP_COUNT], int *ret_code, char *err, size_t err_size)
{
	struct lookup_bpf *skel = lookup_bpf__open();
	int code = skel ? maps_use(skel->obj, maps) : -ENOMEM;

	if (!code)
		code = lookup_bpf__load(skel);
	if (!code)
		return skel;
	lookup_bpf__destroy(skel);
	*ret_code =
		words_fail(err, err_size, code, "socket lookup program: %s", words_reason(code));
	return NULL;
}

/* The program that a link to this network namespace runs; -ENOENT: it is none. */
static int program_of(int fd, __u32 *ret_id)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	struct stat own;

	if (bpf_obj_get_info_by_fd(fd, &info, &size) || stat(OWN_NETNS, &own))
		return -errno;
	if (info.type != BPF_LINK_TYPE_NETNS || info.netns.netns_ino != own.st_ino)
		return -ENOENT;
	*ret_id = info.prog_id;
	return 0;
}

/* The pinned link if it belongs to this network namespace: *ret_prog_id is what it runs. */
static int open_link(const char *dir, __u32 *ret_prog_id)
{
	char path[PINS_PATH];
	int fd;

	if (pins_path(path, dir, LOOKUP_PIN))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (program_of(fd, ret_prog_id)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

int lookup_open(const char *dir)
{
	__u32 id;

	return open_link(dir, &id);
}

int lookup_id(int link_fd, uint32_t *ret)
{
	__u32 id = 0;
	int code = program_of(link_fd, &id);

	if (code && code != -ENOENT)
		return code;
	*ret = id;
	return 0;
}

bool lookup_ours(int link_fd, const struct pins_ids *own)
{
	uint32_t id;
	bool ours;
	int fd;

	if (lookup_id(link_fd, &id) || !id)
		return false;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return false;
	ours = owner_of(fd, own) == OWNER_US;
	close(fd);
	return ours;
}

static int create_link(int prog_fd)
{
	int netns = open(OWN_NETNS, O_RDONLY | O_CLOEXEC), link;

	if (netns < 0)
		return -errno;
	link = bpf_link_create(prog_fd, netns, BPF_SK_LOOKUP, NULL);
	if (link < 0)
		link = -errno;
	close(netns);
	return link;
}

int lookup_attach(const int maps[MAP_COUNT], const char *dir, const char *pin_dir,
		  struct lookup *ret, char *err, size_t err_size)
{
	struct lookup l = {.link_fd = -1, .old_prog_fd = -1};
	char path[PINS_PATH];
	struct lookup_bpf *skel;
	__u32 prog_id = 0;
	int code = 0, prog_fd;

	words_forget();
	skel = load(maps, &code, err, err_size);
	if (!skel)
		return code;
	prog_fd = bpf_program__fd(skel->progs.greygate_lookup);
	l.link_fd = open_link(dir, &prog_id);
	if (l.link_fd >= 0) {
		l.old_prog_fd = bpf_prog_get_fd_by_id(prog_id);
		if (bpf_link_update(l.link_fd, prog_fd, NULL))
			code = -errno;
	} else {
		l.link_fd = create_link(prog_fd);
		if (l.link_fd < 0)
			code = l.link_fd;
	}
	lookup_bpf__destroy(skel);
	if (code) {
		lookup_close(&l);
		return words_fail(
			err, err_size, code,
			"socket lookup program: cannot be attached to the network namespace: "
			"%s",
			words_reason(code));
	}
	if (pins_path(path, pin_dir, LOOKUP_PIN))
		code = -ENAMETOOLONG;
	if (!code && (l.old_prog_fd < 0 || strcmp(dir, pin_dir) != 0)) {
		/* One of another network namespace ends with its pin. */
		if (l.old_prog_fd < 0)
			unlink(path);
		if (bpf_obj_pin(l.link_fd, path))
			code = -errno;
		else
			memcpy(l.pin, path, sizeof(path));
	}
	if (code) {
		lookup_undo(&l);
		return words_fail(err, err_size, code, "pin %s: %s", path, strerror(-code));
	}
	*ret = l;
	return 0;
}

void lookup_undo(struct lookup *l)
{
	if (l->pin[0])
		unlink(l->pin);
	if (l->old_prog_fd >= 0)
		bpf_link_update(l->link_fd, l->old_prog_fd, NULL);
	lookup_close(l);
}

void lookup_close(struct lookup *l)
{
	if (l->link_fd >= 0)
		close(l->link_fd);
	if (l->old_prog_fd >= 0)
		close(l->old_prog_fd);
	l->link_fd = l->old_prog_fd = -1;
}

bool lookup_detach(const char *dir)
{
	char path[PINS_PATH];
	int fd;

	if (pins_path(path, dir, LOOKUP_PIN))
		return false;
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	return !unlink(path);
}
