/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The side of those who queue items for the writer. */
#ifndef SELFTESTS_STORE_QUEUE_H
#define SELFTESTS_STORE_QUEUE_H

#include <poll.h>

#include "selftests/unit/store/shelf.h"

static inline struct store_item *queue_slot(struct store_writer *w, int p, bool notice)
{
	struct store_item *item = store_writer_slot(w, p, notice);

	assert_non_null(item);
	return item;
}

static inline void queue_record(struct store_writer *w, int p, uint64_t tag, bool notice)
{
	struct store_item *item = queue_slot(w, p, notice);

	*item = item_record(RECORD_PASSED, tag, NOW, "192.0.2.1");
	item->notice = notice;
	item->token = tag * 10;
	store_writer_push(w, p);
}

/* Waits until n notices of producer p have come, in the order of their tags from `tag` on. The
 * writer signals them when they can be taken already: who took them earlier finds nothing then. */
static inline void queue_await(struct store_writer *w, int p, uint64_t tag, int n, int err)
{
	struct pollfd pfd = {.fd = store_writer_fd(w, p), .events = POLLIN};
	struct store_notice got[16];

	while (n > 0) {
		int have;

		assert_int_equal(poll(&pfd, 1, 20000), 1);
		have = store_notices(w, p, got, n < 16 ? n : 16);
		for (int i = 0; i < have; i++, tag++, n--) {
			assert_int_equal(got[i].token, tag * 10);
			assert_int_equal(got[i].err, err);
		}
	}
}

#endif
