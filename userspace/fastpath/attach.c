// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The XDP program on an interface.
 *
 * A free interface, and one that libxdp's dispatcher already shares, is libxdp's: the program goes
 * into a dispatcher where the kernel has freplace programs, alone where not. A program of ours that
 * an earlier start left alone is replaced in one step (XDP_FLAGS_REPLACE), so that no packet meets
 * an interface without verdicts. A program of somebody else is an error that names it.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp.skel.h>

static const char *mode_text(uint32_t flags)
{
	return flags & XDP_FLAGS_SKB_MODE ? "generic" : "native";
}

/* Gateway mode refuses generic, see open.c. */
static int not_accepted(const char *name, uint32_t flags, int code, char *err, size_t err_size)
{
	return words_fail(
		err, err_size, code,
		"interface %s: XDP program not accepted (%s): %s; set xdp = off%s", name,
		mode_text(flags), words_reason(code),
		flags & XDP_FLAGS_SKB_MODE ? "" : ", or xdp = generic where mode is not gateway");
}

bool attach_stands(int ifindex, const struct pins_ids *own, struct attach *a)
{
	struct occupant there;

	if (owner_look(ifindex, own, &there))
		return false;
	if (there.fd >= 0)
		close(there.fd);
	a->flags = there.flags;
	a->dispatched = there.dispatched;
	return there.owner == OWNER_US;
}

enum fastpath_xdp attach_mode(const struct fastpath_conf *conf)
{
	return conf->mode == GG_MODE_GATEWAY && conf->xdp == FASTPATH_AUTO ? FASTPATH_NATIVE
									   : conf->xdp;
}

static int open_program(const int maps[MAP_COUNT], struct xdp_bpf **ret)
{
	struct xdp_bpf *skel = xdp_bpf__open();
	int code;

	if (!skel)
		return -ENOMEM;
	code = maps_use(skel->obj, maps);
	if (code) {
		xdp_bpf__destroy(skel);
		return code;
	}
	*ret = skel;
	return 0;
}

int attach_rival(const char *name, uint32_t id, char *err, size_t err_size)
{
	return words_fail(err, err_size, -EADDRINUSE,
			  "interface %s: another greygated with a bpffs of its own is at work "
			  "there (program id %u); stop that one, or take %s out of interfaces",
			  name, id, name);
}

/* One try in one mode; a failed one leaves nothing, and an object that can't be tried again. */
static int attach_shared(int ifindex, uint32_t flags, const int maps[MAP_COUNT], struct attach *a)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .prog_name = "greygate_xdp");
	struct xdp_program *program;
	struct xdp_bpf *skel;
	int code;

	code = open_program(maps, &skel);
	if (code)
		return code;
	/* libxdp makes its directory once in a process, which may have been removed since. */
	mkdir(LIBXDP_DIR, 0700);
	opts.obj = skel->obj;
	program = xdp_program__create(&opts);
	code = libxdp_get_error(program);
	if (!code) {
		code = xdp_program__attach(
			program, ifindex,
			flags == XDP_FLAGS_SKB_MODE ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
		if (!code) {
			owner_sign(xdp_program__fd(program), maps);
			a->program = program;
			a->skel = skel;
			a->flags = flags;
			return 0;
		}
		xdp_program__close(program);
	}
	xdp_bpf__destroy(skel);
	return code;
}

/* Programs of ours in the interface's dispatcher, other than `keep`. */
static int clear_dispatcher(int ifindex, uint32_t flags, const struct pins_ids *own, bool orphans,
			    uint32_t keep)
{
	struct xdp_multiprog *multi = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL, *ours[16];
	int count = 0, i;
	enum owner owner;

	if (libxdp_get_error(multi))
		return 0;
	while ((program = xdp_multiprog__next_prog(program, multi)) && count < 16) {
		owner = owner_of(xdp_program__fd(program), own);
		if (xdp_program__id(program) != keep &&
		    (owner == OWNER_US || (owner == OWNER_GONE && orphans)))
			ours[count++] = program;
	}
	for (i = 0; i < count; i++)
		xdp_program__detach(ours[i], ifindex,
				    flags == XDP_FLAGS_SKB_MODE ? XDP_MODE_SKB : XDP_MODE_NATIVE,
				    0);
	xdp_multiprog__close(multi);
	return count;
}

