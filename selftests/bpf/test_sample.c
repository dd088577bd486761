// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections of learned sources that the socket lookup gives to the daemon all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "program.h"

#define LEARNED4 "198.51.100.6"
#define LEARNED6 "2001:db8:1::6"
#define OPERATOR4 "198.51.100.7"
#define VIP4 "192.0.2.25"
#define VIP6 "2001:db8::25"

static struct fastpath *fp;
static struct lookup_bpf *lookup;
static int listeners[2];

enum outcome { TO_MTA, TO_DAEMON, REFUSED };

static enum outcome connect_from(const char *from, uint16_t port)
{
	const struct prefix source = room_prefix(from);
	const struct endpoint to = room_endpoint(strchr(from, ':') ? "[" VIP6 "]:25" : VIP4 ":25");
	struct bpf_sk_lookup ctx = {
		.family = strchr(from, ':') ? AF_INET6 : AF_INET,
		.protocol = IPPROTO_TCP,
		.remote_port = htons(port),
		.local_port = 25,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = 1);

	if (ctx.family == AF_INET) {
		memcpy(&ctx.remote_ip4, source.addr.b + 12, 4);
		memcpy(&ctx.local_ip4, to.addr.b + 12, 4);
	} else {
		memcpy(ctx.remote_ip6, source.addr.b, 16);
		memcpy(ctx.local_ip6, to.addr.b, 16);
	}
	if (bpf_prog_test_run_opts(bpf_program__fd(lookup->progs.greygate_lookup), &opts))
		fail_msg("socket lookup test run: %s", strerror(errno));
	if (opts.retval == SK_DROP)
		return REFUSED;
	return ctx.cookie ? TO_DAEMON : TO_MTA;
}

static int sampled_of(const char *from, int n)
{
	int i, sampled = 0;

	for (i = 0; i < n; i++)
		sampled += connect_from(from, 20000 + i) == TO_DAEMON;
	return sampled;
}

static void every_so_manieth_is_sampled(void **state)
{
	(void)state;
	fastpath_set_sample(fp, 8);
	/* 500 of 4000 are to be expected, 21 to one side or the other by chance. */
	assert_in_range(sampled_of(LEARNED4, 4000), 375, 625);
	assert_in_range(sampled_of(LEARNED6, 4000), 375, 625);
	assert_int_equal(sampled_of(OPERATOR4, 1000), 0);
}

static void none_and_all_are_possible(void **state)
{
	(void)state;
	fastpath_set_sample(fp, 0);
	assert_int_equal(sampled_of(LEARNED4, 1000), 0);
	fastpath_set_sample(fp, 1);
	assert_int_equal(sampled_of(LEARNED4, 1000), 1000);
	assert_int_equal(sampled_of(LEARNED6, 1000), 1000);
}

static void the_same_connection_gets_the_same_answer(void **state)
{
	enum outcome first, now;
	int i, again, changes = 0;

	(void)state;
	fastpath_set_sample(fp, 3);
	for (i = 0; i < 500; i++) {
		first = connect_from(LEARNED4, 30000 + i);
		for (again = 0; again < 3; again++, first = now) {
			now = connect_from(LEARNED4, 30000 + i);
			changes += now != first;
		}
	}
	/* Others are chosen each minute, and one may begin meanwhile. */
	assert_in_range(changes, 0, 1);
}

/* A sample is a kindness of the daemon's: without it the source keeps its place. */
static void without_the_daemon_samples_are_the_mail_servers(void **state)
{
	(void)state;
	fastpath_set_sample(fp, 1);
	fastpath_set_when_down(fp, false);
	assert_int_equal(connect_from(LEARNED4, 4000), TO_DAEMON);
	close(listeners[0]);
	close(listeners[1]);
	assert_int_equal(connect_from(LEARNED4, 4000), TO_MTA);
	assert_int_equal(connect_from(LEARNED6, 4000), TO_MTA);
	assert_int_equal(connect_from("198.51.100.99", 4000), REFUSED);
}

static void learn(const char *address, enum gg_origin origin)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW, .origin = origin};
	const struct prefix p = room_prefix(address);

	assert_int_equal(fastpath_put(fp, &p, &e), 0);
}

static int set_up(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	const struct endpoint vips[] = {room_endpoint(VIP4 ":25"), room_endpoint("[" VIP6 "]:25")};
	struct fastpath_conf conf = room_conf(GG_MODE_HOST);
	int i;

	if (room_enter(state))
		return -1;
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	lookup = program_lookup(fp);
	for (i = 0; i < 2; i++) {
		listeners[i] = socket(families[i], SOCK_STREAM, 0);
		assert_int_equal(listen(listeners[i], 1), 0);
		assert_int_equal(
			fastpath_listener(fp, i ? GG_SOCK_DAEMON6 : GG_SOCK_DAEMON4, listeners[i]),
			0);
	}
	learn(LEARNED4, GG_BY_LEARNING);
	learn(LEARNED6, GG_BY_LEARNING);
	learn(OPERATOR4, GG_BY_OPERATOR);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lookup_bpf__destroy(lookup);
	fastpath_close(&fp);
	room_detach();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_so_manieth_is_sampled),
		cmocka_unit_test(none_and_all_are_possible),
		cmocka_unit_test(the_same_connection_gets_the_same_answer),
		cmocka_unit_test(without_the_daemon_samples_are_the_mail_servers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
