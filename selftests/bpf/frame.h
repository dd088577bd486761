/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames built by hand from a description, byte by byte, with no help from the parser's headers. */
#ifndef SELFTESTS_BPF_FRAME_H
#define SELFTESTS_BPF_FRAME_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

/* More fragments; offsets are in units of eight bytes, in either family. */
#define FRAGMENT_MORE 0x8000

struct frame_spec {
	const char *from, *to; /* text; the family follows from it */
	uint16_t from_port, to_port;
	uint8_t flags;
	uint16_t tags[4];  /* VLAN tag protocols, outermost first; 0 ends */
	bool priority;     /* the tags are of VLAN 0 */
	uint8_t options;   /* words of IPv4 options */
	uint16_t fragment; /* FRAGMENT_MORE | offset; for IPv6 there must be a 44 among the headers
			    */
	uint16_t id;       /* of the packet that is in fragments */
	uint8_t headers[10]; /* IPv6 extension headers; FRAME_HBH stands for 0, 0 ends */
	uint8_t units;       /* of eight bytes that each of them has beyond its first */
	uint8_t protocol;    /* instead of TCP */
	uint16_t ethertype;  /* instead of what the family says */
	uint8_t tos;         /* or traffic class */
	uint32_t label;      /* IPv6 flow label */
};

#define FRAME_HBH 0xff

struct frame {
	uint8_t b[1024];
	uint32_t len;
	uint32_t needed; /* bytes from which on the verdict is the whole frame's */
};

static inline void frame_bytes(struct frame *f, const void *bytes, uint32_t n)
{
	memcpy(f->b + f->len, bytes, n);
	f->len += n;
}

static inline void frame_u8(struct frame *f, uint8_t value)
{
	f->b[f->len++] = value;
}

static inline void frame_u16(struct frame *f, uint16_t value)
{
	frame_u8(f, value >> 8);
	frame_u8(f, value);
}

static inline void frame_fill(struct frame *f, uint8_t value, uint32_t n)
{
	memset(f->b + f->len, value, n);
	f->len += n;
}

static inline void frame_tcp(struct frame *f, const struct frame_spec *s)
{
	frame_u16(f, s->from_port ? s->from_port : 40000);
	frame_u16(f, s->to_port);
	frame_fill(f, 0x11, 8); /* sequence, acknowledgement */
	frame_u8(f, 5 << 4);
	frame_u8(f, s->flags);
	frame_u16(f, 64240);
	frame_fill(f, 0, 4); /* checksum, urgent */
}

static inline void frame_ip4(struct frame *f, const struct frame_spec *s)
{
	uint32_t begin = f->len;
	uint8_t addr[4];

	frame_u8(f, 0x40 | (5 + s->options));
	frame_u8(f, s->tos);
	frame_u16(f, 0); /* total length, below */
	frame_u16(f, s->id ? s->id : 0x1234);
	frame_u16(f, (s->fragment & FRAGMENT_MORE ? 0x2000 : 0) | (s->fragment & 0x1fff));
	frame_u8(f, 64);
	frame_u8(f, s->protocol ? s->protocol : 6);
	frame_u16(f, 0);
	inet_pton(AF_INET, s->from, addr);
	frame_bytes(f, addr, 4);
	inet_pton(AF_INET, s->to, addr);
	frame_bytes(f, addr, 4);
	f->needed = f->len;
	frame_fill(f, 1, 4u * s->options);
	frame_tcp(f, s);
	if (!(s->fragment & 0x1fff))
		f->needed = f->len;
	f->b[begin + 2] = (f->len - begin) >> 8;
	f->b[begin + 3] = f->len - begin;
}

static inline void frame_ip6(struct frame *f, const struct frame_spec *s)
{
	uint8_t last = s->protocol ? s->protocol : 6, kind, addr[16];
	uint32_t length_at;
	bool nested = false;
	int i, n = 0;

	while (s->headers[n])
		n++;
	frame_u8(f, 0x60 | s->tos >> 4);
	frame_u8(f, (uint8_t)(s->tos << 4 | s->label >> 16));
	frame_u16(f, (uint16_t)s->label);
	length_at = f->len;
	frame_u16(f, 0);
	frame_u8(f, n ? (s->headers[0] == FRAME_HBH ? 0 : s->headers[0]) : last);
	frame_u8(f, 64);
	inet_pton(AF_INET6, s->from, addr);
	frame_bytes(f, addr, 16);
	inet_pton(AF_INET6, s->to, addr);
	frame_bytes(f, addr, 16);
	for (i = 0; i < n; i++) {
		kind = s->headers[i];
		/* A fragment header is read whole, of others the type and length; behind it nothing
		 * is, if another one follows. */
		nested = nested || (kind == 44 && i && s->headers[i - 1] == 44);
		if (!nested)
			f->needed = f->len + (kind == 44 ? 8 : 2);
		frame_u8(f, i + 1 < n ? (s->headers[i + 1] == FRAME_HBH ? 0 : s->headers[i + 1])
				      : last);
		if (kind == 44) {
			frame_u8(f, 0);
			frame_u16(f, (s->fragment & 0x1fff) << 3 |
					     (s->fragment & FRAGMENT_MORE ? 1 : 0));
			frame_u16(f, 0x2222);
			frame_u16(f, s->id ? s->id : 0x2222);
		} else if (kind == 51) { /* AH counts words, less two */
			frame_u8(f, 2 * s->units);
			frame_fill(f, 0x33, 6 + 8u * s->units);
		} else {
			frame_u8(f, s->units);
			frame_fill(f, 0x01, 6 + 8u * s->units);
		}
	}
	frame_tcp(f, s);
	if (!(s->fragment & 0x1fff) && !nested)
		f->needed = f->len;
	f->b[length_at] = (f->len - length_at - 36) >> 8;
	f->b[length_at + 1] = f->len - length_at - 36;
}

static inline void frame_build(struct frame *f, const struct frame_spec *s)
{
	int i, six = strchr(s->from, ':') != NULL;

	memset(f, 0, sizeof(*f));
	frame_bytes(f, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	for (i = 0; i < 4 && s->tags[i]; i++) {
		frame_u16(f, s->tags[i]);
		frame_u16(f, s->priority ? i << 13 : 100 + i);
	}
	frame_u16(f, s->ethertype ? s->ethertype : six ? 0x86dd : 0x0800);
	if (six)
		frame_ip6(f, s);
	else
		frame_ip4(f, s);
}

#endif
