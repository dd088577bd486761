// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The LMDB engine: opening, locking, setting aside, growing.
 *
 * One environment, one file. Groups are synced with MDB_NOMETASYNC: the pages of a group are on the
 * disk before its meta page is written, the meta page itself by the next group, so that a power cut
 * takes at most the last group and never the file's integrity. MDB_WRITEMAP is not used: a stray
 * pointer must not reach the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "engine.h"
#include "mend.h"

/* LMDB maps its lock file and writes through the map: room for it is reserved before, or a full
 * disk would be a SIGBUS. 126 readers take less than this. */
#define LMDB_LOCK_BYTES 16384
#define SUFFIXES 100

static const char *const sub_name[SUB_MAX] = {
	[SUB_META] = "meta",       [SUB_GREY] = "grey",
	[SUB_PASSED] = "passed",   [SUB_SOURCE] = "source",
	[SUB_VERDICT] = "verdict", [SUB_TRAP] = "trap",
	[SUB_DUE] = "due",         [SUB_CORRESPONDENT] = "correspondent",
};

/* ---- errors ---- */

int engine_errno(int rc)
{
	static const struct {
		int lmdb, err;
	} table[] = {
		{MDB_MAP_FULL, ENOSPC},
		{MDB_READERS_FULL, EAGAIN},
		{MDB_TXN_FULL, E2BIG},
		{MDB_PANIC, EIO},
	};

	if (rc >= 0)
		return -rc;
	if (rc < MDB_KEYEXIST || rc > MDB_LAST_ERRCODE)
		return rc; /* one of ours */
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].lmdb == rc)
			return -table[i].err;
	return engine_damaged(rc) ? -EUCLEAN : -EIO;
}

bool engine_damaged(int rc)
{
	return rc == MDB_CORRUPTED || rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH ||
	       rc == MDB_PAGE_NOTFOUND || rc == MDB_INCOMPATIBLE || rc == MDB_CURSOR_FULL;
}

/* ---- the environment ---- */

static void file_path(const struct store *s, const char *name, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/%s", s->dir, name);
}

static int reserve_lock_file(const struct store *s)
{
	char path[PATH_MAX];
	int fd, rc;

	file_path(s, STORE_FILE "-lock", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	rc = posix_fallocate(fd, 0, LMDB_LOCK_BYTES);
	close(fd);
	return rc;
}

static int read_meta(struct store *s, MDB_txn *txn, uint32_t *ret_schema)
{
	MDB_val key = engine_val("schema", 6), value;
	int rc = mdb_get(txn, s->sub[SUB_META], &key, &value);

	if (rc)
		return rc;
	if (value.mv_size != sizeof(*ret_schema))
		return MDB_INVALID;
	*ret_schema = codec_due(value.mv_data);
	key = engine_val("secret", 6);
	rc = mdb_get(txn, s->sub[SUB_META], &key, &value);
	if (rc)
		return rc;
	if (value.mv_size != sizeof(s->key))
		return MDB_INVALID;
	memcpy(s->key, value.mv_data, sizeof(s->key));
	return 0;
}

static int write_meta(struct store *s, MDB_txn *txn)
{
	uint8_t schema[4];
	MDB_val key = engine_val("schema", 6), value = engine_val(schema, sizeof(schema));
	int rc;

	codec_set_due(schema, STORE_SCHEMA);
	rc = mdb_put(txn, s->sub[SUB_META], &key, &value, 0);
	if (rc)
		return rc;
	key = engine_val("secret", 6);
	value = engine_val(s->key, sizeof(s->key));
	return mdb_put(txn, s->sub[SUB_META], &key, &value, 0);
}

/* Handles of the sub-DBs. A new file gets them, the schema and the secret in one transaction, so
 * there is no half-made store; one that exists is opened without writing, because a full disk is no
 * reason to forget. */
static int open_subs(struct store *s, bool create, uint32_t *ret_schema)
{
	MDB_txn *txn;
	int rc;

	rc = mdb_txn_begin(s->env, NULL, create ? 0 : MDB_RDONLY, &txn);
	for (int i = 0; !rc && i < SUB_MAX; i++)
		rc = mdb_dbi_open(txn, sub_name[i], create ? MDB_CREATE : 0, &s->sub[i]);
	if (!rc)
		rc = create ? write_meta(s, txn) : read_meta(s, txn, ret_schema);
	/* Also read-only: only a commit keeps the handles. */
	if (!rc)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static void close_env(struct store *s)
{
	if (s->env)
		mdb_env_close(s->env);
	s->env = NULL;
}

/* Opens the file as it is, or makes it. *ret_schema: the number in it. */
static int open_env(struct store *s, uint32_t *ret_schema)
{
	unsigned int flags = MDB_NOSUBDIR | MDB_NOTLS | (s->sync ? MDB_NOMETASYNC : MDB_NOSYNC);
	char path[PATH_MAX];
	struct stat st;
	bool create;
	int dead, rc;

	file_path(s, STORE_FILE, path);
	create = stat(path, &st) || !st.st_size;
	rc = reserve_lock_file(s);
	if (!rc)
		rc = mdb_env_create(&s->env);
	if (rc)
		return rc;
	rc = mdb_env_set_mapsize(s->env, s->map_bytes);
	if (!rc)
		rc = mdb_env_set_maxdbs(s->env, SUB_MAX);
	if (!rc)
		rc = mdb_env_open(s->env, path, flags, 0600);
	if (!rc)
		rc = mdb_reader_check(s->env, &dead);
	*ret_schema = STORE_SCHEMA;
	if (!rc)
		rc = open_subs(s, create, ret_schema);
	/* Killed between making the file and the first commit. */
	if (rc == MDB_NOTFOUND && !create)
		rc = open_subs(s, true, ret_schema);
	if (rc)
		close_env(s);
	return rc;
}

/* Renames the file out of the way; ret_name is its new name within the directory. */
static int move_aside(struct store *s, char *ret_name, size_t size)
{
	char from[PATH_MAX], to[PATH_MAX], stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	file_path(s, STORE_FILE, from);
	for (int i = 0; i < SUFFIXES; i++) {
		if (i)
			snprintf(ret_name, size, STORE_FILE ".bad-%s.%d", stamp, i);
		else
			snprintf(ret_name, size, STORE_FILE ".bad-%s", stamp);
		file_path(s, ret_name, to);
		if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)) {
			file_path(s, STORE_FILE "-lock", from);
			unlink(from);
			s->set_aside = true;
			return 0;
		}
		if (errno != EEXIST)
			return errno;
	}
	return EEXIST;
}

