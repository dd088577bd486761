// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copies of the store: made by any process while the daemon writes, which LMDB allows, and read
 * again as what they are, files that somebody handed in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "check.h"
#include "engine.h"
#include "mend.h"

#define RESIZED_TRIES 5 /* the daemon may enlarge its map at any moment */

static int complain(char *err, size_t err_size, const char *file, int rc)
{
	rc = engine_errno(rc);
	snprintf(err, err_size, "%s: %s: %s", file, strerror(-rc), store_mend(rc));
	return rc;
}

/* ---- backup ---- */

static int copy_once(const char *from, int fd)
{
	MDB_env *env;
	int rc = mdb_env_create(&env);

	if (rc)
		return rc;
	rc = mdb_env_open(env, from, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS, 0600);
	if (!rc)
		rc = mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
	mdb_env_close(env);
	return rc;
}

static int copy(const char *from, int fd)
{
	int rc = MDB_MAP_RESIZED;

	for (int i = 0; rc == MDB_MAP_RESIZED && i < RESIZED_TRIES; i++)
		rc = ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) ? errno : copy_once(from, fd);
	return rc;
}

/* A daemon has checked the file it works on; one that nobody works on has to be checked before LMDB
 * maps it. */
static int check_idle(const char *dir, const char *from, char *why, size_t size)
{
	char path[PATH_MAX];
	int lock, fd, rc = 0;

	if (snprintf(path, sizeof(path), "%s/" STORE_LOCK, dir) >= (int)sizeof(path))
		return ENAMETOOLONG;
	lock = open(path, O_RDONLY | O_CLOEXEC);
	fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		rc = errno;
	else if (lock < 0 || !flock(lock, LOCK_SH | LOCK_NB))
		rc = -check_file(fd, why, size);
	if (fd >= 0)
		close(fd);
	if (lock >= 0)
		close(lock);
	return rc;
}

int store_backup(const char *dir, const char *file, uint64_t *ret_bytes, char *err, size_t err_size)
{
	char from[PATH_MAX], part[PATH_MAX], why[160];
	struct stat st;
	int fd, rc;

	if (snprintf(from, sizeof(from), "%s/" STORE_FILE, dir) >= (int)sizeof(from) ||
	    snprintf(part, sizeof(part), "%s.part", file) >= (int)sizeof(part))
		return complain(err, err_size, file, ENAMETOOLONG);
	if (stat(from, &st) || !st.st_size) {
		snprintf(err, err_size, "%s: there is no store; is state_dir right?", from);
		return -ENOENT;
	}
	rc = check_idle(dir, from, why, sizeof(why));
	if (rc)
		return complain(err, err_size, from, rc);
	/* Holds the secret of the installation. */
	unlink(part);
	fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return complain(err, err_size, part, errno);
	rc = copy(from, fd);
	if (!rc)
		rc = -check_file(fd, why, sizeof(why));
	if (!rc && (fsync(fd) || fstat(fd, &st) || rename(part, file)))
		rc = errno;
	close(fd);
	if (rc) {
		unlink(part);
		return complain(err, err_size, file, rc);
	}
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

/* ---- what is in one ---- */

static int check_backup(const char *file, char *err, size_t err_size)
{
	char why[160] = "empty";
	struct stat st = {0};
	int fd = open(file, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return complain(err, err_size, file, errno);
	rc = fstat(fd, &st) ? -errno : st.st_size ? check_file(fd, why, sizeof(why)) : -EUCLEAN;
	close(fd);
	if (rc == -EUCLEAN)
		snprintf(err, err_size, "%s: not a sound backup (%s); use another one", file, why);
	else if (rc)
		return complain(err, err_size, file, -rc);
	return rc;
}

int store_open_backup(const char *file, struct store **ret, uint8_t ret_key[16], char *err,
		      size_t err_size)
{
	int rc = check_backup(file, err, err_size);

	if (!rc) {
		rc = engine_open_file(file, ret, ret_key);
		if (rc == -EPROTO)
			snprintf(
				err, err_size,
				"%s: a backup of another version of greygate; restore it with that",
				file);
		else if (rc)
			return complain(err, err_size, file, -rc);
	}
	return rc;
}

/* ---- the whole, put in place ---- */

static int copy_file(int from, int to)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)n) != n)
			return errno ? errno : ENOSPC;
	return n < 0 || fsync(to) ? errno : 0;
}

int store_copy(const char *file, const char *to, char *err, size_t err_size)
{
	int in = open(file, O_RDONLY | O_CLOEXEC), out, rc;

	if (in < 0)
		return complain(err, err_size, file, errno);
	unlink(to);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	rc = out < 0 ? errno : copy_file(in, out);
	close(in);
	if (out >= 0)
		close(out);
	if (!rc)
		return 0;
	unlink(to);
	return complain(err, err_size, to, rc);
}

/* The lock stays held by the caller, so that no daemon begins meanwhile. */
static int put_in_place(const char *dir, const char *file, char *err, size_t err_size)
{
	char store[PATH_MAX], made[PATH_MAX], before[PATH_MAX], lock[PATH_MAX];
	int rc;

	snprintf(store, sizeof(store), "%s/" STORE_FILE, dir);
	snprintf(made, sizeof(made), "%s/" STORE_FILE ".new", dir);
	snprintf(before, sizeof(before), "%s/" STORE_FILE ".before-restore", dir);
	snprintf(lock, sizeof(lock), "%s/" STORE_FILE "-lock", dir);
	rc = store_copy(file, made, err, err_size);
	if (rc)
		return rc;
	if (rename(store, before) && errno != ENOENT)
		return complain(err, err_size, store, errno);
	unlink(lock);
	return rename(made, store) ? complain(err, err_size, store, errno) : 0;
}

int store_replace(const char *dir, const char *file, char *err, size_t err_size)
{
	char path[PATH_MAX];
	int fd, rc = check_backup(file, err, err_size);

	if (rc)
		return rc;
	if (snprintf(path, sizeof(path), "%s/" STORE_LOCK, dir) >= (int)sizeof(path) - 32)
		return complain(err, err_size, dir, ENAMETOOLONG);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return complain(err, err_size, path, errno);
	rc = flock(fd, LOCK_EX | LOCK_NB) ? -errno : 0;
	if (rc == -EWOULDBLOCK)
		rc = -EBUSY;
	if (rc)
		snprintf(err, err_size, "%s: a daemon works on it", dir);
	else
		rc = put_in_place(dir, file, err, err_size);
	close(fd);
	return rc;
}
