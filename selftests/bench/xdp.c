// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Row xdp: how many denied packets a second one CPU gets rid of.
 *
 * Veth pairs in a network namespace of this process's own, each with one way to drop at its far
 * end: bare XDP_DROP (the ceiling), the same after one look at as much memory as greygate's index
 * takes, and after one at the least memory that tells so many addresses from all others (the
 * ceiling of whoever has to look, whatever is kept), greygate with a million host entries and
 * 100 000 prefixes, once as entries of its own and once as an imported list, nftables sets of the
 * same at netdev ingress (addresses in a hash, prefixes in an interval set behind it), xdp-filter
 * with as many of the addresses as it holds (10 000), as it comes and with nothing but addresses to
 * look at. Live frames from random ones of the addresses come by turns, a fraction of a second
 * each; what counts is the median of the rounds, and of their ratios.
 *
 * They come in two ways. In the first they are made where the far end receives: the program that
 * makes a frame ends in the one that stands there, and what passes goes up into the stack from that
 * interface. That is what is compared, since it is all that a drop takes. In the second they are
 * sent through the pair from its near end. There sending and carrying a frame, which one CPU does
 * along with the drop, takes longer than most drops, moves all ratios towards 1, and nobody is
 * faster than that alone.
 *
 * greygate treats the first SYNs of a source one by one, so before the rounds it is sent as many of
 * each as it takes to be past that; what that ran at is told too.
 *
 * What counts is what each side's own counter says it dropped. The namespaces end with the process.
 */
#include "fastpath/fastpath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <glob.h>
#include <linux/if_link.h>
#include <math.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "selftests/bench/frame.h"
#include "selftests/bench/filter.h"
#include "selftests/bench/xdpgen.h"
#include "frames.skel.h"
#include "xdpgen.skel.h"

#define ROUNDS 11
#define ROUND_NS 300000000ull
#define WARM_UP_FRAMES (1 << 18)
#define NETS 100000
#define FIRST_FRAMES 8 /* of each source, before the rounds */
#define VIP "192.0.2.25"

static struct fastpath *fastpath, *listing; /* of the daemon's own entries; of a list's */
static struct imports *listed;
static struct xdpgen_bpf *skel;
static struct frames_bpf *ends; /* a bare drop, which is the ceiling, and a bare pass */
static uint32_t hosts = 1000000;

static void attach(const char *interface, struct bpf_program *program)
{
	if (bpf_xdp_attach(if_nametoindex(interface), bpf_program__fd(program), XDP_FLAGS_DRV_MODE,
			   NULL))
		die(interface);
}

/* The n-th /24, network order: scattered, each once. */
static uint32_t net_of(uint32_t n)
{
	return htonl((n * 2654435761u) << 8);
}

/* ---- bare XDP_DROP ---- */

static void drop_start(const char *interface)
{
	attach(interface, ends->progs.sink);
}

static uint64_t drop_count(void)
{
	return ends->bss->sunk;
}

/* ---- greygate ---- */

static struct fastpath *greygate_open(const char *interface, const char *bpffs)
{
	const struct fastpath_attachment *how;
	struct fastpath_conf conf = {
		.mode = GG_MODE_RELAY,
		.xdp = FASTPATH_NATIVE,
		.bpffs = bpffs,
		.interfaces = {interface},
		.interface_count = 1,
		.vip_count = 1,
		.hosts = hosts + hosts / 4,
		.nets = NETS + NETS / 4,
		.imported = hosts + NETS,
		.heartbeat_limit = 60,
	};
	struct endpoint vip;
	struct fastpath *fp;
	char err[300];

	if (endpoint_parse(VIP ":25", &vip))
		die(VIP);
	conf.vips = &vip;
	if (fastpath_open(&conf, &fp, err, sizeof(err))) {
		fprintf(stderr, "xdp: %s\n", err);
		exit(1);
	}
	fastpath_attachments(fp, &how);
	fprintf(stderr, "greygate: %s, %s\n", how->how, how->with);
	return fp;
}

/* The n-th of what is denied: addresses, then prefixes. */
static struct prefix denied(uint32_t n)
{
	const uint32_t addr = n < hosts ? xdpgen_host(n) : net_of(n - hosts);
	struct prefix p = {.len = n < hosts ? 128 : 96 + 24};

	p.addr.b[10] = p.addr.b[11] = 0xff;
	memcpy(p.addr.b + 12, &addr, 4);
	return p;
}

