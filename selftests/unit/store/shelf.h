/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory of its own for each test, and items to put there. */
#ifndef UNIT_STORE_SHELF_H
#define UNIT_STORE_SHELF_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

#define NOW 1700000000u
#define DAY 86400u
#define WINDOW DAY
#define KEEP (36 * DAY)

static char shelf[64];
static char shelf_err[512];
static uint8_t shelf_key[16];

static inline int shelf_setup(void **state)
{
	(void)state;
	/* In memory: a disk that others use makes each commit wait. */
	snprintf(shelf, sizeof(shelf), "%s/greygate-store-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	return mkdtemp(shelf) ? 0 : -1;
}

static inline const char *shelf_path(const char *name)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/%s", shelf, name);
	return path;
}

/* How many names in the directory begin so; removes them if asked. */
static inline int shelf_names(const char *prefix, bool remove_them)
{
	DIR *d = opendir(shelf);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		n++;
		if (remove_them)
			unlink(shelf_path(e->d_name));
	}
	if (d)
		closedir(d);
	return n;
}

static inline int shelf_teardown(void **state)
{
	(void)state;
	shelf_names("", true);
	return rmdir(shelf);
}

static inline struct store_conf shelf_conf(void)
{
	return (struct store_conf){
		.dir = shelf,
		.map_bytes = 1 << 20,
		.max_bytes = 64 << 20,
		.window = WINDOW,
		.keep = KEEP,
	};
}

static inline const struct store_ops *ops_of(struct store *s)
{
	return *(const struct store_ops *const *)s;
}

/* The store of this shelf; whatever is wrong is the caller's to look at in shelf_err. */
static inline struct store *shelf_open(void)
{
	struct store_conf conf = shelf_conf();
	struct store *s = NULL;

	if (store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)))
		return NULL;
	return s;
}

static inline void shelf_close(struct store **s)
{
	ops_of(*s)->close(s);
}

static inline struct store_item item_record(enum record_state state, uint64_t tag, uint32_t first,
					    const char *src)
{
	struct store_item item;
	struct addr a;
	char sender[40];

	memset(&item, 0, sizeof(item));
	if (addr_parse(src, &a))
		abort();
	item.kind = STORE_RECORD;
	item.prefix = addr_host(&a);
	item.rec.tag = tag;
	item.rec.state = (uint8_t)state;
	item.rec.first = item.rec.last = first;
	item.rec.attempts = 1;
	item.rec.passed = state != RECORD_GREY;
	item.rec.delay_class = 2;
	item.rec.rung = 2;
	item.rec.is4 = addr_is4(&a);
	memcpy(item.rec.net, item.rec.is4 ? a.b + 12 : a.b, item.rec.is4 ? 4 : 8);
	snprintf(sender, sizeof(sender), "s%llu@example.org", (unsigned long long)tag);
	store_text_pair(item.text, sender, "someone@example.net");
	return item;
}

static inline struct store_item item_verdict(const char *prefix, uint32_t expires)
{
	struct store_item item;

	memset(&item, 0, sizeof(item));
	item.kind = STORE_VERDICT;
	if (prefix_parse(prefix, &item.prefix))
		abort();
	item.entry.verdict = GG_DENY;
	item.entry.action = GG_DROP_NEW;
	item.entry.origin = GG_BY_OPERATOR;
	item.entry.list = 3;
	item.entry.repeats = 200;
	item.entry.expires = expires;
	item.added = NOW;
	snprintf(item.text, sizeof(item.text), "floods, ticket 17");
	return item;
}

static inline struct store_item item_correspondent(uint64_t tag, const char *domain,
						   uint32_t expires)
{
	struct store_item item;

	memset(&item, 0, sizeof(item));
	item.kind = STORE_CORRESPONDENT;
	item.rec.tag = tag;
	item.added = NOW;
	item.entry.expires = expires;
	snprintf(item.text, sizeof(item.text), "%s", domain);
	return item;
}

static inline struct store_item item_trap(uint64_t tag, const char *address)
{
	struct store_item item;

	memset(&item, 0, sizeof(item));
	item.kind = STORE_TRAP;
	item.rec.tag = tag;
	item.rec.state = RECORD_TRAP;
	item.added = NOW;
	snprintf(item.text, sizeof(item.text), "%s", address);
	return item;
}

static inline int apply_one(struct store *s, const struct store_item *item)
{
	return ops_of(s)->apply(s, &item, 1);
}

/* What a table edit would hand over: this item instead of that one. */
static inline int replace(struct store *s, const struct store_item *old,
			  const struct store_item *item)
{
	struct store_item i = *item;

	i.was = old->rec;
	return apply_one(s, &i);
}

static inline int apply_del(struct store *s, const struct store_item *item)
{
	struct store_item i = *item;

	i.del = true;
	return apply_one(s, &i);
}

/* Everything a load at `now` sees. */
struct seen {
	size_t count, room;
	struct store_item *items;
};

static inline bool see_item(const struct store_item *item, void *arg)
{
	struct seen *seen = arg;

	if (seen->count == seen->room) {
		seen->room = seen->room ? seen->room * 2 : 64;
		seen->items = realloc(seen->items, seen->room * sizeof(*item));
		if (!seen->items)
			abort();
	}
	seen->items[seen->count++] = *item;
	return true;
}

static inline struct seen load_all(struct store *s, uint32_t now)
{
	struct seen seen = {0};

	if (ops_of(s)->load(s, now, see_item, &seen))
		abort();
	return seen;
}

static inline size_t load_count(struct store *s, uint32_t now)
{
	struct seen seen = load_all(s, now);

	free(seen.items);
	return seen.count;
}

static inline const struct store_item *seen_tag(const struct seen *seen, uint64_t tag)
{
	for (size_t i = seen->count; i > 0; i--)
		if (seen->items[i - 1].rec.tag == tag)
			return &seen->items[i - 1];
	return NULL;
}

static inline bool same_item(const struct store_item *a, const struct store_item *b)
{
	return a->kind == b->kind && !memcmp(&a->rec, &b->rec, sizeof(a->rec)) &&
	       a->prefix.len == b->prefix.len && addr_eq(&a->prefix.addr, &b->prefix.addr) &&
	       a->entry.verdict == b->entry.verdict && a->entry.action == b->entry.action &&
	       a->entry.origin == b->entry.origin && a->entry.list == b->entry.list &&
	       a->entry.repeats == b->entry.repeats && a->entry.expires == b->entry.expires &&
	       a->added == b->added && !memcmp(a->text, b->text, STORE_TEXT);
}

/* Exit code of fn in a child, or 1000 + the signal that killed it. */
static inline int in_child(int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid)
		_exit(fn(arg));
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* A small file system of the calling process alone over the shelf. */
static inline int own_tmpfs(const char *options)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", shelf, "tmpfs", 0, options))
		return -1;
	return 0;
}

/* Takes every free byte of it, or gives them back. */
static inline int filler(bool fill_it)
{
	static char block[4096];
	int fd;

	if (!fill_it)
		return unlink(shelf_path("filler"));
	fd = open(shelf_path("filler"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0)
		return -1;
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	return errno == ENOSPC ? 0 : -1;
}

/* Children that find themselves without the privileges for it end with 77. */
static inline void run_or_skip(int (*fn)(void *))
{
	int rc = in_child(fn, NULL);

	if (rc == 77)
		skip();
	assert_int_equal(rc, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

#endif
