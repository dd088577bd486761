// SPDX-License-Identifier: GPL-2.0-or-later
#include "offers_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aside.h"
#include "relay/greeting.h"

#define HEAD "greygate offers 1\n"
#define LINE 256

/* ---- writing ---- */

static void say(FILE *f, const struct offer *o)
{
	char text[ENDPOINT_TEXT];

	fprintf(f, "%s %" PRIu64, endpoint_text(&o->peer, text), o->size);
	for (uint32_t cap = 1; cap; cap <<= 1)
		if (o->caps & cap && greeting_keyword(cap))
			fprintf(f, " %s", greeting_keyword(cap));
	fputc('\n', f);
}

int offers_file_write(const char *state_dir, const struct offer *list, int count)
{
	struct aside_text text = {};
	char *bytes = NULL;
	int rc;
	FILE *f = open_memstream(&bytes, &text.len);

	if (!f)
		return -ENOMEM;
	fputs(HEAD, f);
	for (int i = 0; i < count; i++)
		say(f, &list[i]);
	rc = fclose(f) ? -ENOMEM : 0;
	text.bytes = bytes;
	if (!rc)
		rc = aside_write(AT_FDCWD, state_dir, OFFERS_FILE, &text, 1);
	free(bytes);
	return rc;
}

/* ---- reading ---- */

static uint32_t cap_of(const char *word)
{
	for (uint32_t cap = 1; cap; cap <<= 1) {
		const char *name = greeting_keyword(cap);

		if (name && !strcmp(name, word))
			return cap;
	}
	return 0;
}

static bool read_line(char *line, struct offer *ret)
{
	struct offer o = {.known = true};
	char *rest, *word = strtok_r(line, " ", &rest), *end;

	if (!word || endpoint_parse(word, &o.peer))
		return false;
	word = strtok_r(NULL, " ", &rest);
	if (!word || *word < '0' || *word > '9')
		return false;
	errno = 0;
	o.size = strtoull(word, &end, 10);
	if (errno || *end)
		return false;
	while ((word = strtok_r(NULL, " ", &rest))) {
		uint32_t cap = cap_of(word);

		if (!cap)
			return false;
		o.caps |= cap;
	}
	*ret = o;
	return true;
}

int offers_file_read(const char *state_dir, struct offer *ret, int max)
{
	char file[PATH_MAX], line[LINE];
	bool good;
	int n = 0;
	FILE *f;

	snprintf(file, sizeof(file), "%s/" OFFERS_FILE, state_dir);
	f = fopen(file, "re");
	if (!f)
		return -errno;
	good = fgets(line, sizeof(line), f) && !strcmp(line, HEAD);
	while (good && n < max && fgets(line, sizeof(line), f)) {
		size_t len = strlen(line);

		good = len && line[len - 1] == '\n';
		if (!good)
			break;
		line[len - 1] = '\0';
		good = read_line(line, &ret[n]);
		n += good;
	}
	fclose(f);
	return good ? n : -EINVAL;
}
