// SPDX-License-Identifier: GPL-2.0-or-later
#include "kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aside.h"

#define HEAD 2048 /* bytes of the line that says what it is */
#define FILE_NAME (CONFIG_LIST_NAME + sizeof(KEPT_SUFFIX))

int kept_open(const char *state_dir)
{
	int at = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir, err;

	if (at < 0)
		return -errno;
	if (mkdirat(at, "lists", 0700) && errno != EEXIST) {
		err = -errno;
		close(at);
		return err;
	}
	dir = openat(at, "lists", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = dir < 0 ? -errno : dir;
	close(at);
	return err;
}

struct kept_stamp kept_stamp(const char *file)
{
	struct stat st;

	if (!file || stat(file, &st))
		return (struct kept_stamp){0};
	return (struct kept_stamp){.seconds = st.st_mtim.tv_sec,
				   .ns = st.st_mtim.tv_nsec,
				   .size = (uint64_t)st.st_size,
				   .inode = st.st_ino};
}

/* ---- writing ---- */

/* The line as it stands in the file; -errno. */
static int head_of(const struct kept *k, char ret[HEAD])
{
	json_t *o = json_pack(
		"{s:i, s:s, s:i, s:I, s:b, s:s, s:i, s:b, s:i, s:s, s:I, s:I, s:[I, I, I, I], "
		"s:I}",
		"greygate", 1, "name", k->name, "number", k->number, "order", (json_int_t)k->order,
		"imported", k->imported, "format", list_format_text(k->format), "verdict",
		k->verdict, "except", k->except, "action", k->action, "message", k->message,
		"entries", (json_int_t)k->entries, "read", (json_int_t)k->read, "stamp",
		(json_int_t)k->stamp.seconds, (json_int_t)k->stamp.ns, (json_int_t)k->stamp.size,
		(json_int_t)k->stamp.inode, "bytes", (json_int_t)k->len);
	size_t len = o ? json_dumpb(o, ret, HEAD, JSON_COMPACT) : 0;

	json_decref(o);
	if (!o || !len)
		return -EINVAL;
	if (len >= HEAD - 1)
		return -EMSGSIZE;
	ret[len] = '\n';
	return (int)len + 1;
}

int kept_write(int dir, const struct kept *k)
{
	char head[HEAD], file[FILE_NAME];
	const int len = head_of(k, head);
	const struct aside_text parts[] = {{head, (size_t)len}, {k->text, k->len}};

	if (len < 0)
		return len;
	snprintf(file, sizeof(file), "%s" KEPT_SUFFIX, k->name);
	return aside_write(dir, ".", file, parts, 2);
}

int kept_remove(int dir, const char *name)
{
	char file[FILE_NAME];

	snprintf(file, sizeof(file), "%s" KEPT_ASIDE, name);
	unlinkat(dir, file, 0);
	snprintf(file, sizeof(file), "%s" KEPT_SUFFIX, name);
	return unlinkat(dir, file, 0) ? -errno : 0;
}

int kept_set_aside(int dir, const char *name)
{
	char from[FILE_NAME], to[FILE_NAME];

	snprintf(from, sizeof(from), "%s" KEPT_SUFFIX, name);
	snprintf(to, sizeof(to), "%s" KEPT_ASIDE, name);
	return renameat(dir, from, dir, to) ? -errno : 0;
}

static bool is_there(int dir, const char *name, const char *suffix)
{
	char file[FILE_NAME];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	return !faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW);
}

bool kept_is(int dir, const char *name)
{
	return is_there(dir, name, KEPT_SUFFIX);
}

bool kept_is_aside(int dir, const char *name)
{
	return is_there(dir, name, KEPT_ASIDE);
}

/* ---- reading ---- */

