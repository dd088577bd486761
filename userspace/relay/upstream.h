/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client side of SMTP towards the mail server, as a pure state machine: bytes in, bytes and an
 * act out. No I/O, no clock; a struct upstream belongs to one thread and one connection.
 *
 * Connecting, timing, TLS and message bytes are the caller's. The machine does the greeting
 * (banner, EHLO or HELO, STARTTLS and EHLO again, XCLIENT and EHLO again where it is offered and
 * wanted), then one command at a time; the reply to each is collected whole and handed over
 * verbatim (an LF without its CR gets one). What isn't a reply (RFC 5321 4.2), or comes unasked,
 * breaks the connection. So does a reply 421, after it was delivered to the command in flight: the
 * state then is UP_BROKEN already, as it is after the reply to QUIT.
 *
 * In the greeting a refusal is about us until the mail server knows whom we speak for, by XCLIENT
 * or by the connection itself; from then on it is about the client (UPSTREAM_REFUSED), and the
 * connection is as good as any that QUIT ends.
 */
#ifndef RELAY_UPSTREAM_H
#define RELAY_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"

#define UPSTREAM_REPLY 4096   /* longest reply and a NUL; a longer one breaks the connection */
#define UPSTREAM_LINE 1024    /* longest line of it, CRLF included: twice what RFC 5321 allows */
#define UPSTREAM_COMMAND 1400 /* longest command we write */

enum upstream_state {
	UP_CONNECTING,
	UP_BANNER,
	UP_EHLO,
	UP_HELO,
	UP_XCLIENT,
	UP_EHLO_AGAIN,
	UP_STARTTLS, /* its answer is awaited */
	UP_SHAKING,  /* the caller does the handshake */
	UP_IDLE,     /* between commands */
	UP_COMMAND,  /* a command's reply is awaited */
	UP_TEXT,     /* 354 was seen: the caller sends the message */
	UP_TEXT_END, /* the message is out, its reply is awaited */
	UP_BROKEN,
	UP_STATE_MAX
};

enum upstream_cap {
	UPSTREAM_PIPELINING = 1 << 0,
	UPSTREAM_SIZE = 1 << 1,
	UPSTREAM_8BITMIME = 1 << 2,
	UPSTREAM_DSN = 1 << 3,
	UPSTREAM_SMTPUTF8 = 1 << 4,
	UPSTREAM_CHUNKING = 1 << 5,
	UPSTREAM_STARTTLS = 1 << 6,
	UPSTREAM_ENHANCED = 1 << 7,
	UPSTREAM_XCLIENT = 1 << 8,
	UPSTREAM_ESMTP = 1 << 9, /* answered EHLO at all */
};

enum upstream_xclient { /* attributes the backend listed */
			XCLIENT_NAME = 1 << 0,
			XCLIENT_ADDR = 1 << 1,
			XCLIENT_PORT = 1 << 2,
			XCLIENT_PROTO = 1 << 3,
			XCLIENT_HELO = 1 << 4,
			XCLIENT_LOGIN = 1 << 5,
			XCLIENT_DESTADDR = 1 << 6,
			XCLIENT_DESTPORT = 1 << 7,
			XCLIENT_REVERSE_NAME = 1 << 8,
};

/* Whether the connection is to be encrypted (RFC 3207). */
enum upstream_tls { UPSTREAM_TLS_NONE, UPSTREAM_TLS_OPPORTUNISTIC, UPSTREAM_TLS_REQUIRED };

/* Whom we speak for. The strings belong to the caller until the machine is UP_IDLE. */
struct upstream_client {
	const char
		*our_name; /* EHLO name of the first greeting, and the only one without XCLIENT */
	const char *helo;  /* the client's own, as smtp_domain_ok let it through */
	const char *name;  /* that leads to its address and back; NULL or "": none is known */
	const char *reverse_name; /* that the address leads to; as above */
	bool name_unsure;         /* the name servers have not answered */
	struct endpoint addr;     /* the client's own */
	struct endpoint here;     /* ours that it came to; port 0: not known */
	bool esmtp;
	bool use_xclient; /* when offered */
	bool named;       /* the connection tells who it is: by a PROXY header, by its address */
	uint8_t tls;      /* enum upstream_tls */
};