/* As the daemon has them of itself. */
static void greygate_start(const char *interface)
{
	const struct verdict_entry deny = {
		.verdict = GG_DENY, .action = GG_DROP_NEW, .origin = GG_BY_IMPORT};

	fastpath = greygate_open(interface, "/sys/fs/bpf/greygate");
	for (uint32_t i = 0; i < hosts + NETS; i++) {
		const struct prefix p = denied(i);

		if (fastpath_put(fastpath, &p, &deny))
			die("fastpath_put");
	}
	if (fastpath_tidy(fastpath))
		die("fastpath_tidy");
}

/* As greygate import and a list in the configuration have them. */
static void listed_start(const char *interface)
{
	struct import_item *items = calloc(hosts + NETS, sizeof(*items));
	const uint8_t rank[GG_LISTS] = {0};

	if (!items)
		die("a list");
	for (uint32_t i = 0; i < hosts + NETS; i++) {
		const struct prefix p = denied(i);

		items[i] = (struct import_item){
			.addr = p.addr, .len = p.len, .list = 1, .says = IMPORT_DENY};
	}
	if (imports_make(items, hosts + NETS, rank, &listed))
		die("imports_make");
	free(items);
	listed->action[1] = GG_DROP_NEW;
	listing = greygate_open(interface, "/sys/fs/bpf/greygate-listed");
	if (fastpath_tidy(listing) || fastpath_import(listing, listed, NULL, 0, NULL))
		die("fastpath_import");
}

static uint64_t dropped_by(struct fastpath *fp)
{
	uint64_t stats[GG_STAT_MAX];

	if (fastpath_stats(fp, stats))
		die("fastpath_stats");
	return stats[GG_STAT_drop_new];
}

static uint64_t greygate_count(void)
{
	return dropped_by(fastpath);
}

static uint64_t listed_count(void)
{
	return dropped_by(listing);
}

/* ---- one look at memory ---- */

#define LINE_BITS 512

/* The buckets in use stand in the first word of the index. */
static void look_start(const char *interface)
{
	const uint32_t zero = 0;
	uint64_t bucket[8];
	glob_t found;
	int map = -1;

	if (!glob("/sys/fs/bpf/greygate/*/index4", 0, NULL, &found))
		map = bpf_obj_get(found.gl_pathv[0]);
	if (map < 0 || bpf_map_lookup_elem(map, &zero, bucket))
		die("index4");
	close(map);
	globfree(&found);
	ends->bss->lines_used = (uint32_t)bucket[0];
	if (ends->bss->lines_used > bpf_map__max_entries(ends->maps.lines))
		ends->bss->lines_used = bpf_map__max_entries(ends->maps.lines);
	attach(interface, ends->progs.look);
}

/* There are so many sets of n of the IPv4 addresses that a number for each takes n (log2 (2^32 / n)
 * + log2 e) bits, by Stirling's formula: nothing exact takes less. */
static void least_start(const char *interface)
{
	ends->bss->least_lines = (uint32_t)(hosts * (32 - log2(hosts) + M_LOG2E) / LINE_BITS);
	attach(interface, ends->progs.look_least);
}

/* ---- nftables ---- */

static void nftables_start(const char *interface)
{
	char text[INET_ADDRSTRLEN];
	uint32_t i, addr;
	FILE *nft;

	attach(interface, ends->progs.pass);
	nft = popen("nft -f -", "w");
	if (!nft)
		die("nft");
	fprintf(nft,
		"table netdev bench {\n set denied { type ipv4_addr; size %u; }\n"
		" set nets { type ipv4_addr; flags interval; }\n"
		" counter dropped { }\n"
		" chain in { type filter hook ingress device %s priority 0;\n"
		"  ip saddr @denied counter name dropped drop\n"
		"  ip saddr @nets counter name dropped drop\n }\n}\n"
		"add element netdev bench denied {\n",
		hosts, interface);
	for (i = 0; i < hosts; i++) {
		addr = xdpgen_host(i);
		fprintf(nft, "%s%s", i ? "," : "", inet_ntop(AF_INET, &addr, text, sizeof(text)));
	}
	fprintf(nft, "}\nadd element netdev bench nets {\n");
	for (i = 0; i < NETS; i++) {
		addr = net_of(i);
		fprintf(nft, "%s%s/24", i ? "," : "",
			inet_ntop(AF_INET, &addr, text, sizeof(text)));
	}
	fprintf(nft, "}\n");
	if (pclose(nft)) {
		fprintf(stderr, "xdp: nft refused the set\n");
		exit(1);
	}
}

/* Whatever nft lists, it reads every set for; what it resets it gives back at once. */
static uint64_t nftables_count(void)
{
	static unsigned long long sum;
	unsigned long long packets;
	char line[256], *at;
	FILE *nft = popen("nft reset counter netdev bench dropped", "r");

	if (!nft)
		die("nft");
	while (fgets(line, sizeof(line), nft)) {
		at = strstr(line, "packets ");
		if (at)
			sum += sscanf(at, "packets %llu", &packets) == 1 ? packets : 0;
	}
	if (pclose(nft))
		die("nft's counter");
	return sum;
}

