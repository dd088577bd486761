// SPDX-License-Identifier: GPL-2.0-or-later
#include "aside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int write_all(int fd, struct aside_text text)
{
	while (text.len) {
		ssize_t n = write(fd, text.bytes, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text.bytes += n;
		text.len -= (size_t)n;
	}
	return 0;
}

static int write_beside(int dir, const char *beside, const struct aside_text *parts, int count)
{
	int fd, rc = 0;

	unlinkat(dir, beside, 0);
	fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < count && !rc; i++)
		rc = write_all(fd, parts[i]);
	if (!rc && fsync(fd))
		rc = -errno;
	close(fd);
	return rc;
}

int aside_write(int at, const char *directory, const char *name, const struct aside_text *parts,
		int count)
{
	char beside[NAME_MAX + 1];
	int dir, rc;

	if (snprintf(beside, sizeof(beside), "%s.new", name) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	dir = openat(at, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	rc = write_beside(dir, beside, parts, count);
	if (!rc && renameat(dir, beside, dir, name))
		rc = -errno;
	if (rc)
		unlinkat(dir, beside, 0);
	else
		fsync(dir); /* or a loss of power brings the former one back */
	close(dir);
	return rc;
}
