// SPDX-License-Identifier: GPL-2.0-or-later
#include "remains.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "aside.h"
#include "core/log.h"
#include "fastpath/fastpath.h"
#include "kernel_conf.h"

#define HEAD "greygate kernel 1\n"
#define PATIENCE 100 /* tries, 50 ms apart */

static int file_of(const struct config *c, char ret[PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/" REMAINS_FILE, c->state_dir);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Whether it says one, with no doubt. The directory is the daemon's own, who has no rights: nothing
 * but a bpf file system is believed to be one. */
static bool read_note(const struct config *c, char ret[PATH_MAX])
{
	char file[PATH_MAX], head[sizeof(HEAD)];
	struct statfs fs;
	bool good;
	size_t len;
	FILE *f;
	int fd;

	if (file_of(c, file))
		return false;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	good = fgets(head, sizeof(head), f) && !strcmp(head, HEAD) && fgets(ret, PATH_MAX, f);
	fclose(f);
	len = good ? strlen(ret) : 0;
	if (!len || ret[len - 1] != '\n' || ret[0] != '/')
		return false;
	ret[len - 1] = '\0';
	return !statfs(ret, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static void write_note(const struct config *c)
{
	char note[sizeof(HEAD) + PATH_MAX];
	const int len = snprintf(note, sizeof(note), HEAD "%s\n", c->bpffs);
	const struct aside_text text = {note, (size_t)len};
	const int rc = len < (int)sizeof(note)
			       ? aside_write(AT_FDCWD, c->state_dir, REMAINS_FILE, &text, 1)
			       : -ENAMETOOLONG;

	if (rc)
		log_message(LOG_ERROR,
			    "%s/" REMAINS_FILE ": %s; a start with another bpffs, or without "
			    "interfaces, won't know what this one has attached",
			    c->state_dir, strerror(-rc));
}

static void forget_note(const struct config *c)
{
	char file[PATH_MAX];

	if (!file_of(c, file))
		unlink(file);
}

static void say(const char *line, void *arg)
{
	(void)arg;
	log_message(LOG_START, "of an earlier start, no longer used: %s", line);
}

int remains_clear(const struct config *c, int held_lock, char *err, size_t err_size)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	const bool wanted = kernel_wanted(c);
	char was[PATH_MAX] = "";
	const bool noted = read_note(c, was), same = noted && !strcmp(was, c->bpffs);
	int rc = 0;

	/* A predecessor's lock says by itself where its own stand. */
	if (held_lock && !wanted)
		rc = fastpath_clear(c->bpffs, held_lock, say, NULL, err, err_size);
	else if (noted && !(wanted && same))
		rc = fastpath_clear(was, 0, say, NULL, err, err_size);
	/* A daemon that was just killed, and what it had begun, may not be quite gone. */
	for (int i = 0; rc == -EBUSY && i < PATIENCE; i++) {
		nanosleep(&pause, NULL);
		rc = fastpath_clear(was, 0, say, NULL, err, err_size);
	}
	if (rc == -EBUSY) /* it is another's by now */
		rc = 0;
	/* What is left is tried again by the next start; so is a predecessor's, which may have to
	 * go on, and then all is put back. */
	if (rc || (held_lock && !wanted))
		return rc;
	if (!wanted)
		forget_note(c);
	else if (!same)
		write_note(c);
	return 0;
}
