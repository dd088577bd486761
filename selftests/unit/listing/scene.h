/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists over files of their own, and what they make of an address. */
#ifndef UNIT_LISTING_SCENE_H
#define UNIT_LISTING_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listing.h"

#define LISTS 4

static const uint8_t key[HASH_KEY] = {3};
static char dir[] = "/tmp/greygate-listing.XXXXXX";

/* Files a, b, c, d of lists a, b, c, d; what a test leaves out of config.list_count is not named.
 */
static struct scene {
	struct listing lists;
	struct config_list conf[LISTS];
	struct config config;
	char names[LISTS][2], files[LISTS][64];
	struct list_matcher *matcher;
	struct verdicts *verdicts;
	char kept[LIST_ERROR]; /* what take_out left on the disk */
} * scene;

static inline void write_file(int n, const char *text)
{
	FILE *f = fopen(scene->files[n], "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static inline void load(int count)
{
	scene->config.list_count = count;
	listing_load(&scene->lists, &scene->config);
}

static inline void wait_never(void *arg)
{
	(void)arg;
	fail_msg("another's turn");
}

static inline int take_out(const char *name)
{
	int rc = listing_begin(&scene->lists, wait_never, NULL);

	if (rc)
		return rc;
	rc = listing_remove(&scene->lists, name, scene->kept);
	listing_end(&scene->lists);
	return rc;
}

/* Of all tests of a program, where begin() and what follows are of each. */
static inline int directory_make(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static inline int directory_remove(void **state)
{
	(void)state;
	for (char name = 'a'; name < 'a' + LISTS; name++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%c", dir, name);
		unlink(path);
	}
	return rmdir(dir);
}

static inline int begin(void **state)
{
	(void)state;
	scene = aligned_alloc(_Alignof(struct scene), sizeof(*scene));
	memset(scene, 0, sizeof(*scene));
	listing_init(&scene->lists);
	assert_int_equal(verdicts_new(100, key, &scene->verdicts), 0);
	scene->lists.verdicts = scene->verdicts;
	scene->lists.key = key;
	scene->matcher = list_matcher_new();
	scene->config.lists = scene->conf;
	for (int i = 0; i < LISTS; i++) {
		scene->names[i][0] = (char)('a' + i);
		snprintf(scene->files[i], sizeof(scene->files[i]), "%s/%c", dir, 'a' + i);
		unlink(scene->files[i]);
		rmdir(scene->files[i]);
		scene->conf[i] = (struct config_list){.name = scene->names[i],
						      .file = scene->files[i],
						      .verdict = i % 2 ? GG_ALLOW : GG_DENY,
						      .action = GG_STUTTER};
	}
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	listing_free(&scene->lists);
	verdicts_free(&scene->verdicts);
	list_matcher_free(&scene->matcher);
	free(scene);
	return 0;
}

static inline const char *verdict(bool found, const struct listing_answer *a)
{
	static char text[64];

	if (!found)
		return "none";
	snprintf(text, sizeof(text), "%s %s:%u", a->verdict == GG_ALLOW ? "allow" : "deny", a->list,
		 a->line);
	return text;
}

/* What is put into the kernel says the same. */
static inline const char *address(const char *text)
{
	struct listing_answer a;
	struct verdict_entry e;
	struct addr addr;
	bool found;

	assert_int_equal(addr_parse(text, &addr), 0);
	found = listing_address(&scene->lists, &addr, &a);
	assert_int_equal(verdicts_find(scene->verdicts, &addr, 1, &e, NULL), found);
	if (found) {
		assert_int_equal(e.verdict, a.verdict);
		assert_int_equal(e.list, a.number);
	}
	return verdict(found, &a);
}

static struct listing_imported imported; /* by the last import */

static inline int try_import(const char *name, const char *text, enum gg_verdict verdict,
			     const struct fastpath_progress *progress)
{
	char errors[2000];
	const struct listing_import what = {.name = name,
					    .file = name,
					    .verdict = verdict,
					    .text = text,
					    .len = strlen(text),
					    .progress = progress,
					    .errors = errors,
					    .size = sizeof(errors)};

	int rc = listing_begin(&scene->lists, wait_never, NULL);

	if (rc)
		return rc;
	rc = listing_import(&scene->lists, &what, &imported);
	listing_end(&scene->lists);
	return rc;
}

static inline void import(const char *name, const char *text, enum gg_verdict verdict)
{
	assert_int_equal(try_import(name, text, verdict, NULL), 0);
}

#endif
