// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../userspace/config/config.h"
#include "../userspace/core/utf8.h"
#include "cli.h"

static const struct subcommand subcommands[] = {
	{"status", cmd_status, "", "state of the daemon and what it runs on"},
	{"stats", cmd_stats, "", "every counter"},
	{"list", cmd_list, "allow|deny|grey|passed|trap|learned", "what is known, row by row"},
	{"allow", cmd_allow, "ADDR[/LEN] [--for D] [--reason T]", "let a source through"},
	{"deny", cmd_deny, "ADDR[/LEN] [--for D] [--action A] [--reason T]", "refuse a source"},
	{"forget", cmd_forget, "ADDR[/LEN]", "drop everything known of a source"},
	{"trap", cmd_trap, "add|del|list [ADDRESS]", "greytrap addresses"},
	{"correspondent", cmd_correspondent, "add|del|list [NAME|-] [--for D]",
	 "whom our users write to"},
	{"explain", cmd_explain, "ADDR|TICKET|MAILBOX",
	 "why, since when, until when; what holds for a mailbox"},
	{"report", cmd_report, "[--since D]",
	 "how well it works: never retried, delays, by class and by domain"},
	{"replay", cmd_replay, "FILE [--format tsv|postfix] [--compare]",
	 "a log of attempts through the greylist; needs no daemon"},
	{"import", cmd_import,
	 "NAME FILE [--format F] [--verdict allow|deny|except] [--action A]\n"
	 "         [--message T] [--skip-bad], or NAME --remove",
	 "put a list in force, or in the place of what it was"},
	{"export", cmd_export, "", "everything known as JSON lines"},
	{"reload", cmd_reload, "", "read the configuration again"},
	{"backup", cmd_backup, "FILE", "a copy of the store, while the daemon works; needs none"},
	{"restore", cmd_restore, "FILE",
	 "add what a backup knows; without a daemon, put it in place"},
	{"detach", cmd_detach, "", "remove every kernel program and pin; needs no daemon"},
	{"spf", cmd_spf, "IP HELO SENDER [--server ADDR[:PORT]]",
	 "what the sender's domain says of an address, and why; needs no daemon"},
	{"doctor", cmd_doctor, "", "what stands in its way on this machine, and what mends it"},
	{"sink", cmd_sink, "--listen ADDR:PORT --maildir DIR [--quiet]",
	 "a mail server that only stores, for trying things out"},
	{NULL, NULL, NULL, NULL},
};

static void usage(FILE *f)
{
	fputs("usage: greygate [-s SOCKET] [-c CONFIG] [--json] COMMAND\n"
	      "       greygate -V | --version | -h | --help\n\n",
	      f);
	for (const struct subcommand *s = subcommands; s->name; s++) {
		fprintf(f, "  %s%s%s\n", s->name, *s->usage ? " " : "", s->usage);
		fprintf(f, "          %s\n", s->help);
	}
	fputs("\nexit: 0 done, 1 failed, 2 usage; see greygate(1)\n", f);
}

static void usage_of(const char *name)
{
	for (const struct subcommand *s = subcommands; s->name; s++)
		if (!strcmp(s->name, name))
			printf("usage: greygate [-s SOCKET] [-c CONFIG] [--json] %s%s%s\n\n%s\n",
			       name, *s->usage ? " " : "", s->usage, s->help);
}

static bool json_errors; /* a program reads: the complaint is an object on standard output too */

static void use_json(struct cli *cli)
{
	cli->json = json_errors = true;
}

static const char *complaints_at = "";

void cli_where(const char *where)
{
	complaints_at = where;
}

void cli_complain_mend(const char *error, const char *mend)
{
	json_t *row;

	/* The complaints about a configuration are lines of their own. */
	fprintf(stderr, "%s%s%s\n", strchr(error, '\n') ? "" : "greygate: ", complaints_at, error);
	if (mend)
		fprintf(stderr, "  %s\n", mend);
	if (!json_errors)
		return;
	row = json_pack("{s:s++, s:s*}", "error", complaints_at, error, "", "mend", mend);
	cli_print_json(row, NULL);
	json_decref(row);
}

void cli_complain(const char *format, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	cli_complain_mend(text, NULL);
}

bool cli_utf8(const char *text)
{
	char shown[200];

	if (utf8_valid(text, strlen(text)))
		return true;
	format_safe(text, 0, shown, sizeof(shown));
	for (char *p = shown; *p; p++)
		*p = *p & 0x80 ? '?' : *p;
	cli_complain("\"%s\" is not UTF-8; write what is not ASCII in it, or a domain with xn--",
		     shown);
	return false;
}

