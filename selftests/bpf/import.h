/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Imported lists in all three programs and in the daemon's own view. */
#ifndef SELFTESTS_BPF_IMPORT_H
#define SELFTESTS_BPF_IMPORT_H

#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "program.h"
#include "selftests/unit/core/lists.h"

#define PORT 25
#define VIP4 "192.0.2.25"
#define VIP6 "2001:db8:ffff::25"
#define V1 ROOM_BPFFS "/v1"
#define OWN 200

static struct fastpath *fp;
static struct xdp_bpf *xdp;
static struct lookup_bpf *lookup;
static struct tc_bpf *tc;
static struct verdicts *verdicts;
static uint64_t seed = 54;

/* What the daemon itself says, searched the slow way. */
static struct own {
	struct prefix prefix;
	enum gg_verdict verdict;
} own[OWN];
static int own_count;

static inline enum gg_verdict expected(const struct lists *l, const struct addr *a)
{
	const struct import_item *item = l ? lists_say(l, a) : NULL;
	const struct own *best = NULL;

	for (int i = 0; i < own_count; i++)
		if (prefix_holds(&own[i].prefix, a) &&
		    (!best || own[i].prefix.len > best->prefix.len))
			best = &own[i];
	if (best && (!item || best->prefix.len >= item->len))
		return best->verdict;
	return item ? (enum gg_verdict)item->says : GG_UNKNOWN;
}

/* ---- asking the programs ---- */

static inline void syn_from(struct frame *f, const struct addr *a)
{
	char text[ADDR_TEXT];
	struct frame_spec s = {.from = addr_text(a, text),
			       .to = addr_is4(a) ? VIP4 : VIP6,
			       .to_port = PORT,
			       .flags = TCP_SYN};

	frame_build(f, &s);
}

static inline bool is_dropped_by_xdp(const struct addr *a)
{
	struct frame f;

	syn_from(&f, a);
	return program_run(xdp, f.b, f.len) == XDP_DROP;
}

static inline bool is_dropped_by_tc(const struct addr *a)
{
	struct __sk_buff context = {};
	struct frame f;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.b, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	syn_from(&f, a);
	opts.data_size_in = f.len;
	if (bpf_prog_test_run_opts(bpf_program__fd(tc->progs.greygate_tc), &opts))
		fail_msg("tc test run: %s", strerror(errno));
	return opts.retval == TC_ACT_SHOT;
}

/* Drop: deny; the mail server: allow; the daemon: unknown. */
static inline enum gg_verdict verdict_of_lookup(const struct addr *a)
{
	const struct endpoint to = room_endpoint(addr_is4(a) ? VIP4 ":25" : "[" VIP6 "]:25");
	struct bpf_sk_lookup ctx = {
		.family = addr_is4(a) ? AF_INET : AF_INET6,
		.protocol = IPPROTO_TCP,
		.remote_port = htons(40000),
		.local_port = PORT,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = 1);

	if (addr_is4(a)) {
		memcpy(&ctx.remote_ip4, a->b + 12, 4);
		memcpy(&ctx.local_ip4, to.addr.b + 12, 4);
	} else {
		memcpy(ctx.remote_ip6, a->b, 16);
		memcpy(ctx.local_ip6, to.addr.b, 16);
	}
	if (bpf_prog_test_run_opts(bpf_program__fd(lookup->progs.greygate_lookup), &opts))
		fail_msg("socket lookup test run: %s", strerror(errno));
	if (opts.retval == SK_DROP)
		return GG_DENY;
	return ctx.cookie ? GG_UNKNOWN : GG_ALLOW;
}

