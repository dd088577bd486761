// SPDX-License-Identifier: GPL-2.0-or-later
#include "rehearsal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "listeners.h"
#include "loop/ring.h"
#include "privileges.h"
#include "store/mend.h"

/* In a process of its own, which has given its rights up. Its exit code is the errno. */
static void ask_for_rings(const struct privileges *who, int out)
{
	char err[256] = "";
	int rc = privileges_drop(who, false, err, sizeof(err));

	if (!rc)
		rc = ring_check(err, sizeof(err));
	if (write(out, err, strlen(err)) < 0)
		errno = 0;
	_exit(-rc);
}

int rehearsal_rings(const char *user, char *err, size_t err_size)
{
	struct privileges who;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	if (!user || geteuid() != 0 || privileges_find(user, &who, err, err_size))
		return ring_check(err, err_size);
	if (pipe2(ends, O_CLOEXEC)) {
		snprintf(err, err_size, "pipe: %s", strerror(errno));
		return -errno;
	}
	pid = fork();
	if (!pid)
		ask_for_rings(&who, ends[1]);
	close(ends[1]);
	n = pid < 0 ? 0 : read(ends[0], err, err_size - 1);
	close(ends[0]);
	/* What can't be asked so is found out by the workers. */
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 0;
	err[n > 0 ? n : 0] = '\0';
	return -WEXITSTATUS(status);
}

int rehearsal_listeners(const struct config *c, char *err, size_t err_size)
{
	return listeners_check(c, err, err_size);
}

int rehearsal_state(const struct config *c, char *err, size_t err_size)
{
	char dir[PATH_MAX], *slash;
	struct stat st;
	int rc = 0;

	snprintf(dir, sizeof(dir), "%s", c->state_dir);
	if (stat(dir, &st) && errno == ENOENT) {
		slash = strrchr(dir, '/');
		if (slash)
			slash[slash == dir] = '\0';
		if (stat(dir, &st))
			rc = -errno;
	}
	if (!rc && !S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	if (!rc && access(dir, W_OK | X_OK))
		rc = -errno;
	if (rc)
		snprintf(err, err_size, "store %s: %s; %s", c->state_dir, strerror(-rc),
			 store_mend(rc));
	return rc;
}