static const struct cli_option *find_option(const struct cli_option *o, const char *name)
{
	while (o && o->name && strcmp(o->name, name) != 0)
		o++;
	return o && o->name ? o : NULL;
}

int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, int min,
	      int max, const char *words[])
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		const struct cli_option *o = find_option(options, argv[i]);

		if (!strcmp(argv[i], "--json")) {
			use_json(cli);
		} else if (!strcmp(argv[i], "--help")) {
			usage_of(argv[0]);
			exit(CLI_DONE);
		} else if (o && o->flag) {
			*o->flag = true;
		} else if (o && i + 1 == argc) {
			cli_complain("%s: %s needs a value", argv[0], argv[i]);
			return -1;
		} else if (o) {
			*o->value = argv[++i];
		} else if (argv[i][0] == '-' && argv[i][1]) {
			cli_complain("%s: unknown option %s; see greygate --help", argv[0],
				     argv[i]);
			return -1;
		} else if (n == max) {
			cli_complain("%s: \"%s\" is too much; see greygate --help", argv[0],
				     argv[i]);
			return -1;
		} else {
			words[n++] = argv[i];
		}
	}
	if (n < min) {
		cli_complain("%s: something is missing; see greygate --help", argv[0]);
		return -1;
	}
	return n;
}

/* NULL without a complaint: there is no file to read. */
static struct config *load(const struct cli *cli, bool *ret_failed)
{
	struct config *c = NULL;
	char err[8192];

	*ret_failed = false;
	if (!cli->config && access(CLI_CONFIG, R_OK))
		return NULL;
	if (config_load(cli->config ? cli->config : CLI_CONFIG, &c, err, sizeof(err))) {
		cli_complain("the configuration does not load\n%s", err);
		*ret_failed = true;
		return NULL;
	}
	return c;
}

int cli_settings(const struct cli *cli, struct config **ret)
{
	const char *file = cli->config;
	char err[8192];

	if (!file && !access(CLI_CONFIG, R_OK))
		file = CLI_CONFIG;
	if (!config_load_settings(file, ret, err, sizeof(err)))
		return 0;
	cli_complain("the configuration does not load\n%s", err);
	return -EINVAL;
}

bool cli_config(const struct cli *cli, struct config **ret)
{
	bool failed;

	*ret = load(cli, &failed);
	return !failed;
}

static char *from_config(const struct cli *cli, bool control, const char *fallback)
{
	bool failed;
	struct config *c = load(cli, &failed);
	char *value = failed ? NULL : strdup(c ? (control ? c->control : c->bpffs) : fallback);

	config_free(&c);
	return value;
}

char *cli_control_path(const struct cli *cli)
{
	return cli->socket ? strdup(cli->socket)
			   : from_config(cli, true, "/run/greygate/control.sock");
}

char *cli_bpffs(const struct cli *cli)
{
	return from_config(cli, false, "/sys/fs/bpf/greygate");
}

/* Options before the command: how many arguments they took, or -1. */
static int options(struct cli *cli, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		const char **value = !strcmp(argv[i], "-s")   ? &cli->socket
				     : !strcmp(argv[i], "-c") ? &cli->config
							      : NULL;

		if (value && i + 1 < argc) {
			*value = argv[++i];
		} else if (!strcmp(argv[i], "--json")) {
			use_json(cli);
		} else if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			usage(stdout);
			exit(CLI_DONE);
		} else if (!strcmp(argv[i], "-V") || !strcmp(argv[i], "--version")) {
			puts("greygate " GREYGATE_VERSION);
			exit(CLI_DONE);
		} else {
			cli_complain("%s %s", argv[i], value ? "needs a value" : "is no option");
			return -1;
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	int at = options(&cli, argc, argv), rc;

	if (at < 0 || at >= argc) {
		usage(stderr);
		return CLI_USAGE;
	}
	for (const struct subcommand *s = subcommands; s->name; s++) {
		if (strcmp(s->name, argv[at]) != 0)
			continue;
		rc = s->fn(&cli, argc - at, argv + at);
		if (fflush(stdout) || ferror(stdout)) {
			cli_complain("standard output cannot be written");
			return CLI_FAILED;
		}
		return rc;
	}
	cli_complain("unknown command \"%s\"; see greygate --help", argv[at]);
	return CLI_USAGE;
}
