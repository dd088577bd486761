// SPDX-License-Identifier: GPL-2.0-or-later
/* backup and restore: the store under state_dir, whether a daemon works on it or not. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../userspace/config/config.h"
#include "../userspace/store/backup.h"
#include "cli.h"

#define PASSING "restore.tmp" /* within state_dir, where the daemon may read it */

static char *state_dir(const struct cli *cli)
{
	struct config *c = NULL;
	char *dir;

	if (cli_settings(cli, &c))
		return NULL;
	dir = strdup(c->state_dir);
	config_free(&c);
	return dir;
}

static void print(const struct cli *cli, json_t *row, const char *words)
{
	if (cli->json)
		cli_print_json(row, NULL);
	else
		puts(words);
	json_decref(row);
}

int cmd_backup(struct cli *cli, int argc, char **argv)
{
	char err[600], words[4400], size[FORMAT_TEXT], *dir;
	const char *file;
	uint64_t bytes = 0;
	int rc;

	if (cli_parse(cli, argc, argv, NULL, 1, 1, &file) < 0)
		return CLI_USAGE;
	dir = state_dir(cli);
	rc = dir ? store_backup(dir, file, &bytes, err, sizeof(err)) : -EINVAL;
	if (dir && rc)
		cli_complain("%s", err);
	free(dir);
	if (rc)
		return CLI_FAILED;
	snprintf(words, sizeof(words), "%s: %s", file, format_size(bytes, size));
	print(cli, json_pack("{s:s, s:I}", "file", file, "bytes", (json_int_t)bytes), words);
	return CLI_DONE;
}

static int hand_in(struct cli *cli, const char *dir, const char *file)
{
	char err[600], path[4200], words[300];
	json_t *s = NULL;
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "%s/" PASSING, dir);
	if (store_copy(file, path, err, sizeof(err))) {
		cli_complain("%s", err);
		return CLI_FAILED;
	}
	if (!stat(dir, &st) && chown(path, st.st_uid, st.st_gid))
		cli_complain("%s: %s", path, strerror(errno));
	rc = cli_ask(cli, "restore", json_pack("{s:s}", "file", PASSING), NULL, NULL, &s);
	unlink(path);
	if (rc)
		return rc;
	snprintf(words, sizeof(words),
		 "added: %" PRIu64 " verdicts, %" PRIu64 " traps, %" PRIu64
		 " correspondents, %" PRIu64 " records\nkept: %" PRIu64
		 " that are known here already",
		 row_num(s, "verdicts"), row_num(s, "traps"), row_num(s, "correspondents"),
		 row_num(s, "records"), row_num(s, "kept"));
	if (row_num(s, "foreign") && !cli->json)
		printf("left out: %" PRIu64 " records of a store that was begun anew since, or of "
		       "another\ninstallation; stop the daemon and restore again for the whole\n",
		       row_num(s, "foreign"));
	print(cli, s, words);
	return CLI_DONE;
}

int cmd_restore(struct cli *cli, int argc, char **argv)
{
	char err[600], *dir;
	const char *file;
	int rc;

	if (cli_parse(cli, argc, argv, NULL, 1, 1, &file) < 0)
		return CLI_USAGE;
	dir = state_dir(cli);
	if (!dir)
		return CLI_FAILED;
	rc = store_replace(dir, file, err, sizeof(err));
	if (rc == -EBUSY) {
		rc = hand_in(cli, dir, file);
	} else if (rc) {
		cli_complain("%s", err);
		rc = CLI_FAILED;
	} else {
		print(cli, json_pack("{s:b, s:s}", "done", true, "store", dir),
		      "in the place of the store, which is kept as store.before-restore");
	}
	free(dir);
	return rc;
}