/* On a free interface, or beside others in a dispatcher. */
static int attach_free(const char *name, enum fastpath_xdp mode, const struct occupant *there,
		       const struct pins_ids *own, const int maps[MAP_COUNT], struct attach *a,
		       struct fastpath_attachment *how, char *err, size_t err_size)
{
	const uint32_t tries[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
	char native_refused[80] = "";
	struct occupant now;
	size_t i;
	int code = -EINVAL;

	for (i = 0; i < 2; i++) {
		if (mode == FASTPATH_NATIVE && tries[i] != XDP_FLAGS_DRV_MODE)
			continue;
		if (mode == FASTPATH_GENERIC && tries[i] != XDP_FLAGS_SKB_MODE)
			continue;
		if (mode == FASTPATH_AUTO && there->dispatched && tries[i] != there->flags)
			continue;
		words_forget();
		/* There is no step from one mode to the other. */
		if (there->dispatched && tries[i] != there->flags)
			clear_dispatcher(a->ifindex, there->flags, own, true, 0);
		code = attach_shared(a->ifindex, tries[i], maps, a);
		if (!code)
			break;
		if (!i)
			snprintf(native_refused, sizeof(native_refused), "%s", words_reason(code));
	}
	if (code)
		return not_accepted(
			name, mode == FASTPATH_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
			code, err, err_size);
	owner_look(a->ifindex, &(struct pins_ids){}, &now);
	if (now.fd >= 0)
		close(now.fd);
	a->dispatched = now.dispatched;
	how->how = mode_text(a->flags);
	how->with = a->dispatched ? "dispatcher" : "alone";
	snprintf(how->why, sizeof(how->why), "%s%s%s%s%s",
		 native_refused[0] ? "native refused: " : "", native_refused,
		 native_refused[0] ? "; " : "",
		 a->dispatched ? "other XDP programs can share the interface" : "no dispatcher: ",
		 a->dispatched ? "" : words_reason(EOPNOTSUPP));
	return 0;
}

/* In place of a program of ours that stands alone. */
static int attach_replace(const char *name, enum fastpath_xdp mode, struct occupant *there,
			  const int maps[MAP_COUNT], struct attach *a,
			  struct fastpath_attachment *how, char *err, size_t err_size)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = there->fd);
	uint32_t wanted = mode == FASTPATH_NATIVE    ? XDP_FLAGS_DRV_MODE
			  : mode == FASTPATH_GENERIC ? XDP_FLAGS_SKB_MODE
						     : there->flags;
	int code, fd;

	code = open_program(maps, &a->skel);
	if (!code)
		code = xdp_bpf__load(a->skel);
	if (code)
		return words_fail(err, err_size, code, "XDP program: %s", words_reason(code));
	fd = bpf_program__fd(a->skel->progs.greygate_xdp);
	owner_sign(fd, maps);
	a->flags = wanted;
	if (wanted == there->flags) {
		code = bpf_xdp_attach(a->ifindex, fd, wanted, &opts);
	} else {
		/* The kernel has no step from one mode to the other. */
		code = bpf_xdp_detach(a->ifindex, there->flags, &opts);
		if (!code)
			code = bpf_xdp_attach(a->ifindex, fd, wanted, NULL);
		if (code)
			bpf_xdp_attach(a->ifindex, there->fd, there->flags, NULL);
	}
	if (code)
		return not_accepted(name, wanted, code, err, err_size);
	a->old_fd = there->fd;
	a->old_flags = there->flags;
	there->fd = -1;
	how->how = mode_text(wanted);
	how->with = "alone";
	snprintf(how->why, sizeof(how->why), "%s",
		 wanted == a->old_flags
			 ? "replaced the program of an earlier start in one step, in its mode"
			 : "the mode changed: replaced the program of an earlier start");
	return 0;
}

static bool is_veth(const char *name)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (void *)&driver};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool veth;

	if (fd < 0)
		return false;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	veth = !ioctl(fd, SIOCETHTOOL, &r) && !strcmp(driver.driver, "veth");
	close(fd);
	return veth;
}

/* The kernel hands answers of native XDP over only where the other end has a program too; which end
 * that is, and what it has, can't be seen from here when it is in another namespace. */
static void warn_of_veth(const char *name, const struct attach *a, struct fastpath_attachment *how)
{
	size_t used = strlen(how->why);

	if (!(a->flags & XDP_FLAGS_SKB_MODE) && is_veth(name))
		snprintf(how->why + used, sizeof(how->why) - used,
			 "; veth: for action tarpit the other end needs an XDP program too, see "
			 "greygate doctor");
}

/* 0 where nobody is in the way of a start's program. */
static int is_vacant(const char *name, const struct occupant *there, char *err, size_t err_size)
{
	if (there->fd >= 0 && there->owner == OWNER_OTHER)
		return words_fail(
			err, err_size, -EBUSY,
			"interface %s: XDP program %s (id %u) of somebody else is attached and "
			"can't share; remove it (ip link set dev %s xdp off) or take %s out "
			"of interfaces",
			name, there->info.name, there->info.id, name, name);
	if (there->owner == OWNER_ALIVE)
		return attach_rival(name, there->info.id, err, err_size);
	return 0;
}

