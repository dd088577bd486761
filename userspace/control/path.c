// SPDX-License-Identifier: GPL-2.0-or-later
#include "path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../core/log.h"

/* Makes room for our socket at path: 0, or -errno with err set. */
static int clear_path(const char *path, const struct sockaddr_un *name, char *err, size_t err_size)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_size,
			 "control: %s is there and is no socket; remove it or name "
			 "another path",
			 path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 || errno == EAGAIN) {
		snprintf(err, err_size,
			 "control: a daemon answers on %s; stop it, or set another "
			 "control in the configuration",
			 path);
		rc = -EADDRINUSE;
	} else {
		unlink(path);
	}
	close(fd);
	return rc;
}

static void make_directory(const struct control_conf *conf)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", conf->path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = 0;
	/* Ours only if we made it: then the daemon can take its socket away at the end. */
	if (mkdir(dir, 0755) == 0 && geteuid() == 0 && chown(dir, conf->uid, conf->gid))
		log_message(LOG_ERROR, "control: chown %s: %s", dir, strerror(errno));
}

int path_bind(const struct control_conf *conf, int fd, struct path_file *ret, char *err,
	      size_t err_size)
{
	const char *path = conf->path;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat st = {0};
	mode_t mask;
	int rc;

	if (strlen(path) >= sizeof(name.sun_path)) {
		snprintf(err, err_size, "control: %s is longer than %zu bytes; name a shorter path",
			 path, sizeof(name.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(name.sun_path, path, strlen(path) + 1);
	make_directory(conf);
	rc = clear_path(path, &name, err, err_size);
	if (rc)
		return rc;
	mask = umask(0117);
	rc = bind(fd, (const struct sockaddr *)&name, sizeof(name)) ? -errno : 0;
	umask(mask);
	if (!rc && (listen(fd, CONTROL_QUEUE) || lstat(path, &st)))
		rc = -errno;
	if (!rc && geteuid() == 0 && lchown(path, conf->uid, conf->gid))
		rc = -errno;
	if (rc) {
		snprintf(err, err_size,
			 "control: %s: %s; make its directory writable or set another "
			 "control in the configuration",
			 path, strerror(-rc));
		return rc;
	}
	*ret = (struct path_file){st.st_dev, st.st_ino};
	return 0;
}

void path_remove(const char *path, const struct path_file *file)
{
	struct stat st;

	if (file->ino && !lstat(path, &st) && st.st_ino == file->ino && st.st_dev == file->dev)
		unlink(path);
}