static int check(struct store *s, char *why, size_t size)
{
	char path[PATH_MAX];
	int fd, rc;

	file_path(s, STORE_FILE, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	rc = check_file(fd, why, size);
	close(fd);
	return rc == -EUCLEAN ? MDB_CORRUPTED : -rc;
}

int engine_begin(struct store *s, MDB_txn **ret)
{
	int rc = s->env ? mdb_txn_begin(s->env, NULL, 0, ret) : MDB_PANIC;

	if (rc != MDB_MAP_RESIZED)
		return rc;
	pthread_mutex_lock(&s->gate);
	rc = mdb_env_set_mapsize(s->env, 0);
	pthread_mutex_unlock(&s->gate);
	return rc ? rc : mdb_txn_begin(s->env, NULL, 0, ret);
}

int engine_commit(struct store *s, MDB_txn *txn)
{
	struct timespec a, b;
	int64_t us;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &a);
	rc = mdb_txn_commit(txn);
	clock_gettime(CLOCK_MONOTONIC, &b);
	us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
	if (us > s->commit_us_max)
		s->commit_us_max = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	if (!rc)
		s->commits++;
	return rc;
}

int engine_grow(struct store *s)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t limit = s->max_bytes + (s->full ? s->max_bytes / 16 / page * page : 0), size;
	MDB_envinfo info;
	int rc;

	rc = mdb_env_info(s->env, &info);
	if (rc)
		return rc;
	if (info.me_mapsize >= limit)
		return MDB_MAP_FULL;
	size = info.me_mapsize < limit / 2 ? info.me_mapsize * 2 : limit;
	pthread_mutex_lock(&s->gate);
	rc = mdb_env_set_mapsize(s->env, size);
	pthread_mutex_unlock(&s->gate);
	if (!rc)
		s->grown++;
	return rc;
}

int engine_recover(struct store *s, int rc)
{
	uint32_t schema;
	char text[160];

	pthread_mutex_lock(&s->gate);
	close_env(s);
	if (!engine_damaged(rc))
		rc = check(s, text, sizeof(text));
	if (engine_damaged(rc))
		rc = move_aside(s, text, sizeof(text));
	if (!rc)
		rc = open_env(s, &schema);
	pthread_mutex_unlock(&s->gate);
	return rc;
}

/* ---- figures ---- */