struct upstream {
	uint8_t state;   /* enum upstream_state */
	bool secured;    /* the handshake is over, or was refused and is done without */
	bool told;       /* XCLIENT was sent: it is this client's, whatever is offered since */
	bool own_name;   /* the client's EHLO name was refused after XCLIENT */
	uint8_t command; /* which one's reply is awaited */
	uint8_t why;     /* what broke it */
	uint32_t caps;
	uint32_t xclient; /* attributes the backend listed; 0 also after it refused the command */
	uint64_t size_limit; /* SIZE of the backend, 0: none named */
	int code;            /* of the last whole reply */
	size_t reply_len;
	size_t line;                /* start of the reply line being read */
	char reply[UPSTREAM_REPLY]; /* verbatim, CRLF included; also what there is of the reply
				       that broke the connection */
};

enum upstream_act {
	UPSTREAM_MORE,        /* wait for more bytes */
	UPSTREAM_SEND,        /* out has bytes to send */
	UPSTREAM_TLS,         /* UP_SHAKING: begin TLS; bytes that are left were sent in the clear
				 behind the answer: break off */
	UPSTREAM_READY,       /* the greeting is over: IDLE */
	UPSTREAM_REFUSED,     /* the client is refused by u->code, u->reply: IDLE, for QUIT alone */
	UPSTREAM_REPLY_READY, /* u->code, u->reply[0..reply_len) */
	UPSTREAM_FAIL,        /* broken; upstream_why says why; close it */
};

struct upstream_out {
	char buf[UPSTREAM_COMMAND];
	size_t len;
};

void upstream_init(struct upstream *u);
/* The connection stands: from UP_CONNECTING to UP_BANNER. */
void upstream_connected(struct upstream *u);
/* Takes what it can of buf, up to one act; returns bytes consumed. out is emptied first. Once
 * broken it takes everything and fails again. */
size_t upstream_input(struct upstream *u, const struct upstream_client *c, const char *buf,
		      size_t len, struct upstream_out *out, enum upstream_act *ret);

/* The handshake is over (UP_SHAKING): out has the EHLO that begins anew. */
void upstream_secured(struct upstream *u, const struct upstream_client *c,
		      struct upstream_out *out);

/* Commands: only in UP_IDLE; they replace what is in out. Path (without brackets) and params (may
 * be "") are those of the client's own command, checked by the caller's grammar. After DATA's 354
 * the state is UP_TEXT. */
void upstream_mail(struct upstream *u, struct upstream_out *out, const char *path,
		   const char *params);
void upstream_rcpt(struct upstream *u, struct upstream_out *out, const char *path,
		   const char *params);
void upstream_data(struct upstream *u, struct upstream_out *out);
void upstream_rset(struct upstream *u, struct upstream_out *out);
void upstream_quit(struct upstream *u, struct upstream_out *out);
/*
 * What of a client's parameters of MAIL or RCPT this backend can be told: SIZE= and BODY=7BIT are
 * left out where it doesn't know them, the rest stays as it is. Never longer than `params`. 0;
 * -EOPNOTSUPP: the message needs *ret_lacks, and the backend hasn't it; -EFBIG: SIZE= is beyond
 * what it takes; -ENOSPC: `size` is too small. *ret untouched on failure.
 */
int upstream_params(const struct upstream *u, const char *params, char *ret, size_t size,
		    enum upstream_cap *ret_lacks);
/* The caller sent the last byte of the message (UP_TEXT to UP_TEXT_END). */
void upstream_text_sent(struct upstream *u);
/* The command for a chunk of `size` bytes (RFC 3030), which the caller sends behind it. Returns its
 * length. Only in UP_IDLE, after RCPT or another chunk; then UP_COMMAND, for the last one
 * UP_TEXT_END. */
#define UPSTREAM_CHUNK 32
size_t upstream_chunk(struct upstream *u, char buf[UPSTREAM_CHUNK], size_t size, bool last);
/*
 * Whether the refusal in u->code is about the client: it was named, and not the command is
 * complained of (x0z, RFC 5321 4.2.1). 421 is about the service, but for one of policy (X.7.z, RFC
 * 3463 3.8), as are limits of connections for each client.
 */
bool upstream_about_client(const struct upstream *u, const struct upstream_client *c);
/* Bytes of a message may be on their way: the connection can't be left in good order. */
bool upstream_in_text(const struct upstream *u);

/* STARTTLS was said, and EHLO inside TLS is not answered: the handshake can still fail, for in TLS
 * 1.3 the mail server may refuse it after our last word (RFC 8446 2). */
bool upstream_securing(const struct upstream *u);

/* TLS was required, and it offered none or refused it: that broke the connection. */
bool upstream_lacks_tls(const struct upstream *u);

/* It was the mail server's 421 that broke the connection, in the greeting or later. */
bool upstream_closing(const struct upstream *u);
/* Words for log and explain, once the state is UP_BROKEN; u->reply may say more. */
const char *upstream_why(const struct upstream *u);

#endif
