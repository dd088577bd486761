// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/swap.h"

static void one_after_another(void **state)
{
	struct swap s = {0};
	int one = 1, two = 2;
	unsigned side;

	(void)state;
	assert_null(swap_enter(&s, &side));
	swap_leave(&s, side);
	assert_null(swap_replace(&s, &one));
	assert_ptr_equal(swap_enter(&s, &side), &one);
	swap_leave(&s, side);
	assert_ptr_equal(swap_replace(&s, &two), &one);
	assert_ptr_equal(swap_replace(&s, NULL), &two);
}

/* Readers of values whose memory is given back as soon as they are replaced. */
struct race {
	struct swap swap;
	_Atomic bool over;
	atomic_uint bad;
};

struct value {
	unsigned a, b; /* alike while it is one */
};

static void *read_on(void *arg)
{
	struct race *r = arg;
	unsigned side;

	while (!atomic_load(&r->over)) {
		const struct value *v = swap_enter(&r->swap, &side);

		if (v->a != ~v->b)
			atomic_fetch_add(&r->bad, 1);
		swap_leave(&r->swap, side);
	}
	return NULL;
}

static void never_half(void **state)
{
	static struct race r;
	pthread_t threads[3];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct value *v = malloc(sizeof(*v)), *old;

		assert_non_null(v);
		*v = (struct value){i, ~i};
		old = swap_replace(&r.swap, v);
		if (old)
			old->a = old->b = 0;
		free(old);
		for (int t = 0; !i && t < 3; t++)
			assert_int_equal(pthread_create(&threads[t], NULL, read_on, &r), 0);
	}
	atomic_store(&r.over, true);
	for (int t = 0; t < 3; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(atomic_load(&r.bad), 0);
	free(swap_replace(&r.swap, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_after_another),
		cmocka_unit_test(never_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
