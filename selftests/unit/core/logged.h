/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log written to memory and read back. */
#ifndef UNIT_CORE_LOGGED_H
#define UNIT_CORE_LOGGED_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"

static int file;

static inline void begin(enum log_format format)
{
	file = memfd_create("log", MFD_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(log_start(file, format), 0);
}

/* Everything logged since begin(); the caller frees it. */
static inline char *end(void)
{
	struct stat st;
	char *text;

	log_stop();
	assert_int_equal(fstat(file, &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(pread(file, text, (size_t)st.st_size, 0), st.st_size);
	close(file);
	return text;
}

static inline json_t *parsed(const char *line, size_t n)
{
	json_error_t err;
	json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &err);

	if (!o)
		fail_msg("%s: %.*s", err.text, (int)n, line);
	return o;
}

/* The only line of the log. */
static inline json_t *end_json(void)
{
	char *text = end();
	size_t n = strlen(text);
	json_t *o;

	assert_true(n > 0 && text[n - 1] == '\n');
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	o = parsed(text, n);
	free(text);
	return o;
}

static inline const char *word(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

#endif