/* ---- the flood ---- */

enum way { ARRIVING, THROUGH_PAIR, WAYS };

struct figure {
	double pps[ROUNDS];
	double lost; /* worst share of frames sent that nobody counted as dropped */
	double median;
};

static struct row {
	const char *name; /* key of the JSON */
	const char *words;
	bool few; /* holds FILTER_HOSTS only, and is sent no others */
	void (*start)(const char *interface);
	uint64_t (*count)(void);
	int near, far; /* ifindex */
	int program;   /* that stands at the far end */
	struct figure figures[WAYS];
} rows[] = {
	{.name = "xdp_drop", .words = "bare XDP_DROP", .start = drop_start, .count = drop_count},
	{.name = "greygate",
	 .words = "greygate, drop_new",
	 .start = greygate_start,
	 .count = greygate_count},
	{.name = "listed",
	 .words = "greygate, a list",
	 .start = listed_start,
	 .count = listed_count},
	{.name = "look", .words = "one look, XDP_DROP", .start = look_start, .count = drop_count},
	{.name = "least",
	 .words = "least look, XDP_DROP",
	 .start = least_start,
	 .count = drop_count},
	{.name = "nftables",
	 .words = "nftables set, netdev ingress",
	 .start = nftables_start,
	 .count = nftables_count},
	{.name = "xdp_filter_ipv4",
	 .words = "xdp-filter -f ipv4, 10 000 hosts",
	 .few = true,
	 .start = filter_start,
	 .count = filter_count},
	{.name = "xdp_filter",
	 .words = "xdp-filter, 10 000 hosts",
	 .few = true,
	 .start = filter_start_all,
	 .count = filter_count},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct xdpgen_bpf *few;         /* the same of FILTER_HOSTS */
static double first_pps, first_listed; /* greygate's, of the frames before the rounds */
static bool told;

/* One call for all frames: each costs milliseconds of waiting at its end. Returns ns. */
static uint64_t flood(int prog_fd, int ifindex, uint32_t frames)
{
	struct frame frame = frame_syn(inet_addr(VIP), htons(25));
	struct xdp_md ctx = {.data_end = sizeof(frame), .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &frame, .data_size_in = sizeof(frame),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
	const struct sched_param alone = {.sched_priority = 1}, shared = {0};
	uint64_t begin, ns;

	/* Others on the machine shall not be part of the figure. */
	if (sched_setscheduler(0, SCHED_FIFO, &alone) && !told) {
		told = true;
		fprintf(stderr, "xdp: no SCHED_FIFO (%s): the CPU is shared\n", strerror(errno));
	}
	begin = now_ns();
	if (bpf_prog_test_run_opts(prog_fd, &opts))
		die("live frames");
	ns = now_ns() - begin;
	sched_setscheduler(0, SCHED_OTHER, &shared);
	return ns;
}

static double first_frames(const struct row *r)
{
	return FIRST_FRAMES * 1e9 * hosts /
	       flood(bpf_program__fd(skel->progs.turns), r->near, FIRST_FRAMES * hosts);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Returns the program that makes the frames which the row's own takes. */
static int arrival(const struct row *r, const struct xdpgen_bpf *gen)
{
	const uint32_t zero = 0;

	if (!bpf_map_update_elem(bpf_map__fd(gen->maps.whole), &zero, &r->program, BPF_ANY))
		return bpf_program__fd(gen->progs.arrive_whole);
	if (bpf_map_update_elem(bpf_map__fd(gen->maps.frags), &zero, &r->program, BPF_ANY))
		die(r->words);
	return bpf_program__fd(gen->progs.arrive_frags);
}

static void measure(struct row *r, enum way way, int round)
{
	const struct xdpgen_bpf *gen = r->few ? few : skel;
	int prog_fd = way == ARRIVING ? arrival(r, gen) : bpf_program__fd(gen->progs.flood);
	int ifindex = way == ARRIVING ? r->far : r->near;
	struct figure *f = &r->figures[way];
	uint32_t frames = WARM_UP_FRAMES;
	uint64_t before, ns, dropped;

	ns = flood(prog_fd, ifindex, frames);
	frames = (double)frames * ROUND_NS / ns;
	before = r->count();
	ns = flood(prog_fd, ifindex, frames);
	dropped = r->count() - before;
	if (!dropped) {
		fprintf(stderr, "xdp: %s: %u frames sent, none dropped\n", r->words, frames);
		exit(1);
	}
	f->pps[round] = dropped * 1e9 / ns;
	if (1 - (double)dropped / frames > f->lost)
		f->lost = 1 - (double)dropped / frames;
}

static struct xdpgen_bpf *load_flood(uint32_t from_hosts)
{
	struct xdpgen_bpf *s = xdpgen_bpf__open();

	if (!s)
		die("flood program");
	s->rodata->hosts = from_hosts;
	if (xdpgen_bpf__load(s))
		die("flood program");
	return s;
}

static int program_at(int ifindex)
{
	__u32 id = 0;
	int fd = -1;

	if (!bpf_xdp_query_id(ifindex, 0, &id) && id)
		fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		die("the program of an interface");
	return fd;
}

static void set_up(void)
{
	char command[160], far[16];
	size_t i;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		die("namespaces of our own");
	for (i = 0; i < ROWS; i++) {
		snprintf(command, sizeof(command),
			 "ip link add near%zu type veth peer name far%zu && "
			 "ip link set near%zu up && ip link set far%zu up",
			 i, i, i, i);
		run(command);
		snprintf(far, sizeof(far), "near%zu", i);
		rows[i].near = if_nametoindex(far);
		snprintf(far, sizeof(far), "far%zu", i);
		rows[i].far = if_nametoindex(far);
		rows[i].start(far);
		rows[i].program = program_at(rows[i].far);
	}
}

static double median(double values[ROUNDS])
{
	qsort(values, ROUNDS, sizeof(values[0]), compare);
	return values[ROUNDS / 2];
}

/* Of turns side by side: what else the machine does changes from one round to the next. */
static double ratio(const struct figure *a, const struct figure *b)
{
	double each[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++)
		each[i] = a->pps[i] / b->pps[i];
	return median(each);
}

static void report(void)
{
	static const char *const words[WAYS] = {"arriving", "through the pair"};
	static const char *const names[WAYS] = {"arriving", "through_pair"};
	const struct row *ours = &rows[1];
	const struct figure *f;
	size_t i;
	int way;

	printf("{\"row\": \"xdp\", \"hosts\": %u, \"nets\": %d, \"rounds\": %d, \"first\": %.0f, "
	       "\"first_listed\": %.0f",
	       hosts, NETS, ROUNDS, first_pps, first_listed);
	for (way = 0; way < WAYS; way++) {
		fprintf(stderr, "%-34s %8s %10s %10s %10s\n", words[way], "Mpps", "greygate /",
			"ns beyond", "uncounted");
		printf(", \"%s\": {", names[way]);
		for (i = 0; i < ROWS; i++) {
			f = &rows[i].figures[way];
			fprintf(stderr, "  %-32s %8.2f %10.2f %10.0f %9.1f%%\n", rows[i].words,
				f->median / 1e6, ratio(&ours->figures[way], f),
				1e9 / f->median - 1e9 / rows[0].figures[way].median, f->lost * 100);
			printf("%s\"%s\": {\"pps\": %.0f, \"ratio\": %.3f}", i ? ", " : "",
			       rows[i].name, f->median, ratio(&ours->figures[way], f));
		}
		printf("}");
	}
	fprintf(stderr, "greygate, the first %d frames of each source: %.2f Mpps; a list: %.2f\n",
		FIRST_FRAMES, first_pps / 1e6, first_listed / 1e6);
	printf("}\n");
}

int main(int argc, char **argv)
{
	double sorted[ROUNDS];
	cpu_set_t one;
	int round, way;
	size_t i;

	if (argc > 2 || (argc == 2 && (hosts = strtoul(argv[1], NULL, 10)) < FILTER_HOSTS)) {
		fprintf(stderr,
			"usage: xdp [HOSTS]   denied hosts, %u at least (default 1000000)\n",
			FILTER_HOSTS);
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	ends = frames_bpf__open_and_load();
	if (!ends)
		die("end programs");
	skel = load_flood(hosts);
	few = load_flood(FILTER_HOSTS);
	set_up();
	first_pps = first_frames(&rows[1]);
	first_listed = first_frames(&rows[2]);
	for (round = 0; round < ROUNDS; round++)
		for (way = 0; way < WAYS; way++)
			for (i = 0; i < ROWS; i++)
				measure(&rows[i], way, round);
	for (way = 0; way < WAYS; way++)
		for (i = 0; i < ROWS; i++) {
			memcpy(sorted, rows[i].figures[way].pps, sizeof(sorted));
			rows[i].figures[way].median = median(sorted);
		}
	report();
	fastpath_close(&fastpath);
	fastpath_close(&listing);
	imports_free(&listed);
	xdpgen_bpf__destroy(skel);
	xdpgen_bpf__destroy(few);
	frames_bpf__destroy(ends);
	return 0;
}
