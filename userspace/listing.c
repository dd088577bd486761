// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "listing.h"

/* One list as workers see it. Of the settings it borrows, which live as long as the process. */
struct in_force {
	const struct config_list *conf;
	const struct list_set *set;
	int number;
};

struct listing_table {
	int count;
	struct in_force lists[CONFIG_LISTS];
};

void listing_init(struct listing *l)
{
	pthread_mutex_init(&l->lock, NULL);
}

static void forget(struct listed *one)
{
	list_set_free(&one->set);
	free(one->file);
	memset(one, 0, sizeof(*one));
}

void listing_free(struct listing *l)
{
	free(swap_replace(&l->table, NULL));
	for (int i = 0; i < CONFIG_LISTS; i++)
		forget(&l->lists[i]);
	pthread_mutex_destroy(&l->lock);
}

/* ---- files ---- */

/* The whole file; *ret is the caller's. 0 or -errno. */
static int read_file(const char *file, char **ret, size_t *ret_len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	char *text = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	else if (st.st_size > LISTING_FILE)
		rc = -EFBIG;
	else if (!(text = malloc((size_t)st.st_size + 1)))
		rc = -ENOMEM;
	/* What is appended meanwhile is for the next time. */
	while (!rc && n && len < (size_t)st.st_size) {
		n = read(fd, text + len, (size_t)st.st_size - len);
		if (n < 0 && errno != EINTR)
			rc = -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (rc) {
		free(text);
		return rc;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

static uint32_t wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint32_t)t.tv_sec;
}

/* ---- what is said of it ---- */

static void begin(struct log_line *line, const struct listed *one, const char *reason)
{
	log_begin(line, LOG_LIST);
	log_str(line, "list", one->name);
	log_str(line, "reason", reason);
}

static void say_lines(const struct listed *one, char *errors)
{
	struct log_line line;
	char *end;

	for (int i = 0; i < LISTING_COMPLAINTS && (end = strchr(errors, '\n')); i++) {
		*end = 0;
		begin(&line, one, "line");
		log_str(&line, "message", errors);
		log_end(&line);
		errors = end + 1;
	}
}

static void say_read(const struct listed *one)
{
	struct log_line line;

	begin(&line, one, "read");
	log_str(&line, "file", one->file);
	log_int(&line, "entries", one->entries);
	log_int(&line, "bad", one->bad);
	log_end(&line);
}

static void say_failed(const struct listed *one)
{
	struct log_line line;

	begin(&line, one, one->set ? "kept" : "missing");
	log_str(&line, "file", one->file);
	log_str(&line, "message", one->why);
	if (one->set)
		log_int(&line, "entries", one->entries);
	log_end(&line);
}

static void say_gone(const struct listed *one)
{
	struct log_line line;

	begin(&line, one, "removed");
	log_end(&line);
}

/* ---- loading ---- */

/* The last complaint says why the file as a whole was refused. */
static const char *last_line(const char *errors)
{
	const char *at = errors, *next;

	while ((next = strchr(at, '\n')) && next[1])
		at = next + 1;
	return at;
}

/* Reads the file into a new set. 0, or -errno and why. */
static int read_set(struct listed *one, const uint8_t key[HASH_KEY], struct list_set **ret)
{
	char errors[(LISTING_COMPLAINTS + 2) * LIST_ERROR], *text = NULL;
	struct list_report report = {.errors = errors, .size = sizeof(errors)};
	size_t len = 0;
	int rc = read_file(one->file, &text, &len);

	if (rc) {
		snprintf(one->why, sizeof(one->why), "%.400s: cannot be read: %s", one->file,
			 strerror(-rc));
		return rc;
	}
	rc = list_set_read(one->file, text, len, one->format, key, &report, ret);
	free(text);
	if (rc && rc != -EINVAL)
		snprintf(one->why, sizeof(one->why), "%.400s: %s", one->file, strerror(-rc));
	else if (rc)
		snprintf(one->why, sizeof(one->why), "%.*s", (int)strcspn(last_line(errors), "\n"),
			 last_line(errors));
	if (rc)
		return rc;
	one->entries = report.entries;
	one->bad = report.bad;
	say_lines(one, errors);
	return 0;
}

/* Reads it anew, if it can be read; what was in force is left in *ret_old. */
static int load(struct listed *one, const struct config_list *conf, const uint8_t key[HASH_KEY],
		struct list_set **ret_old)
{
	char *file = strdup(conf->file);
	struct list_set *set = NULL;

	*ret_old = NULL;
	if (!file)
		return -ENOMEM;
	free(one->file);
	one->file = file;
	one->format = conf->format;
	one->verdict = config_list_verdict(conf);
	if (read_set(one, key, &set)) {
		one->failed = wall();
		say_failed(one);
		return 0;
	}
	*ret_old = one->set;
	one->set = set;
	one->read = wall();
	one->failed = 0;
	one->why[0] = 0;
	say_read(one);
	return 0;
}

static struct listed *find(struct listing *l, const char *name)
{
	for (int i = 0; i < CONFIG_LISTS; i++)
		if (!strcmp(l->lists[i].name, name))
			return &l->lists[i];
	return NULL;
}

static bool named(const struct config *c, const char *name)
{
	for (int i = 0; i < c->list_count; i++)
		if (!strcmp(c->lists[i].name, name))
			return true;
	return false;
}

/* Lists that are no longer named make room; their sets are still asked for a moment. */
static void remove_others(struct listing *l, const struct config *c, struct list_set **old)
{
	for (int i = 0; i < CONFIG_LISTS; i++) {
		struct listed *one = &l->lists[i];

		if (!one->name[0] || named(c, one->name))
			continue;
		say_gone(one);
		old[i] = one->set;
		one->set = NULL;
		forget(one);
	}
}

void listing_load(struct listing *l, const struct config *c, const uint8_t key[HASH_KEY])
{
	struct list_set *old[2 * CONFIG_LISTS] = {0};
	struct listing_table *table = calloc(1, sizeof(*table));

	if (!table) {
		log_message(LOG_ERROR, "lists: out of memory; they stay as they were");
		return;
	}
	pthread_mutex_lock(&l->lock);
	remove_others(l, c, old);
	for (int i = 0; i < c->list_count; i++) {
		const struct config_list *conf = &c->lists[i];
		struct listed *one = find(l, conf->name);

		if (!one)
			one = find(l, "");
		snprintf(one->name, sizeof(one->name), "%s", conf->name);
		if (load(one, conf, key, &old[CONFIG_LISTS + i]))
			log_message(LOG_ERROR, "list %s: out of memory; it stays as it was",
				    one->name);
		if (one->set)
			table->lists[table->count++] =
				(struct in_force){conf, one->set, (int)(one - l->lists) + 1};
	}
	free(swap_replace(&l->table, table));
	for (int i = 0; i < 2 * CONFIG_LISTS; i++)
		list_set_free(&old[i]);
	pthread_mutex_unlock(&l->lock);
}

/* ---- asking ---- */

struct question {
	bool (*ask)(const struct list_set *set, const struct question *q, struct list_hit *ret);
	const void *what;
	struct list_matcher *matcher;
};

static bool ask_address(const struct list_set *set, const struct question *q, struct list_hit *ret)
{
	return list_set_address(set, q->what, ret);
}

static bool ask_client(const struct list_set *set, const struct question *q, struct list_hit *ret)
{
	return list_set_client(set, q->what, q->matcher, ret);
}

static bool ask_recipient(const struct list_set *set, const struct question *q,
			  struct list_hit *ret)
{
	return list_set_recipient(set, q->what, q->matcher, ret);
}

static enum gg_verdict verdict_of(const struct config_list *conf, enum list_says says)
{
	return says == LIST_ALLOW    ? GG_ALLOW
	       : says == LIST_DENY   ? GG_DENY
	       : says == LIST_LISTED ? config_list_verdict(conf)
				     : GG_UNKNOWN;
}

static void answer(const struct in_force *one, const struct list_hit *hit,
		   struct listing_answer *ret)
{
	const char *message = hit->message ? hit->message : one->conf->message;

	*ret = (struct listing_answer){.verdict = verdict_of(one->conf, hit->says),
				       .action = one->conf->action,
				       .line = hit->line,
				       .width = hit->width,
				       .number = one->number};
	snprintf(ret->list, sizeof(ret->list), "%s", one->conf->name);
	if (message)
		snprintf(ret->message, sizeof(ret->message), "%s", message);
}

static bool ask(struct listing *l, const struct question *q, struct listing_answer *ret)
{
	const struct listing_table *table;
	const struct in_force *best = NULL;
	struct list_hit hit, best_hit;
	unsigned side;

	table = swap_enter(&l->table, &side);
	for (int i = 0; table && i < table->count; i++) {
		const struct in_force *one = &table->lists[i];

		if (!q->ask(one->set, q, &hit) || !verdict_of(one->conf, hit.says) ||
		    (best && best_hit.width >= hit.width))
			continue;
		best = one;
		best_hit = hit;
	}
	if (best)
		answer(best, &best_hit, ret);
	swap_leave(&l->table, side);
	return best;
}

bool listing_address(struct listing *l, const struct addr *a, struct listing_answer *ret)
{
	const struct question q = {ask_address, a, NULL};

	return ask(l, &q, ret);
}

bool listing_client(struct listing *l, const char *name, struct list_matcher *m,
		    struct listing_answer *ret)
{
	const struct question q = {ask_client, name, m};

	return ask(l, &q, ret);
}

bool listing_recipient(struct listing *l, const char *mailbox, struct list_matcher *m,
		       struct listing_answer *ret)
{
	const struct question q = {ask_recipient, mailbox, m};

	return ask(l, &q, ret);
}

void listing_hit(struct listing *l, const struct listing_answer *a)
{
	atomic_fetch_add_explicit(&l->lists[a->number - 1].hits, 1, memory_order_relaxed);
}