static inline void all_say(const struct lists *l, const struct addr *a)
{
	enum gg_verdict want = expected(l, a);
	struct verdict_entry e = {0};
	char text[ADDR_TEXT];

	addr_text(a, text);
	if (verdict_of_lookup(a) != want)
		fail_msg("%s: socket lookup says %d, not %d", text, verdict_of_lookup(a), want);
	if (is_dropped_by_xdp(a) != (want == GG_DENY))
		fail_msg("%s: XDP says otherwise than %d", text, want);
	if (is_dropped_by_tc(a) != (want == GG_DENY))
		fail_msg("%s: tc says otherwise than %d", text, want);
	verdicts_find(verdicts, a, 1000, &e, NULL);
	assert_int_equal(e.verdict, want);
}

/* ---- changing lists ---- */

static inline struct imports *made(const struct lists *l)
{
	static struct import_item items[4000];
	struct imports *in;

	memcpy(items, l->items, l->count * sizeof(*items));
	assert_int_equal(imports_make(items, l->count, l->rank, &in), 0);
	memset(in->action, GG_DROP_NEW, sizeof(in->action));
	return in;
}

/* As the daemon does: the kernel, then its own view. */
static inline void put_in_force(struct imports *in, const struct fastpath_progress *progress)
{
	struct imports *old;

	assert_int_equal(fastpath_import(fp, in, NULL, 0, progress), 0);
	old = verdicts_import(verdicts, in);
	imports_free(&old);
}

/* Adds a prefix of the daemon's own, or removes one. */
static inline void change_own(void)
{
	struct addr a = lists_addr(&seed, random_below(&seed, 2));
	struct own o = {addr_mask(&a, (uint8_t)(110 + random_below(&seed, 18))),
			random_below(&seed, 2) ? GG_DENY : GG_ALLOW};
	const struct verdict_entry e = {.verdict = o.verdict,
					.action = o.verdict == GG_DENY ? GG_DROP_NEW : 0,
					.origin = GG_BY_OPERATOR};

	for (int i = 0; i < own_count; i++) {
		if (memcmp(&own[i].prefix, &o.prefix, sizeof(o.prefix)))
			continue;
		own[i] = own[--own_count];
		assert_int_equal(fastpath_del(fp, &o.prefix), 0);
		assert_true(verdicts_del(verdicts, &o.prefix));
		return;
	}
	if (own_count == OWN)
		return;
	own[own_count++] = o;
	assert_int_equal(fastpath_put(fp, &o.prefix, &e), 0);
	assert_int_equal(verdicts_put(verdicts, &o.prefix, &e), 0);
}

static inline void open_all(void)
{
	const struct endpoint vips[] = {room_endpoint(VIP4 ":25"), room_endpoint("[" VIP6 "]:25")};
	struct fastpath_conf conf = room_conf(GG_MODE_HOST);

	conf.vips = vips;
	conf.vip_count = 2;
	conf.imported = 20000;
	fp = room_open(&conf);
	xdp = program_xdp(fp);
	lookup = program_lookup(fp);
	tc = tc_bpf__open();
	if (!tc || maps_use(tc->obj, fp->maps) || tc_bpf__load(tc))
		fail_msg("tc program: %s", words_reason(errno));
	for (int is4 = 0; is4 < 2; is4++) {
		int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);

		assert_true(fd >= 0);
		assert_int_equal(listen(fd, 1), 0);
		assert_int_equal(fastpath_listener(fp, is4 ? GG_SOCK_DAEMON4 : GG_SOCK_DAEMON6, fd),
				 0);
	}
}

static inline void close_all(void)
{
	xdp_bpf__destroy(xdp);
	lookup_bpf__destroy(lookup);
	tc_bpf__destroy(tc);
	fastpath_close(&fp);
}

static inline int import_set_up(void **state)
{
	static const uint8_t key[16] = "secret of a test";

	if (room_enter(state) || verdicts_new(10000, key, &verdicts))
		return -1;
	open_all();
	return 0;
}

static inline int import_tear_down(void **state)
{
	(void)state;
	close_all();
	room_detach();
	verdicts_free(&verdicts);
	return 0;
}

#endif
