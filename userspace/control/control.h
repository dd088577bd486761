/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: a unix stream socket that speaks JSON lines.
 *
 * A request is one object on one line, {"command":"list","args":{...}}; args may be left out. The
 * answer is any number of {"row":{...}} lines and then exactly one closing line, {"done":true,...}
 * or {"error":"what is wrong","mend":"what to do"}. A client may send the next request when it has
 * read the closing line, or before; they are carried out in order.
 *
 * Every client has a thread of its own, at most CONTROL_CLIENTS; further ones wait for a place, and
 * are answered with an error and closed when none has become free for CONTROL_WAIT. Rows are
 * written as they come, so an answer of any length needs no memory; a reader that keeps us waiting
 * for CONTROL_STALL in one answer is dropped, a client that asks nothing for CONTROL_IDLE is told
 * so and closed: while others wait for a place, both after CONTROL_YIELD. A line longer than
 * CONTROL_LINE, or one that is not such an object, gets an error.
 *
 * A file goes with a request as a descriptor (SCM_RIGHTS) beside its bytes: the daemon reads what
 * its client may read. One for each request; it is closed when the request has been answered.
 *
 * Who may speak: root, the daemon's user, and members of its group (SO_PEERCRED, SO_PEERGROUPS).
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_CLIENTS 64   /* that are served at once */
#define CONTROL_QUEUE 1024   /* that wait for a place; who comes then waits in connect() */
#define CONTROL_LINE 65536   /* bytes of a request, newline included */
#define CONTROL_IDLE 60000   /* ms without a request before a client is dropped */
#define CONTROL_STALL 600000 /* ms that one answer may wait for its reader */
#define CONTROL_YIELD 2000   /* ms of either that are a client's while others wait for a place */
#define CONTROL_WAIT 30000   /* ms for which others wait while no place becomes free */

struct control;
struct control_reply;

/* Carries out one command, in the client's thread; several may run at once. args is an object.
 * 0: done; else control_fail was called and its value is returned. */
typedef int (*control_fn)(struct control_reply *r, json_t *args, void *context);

struct control_command {
	const char *name; /* NULL ends the table */
	control_fn fn;
	const char *words; /* what it does, for `help` */
};

struct control_conf {
	const char *path;
	uid_t uid; /* the daemon's, after it dropped its privileges */
	gid_t gid;
	const struct control_command *commands;
	void *context; /* handed to every command */
	int stall;     /* ms; 0: CONTROL_STALL */
	int wait;      /* ms; 0: CONTROL_WAIT */
	int listener; /* the socket of a predecessor, bound to path, which becomes the control's; 0:
		       * none */
};

/* Binds the socket: its directory is made (0755) when it is missing, the socket of a dead daemon
 * replaced. -EADDRINUSE when a daemon answers on it; on every failure err names the thing, the
 * cause and the mend. With the privileges that the path needs. path must outlive the control. */
int control_open(const struct control_conf *conf, struct control **ret, char *err, size_t err_size);
/* Starts to answer. -errno. */
int control_start(struct control *c);
/* The listening socket, for a successor. */
int control_listener(const struct control *c);
/* Takes no further client, and leaves the socket to a successor that has it too; those who are
 * connected are served until control_close. */
void control_leave(struct control *c);
/* Ends every client, joins the threads, removes the socket if it answered on it. */
void control_close(struct control **c);

/* ---- for commands ---- */

/* Writes one row; takes the reference. false: the client is gone, stop. A NULL row counts as out of
 * memory. */
bool control_row(struct control_reply *r, json_t *row);
/* Brings out the rows so far: for those that say how far a long work has come. */
void control_flush(struct control_reply *r);
/* The closing line's object, to be filled with what the command found. Belongs to the reply. */
json_t *control_summary(struct control_reply *r);
/* The closing line is an error. mend may be NULL. Returns -EINVAL. */
int control_fail(struct control_reply *r, const char *mend, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The file that came with the request, -1: none. Stays the control's. */
int control_file(const struct control_reply *r);

/* An argument as text, or NULL when it is missing or no string. */
const char *control_text(const json_t *args, const char *name);

#endif
