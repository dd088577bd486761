/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages between a daemon and the one that takes its place (SIGUSR2), over a pair of
 * SOCK_SEQPACKET sockets: one message a packet, descriptors with it.
 *
 *	successor				predecessor
 *	HELLO who I am, what I would do
 *						WORKER its listeners, one message each
 *						REST control socket, locks of store and pins
 *	READY my rings stand
 *						GO
 *						ITEMS, COMMIT what its sessions still change
 *	DONE they are on disk
 *						SESSIONS how many are left
 *
 * From HELLO to GO the predecessor writes neither store nor kernel maps: its changes wait in its
 * queue. FAILED from either side, or the end of the successor, ends the attempt: the predecessor
 * has it ended, puts its own back into the kernel (retreat.h) and goes on as before. The end of the
 * predecessor without FAILED is a GO: then nobody else is there.
 */
#ifndef GREYGATE_HANDOVER_H
#define GREYGATE_HANDOVER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"
#include "worker.h"

#define HANDOVER_ENV "GREYGATE_HANDOVER"
/* To be raised when a message changes its meaning; a changed layout is seen by its size. */
#define HANDOVER_PROTOCOL 1
#define HANDOVER_ITEMS_MAX 64 /* in one message */
#define HANDOVER_TEXT 4096
#define HANDOVER_FDS 32 /* with one message */

enum handover_kind {
	HANDOVER_START = 1, /* to the starter: one descriptor */
	HANDOVER_HELLO,     /* struct handover_hello */
	HANDOVER_WORKER,    /* descriptors */
	HANDOVER_REST,      /* struct handover_rest, descriptors */
	HANDOVER_READY,
	HANDOVER_GO,
	HANDOVER_FAILED, /* text */
	HANDOVER_ITEMS,  /* struct store_item [] */
	HANDOVER_COMMIT,
	HANDOVER_DONE,     /* int32_t: 0 or -errno */
	HANDOVER_SESSIONS, /* uint32_t */
	HANDOVER_MEND,     /* to the starter: two descriptors */
	HANDOVER_PART,     /* of a mender: struct fastpath_part, at most one descriptor */
	HANDOVER_RETREAT,  /* to the starter: one descriptor, or 2 + FASTPATH_HELD */
	HANDOVER_ENDED,    /* of a mender: struct handover_ended */
};

struct handover_hello {
	uint32_t protocol, item_size;
	int32_t pid, workers, mode;
	char version[32];
	char state_dir[PATH_MAX], bpffs[PATH_MAX], control[PATH_MAX];
	int32_t protect_count; /* mode gateway: what would be protected */
	struct endpoint protect[CONFIG_GATEWAY_ENDPOINTS];
	int32_t interface_count; /* whose packets would be looked at */
	char interfaces[FASTPATH_INTERFACES][IF_NAMESIZE];
};

/* A successor that did not end by itself. */
struct handover_ended {
	int32_t pid;
	int32_t signal; /* the last that it was sent */
	int32_t code;   /* -errno: it could not be sent, or the process is there all the same */
};

/* Which of the descriptors of REST are there, in this order. */
struct handover_rest {
	int32_t has_control, has_store, has_pins;
};

struct handover_message {
	uint32_t kind; /* enum handover_kind */
	uint32_t length;
	int fds[HANDOVER_FDS]; /* the receiver's */
	int fd_count;
	char data[HANDOVER_ITEMS_MAX * sizeof(struct store_item)];
};
_Static_assert(sizeof(struct handover_hello) < sizeof(((struct handover_message *)0)->data),
	       "HELLO fits a message");
_Static_assert(HANDOVER_FDS >= WORKER_LISTENERS && HANDOVER_FDS >= 2 + FASTPATH_HELD,
	       "WORKER and RETREAT fit a message");

/* Blocks. -errno; -EPIPE: the other side is gone. fds stay the caller's. */
int handover_send(int fd, enum handover_kind kind, const void *data, size_t length, const int *fds,
		  int fd_count);
/* Why it is over, cut to HANDOVER_TEXT; best effort. */
void handover_fail(int fd, const char *why);
/* Blocks. -EPIPE: the other side is gone; -EPROTO: not such a message. */
int handover_receive(int fd, struct handover_message *ret);
/* Closes the descriptors that nobody took over. */
void handover_close(struct handover_message *m);

#endif
