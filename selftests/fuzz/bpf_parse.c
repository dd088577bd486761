// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames: no byte beyond their end is read; what is taken for a segment's header is one, stands
 * where it is said to stand, and needs all of its bytes; a piece of a segment opens no connection.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

/* The headers of the IP packet are aligned, as the kernel has them, and the end is the frame's. */
static enum parse_result parse(const uint8_t *data, size_t size, struct packet *ret)
{
	uint8_t *room = malloc(size + 2);
	enum parse_result result;

	demand(room != NULL);
	if (size)
		memcpy(room + 2, data, size);
	memset(ret, 0, sizeof(*ret));
	result = parse_frame(room + 2, room + 2 + size, ret);
	free(room);
	return result;
}

static void segment(const uint8_t *data, size_t size, const struct packet *p)
{
	const uint8_t *ip = data + p->l3, *tcp = data + p->l4;
	const uint8_t *from = ip + (p->is4 ? 12 : 8), *to = ip + (p->is4 ? 16 : 24);
	const size_t n = p->is4 ? 4 : 16;
	struct packet again;
	bool syn = (tcp[13] & 0x12) == 0x02;

	demand(p->l3 >= 14 && p->l4 >= p->l3 + (p->is4 ? 20 : 40) && p->l4 + 20u <= size);
	demand(!memcmp(p->from + 16 - n, from, n) && !memcmp(p->to.addr + 16 - n, to, n));
	demand(p->to.port == (tcp[2] << 8 | tcp[3]) && !memcmp(&p->from_port, tcp, 2));
	demand((p->kind == GG_KIND_NEW) == (syn && !p->piece));
	for (size_t cut = 0; cut < p->l4 + 20u; cut++)
		demand(parse(data, cut, &again) != PARSE_TCP);
	demand(parse(data, p->l4 + 20u, &again) == PARSE_TCP && !memcmp(&again, p, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p;
	enum parse_result result = parse(data, size, &p);

	if (result != PARSE_TCP)
		return 0;
	if (p.l4) {
		segment(data, size, &p);
		return 0;
	}
	demand(p.piece && (p.kind == GG_KIND_PIECE || p.kind == GG_KIND_FRAGMENT));
	demand(!p.to.port && !p.from_port);
	return 0;
}
