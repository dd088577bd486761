/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What greygate(1) can ask of a running daemon: the table of control commands over the daemon's
 * state.
 */
#ifndef GREYGATE_COMMANDS_H
#define GREYGATE_COMMANDS_H

#include <stddef.h>
#include <sys/types.h>

#include "control/control.h"
#include "daemon.h"

extern const struct control_command commands[];

/* Binds the control socket that the configuration names, before privileges are dropped to uid and
 * gid; control_start(*ret) once everything d points to stands. listener: as in struct control_conf.
 * As control_open. */
int commands_open(struct daemon *d, uid_t uid, gid_t gid, int listener, struct control **ret,
		  char *err, size_t err_size);

#endif
