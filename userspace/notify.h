/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sd_notify(3), which is one datagram. */
#ifndef GREYGATE_NOTIFY_H
#define GREYGATE_NOTIFY_H

/* Tells the service manager "READY=1" and the like; nothing happens without NOTIFY_SOCKET. */
void notify(const char *state);

#endif
