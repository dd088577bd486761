/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control commands of other files than commands.c; those called show_ only look. */
#ifndef GREYGATE_COMMANDS_SHOW_H
#define GREYGATE_COMMANDS_SHOW_H

#include "commands_rows.h"

int show_status(struct control_reply *r, json_t *args, void *daemon);
int show_stats(struct control_reply *r, json_t *args, void *daemon);
int show_list(struct control_reply *r, json_t *args, void *daemon);
int show_traps(struct control_reply *r, json_t *args, void *daemon);
int show_export(struct control_reply *r, json_t *args, void *daemon);
int show_report(struct control_reply *r, json_t *args, void *daemon);
int show_correspondents(struct control_reply *r, json_t *args, void *daemon);
int show_explain(struct control_reply *r, json_t *args, void *daemon);

/* commands_correspondent.c */
int correspondent_do_add(struct control_reply *r, json_t *args, void *daemon);
int correspondent_do_del(struct control_reply *r, json_t *args, void *daemon);

/* ---- commands_listing.c ---- */

/* Lists of the configuration, in its order, then imported ones. */
json_t *listing_rows(struct daemon *d);
/* Appends a sentence for each whose file could not be read. */
void listing_problems(struct daemon *d, json_t *array);

/* commands_restore.c */
int restore_do(struct control_reply *reply, json_t *args, void *daemon);

int import_list(struct control_reply *r, json_t *args, void *daemon);

/* What was changed so far is on disk when it returns, or the summary says why not (unsaved). */
void command_settle(struct control_reply *r, struct daemon *d);
/* The work waits, or takes its time: a client that hears nothing for a minute would take us for
 * gone.
 */
void command_waits(void *reply);
/* No control characters in it. */
bool text_printable(const char *text);

#endif
