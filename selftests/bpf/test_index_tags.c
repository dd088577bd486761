// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * index6, whose slots are tags: what two addresses have in common, and what a failure leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "lists.h"

#define TAGS (64u << 17) /* buckets, and what a slot holds */

static uint32_t syn_from(const struct prefix *source)
{
	char from[ADDR_TEXT];
	const struct frame_spec s = {.from = addr_text(&source->addr, from),
				     .to = VIP6,
				     .to_port = 25,
				     .flags = TCP_SYN};
	struct frame f;

	frame_build(&f, &s);
	return program_run(skel, f.b, f.len);
}

static void what_could_not_be_built_is_out_of_force(void **state)
{
	const struct prefix late = room_prefix("2001:db8:1::99");
	const struct gg_index_head *head = (void *)fp->index[INDEX6].bucket;
	const int host6 = fp->maps[MAP_HOST6];

	(void)state;
	lists_renew();
	assert_int_equal(index_build(fp), 0);
	assert_int_not_equal((uint32_t)head->geometry, 0);
	fp->maps[MAP_HOST6] = -1; /* no walk through it succeeds */
	assert_true(index_build(fp) < 0);
	fp->maps[MAP_HOST6] = host6;
	assert_int_equal((uint32_t)head->geometry, 0);
	room_put_prefix(fp, &late, GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(syn_from(&late), XDP_DROP);
	assert_int_equal(fastpath_tidy(fp), 0);
	assert_int_not_equal((uint32_t)head->geometry, 0);
	assert_int_equal(syn_from(&late), XDP_DROP);
}

static struct bucket_place place_of(const struct prefix *p)
{
	const struct bucket_geometry g = {fp->index[INDEX6].used, fp->index[INDEX6].hash_key};
	uint32_t words[4];

	memcpy(words, p->addr.b, sizeof(words));
	return bucket_place6(g, words);
}

/* Two of 2001:db8:5:: that stand in one bucket with one tag. */
static void find_twins(struct prefix *a, struct prefix *b)
{
	uint32_t *first = calloc(TAGS, sizeof(*first)), n, tag;
	struct bucket_place place;

	assert_non_null(first);
	for (n = 1;; n++) {
		*b = room_number("2001:db8:5::", n);
		place = place_of(b);
		tag = (place.at - 1) << 17 | (uint32_t)place.key << 1 |
		      !!(place.rest & GG_SLOT_REST);
		if (first[tag])
			break;
		first[tag] = n;
	}
	*a = room_number("2001:db8:5::", first[tag]);
	free(first);
}

static void twins_are_told_apart_by_the_truth(void **state)
{
	struct prefix a, b;

	(void)state;
	lists_renew();
	assert_int_equal(index_build(fp), 0);
	assert_int_equal(fp->index[INDEX6].used, 64);
	find_twins(&a, &b);
	room_put_prefix(fp, &a, GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(syn_from(&b), XDP_PASS);
	room_put_prefix(fp, &b, GG_DENY, GG_DROP_NEW, 0);
	assert_int_equal(fastpath_del(fp, &a), 0);
	assert_int_equal(syn_from(&a), XDP_PASS);
	assert_int_equal(syn_from(&b), XDP_DROP);
	assert_int_equal(fastpath_del(fp, &b), 0);
	assert_int_equal(syn_from(&b), XDP_PASS);
}

/* The walk has come past one of them, and the other one is deleted before it comes there. */
static void a_twin_that_goes_meanwhile_takes_no_tag_along(void **state)
{
	const struct gg_entry e = {.verdict = GG_DENY, .action = GG_DROP_NEW, .length = 128};
	struct prefix a, b;

	(void)state;
	lists_renew();
	assert_int_equal(index_build(fp), 0);
	assert_int_equal(index_prepare(fp, MAP_HOST6, 10), 0);
	find_twins(&a, &b);
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST6], a.addr.b, &e, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST6], b.addr.b, &e, BPF_ANY), 0);
	pthread_mutex_lock(&fp->lock);
	index_add(fp, MAP_HOST6, a.addr.b, &e, 1);
	pthread_mutex_unlock(&fp->lock);
	assert_int_equal(fastpath_del(fp, &b), 0);
	index_enforce(fp, MAP_HOST6);
	assert_int_equal(syn_from(&a), XDP_DROP);
	assert_int_equal(syn_from(&b), XDP_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_not_be_built_is_out_of_force),
		cmocka_unit_test(twins_are_told_apart_by_the_truth),
		cmocka_unit_test(a_twin_that_goes_meanwhile_takes_no_tag_along),
	};

	return cmocka_run_group_tests(tests, lists_set_up, lists_tear_down);
}
