// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The machine towards the mail server against a backend that says anything: the same acts and
 * replies for whole and cut input, and every reply handed on is one. The first byte of the input
 * chooses the client and the pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/upstream.h"

#define RECORD 65536
#define LONGEST 2000

struct run {
	struct upstream u;
	struct upstream_client c;
	int todo;
	char record[RECORD];
	size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static void note(struct run *r, char tag, const char *text, size_t len)
{
	demand(r->len + len + 2 < RECORD);
	r->record[r->len++] = tag;
	memcpy(r->record + r->len, text, len);
	r->len += len;
}

static void command(struct run *r)
{
	struct upstream_out out;

	if (r->todo % 4 == 0)
		upstream_mail(&r->u, &out, "a@b.example", "SIZE=5");
	else if (r->todo % 4 == 1)
		upstream_rcpt(&r->u, &out, "x@y.example", "");
	else if (r->todo % 4 == 2)
		upstream_data(&r->u, &out);
	else
		upstream_rset(&r->u, &out);
	r->todo++;
	note(r, 'C', out.buf, out.len);
}

/* Lines with CRLF, no control bytes, one code. */
static void check_reply(const struct upstream *u)
{
	demand(u->reply_len >= 5 && u->reply_len < UPSTREAM_REPLY);
	demand(memcmp(u->reply + u->reply_len - 2, "\r\n", 2) == 0);
	demand(u->reply[u->reply_len] == '\0' && strlen(u->reply) == u->reply_len);
	demand(u->code == strtol(u->reply, NULL, 10) && u->code >= 200 && u->code < 600);
}

static void input(struct run *r, const char *text, size_t len)
{
	size_t used = 0;

	while (used < len) {
		struct upstream_out out;
		enum upstream_act act;
		size_t n;

		n = upstream_input(&r->u, &r->c, text + used, len - used, &out, &act);
		demand(n > 0 && n <= len - used);
		used += n;
		switch (act) {
		case UPSTREAM_MORE:
			demand(used == len);
			break;
		case UPSTREAM_SEND:
			note(r, 'C', out.buf, out.len);
			break;
		case UPSTREAM_TLS:
			demand(r->u.state == UP_SHAKING);
			upstream_secured(&r->u, &r->c, &out);
			note(r, 'T', out.buf, out.len);
			break;
		case UPSTREAM_READY:
			note(r, 'R', (const char *)&r->u.caps, sizeof(r->u.caps));
			command(r);
			break;
		case UPSTREAM_REPLY_READY:
			check_reply(&r->u);
			note(r, 'S', r->u.reply, r->u.reply_len);
			if (r->u.state == UP_IDLE)
				command(r);
			else if (r->u.state == UP_TEXT)
				upstream_text_sent(&r->u);
			else
				demand(r->u.state == UP_BROKEN);
			break;
		case UPSTREAM_FAIL:
			demand(r->u.state == UP_BROKEN && upstream_why(&r->u));
			return;
		}
	}
}

static void play(struct run *r, uint8_t choice, const char *text, size_t len, size_t piece)
{
	r->len = 0;
	r->todo = 0;
	r->c = (struct upstream_client){.our_name = "gate.example",
					.helo = choice & 1 ? "client.example" : "[192.0.2.7]",
					.esmtp = choice & 2,
					.use_xclient = choice & 4,
					.tls = (choice >> 3) % 3};
	r->c.addr.port = 25;
	r->c.addr.addr.b[15] = 1;
	upstream_init(&r->u);
	upstream_connected(&r->u);
	for (size_t at = 0; at < len && r->u.state != UP_BROKEN; at += piece)
		input(r, text + at, len - at < piece ? len - at : piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run whole, pieces;
	const char *text = (const char *)data + 1;

	if (size < 2 || size > LONGEST)
		return 0;
	play(&whole, data[0], text, size - 1, size);
	play(&pieces, data[0], text, size - 1, 1 + (data[0] >> 3));
	demand(whole.len == pieces.len && memcmp(whole.record, pieces.record, whole.len) == 0);
	return 0;
}