static int count(struct store *s, MDB_stat ret[SUB_MAX])
{
	MDB_txn *txn;
	int rc;

	if (!s->env)
		return MDB_PANIC;
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return rc;
	for (int i = 0; !rc && i < SUB_MAX; i++)
		rc = mdb_stat(txn, s->sub[i], &ret[i]);
	mdb_txn_abort(txn);
	return rc;
}

static size_t used(const MDB_stat st[SUB_MAX])
{
	size_t pages = 2;

	for (int i = 0; i < SUB_MAX; i++)
		pages += st[i].ms_branch_pages + st[i].ms_leaf_pages + st[i].ms_overflow_pages;
	return pages * st[0].ms_psize;
}

int engine_used(struct store *s, size_t *ret)
{
	MDB_stat st[SUB_MAX];
	int rc = count(s, st);

	if (!rc)
		*ret = used(st);
	return rc;
}

static int get_stats(struct store *s, struct store_stats *ret)
{
	MDB_stat st[SUB_MAX];
	MDB_envinfo info;
	int rc;

	rc = count(s, st);
	if (!rc)
		rc = mdb_env_info(s->env, &info);
	if (rc)
		return engine_errno(rc);
	*ret = (struct store_stats){
		.records = {[RECORD_GREY] = st[SUB_GREY].ms_entries,
			    [RECORD_PASSED] = st[SUB_PASSED].ms_entries,
			    [RECORD_SOURCE] = st[SUB_SOURCE].ms_entries},
		.verdicts = st[SUB_VERDICT].ms_entries,
		.traps = st[SUB_TRAP].ms_entries,
		.bytes = used(st),
		.map_bytes = info.me_mapsize,
		.commits = s->commits,
		.items = s->items,
		.grown = s->grown,
		.errors = s->errors,
		.expired = s->expired,
		.lost = s->lost,
		.commit_us_max = s->commit_us_max,
		.full = s->full,
		.set_aside = s->set_aside,
	};
	return 0;
}

/* ---- opening and closing ---- */

static void set_lifetimes(struct store *s, uint32_t window, uint32_t keep)
{
	atomic_store(&s->window, window);
	atomic_store(&s->keep, keep);
}

static void close_store(struct store **sp)
{
	struct store *s = *sp;

	if (!s)
		return;
	close_env(s);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_mutex_destroy(&s->gate);
	free(s->room);
	explicit_bzero(s->key, sizeof(s->key));
	free(s);
	*sp = NULL;
}

static const struct store_ops ops = {
	.name = "lmdb",
	.load = engine_load,
	.apply = engine_apply,
	.expire = engine_expire,
	.walk = engine_walk,
	.lifetimes = set_lifetimes,
	.stats = get_stats,
	.close = close_store,
};

static int fail(const struct store *s, int rc, char *err, size_t err_size)
{
	rc = engine_errno(rc);
	snprintf(err, err_size, "store %s: %s: %s", s->dir, strerror(-rc), store_mend(rc));
	return rc;
}

/* LMDB shares its locks and its map through the page cache of one machine. */
static bool on_network(const char *dir)
{
	static const unsigned long magic[] = {
		0x6969 /* NFS */,      0x517B /* SMB */,    0xFE534D42 /* SMB2 */,
		0xFF534D42 /* CIFS */, 0x01021997 /* 9P */, 0x00C36400 /* Ceph */,
	};
	struct statfs fs;

	if (statfs(dir, &fs))
		return false;
	for (size_t i = 0; i < sizeof(magic) / sizeof(magic[0]); i++)
		if ((unsigned long)fs.f_type == magic[i])
			return true;
	return false;
}

/* Only for the message of who comes second: a full disk does not matter. */
void store_lock_sign(const struct store *s)
{
	char pid[16];
	ssize_t n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

	if (ftruncate(s->lock_fd, 0) || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
		errno = 0;
}

static int lock_dir(struct store *s, char *err, size_t err_size)
{
	char path[PATH_MAX], pid[16] = "?";
	ssize_t n;

	if (mkdir(s->dir, 0700) && errno != EEXIST)
		return fail(s, errno, err, err_size);
	if (on_network(s->dir)) {
		snprintf(
			err, err_size,
			"store %s: on a network file system, where LMDB is not safe: set state_dir "
			"to a directory on a local disk",
			s->dir);
		return -EREMOTE;
	}
	file_path(s, STORE_LOCK, path);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return fail(s, errno, err, err_size);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return fail(s, errno, err, err_size);
		n = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
		if (n > 0)
			pid[strcspn(pid, "\n")] = '\0';
		snprintf(
			err, err_size,
			"store %s: in use by process %s: stop that daemon or give this one another "
			"state_dir",
			s->dir, pid);
		return -EBUSY;
	}
	store_lock_sign(s);
	return 0;
}

