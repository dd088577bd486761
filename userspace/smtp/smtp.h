/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server side of SMTP (RFC 5321) as a pure state machine: bytes in, an act and reply bytes out.
 * No I/O, no clock, no globals, no allocation; a struct smtp belongs to one thread.
 *
 * The caller hands over what it has read; smtp_input takes one unit of it (one command line, or a
 * run of message bytes) and says in the step what is to be done. What was not consumed stays with
 * the caller and comes again at the front of the next call, so pipelined commands are answered one
 * by one and none is swallowed (RFC 2920). The caller's buffer must hold limits.line bytes at
 * least.
 *
 * Line ends are CRLF and nothing else: a bare CR, a bare LF or a NUL in a command is a syntax
 * error (500 5.5.2, the line is dropped); in a message it refuses the message (550 5.6.11) and the
 * byte never reaches the caller's step. Only CRLF "." CRLF ends a message.
 */
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_PATH 256       /* RFC 5321 4.5.3.1.3, with the angle brackets */
#define SMTP_LOCAL 64       /* 4.5.3.1.1 */
#define SMTP_DOMAIN 255     /* 4.5.3.1.2 */
#define SMTP_PARAMS 256     /* parameters of MAIL or RCPT as they came */
#define SMTP_REPLY_MAX 1024 /* longest reply of our own, EHLO included */

enum smtp_state {
	SMTP_START,   /* banner sent, no EHLO yet */
	SMTP_READY,   /* greeted, no transaction */
	SMTP_MAIL,    /* reverse-path accepted */
	SMTP_RCPT,    /* at least one forward-path accepted */
	SMTP_BODY,    /* message bytes */
	SMTP_DISCARD, /* message bytes that nobody will get; the reply at the end is set */
	SMTP_CLOSED,
	SMTP_STATE_MAX
};

/* Bytes for the client; the caller owns buf and keeps SMTP_REPLY_MAX free before every call. */
struct smtp_out {
	char *buf;
	size_t len, cap;
};

struct smtp_conf {
	const char *hostname;
	const char *contact;
	size_t line;         /* longest command line with CRLF, 512..8192 */
	uint32_t commands;   /* per session; 0: no limit */
	uint32_t errors;     /* per session, then 421 */
	uint32_t recipients; /* per transaction, then 452 4.5.3 */
	uint64_t message;    /* bytes; announced as SIZE; 0: no limit, SIZE not announced */
	bool eightbit;       /* 8BITMIME is offered */
};

/* A mailbox as the client wrote it, without brackets and source route; RFC 5321 4.1.2. */
struct smtp_path {
	uint16_t len;    /* 0: the null reverse-path */
	uint16_t domain; /* offset of the domain in text; 0 when there is none (postmaster) */
	char text[SMTP_PATH + 1];
};

enum smtp_body { SMTP_7BIT, SMTP_8BITMIME };

struct smtp {
	uint8_t state; /* enum smtp_state */
	bool esmtp;
	bool skip_line;  /* inside a line that was too long */
	uint8_t eod;     /* state of the end-of-data scanner */
	uint8_t discard; /* enum smtp_reply to give at the end of SMTP_DISCARD */
	uint8_t body;    /* enum smtp_body */
	uint16_t errors;
	uint32_t commands;
	uint32_t recipients; /* accepted in this transaction */
	uint32_t offered;    /* RCPT commands in this transaction */
	uint64_t size;       /* SIZE= of MAIL, 0: none */
	uint64_t received;   /* message bytes so far */
	struct smtp_path reverse;
	struct smtp_path forward;      /* of the RCPT under decision */
	char mail_params[SMTP_PARAMS]; /* as they came, to be replayed */
	char rcpt_params[SMTP_PARAMS];
	char helo[SMTP_DOMAIN + 1];
};

enum smtp_act {
	SMTP_NEED_MORE, /* nothing (more) can be done with these bytes */
	SMTP_REPLIED,   /* answered; go on with the rest */
	SMTP_ASK_RCPT,  /* decide s->forward, then reply and smtp_rcpt_done */
	SMTP_ASK_DATA,  /* DATA with accepted recipients: reply and smtp_data_done */
	SMTP_TEXT,      /* step.data are message bytes, fit for the backend as they are */
	SMTP_TEXT_END,  /* the last piece, CRLF "." CRLF included: reply and smtp_text_done */
	SMTP_TEXT_BAD,  /* message refused (reply comes by itself at its end): drop the backend's
			   copy */
	SMTP_RESET,     /* answered; a transaction with accepted recipients or MAIL was dropped */
	SMTP_HANGUP,    /* answered (221, 421): send what is in out, then close */
};

