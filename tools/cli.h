/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the subcommands of greygate(1) share. One process, one thread, one command. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli {
	const char *socket; /* -s, else NULL: from the configuration */
	const char *config; /* -c, else NULL: the default file */
	bool json;
};

struct subcommand {
	const char *name;                                  /* NULL ends the table */
	int (*fn)(struct cli *cli, int argc, char **argv); /* argv[0] is the name; enum cli_exit */
	const char *usage, *help;
};

int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_stats(struct cli *cli, int argc, char **argv);
int cmd_list(struct cli *cli, int argc, char **argv);
int cmd_export(struct cli *cli, int argc, char **argv);
int cmd_allow(struct cli *cli, int argc, char **argv);
int cmd_deny(struct cli *cli, int argc, char **argv);
int cmd_forget(struct cli *cli, int argc, char **argv);
int cmd_trap(struct cli *cli, int argc, char **argv);
int cmd_correspondent(struct cli *cli, int argc, char **argv);
int cmd_explain(struct cli *cli, int argc, char **argv);
int cmd_import(struct cli *cli, int argc, char **argv);
int cmd_reload(struct cli *cli, int argc, char **argv);
int cmd_backup(struct cli *cli, int argc, char **argv);
int cmd_restore(struct cli *cli, int argc, char **argv);
int cmd_detach(struct cli *cli, int argc, char **argv);
int cmd_report(struct cli *cli, int argc, char **argv);
int cmd_replay(struct cli *cli, int argc, char **argv);
int cmd_spf(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);
int cmd_sink(struct cli *cli, int argc, char **argv);

/* ---- arguments ---- */

struct cli_option {
	const char *name;   /* "--for"; NULL ends the table */
	const char **value; /* takes an argument, stored here */
	bool *flag;         /* or none: set to true */
};

/* Sorts argv[1..argc) into options (also --json) and words; at least min and at most max words are
 * wanted. Returns how many there are, or -1 after a complaint: the caller returns CLI_USAGE. */
int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, int min,
	      int max, const char *words[]);
/* Whether the daemon can be told the text, which has to be UTF-8; false after a complaint. */
bool cli_utf8(const char *text);
/* What a complaint begins with from now on, such as "line 7: "; stays the caller's. */
void cli_where(const char *where);
/* On standard error; with --json also {"error":...,"mend":...} on standard output. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_complain_mend(const char *error, const char *mend);

/* The value of a key of the configuration: of -c, or of the default file where that can be read,
 * else the key's default. NULL after a complaint. Freed by the caller. */
char *cli_control_path(const struct cli *cli);
char *cli_bpffs(const struct cli *cli);

struct config;
#define CLI_CONFIG "/etc/greygate/greygate.conf" /* without -c */
/* The configuration as above; NULL: there is no file to read. false after a complaint. */
bool cli_config(const struct cli *cli, struct config **ret);
/* The settings of -c, of the default file, or the defaults. -EINVAL after a complaint. */
int cli_settings(const struct cli *cli, struct config **ret);

/* ---- the daemon ---- */

/* Whether there is one; says nothing. */
bool cli_answers(const struct cli *cli);
/* Sees one row; false stops reading. */
typedef bool (*cli_row_fn)(const json_t *row, void *arg);

/* Asks the daemon; takes args (may be NULL). ret_summary (may be NULL) gets the closing object.
 * Returns enum cli_exit; a failure was complained about. */
int cli_ask(const struct cli *cli, const char *command, json_t *args, cli_row_fn see, void *arg,
	    json_t **ret_summary);
/* The same, with a file that the daemon is to read: its descriptor, -1: none. Stays the caller's.
 */
int cli_send(const struct cli *cli, const char *command, json_t *args, int file, cli_row_fn see,
	     void *arg, json_t **ret_summary);
/* A cli_row_fn: prints the row as one JSON line. */
bool cli_print_json(const json_t *row, void *arg);

/* ---- for people ---- */

#define FORMAT_TEXT 40

/* "2 h 5 min", "45 s", "3 d 4 h": the two largest units. */
const char *format_duration(uint64_t s, char buf[FORMAT_TEXT]);
/* One unit and no blank, for columns: "2h", "45s", "3d". */
const char *format_short(uint64_t s, char buf[FORMAT_TEXT]);
/* "in 5m", "3h ago"; "never" for 0. */
const char *format_when(uint64_t t, uint64_t now, char buf[FORMAT_TEXT]);
/* "2026-11-21 18:05:09 (5 min ago)" in local time. */
const char *format_time(uint64_t t, uint64_t now, char *buf, size_t size);
/* "1.5 MB" */
const char *format_size(uint64_t bytes, char buf[FORMAT_TEXT]);
/* Copies text with everything a terminal could take for a command as "?"; cut to max characters
 * (the last one "~") when max > 0. NULL counts as "". Returns buf. */
const char *format_safe(const char *text, int max, char *buf, size_t size);
/* Columns of the terminal, 0 when standard output is none. */
int format_width(void);
/* Prints text, which has no line breaks, over as many lines as it needs within 80 columns, or those
 * of the terminal or of COLUMNS: the first from the column `used` on, the others indented. A word
 * is not broken. No line end. */
void format_wrap(const char *text, int used, int indent);
/* Escape sequences, "" where colours are not wanted: 'r'ed, 'g'reen, 'y'ellow, 'b'old, '0' plain.
 */
const char *format_colour(char which);

/* Members of a row; "" and 0 when missing. */
const char *row_str(const json_t *row, const char *key);
uint64_t row_num(const json_t *row, const char *key);

#endif
