// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Entries that are put again and again while their packets flow. The kernel gives the memory of the
 * entry that was to the next one at once, so a program may hold another address's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "lists.h"

#define SECONDS 5
#define PUTS 500 /* between two looks at the clock */

static const struct ends {
	const char *allowed, *denied, *vip;
} ends[] = {{"100.64.0.1", "100.64.0.2", VIP4}, {"2001:db8:5::1", "2001:db8:5::2", VIP6}};

struct flow {
	struct frame frame;
	atomic_bool stop;
	atomic_ulong sent, dropped;
};

static void *send_syns(void *arg)
{
	struct flow *f = arg;

	while (!atomic_load(&f->stop)) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->frame.b,
			    .data_size_in = f->frame.len, .repeat = 1);

		if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.greygate_xdp), &opts))
			break;
		atomic_fetch_add(&f->sent, 1);
		atomic_fetch_add(&f->dropped, opts.retval != XDP_PASS);
	}
	return NULL;
}

/* Fails sooner or later where an entry is believed whatever has become of it. */
static void nobody_is_judged_by_anothers_entry(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const struct frame_spec spec = {.from = ends[i].allowed,
						.to = ends[i].vip,
						.to_port = 25,
						.flags = TCP_SYN};
		const struct prefix denied = room_prefix(ends[i].denied);
		const time_t end = time(NULL) + SECONDS;
		static struct flow f;
		struct gg_entry e;
		pthread_t sender;

		f = (struct flow){};
		frame_build(&f.frame, &spec);
		room_put(fp, ends[i].allowed, GG_ALLOW, GG_NO_ACTION, 0);
		assert_int_equal(pthread_create(&sender, NULL, send_syns, &f), 0);
		while (time(NULL) < end)
			for (int n = 0; n < PUTS; n++) {
				room_put(fp, ends[i].allowed, GG_ALLOW, GG_NO_ACTION, 0);
				room_put(fp, ends[i].denied, GG_DENY, GG_DROP_NEW, 0);
			}
		atomic_store(&f.stop, true);
		pthread_join(sender, NULL);
		assert_int_equal(fastpath_get(fp, &denied, &e), 0);
		printf("# %s: %lu SYNs, %lu dropped, %lu counted for %s\n", ends[i].allowed,
		       atomic_load(&f.sent), atomic_load(&f.dropped), (unsigned long)e.hits,
		       ends[i].denied);
		assert_true(atomic_load(&f.sent) > PUTS);
		assert_int_equal(atomic_load(&f.dropped), 0);
		/* One that was on its way to the entry when that went counts one, and no more. */
		assert_true(e.hits < atomic_load(&f.sent) / 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_judged_by_anothers_entry),
	};

	return cmocka_run_group_tests(tests, lists_set_up, lists_tear_down);
}
