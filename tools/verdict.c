// SPDX-License-Identifier: GPL-2.0-or-later
/* allow, deny, forget. The daemon checks the values and says what is allowed. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"

static int put(struct cli *cli, int argc, char **argv, const struct cli_option *options,
	       const char **life, const char **action, const char **reason)
{
	char until[100];
	const char *prefix;
	json_t *args, *s = NULL;
	int rc;

	if (cli_parse(cli, argc, argv, options, 1, 1, &prefix) < 0)
		return CLI_USAGE;
	args = json_pack("{s:s, s:s*, s:s*, s:s*}", "prefix", prefix, "for", *life, "action",
			 *action, "reason", *reason);
	if (!args) {
		cli_complain("%s: arguments must be valid UTF-8", argv[0]);
		return CLI_USAGE;
	}
	rc = cli_ask(cli, argv[0], args, NULL, NULL, &s);
	if (rc)
		return rc;
	if (cli->json)
		cli_print_json(s, NULL);
	else
		printf("%s: %s%s%s, expires %s%s\n", row_str(s, "prefix"), row_str(s, "verdict"),
		       *row_str(s, "action") ? " with action " : "", row_str(s, "action"),
		       format_time(row_num(s, "expires"), (uint64_t)time(NULL), until,
				   sizeof(until)),
		       json_is_true(json_object_get(s, "asks"))     ? "; left to the daemon"
		       : json_is_true(json_object_get(s, "kernel")) ? "; the kernel knows"
								    : "");
	if (!cli->json && json_is_true(json_object_get(s, "exempt")))
		printf("%s stands in greylist.exempt of the configuration: the %s wins while it "
		       "lasts\n",
		       row_str(s, "prefix"), row_str(s, "verdict"));
	json_decref(s);
	return CLI_DONE;
}

int cmd_allow(struct cli *cli, int argc, char **argv)
{
	const char *life = NULL, *action = NULL, *reason = NULL;
	const struct cli_option options[] = {
		{"--for", &life, NULL}, {"--reason", &reason, NULL}, {NULL, NULL, NULL}};

	return put(cli, argc, argv, options, &life, &action, &reason);
}

int cmd_deny(struct cli *cli, int argc, char **argv)
{
	const char *life = NULL, *action = NULL, *reason = NULL;
	const struct cli_option options[] = {{"--for", &life, NULL},
					     {"--action", &action, NULL},
					     {"--reason", &reason, NULL},
					     {NULL, NULL, NULL}};

	return put(cli, argc, argv, options, &life, &action, &reason);
}

int cmd_forget(struct cli *cli, int argc, char **argv)
{
	const char *prefix;
	bool exempt;
	json_t *args, *s = NULL;
	int rc;

	if (cli_parse(cli, argc, argv, NULL, 1, 1, &prefix) < 0)
		return CLI_USAGE;
	args = json_pack("{s:s}", "prefix", prefix);
	rc = cli_ask(cli, "forget", args, NULL, NULL, &s);
	if (rc)
		return rc;
	exempt = json_is_true(json_object_get(s, "exempt"));
	if (cli->json)
		cli_print_json(s, NULL);
	else if (row_num(s, "forgotten"))
		printf("%s: forgotten, verdicts and records: %" PRIu64 "\n", prefix,
		       row_num(s, "forgotten"));
	else if (!exempt)
		printf("%s: nothing was known of it\n", prefix);
	if (!cli->json && exempt)
		printf("%s stands in greylist.exempt of the configuration, and stays allowed; take "
		       "it out there and reload\n",
		       prefix);
	json_decref(s);
	return CLI_DONE;
}
