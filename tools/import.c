// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * import: gives the daemon a list. The file goes there as an open descriptor, so that the daemon
 * needs no right to find it; what can't be read twice is copied into memory first.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../userspace/lists/reader.h"
#include "cli.h"

struct shown {
	bool terminal; /* somebody looks on */
	bool line;     /* a line of progress stands there */
	uint64_t complaints;
};

static void clear(struct shown *s)
{
	if (s->line)
		fputs("\r\033[K", stderr);
	s->line = false;
}

static bool show(const json_t *row, void *arg)
{
	struct shown *s = arg;
	uint64_t done = row_num(row, "done"), all = row_num(row, "all");
	char words[512];

	if (*row_str(row, "complaint")) {
		clear(s);
		fprintf(stderr, "%s\n",
			format_safe(row_str(row, "complaint"), 0, words, sizeof(words)));
		s->complaints++;
	} else if (s->terminal && *row_str(row, "step")) {
		clear(s);
		fprintf(stderr, "%s", row_str(row, "step"));
		if (all)
			fprintf(stderr, " %" PRIu64 " %%", done * 100 / all);
		fflush(stderr);
		s->line = true;
	}
	return true;
}

/* A descriptor of a regular file with what `file` has, "-" for standard input; -1 after a
 * complaint. */
static int open_list(const char *file)
{
	bool input = !strcmp(file, "-");
	int fd = input ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC), copy = -1;
	char buf[65536];
	size_t len = 0;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st)) {
		cli_complain("%s: %s", file, strerror(errno));
	} else if (S_ISREG(st.st_mode) && !input) {
		return fd;
	} else if (S_ISDIR(st.st_mode)) {
		cli_complain("%s: a directory; name a file", file);
	} else {
		copy = memfd_create("list", MFD_CLOEXEC);
		/* What is longer than a list may be is not read to its end, if it has one: the
		 * daemon refuses it as a file that long. */
		while (copy >= 0 && n > 0 && len <= LIST_FILE) {
			n = read(fd, buf, sizeof(buf));
			if (n > 0 && write(copy, buf, (size_t)n) != n)
				n = -1;
			len += n > 0 ? (size_t)n : 0;
		}
		if (copy < 0 || n < 0) {
			cli_complain("%s: %s", file, strerror(errno));
			if (copy >= 0)
				close(copy);
			copy = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	return copy;
}

static void warn(const json_t *s)
{
	char words[512];

	if (*row_str(s, "warning"))
		cli_complain("%s", format_safe(row_str(s, "warning"), 0, words, sizeof(words)));
}

static void print(const struct cli *cli, const json_t *s)
{
	if (cli->json) {
		cli_print_json(s, NULL);
		return;
	}
	if (json_is_true(json_object_get(s, "removed_list"))) {
		printf("%s: no longer in force\n", row_str(s, "list"));
		warn(s);
		return;
	}
	printf("%s: %" PRIu64 " entries in force; added %" PRIu64 ", removed %" PRIu64
	       ", changed %" PRIu64 ", unchanged %" PRIu64 "\n",
	       row_str(s, "list"), row_num(s, "entries"), row_num(s, "added"),
	       row_num(s, "removed"), row_num(s, "changed"), row_num(s, "unchanged"));
	if (row_num(s, "bad"))
		printf("%s: %" PRIu64 " lines were left out\n", row_str(s, "list"),
		       row_num(s, "bad"));
	warn(s);
}

int cmd_import(struct cli *cli, int argc, char **argv)
{
	const char *format = NULL, *verdict = NULL, *action = NULL, *message = NULL;
	const char *words[2] = {NULL, NULL};
	bool skip = false, removal = false;
	const struct cli_option options[] = {
		{"--format", &format, NULL}, {"--verdict", &verdict, NULL},
		{"--action", &action, NULL}, {"--message", &message, NULL},
		{"--skip-bad", NULL, &skip}, {"--remove", NULL, &removal},
		{NULL, NULL, NULL},
	};
	struct shown shown = {.terminal = false};
	json_t *args, *s = NULL;
	int fd = -1, rc, n = cli_parse(cli, argc, argv, options, 1, 2, words);

	if (n < 0)
		return CLI_USAGE;
	if (removal != (n == 1)) {
		cli_complain(removal ? "import: --remove takes the name of a list and no file"
				     : "import: name a list and a file, - for standard input");
		return CLI_USAGE;
	}
	if (!removal) {
		fd = open_list(words[1]);
		if (fd < 0)
			return CLI_FAILED;
	}
	args = json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:b, s:b}", "name", words[0], "file",
			 n > 1 ? words[1] : NULL, "format", format, "verdict", verdict, "action",
			 action, "message", message, "skip_bad", skip, "remove", removal);
	if (!args) {
		cli_complain("import: arguments must be valid UTF-8");
		if (fd >= 0)
			close(fd);
		return CLI_USAGE;
	}
	shown.terminal = !cli->json && isatty(STDERR_FILENO);
	rc = cli_send(cli, "import", args, fd, show, &shown, &s);
	clear(&shown);
	if (fd >= 0)
		close(fd);
	if (!rc)
		print(cli, s);
	json_decref(s);
	return rc;
}
