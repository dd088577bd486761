/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a line of a feed names as correspondents. */
#ifndef TOOLS_CORRESPONDENT_H
#define TOOLS_CORRESPONDENT_H

#define CORRESPONDENT_NAMES 2

/*
 * A line that is one word names just that; blank ones and those that begin with # name nobody. A
 * line of Postfix's smtp client that says status=sent names the recipient and, when the message
 * went to port 25 of another machine, the host it was given to. Others name nobody. Cuts the line
 * up; returns how many names there are.
 */
int correspondent_names(char *line, char *ret[CORRESPONDENT_NAMES]);

#endif