static int take_head(const char *line, size_t len, const char *name, struct kept *ret)
{
	json_t *o = json_loadb(line, len, 0, NULL);
	const char *own, *format, *message;
	json_int_t stamp[4], entries, read, bytes, order = 0;
	int version, number, imported, verdict, except, action;
	struct kept k = {0};
	int rc = -EBADMSG;

	if (o &&
	    !json_unpack(
		    o,
		    "{s:i, s:s, s:i, s?I, s:b, s:s, s:i, s:b, s:i, s:s, s:I, s:I, s:[I, I, I, I], "
		    "s:I}",
		    "greygate", &version, "name", &own, "number", &number, "order", &order,
		    "imported", &imported, "format", &format, "verdict", &verdict, "except",
		    &except, "action", &action, "message", &message, "entries", &entries, "read",
		    &read, "stamp", &stamp[0], &stamp[1], &stamp[2], &stamp[3], "bytes", &bytes) &&
	    version == 1 && !strcmp(own, name) && strlen(name) < sizeof(k.name) && number > 0 &&
	    number < GG_LISTS && !list_format_find(format, &k.format) && verdict >= GG_UNKNOWN &&
	    verdict <= GG_DENY && action >= GG_NO_ACTION && action <= GG_DROP_ALL &&
	    strlen(message) < sizeof(k.message) && bytes >= 0 && order >= 0 && order < UINT32_MAX) {
		snprintf(k.name, sizeof(k.name), "%s", own);
		snprintf(k.message, sizeof(k.message), "%s", message);
		k.number = (uint8_t)number;
		k.order = (uint32_t)order;
		k.imported = imported;
		k.verdict = (enum gg_verdict)verdict;
		k.except = except;
		k.action = (enum gg_action)action;
		k.entries = (uint32_t)entries;
		k.read = (uint32_t)read;
		k.stamp = (struct kept_stamp){stamp[0], stamp[1], (uint64_t)stamp[2],
					      (uint64_t)stamp[3]};
		k.len = (size_t)bytes;
		*ret = k;
		rc = 0;
	}
	json_decref(o);
	return rc;
}

/* The file from `at` on is exactly the text. */
static int take_text(int fd, off_t at, struct kept *k)
{
	struct stat st;
	size_t done = 0;
	ssize_t n = 1;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < at || (uint64_t)(st.st_size - at) != k->len)
		return -EBADMSG;
	k->text = malloc(k->len + 1);
	if (!k->text)
		return -ENOMEM;
	while (n && done < k->len) {
		n = pread(fd, k->text + done, k->len - done, at + (off_t)done);
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	if (done == k->len)
		return 0;
	free(k->text);
	k->text = NULL;
	return n < 0 ? -errno : -EBADMSG;
}

static int read_file(int dir, const char *file, const char *name, bool with_text, struct kept *ret)
{
	char head[HEAD], *end;
	struct kept k;
	ssize_t n;
	int fd, rc;

	fd = openat(dir, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	n = pread(fd, head, sizeof(head), 0);
	end = n > 0 ? memchr(head, '\n', (size_t)n) : NULL;
	rc = n < 0 ? -errno : end ? take_head(head, (size_t)(end - head), name, &k) : -EBADMSG;
	if (!rc && with_text)
		rc = take_text(fd, end + 1 - head, &k);
	close(fd);
	if (!rc)
		*ret = k;
	return rc;
}

int kept_read(int dir, const char *name, bool with_text, struct kept *ret)
{
	char file[FILE_NAME];

	snprintf(file, sizeof(file), "%s" KEPT_SUFFIX, name);
	return read_file(dir, file, name, with_text, ret);
}

int kept_read_aside(int dir, const char *name, struct kept *ret)
{
	char file[FILE_NAME];

	snprintf(file, sizeof(file), "%s" KEPT_ASIDE, name);
	return read_file(dir, file, name, false, ret);
}

int kept_each(int dir, bool aside, bool (*see)(const char *name, void *arg), void *arg)
{
	const char *suffix = aside ? KEPT_ASIDE : KEPT_SUFFIX;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name), tail = strlen(suffix);

		if (len <= tail || len - tail > CONFIG_LIST_NAME ||
		    strcmp(e->d_name + len - tail, suffix) != 0)
			continue;
		e->d_name[len - tail] = 0;
		if (see(e->d_name, arg))
			break;
	}
	closedir(d);
	return 0;
}
