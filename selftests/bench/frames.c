// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frames: whole frames for the rows of the kernel path, at the rate one CPU makes them, and the
 * ends that they need. See usage() for the parts it can take; each prints one JSON object.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>

#include "frame.h"
#include "frames.skel.h"
#include "options.h"

#define BATCH_FRAMES (1 << 18) /* a call; each costs milliseconds of waiting at its end */
#define PROBE_FRAMES (1 << 14)

static struct {
	struct sockaddr_in to;
	uint8_t mac[ETH_ALEN];
	double seconds;
	unsigned int count;
	unsigned int spread; /* bits that vary, the first ones of the host's part; 0: all of them */
	bool data;           /* segments of a connection, not SYNs */
	int ifindex;
} opt = {.mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .seconds = 3};

static void die(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t sum_of(const void *at, size_t len)
{
	const uint8_t *p = at;
	uint32_t sum = 0;
	uint16_t word;

	for (; len; p += 2, len -= 2) {
		memcpy(&word, p, 2);
		sum += word;
	}
	return sum;
}

static struct frame make_frame(void)
{
	struct frame f = frame_syn(opt.to.sin_addr.s_addr, opt.to.sin_port);

	memcpy(f.eth.h_dest, opt.mac, ETH_ALEN);
	f.tcp.syn = !opt.data;
	f.tcp.ack = f.tcp.psh = opt.data;
	return f;
}

static struct frames_bpf *load(void)
{
	struct frames_bpf *s = frames_bpf__open();
	struct frame f = make_frame();

	if (!s)
		die("programs");
	s->rodata->network = source_net.base;
	s->rodata->hosts = source_net.mask & ~(opt.spread ? source_net.mask >> opt.spread : 0);
	s->rodata->header_sum = sum_of(&f.ip, sizeof(f.ip));
	s->rodata->segment_sum = sum_of(&f.tcp, sizeof(f.tcp)) + sum_of(&f.ip.daddr, 4) +
				 htons(IPPROTO_TCP) + htons(sizeof(f.tcp));
	if (frames_bpf__load(s))
		die("programs");
	memcpy(s->bss->form, &f, sizeof(s->bss->form));
	return s;
}

static void attach(const struct bpf_program *program)
{
	if (bpf_xdp_attach(opt.ifindex, bpf_program__fd(program), XDP_FLAGS_DRV_MODE, NULL))
		die("attach");
}

static void send_frames(const struct bpf_program *program, uint32_t frames)
{
	struct frame frame = make_frame();
	struct xdp_md ctx = {.data_end = sizeof(frame), .ingress_ifindex = opt.ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &frame, .data_size_in = sizeof(frame),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);

	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
		die("live frames");
}

/* ---- the parts ---- */

/* One long call, as long as a short one makes expect. */
static void part_flood(struct frames_bpf *s)
{
	uint64_t begin = clock_us(), before;
	double rate, took;

	send_frames(s->progs.flood, PROBE_FRAMES);
	send_frames(s->progs.flood, BATCH_FRAMES);
	rate = (PROBE_FRAMES + BATCH_FRAMES) / ((clock_us() - begin) / 1e6);
	before = s->bss->made;
	begin = clock_us();
	send_frames(s->progs.flood, (uint32_t)(rate * opt.seconds));
	took = (clock_us() - begin) / 1e6;
	printf("{\"warm_up\": %llu, \"frames\": %llu, \"seconds\": %.3f}\n",
	       (unsigned long long)before, (unsigned long long)(s->bss->made - before), took);
}

static void part_dial(struct frames_bpf *s)
{
	uint64_t begin = clock_us();

	attach(s->progs.client);
	while (s->bss->opened < opt.count && clock_us() - begin < opt.seconds * 1e6)
		send_frames(s->progs.dial, PROBE_FRAMES);
	printf("{\"dialled\": %llu, \"opened\": %llu, \"seconds\": %.3f}\n",
	       (unsigned long long)s->bss->made, (unsigned long long)s->bss->opened,
	       (clock_us() - begin) / 1e6);
}

static void until_told(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	sigwait(&set, &got);
}

static void part_sink(struct frames_bpf *s)
{
	attach(s->progs.sink);
	until_told();
	printf("{\"frames\": %llu}\n", (unsigned long long)s->bss->sunk);
	bpf_xdp_detach(opt.ifindex, XDP_FLAGS_DRV_MODE, NULL);
}

static void part_pass(struct frames_bpf *s)
{
	attach(s->progs.pass);
	until_told();
	bpf_xdp_detach(opt.ifindex, XDP_FLAGS_DRV_MODE, NULL);
}

static const struct part {
	const char *name;
	void (*run)(struct frames_bpf *s);
	bool sends;
} parts[] = {
	{"flood", part_flood, true},
	{"dial", part_dial, true},
	{"sink", part_sink, false},
	{"pass", part_pass, false},
};

static int usage(void)
{
	fprintf(stderr,
		"usage: frames PART INTERFACE [--to ADDR:PORT] [--network ADDR/LEN] [--mac MAC]\n"
		"              [--spread BITS] [--data] [--seconds S] [--count N]\n"
		"  flood  sends frames from random hosts of the network for S seconds\n"
		"  dial   opens N connections and keeps quiet then; S seconds at most\n"
		"  sink   counts and drops what comes in, until SIGTERM\n"
		"  pass   an XDP program that does nothing, until SIGTERM\n"
		"  --spread  2^BITS sources, evenly over the network (all of its hosts)\n"
		"  --data    segments of a connection, not SYNs\n"
		"  --mac     the next hop (broadcast)\n");
	return 2;
}

static bool read_mac(const char *text, void *to)
{
	uint8_t *m = to;

	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4,
		      m + 5) == ETH_ALEN;
}

static bool read_bits(const char *text, void *to)
{
	const unsigned int *bits = to;

	return read_number(text, to) && *bits >= 1 && *bits <= 24;
}

static bool options_read(int argc, char **argv)
{
	static const struct told known[] = {
		{"to", read_target, &opt.to},       {"network", read_network, NULL},
		{"mac", read_mac, opt.mac},         {"seconds", read_seconds, &opt.seconds},
		{"count", read_number, &opt.count}, {"spread", read_bits, &opt.spread},
		{"data", read_flag, &opt.data},
	};

	return OPTIONS_TAKE(argc, argv, known) && opt.seconds > 0;
}

int main(int argc, char **argv)
{
	const struct part *part = NULL;
	struct frames_bpf *s;

	if (!options_read(argc, argv) || argc - optind != 2)
		return usage();
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strcmp(argv[optind], parts[i].name))
			part = &parts[i];
	if (!part || (part->sends && !opt.to.sin_port))
		return usage();
	opt.ifindex = (int)if_nametoindex(argv[optind + 1]);
	if (!opt.ifindex)
		die(argv[optind + 1]);
	s = load();
	part->run(s);
	frames_bpf__destroy(s);
	return 0;
}
