/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to rtnetlink, for policy routes and filters, and for greygate doctor. One thread at a
 * time on a socket. Results are 0 or -errno, the kernel's own.
 */
#ifndef FASTPATH_NETLINK_H
#define FASTPATH_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct netlink_message {
	struct nlmsghdr h;
	char rest[256]; /* the type's header and few attributes */
};

int netlink_open(void); /* a descriptor, closed by the caller */
void netlink_begin(struct netlink_message *m, uint16_t type, uint16_t flags, const void *header,
		   size_t size);
void netlink_put(struct netlink_message *m, uint16_t type, const void *value, size_t size);
void netlink_put_u32(struct netlink_message *m, uint16_t type, uint32_t value);
/* What is put until the end stands inside that attribute. */
struct rtattr *netlink_nest(struct netlink_message *m, uint16_t type);
void netlink_nest_end(struct netlink_message *m, struct rtattr *outer);
/* Sends it and waits for what became of it. */
int netlink_do(int fd, struct netlink_message *m);
/* Sends two at once: who is killed meanwhile has sent both or neither. The second is done whatever
 * became of the first, which is *ret_first. -errno of the second; neither was sent: of both. */
int netlink_do_both(int fd, struct netlink_message *first, struct netlink_message *second,
		    int *ret_first);
typedef void (*netlink_fn)(const struct nlmsghdr *h, void *arg);
/* Besides shows the one thing that was asked for. */
int netlink_get(int fd, struct netlink_message *m, netlink_fn see, void *arg);
/* Sends it and shows each message of the dump. */
int netlink_dump(int fd, struct netlink_message *m, netlink_fn see, void *arg);
/* The attribute behind a type's header of that size; NULL: none of at least `size` bytes. */
const void *netlink_find(const struct nlmsghdr *h, size_t header, uint16_t type, size_t size);

#endif
