// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of lists: from a descriptor to a set. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listing.h"

/* Nobody writes so many entries by hand: a missing end of line, or half of them gone, is an
 * accident. */
#define MANY 1000

int listing_file(int fd, char **ret, size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n = 1;
	int rc = 0;

	if (fstat(fd, &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	else if (st.st_size > LIST_FILE)
		rc = -EFBIG;
	else if (!(text = malloc((size_t)st.st_size + 1)))
		rc = -ENOMEM;
	/* What is appended meanwhile is for the next time. */
	while (!rc && n && len < (size_t)st.st_size) {
		n = pread(fd, text + len, (size_t)st.st_size - len, (off_t)len);
		if (n < 0 && errno != EINTR)
			rc = -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	if (rc) {
		free(text);
		return rc;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

/* The last complaint says why the file as a whole was refused. */
static const char *last_line(const char *errors)
{
	const char *at = errors, *next;

	while ((next = strchr(at, '\n')) && next[1])
		at = next + 1;
	return at;
}

int listing_read(const char *file, const char *text, size_t len, enum list_format format,
		 const uint8_t *key, char *errors, size_t size, struct reading_of *ret)
{
	struct list_report report = {.errors = errors, .size = size};
	int rc = list_set_read(file, text, len, format, key, &report, &ret->set);

	ret->entries = report.entries;
	ret->bad = report.bad;
	ret->lines = report.lines;
	if (rc == -EINVAL)
		snprintf(ret->why, sizeof(ret->why), "%.*s", (int)strcspn(last_line(errors), "\n"),
			 last_line(errors));
	else if (rc)
		snprintf(ret->why, sizeof(ret->why), "%.400s: %s", file, strerror(-rc));
	return rc;
}

const char *listing_cut(const char *text, size_t len, uint32_t has, uint32_t had)
{
	if (!has && had)
		return "empty";
	if (had >= MANY && has < had / 2)
		return "has lost more than half of its entries";
	if (has >= MANY && text[len - 1] != '\n')
		return "cut off in its last line";
	return NULL;
}
