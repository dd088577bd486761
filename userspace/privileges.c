// SPDX-License-Identifier: GPL-2.0-or-later
#include "privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int privileges_find(const char *user, struct privileges *ret, char *err, size_t err_size)
{
	const struct passwd *pw = getpwnam(user);

	if (!pw) {
		snprintf(err, err_size,
			 "user %s: no such user; make it (useradd --system --no-create-home %s) or "
			 "change user",
			 user, user);
		return -ENOENT;
	}
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	return 0;
}

int privileges_give(const char *dir, const struct privileges *p, char *err, size_t err_size)
{
	DIR *d;
	struct dirent *e;
	int rc = 0;

	if (geteuid() != 0)
		return 0;
	d = opendir(dir);
	if (!d || fchown(dirfd(d), p->uid, p->gid))
		rc = -errno;
	while (!rc && (e = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if (fchownat(dirfd(d), e->d_name, p->uid, p->gid, AT_SYMLINK_NOFOLLOW))
			rc = -errno;
	}
	if (d)
		closedir(d);
	if (rc)
		snprintf(err, err_size, "%s: %s; make it a directory that user may own", dir,
			 strerror(-rc));
	return rc;
}

int privileges_check(char *err, size_t err_size)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {{CAP_SETGID, "CAP_SETGID"}, {CAP_SETUID, "CAP_SETUID"}};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (geteuid() != 0 || syscall(SYS_capget, &header, data))
		return 0;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (data[0].effective & 1u << needed[i].number)
			continue;
		snprintf(err, err_size,
			 "missing capability %s: becoming the configured user needs it; give it to "
			 "the service or start as the configured user",
			 needed[i].name);
		return -EPERM;
	}
	return 0;
}

void privileges_limits(void)
{
	/* File tables of the rings, and their memory. */
	static const int which[] = {RLIMIT_NOFILE, RLIMIT_MEMLOCK};

	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		struct rlimit limit;

		if (getrlimit(which[i], &limit))
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(which[i], &limit);
	}
}

/* No other capabilities than these, effective and permitted; 0 or -errno. glibc has no call for it.
 */
static int keep_capabilities(uint64_t which)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(which >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static uint64_t needed_by(bool transparent)
{
	return transparent ? 1ull << CAP_NET_RAW | 1ull << CAP_NET_BIND_SERVICE : 0;
}

void privileges_forget(bool transparent)
{
	keep_capabilities(needed_by(transparent));
}

int privileges_drop(const struct privileges *p, bool transparent, char *err, size_t err_size)
{
	const uint64_t kept = 1ull << CAP_IPC_LOCK | needed_by(transparent);
	const char *step = NULL;

	if (geteuid() != 0)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		step = "keepcaps";
	else if (setgroups(0, NULL))
		step = "setgroups";
	else if (setresgid(p->gid, p->gid, p->gid))
		step = "setresgid";
	else if (setresuid(p->uid, p->uid, p->uid))
		step = "setresuid";
	else if (keep_capabilities(kept))
		step = "capset";
	else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		step = "no_new_privs";
	if (step) {
		snprintf(err, err_size, "%s: %s; start as root or as the configured user", step,
			 strerror(errno));
		return -EPERM;
	}
	return 0;
}
