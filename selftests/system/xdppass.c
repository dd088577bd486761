// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lets frames in that an XDP program sends out of the other end of a veth pair: this end wants a
 * program too, if only one that passes everything. Arguments: interfaces. It stays with them.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL), i;

	if (fd < 0) {
		fprintf(stderr, "xdppass: program: %s\n", strerror(errno));
		return 1;
	}
	for (i = 1; i < argc; i++)
		if (bpf_xdp_attach((int)if_nametoindex(argv[i]), fd, XDP_FLAGS_DRV_MODE, NULL)) {
			fprintf(stderr, "xdppass: %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
	return 0;
}
