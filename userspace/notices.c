// SPDX-License-Identifier: GPL-2.0-or-later
#include "notices.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/spsc.h"

#define QUEUE 256 /* of each worker: one that is behind looks at everybody who waits */

struct notices {
	int workers;
	struct desk {
		_Alignas(64) _Atomic uint32_t waiting;
		_Atomic bool all;
		int fd;
		struct spsc *queue;
	} desks[];
};

int notices_new(int workers, struct notices **ret)
{
	size_t size = sizeof(struct notices) + (size_t)workers * sizeof(struct desk);
	struct notices *n;
	int rc = 0;

	if (workers < 1)
		return -EINVAL;
	n = aligned_alloc(64, size);
	if (!n)
		return -ENOMEM;
	n->workers = workers;
	for (int i = 0; i < workers; i++)
		n->desks[i] = (struct desk){.fd = -1};
	for (int i = 0; i < workers && !rc; i++) {
		rc = spsc_new(QUEUE, sizeof(uint64_t), &n->desks[i].queue);
		if (!rc)
			n->desks[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (!rc && n->desks[i].fd < 0)
			rc = -errno;
	}
	if (rc)
		notices_free(&n);
	else
		*ret = n;
	return rc;
}

void notices_free(struct notices **np)
{
	struct notices *n = *np;

	if (!n)
		return;
	for (int i = 0; i < n->workers; i++) {
		if (n->desks[i].queue)
			spsc_free(&n->desks[i].queue);
		if (n->desks[i].fd >= 0)
			close(n->desks[i].fd);
	}
	free(n);
	*np = NULL;
}

static void ring_bell(const struct desk *d)
{
	const uint64_t one = 1;
	ssize_t rung = write(d->fd, &one, sizeof(one));

	(void)rung; /* full: it is ringing */
}

void notices_put(struct notices *n, uint64_t question)
{
	/* What is known was stored before; whoever is not counted yet has yet to look for it. */
	atomic_thread_fence(memory_order_seq_cst);
	for (int i = 0; i < n->workers; i++) {
		struct desk *d = &n->desks[i];
		uint64_t *slot;

		if (!atomic_load_explicit(&d->waiting, memory_order_relaxed))
			continue;
		slot = spsc_slot(d->queue);
		if (slot) {
			*slot = question;
			spsc_push(d->queue);
		} else {
			atomic_store(&d->all, true);
		}
		ring_bell(d);
	}
}

void notices_look(struct notices *n, int worker)
{
	atomic_store(&n->desks[worker].all, true);
	ring_bell(&n->desks[worker]);
}

void notices_look_all(struct notices *n)
{
	for (int i = 0; i < n->workers; i++)
		notices_look(n, i);
}

void notices_await(struct notices *n, int worker)
{
	atomic_fetch_add(&n->desks[worker].waiting, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

void notices_forgo(struct notices *n, int worker)
{
	atomic_fetch_sub(&n->desks[worker].waiting, 1);
}

int notices_fd(const struct notices *n, int worker)
{
	return n->desks[worker].fd;
}

int notices_take(struct notices *n, int worker, uint64_t *ret, int max, bool *ret_all)
{
	struct desk *d = &n->desks[worker];
	uint64_t rung;
	ssize_t got = read(d->fd, &rung, sizeof(rung));
	const uint64_t *question;
	int count = 0;

	(void)got; /* not rung: there may be nothing */
	while (count < max && (question = spsc_peek(d->queue, (size_t)count)))
		ret[count++] = *question;
	spsc_pop(d->queue, (size_t)count);
	*ret_all = atomic_exchange(&d->all, false);
	return count;
}