int fastpath_vacant(const char *bpffs, const char *interface, char *err, size_t err_size)
{
	struct pins_ids own = {};
	struct occupant there;
	int code;

	words_mute();
	pins_own(bpffs, &own);
	code = owner_look((int)if_nametoindex(interface), &own, &there);
	if (code)
		return 0;
	code = is_vacant(interface, &there, err, err_size);
	if (there.fd >= 0)
		close(there.fd);
	return code;
}

int attach_interface(const char *name, enum fastpath_xdp mode, const int maps[MAP_COUNT],
		     const struct pins_ids *own, struct attach *ret,
		     struct fastpath_attachment *ret_how, char *err, size_t err_size)
{
	struct fastpath_attachment how = {};
	struct attach a = {.ifindex = if_nametoindex(name), .old_fd = -1};
	struct occupant there;
	int code;

	words_forget();
	snprintf(how.interface, sizeof(how.interface), "%s", name);
	code = owner_look(a.ifindex, own, &there);
	if (code)
		return words_fail(err, err_size, code,
				  "interface %s: cannot be asked for its XDP "
				  "program: %s",
				  name, words_reason(code));
	code = is_vacant(name, &there, err, err_size);
	if (!code && there.fd >= 0)
		code = attach_replace(name, mode, &there, maps, &a, &how, err, err_size);
	else if (!code)
		code = attach_free(name, mode, &there, own, maps, &a, &how, err, err_size);
	if (there.fd >= 0)
		close(there.fd);
	rmdir(LIBXDP_DIR); /* goes only when it holds no dispatcher */
	if (code) {
		xdp_bpf__destroy(a.skel);
		return code;
	}
	warn_of_veth(name, &a, &how);
	*ret = a;
	*ret_how = how;
	return 0;
}

static void attach_free_objects(struct attach *a)
{
	xdp_program__close(a->program);
	xdp_bpf__destroy(a->skel);
	if (a->old_fd >= 0)
		close(a->old_fd);
	a->program = NULL;
	a->skel = NULL;
	a->old_fd = -1;
}

void attach_undo(struct attach *a)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);

	opts.old_prog_fd = a->skel ? bpf_program__fd(a->skel->progs.greygate_xdp) : -1;
	if (a->program) {
		xdp_program__detach(a->program, a->ifindex,
				    a->flags == XDP_FLAGS_SKB_MODE ? XDP_MODE_SKB : XDP_MODE_NATIVE,
				    0);
	} else if (a->old_fd >= 0 && a->old_flags == a->flags) {
		bpf_xdp_attach(a->ifindex, a->old_fd, a->flags, &opts);
	} else if (a->old_fd >= 0) {
		bpf_xdp_detach(a->ifindex, a->flags, &opts);
		bpf_xdp_attach(a->ifindex, a->old_fd, a->old_flags, NULL);
	}
	attach_free_objects(a);
}

void attach_commit(struct attach *a, const struct pins_ids *own)
{
	if (a->dispatched)
		clear_dispatcher(a->ifindex, a->flags, own, true, xdp_program__id(a->program));
	attach_free_objects(a);
}

static bool holds(const int *list, int n, int value)
{
	while (n--)
		if (list[n] == value)
			return true;
	return false;
}

int attach_clear(const struct pins_ids *own, bool orphans, const int *keep, int keep_count,
		 void (*report)(const char *line, void *arg), void *arg)
{
	struct if_nameindex *all = if_nameindex(), *i;
	struct occupant there;
	char line[128];
	int cleared = 0;

	for (i = all; i && i->if_index; i++) {
		LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
		int removed = 0;

		if (holds(keep, keep_count, i->if_index))
			continue;
		/* The pins of a dispatcher that was taken off without libxdp keep its programs. */
		libxdp_clean_references((int)i->if_index);
		if (owner_look(i->if_index, own, &there))
			continue;
		opts.old_prog_fd = there.fd;
		if (there.dispatched)
			removed = clear_dispatcher(i->if_index, there.flags, own, orphans, 0);
		else if (there.fd >= 0 &&
			 (there.owner == OWNER_US || (there.owner == OWNER_GONE && orphans)))
			removed = !bpf_xdp_detach(i->if_index, there.flags, &opts);
		if (there.fd >= 0)
			close(there.fd);
		if (!removed)
			continue;
		cleared++;
		snprintf(line, sizeof(line), "%s: XDP program (%s, %s) detached", i->if_name,
			 mode_text(there.flags), there.dispatched ? "dispatcher" : "alone");
		if (report)
			report(line, arg);
	}
	if (all)
		if_freenameindex(all);
	return cleared;
}