struct smtp_step {
	enum smtp_act act;
	const char *data; /* points into the caller's bytes */
	size_t len;
	int verb; /* enum smtp_verb of the command, for log and counters; -1: none */
};

/* Our own replies: code, enhanced code, text. The table in reply.c is also the manual's. */
enum smtp_reply {
	REPLY_BANNER,
	REPLY_BYE,
	REPLY_HELO,
	REPLY_OK,                /* 250 2.0.0 */
	REPLY_MAIL_OK,           /* 250 2.1.0 */
	REPLY_RCPT_OK,           /* 250 2.1.5 */
	REPLY_VRFY,              /* 252 2.1.5 */
	REPLY_HELP,              /* 214 2.0.0 */
	REPLY_GREYLISTED,        /* 451 4.7.1, with minutes, ticket, contact */
	REPLY_SERVICE_DOWN,      /* 421 4.3.2 draining or full */
	REPLY_TIMEOUT,           /* 421 4.4.2 */
	REPLY_TOO_MANY_ERRORS,   /* 421 4.7.0 */
	REPLY_TOO_MANY_COMMANDS, /* 421 4.7.0 */
	REPLY_UNKNOWN,           /* 500 5.5.1 */
	REPLY_LINE_TOO_LONG,     /* 500 5.5.2 */
	REPLY_BAD_LINE,          /* 500 5.5.2 NUL, bare CR, bare LF, 8-bit */
	REPLY_SYNTAX,            /* 501 5.5.4 */
	REPLY_BAD_PATH,          /* 501 5.1.7 or 5.1.3 by text */
	REPLY_BAD_RECIPIENT,
	REPLY_BAD_HELO,
	REPLY_SEQUENCE,            /* 503 5.5.1 */
	REPLY_BAD_PARAM,           /* 555 5.5.4 */
	REPLY_TOO_MANY_RECIPIENTS, /* 452 4.5.3 */
	REPLY_TOO_BIG,             /* 552 5.3.4 */
	REPLY_BARE_BYTE,           /* 550 5.6.11 */
	REPLY_NO_VALID_RECIPIENTS, /* 554 5.5.1 */
	REPLY_BACKEND_DOWN,        /* 451 4.4.1 */
	REPLY_BACKEND_LOST,        /* 451 4.4.2 */
	REPLY_BACKEND_BUSY,        /* 451 4.3.2: every backend connection is in use */
	REPLY_DENIED,              /* 554 5.7.1 with reason, ticket, contact */
	REPLY_MAX
};

/* What a reply's text may name; unused fields stay zero. */
struct smtp_reply_args {
	uint32_t minutes;
	const char *ticket;
	const char *reason;
};

void smtp_init(struct smtp *s);
/* Takes one unit; returns how many bytes it consumed. */
size_t smtp_input(struct smtp *s, const struct smtp_conf *c, const char *buf, size_t len,
		  struct smtp_out *out, struct smtp_step *ret);

/* Ends of the asks. The reply's bytes were put into out by the caller. */
void smtp_rcpt_done(struct smtp *s, bool accepted);
void smtp_data_done(struct smtp *s, bool accepted); /* true: 354 was sent */
void smtp_text_done(struct smtp *s);                /* end of data was answered: back to READY */
/* The message can't be delivered any more: the rest is discarded and `reply` given at its end. */
void smtp_text_fail(struct smtp *s, enum smtp_reply reply);

/* Appends a reply of ours. args may be NULL. */
void smtp_reply(struct smtp_out *out, const struct smtp_conf *c, enum smtp_reply r,
		const struct smtp_reply_args *args);
int smtp_reply_code(enum smtp_reply r);

/* ---- address grammar, used by the machine and by the config ---- */

enum smtp_path_kind { SMTP_REVERSE, SMTP_FORWARD };
/* Parses "<...>" at text[0..len): quoted local parts, address literals, source routes (dropped),
 * the null path (reverse only), <Postmaster> without domain (forward only). Returns bytes read, or
 * -EINVAL. */
int smtp_path_parse(const char *text, size_t len, enum smtp_path_kind kind, struct smtp_path *ret);
/* A domain or address literal as HELO and EHLO take it. */
bool smtp_domain_ok(const char *text, size_t len);

#endif