/* The store as it is, or a new one after the old has been set aside, which err then says. */
static int open_or_set_aside(struct store *s, char *err, size_t err_size)
{
	char why[160], name[64];
	uint32_t schema;
	int rc;

	rc = check(s, why, sizeof(why));
	if (!rc) {
		rc = open_env(s, &schema);
		snprintf(why, sizeof(why), "%s", rc ? mdb_strerror(rc) : "");
	}
	if (!rc && schema != STORE_SCHEMA) {
		close_env(s);
		snprintf(why, sizeof(why), "schema %u, this program reads %d", schema,
			 STORE_SCHEMA);
		rc = MDB_INCOMPATIBLE;
	}
	if (!rc)
		return 0;
	if (!engine_damaged(rc))
		return fail(s, rc, err, err_size);
	rc = move_aside(s, name, sizeof(name));
	if (rc)
		return fail(s, rc, err, err_size);
	if (getrandom(s->key, sizeof(s->key), 0) != sizeof(s->key))
		rc = EIO;
	if (!rc)
		rc = open_env(s, &schema);
	if (rc)
		return fail(s, rc, err, err_size);
	snprintf(err, err_size,
		 "store %s/" STORE_FILE ": damaged (%s): renamed to %s and begun anew; strangers "
		 "start over, restore a backup if there is one",
		 s->dir, why, name);
	return 0;
}

int engine_open_file(const char *file, struct store **ret, uint8_t ret_key[16])
{
	struct store *s = calloc(1, sizeof(*s));
	uint32_t schema = STORE_SCHEMA;
	int rc;

	if (!s)
		return -ENOMEM;
	s->ops = &ops;
	s->lock_fd = -1;
	pthread_mutex_init(&s->gate, NULL);
	rc = mdb_env_create(&s->env);
	if (!rc)
		rc = mdb_env_set_maxdbs(s->env, SUB_MAX);
	if (!rc)
		rc = mdb_env_open(s->env, file, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS,
				  0600);
	if (!rc)
		rc = open_subs(s, false, &schema);
	rc = rc == MDB_NOTFOUND ? -EUCLEAN : schema != STORE_SCHEMA ? -EPROTO : engine_errno(rc);
	if (rc) {
		close_store(&s);
		return rc;
	}
	memcpy(ret_key, s->key, sizeof(s->key));
	*ret = s;
	return 0;
}

int store_lock_fd(const struct store *s)
{
	return s->lock_fd;
}

void store_lock_leave(struct store *s)
{
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	s->lock_fd = -1;
}

int store_open_lmdb(const struct store_conf *conf, struct store **ret, uint8_t ret_key[16],
		    char *err, size_t err_size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct store *s;
	int rc;

	err[0] = '\0';
	s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(err, err_size, "store %s: no memory", conf->dir);
		return -ENOMEM;
	}
	s->ops = &ops;
	s->lock_fd = -1;
	s->sync = conf->sync;
	s->max_bytes = conf->max_bytes / page * page;
	s->map_bytes = conf->map_bytes / page * page;
	if (s->map_bytes > s->max_bytes)
		s->map_bytes = s->max_bytes;
	set_lifetimes(s, conf->window, conf->keep);
	pthread_mutex_init(&s->gate, NULL);
	if (strlen(conf->dir) >= sizeof(s->dir)) {
		snprintf(err, err_size, "store %.40s...: the path is too long", conf->dir);
		rc = -ENAMETOOLONG;
		goto out;
	}
	memcpy(s->dir, conf->dir, strlen(conf->dir) + 1);
	s->lock_fd = conf->held_lock ? conf->held_lock : -1;
	rc = conf->held_lock ? 0 : lock_dir(s, err, err_size);
	if (!rc && getrandom(s->key, sizeof(s->key), 0) != sizeof(s->key))
		rc = fail(s, errno, err, err_size);
	if (!rc)
		rc = open_or_set_aside(s, err, err_size);
out:
	if (rc) {
		close_store(&s);
		return rc;
	}
	memcpy(ret_key, s->key, sizeof(s->key));
	*ret = s;
	return 0;
}
