// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../userspace/fastpath/fastpath.h"
#include "cli.h"

struct report {
	const struct cli *cli;
	int lines;
};

static void print_line(const char *line, void *arg)
{
	struct report *r = arg;
	json_t *row;

	r->lines++;
	if (!r->cli->json) {
		puts(line);
		return;
	}
	row = json_pack("{s:s}", "removed", line);
	cli_print_json(row, NULL);
	json_decref(row);
}

static void print_total(const struct report *r)
{
	json_t *row = json_pack("{s:b, s:i}", "done", true, "count", r->lines);

	cli_print_json(row, NULL);
	json_decref(row);
}

/* What mends it stands behind the cause. */
static void complain(char *err)
{
	char *mend = strstr(err, "; ");

	if (mend)
		*mend = 0;
	cli_complain_mend(err, mend ? mend + 2 : NULL);
}

int cmd_detach(struct cli *cli, int argc, char **argv)
{
	struct report r = {.cli = cli};
	char err[600] = "", *bpffs;
	int rc;

	if (cli_parse(cli, argc, argv, NULL, 0, 0, NULL) < 0)
		return CLI_USAGE;
	bpffs = cli_bpffs(cli);
	if (!bpffs)
		return CLI_FAILED;
	rc = fastpath_detach(bpffs, print_line, &r, err, sizeof(err));
	if (rc)
		complain(err);
	else if (cli->json)
		print_total(&r);
	else if (!r.lines)
		printf("nothing of greygate under %s\n", bpffs);
	free(bpffs);
	return rc ? CLI_FAILED : CLI_DONE;
}
