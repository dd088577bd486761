/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gateway mode: gg0 is the outer interface, gg1 the inner one; VIP4 and VIP6 are behind it. */
#ifndef SELFTESTS_BPF_GATEWAY_H
#define SELFTESTS_BPF_GATEWAY_H

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "lists.h"
#include "userspace/transparent.h"

#define ALLOWED4 "198.51.100.6"
#define ALLOWED6 "2001:db8:1::6"
#define UNKNOWN4 "198.51.100.99"
#define UNKNOWN6 "2001:db8:1::99"
#define PORT 40000
#define SYN4(source) .from = (source), .to = VIP4, .to_port = 25, .flags = TCP_SYN
#define SYN6(source) .from = (source), .to = VIP6, .to_port = 25, .flags = TCP_SYN

static struct tc_bpf *tc;
static struct fastpath_conf conf;
static struct endpoint vips[2];

static inline uint64_t counted(enum gg_stat which)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[which];
}

/* ---- running them ---- */

static inline uint32_t run_xdp(const char *interface, const struct frame *f, uint8_t out[1024])
{
	struct xdp_md context = {.data_end = f->len, .ingress_ifindex = if_nametoindex(interface)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
		    .data_out = out, .data_size_out = 1024, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.greygate_xdp), &opts))
		fail_msg("XDP test run: %s", strerror(errno));
	assert_int_equal(opts.data_size_out, f->len);
	if (opts.retval != XDP_REDIRECT)
		assert_memory_equal(out, f->b, f->len);
	return opts.retval;
}

static inline uint32_t run_tc(const void *bytes, uint32_t len, uint32_t *ret_mark)
{
	struct __sk_buff context = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context), .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(tc->progs.greygate_tc), &opts))
		fail_msg("tc test run of %u bytes: %s", len, strerror(errno));
	*ret_mark = context.mark;
	return opts.retval;
}

/* What tc does with it: 'm'ark, 'l'eave, 'd'rop. */
static inline char tc_does(const struct frame_spec *s)
{
	struct frame f;
	uint32_t mark, action;

	frame_build(&f, s);
	action = run_tc(f.b, f.len, &mark);
	if (action == TC_ACT_SHOT)
		return 'd';
	assert_int_equal(action, (uint32_t)TC_ACT_UNSPEC);
	assert_true(!mark || mark == GG_MARK);
	return mark ? 'm' : 'l';
}

/* ---- the daemon's sockets ---- */

/* A handshake under way in another machine's name: nobody answers. */
static inline int handshake(const char *local, const char *peer)
{
	const struct endpoint from = room_endpoint(local), to = room_endpoint(peer);
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&to, &sa);
	int fd = transparent_socket(&from);

	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), -1);
	assert_int_equal(errno, EINPROGRESS);
	return fd;
}

__attribute__((unused)) static const struct side {
	const char *client, *server, *client_at, *server_at;
} sides[] = {
	{ALLOWED4, VIP4, ALLOWED4 ":40000", VIP4 ":25"},
	{ALLOWED6, VIP6, "[" ALLOWED6 "]:40000", "[" VIP6 "]:25"},
};

/* ---- the place ---- */

static inline int gateway_set_up(void **state)
{
	if (room_enter(state))
		return -1;
	room_run("ip link add gg0 type veth peer name out0 && ip link add gg1 type veth peer name "
		 "in0 && "
		 "for i in gg0 gg1 out0 in0; do ip link set $i up; done && "
		 "sysctl -qw net.ipv4.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=1 && "
		 "ip addr add 10.0.0.1/24 dev gg0 && ip addr add fd00::1/64 dev gg0 nodad && "
		 "ip addr add 192.0.2.1/24 dev gg1 && ip addr add 2001:db8::1/64 dev gg1 nodad && "
		 "ip route add default via 10.0.0.2 && ip -6 route add default via fd00::2 && "
		 "ip neigh add 10.0.0.2 lladdr 02:00:00:00:01:02 dev gg0 nud permanent && "
		 "ip neigh add fd00::2 lladdr 02:00:00:00:01:02 dev gg0 nud permanent && "
		 "ip neigh add 192.0.2.25 lladdr 02:00:00:00:02:25 dev gg1 nud permanent && "
		 "ip neigh add 2001:db8::25 lladdr 02:00:00:00:02:25 dev gg1 nud permanent");
	vips[0] = room_endpoint(VIP4 ":25");
	vips[1] = room_endpoint("[" VIP6 "]:25");
	conf = room_conf(GG_MODE_GATEWAY);
	conf.interfaces[0] = "gg0";
	conf.interfaces[1] = "gg1";
	conf.interface_count = 2;
	conf.vips = vips;
	conf.vip_count = 2;
	conf.imported = 16;
	fp = room_open(&conf);
	skel = program_xdp(fp);
	tc = tc_bpf__open();
	if (!tc || maps_use(tc->obj, fp->maps) || tc_bpf__load(tc))
		fail_msg("tc program: %s", words_reason(errno));
	lists_renew();
	return 0;
}

static inline int gateway_tear_down(void **state)
{
	tc_bpf__destroy(tc);
	return lists_tear_down(state);
}

static inline uint16_t sum_of(const uint8_t *b, int n)
{
	uint32_t sum = 0;

	for (int i = 0; i < n; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The header checksum of IPv4. */
static inline void sign(uint8_t *ip)
{
	uint16_t sum;

	ip[10] = ip[11] = 0;
	sum = (uint16_t)~sum_of(ip, (ip[0] & 15) * 4);
	ip[10] = sum >> 8;
	ip[11] = (uint8_t)sum;
}

static inline void build(struct frame *f, const struct frame_spec *s, uint8_t ttl)
{
	uint8_t *ip = f->b + 14;

	frame_build(f, s);
	for (int i = 0; s->tags[i]; i++)
		ip += 4;
	if (strchr(s->from, ':')) {
		ip[7] = ttl;
		return;
	}
	ip[8] = ttl;
	sign(ip);
}

#endif
