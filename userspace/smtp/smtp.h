/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server side of SMTP (RFC 5321) as a pure state machine: bytes in, an act and reply bytes out.
 * No I/O, no clock, no globals, no allocation; a struct smtp belongs to one thread.
 *
 * The caller hands over what it has read; smtp_input takes one unit of it (one command line, or a
 * run of message bytes) and says in the step what is to be done. What was not consumed stays with
 * the caller and comes again at the front of the next call, so pipelined commands are answered one
 * by one and none is swallowed (RFC 2920). The caller's buffer must hold limits.line bytes at
 * least. A step that needs more may have consumed some: the rest of a line or message that nobody
 * gets. A CR at the end of the bytes is never consumed before its LF is there.
 *
 * Line ends are CRLF and nothing else: a bare CR, a bare LF or a NUL in a command is a syntax
 * error (500 5.5.2, at once; what follows up to the next CRLF is dropped with it, so that one line
 * gets one reply); in a message it refuses the message (550 5.6.11) and the byte never reaches the
 * caller's step. Only CRLF "." CRLF ends a message.
 *
 * A message in chunks (BDAT, RFC 3030) is held to the same: a CR that ends a chunk is kept until
 * the next one shows what follows it. A chunk that can't be used is read to its end all the same,
 * so that its bytes are never taken for commands; where its size can't be read, the session ends.
 */
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_PATH 256       /* RFC 5321 4.5.3.1.3, with the angle brackets */
#define SMTP_LOCAL 250      /* RFC 5321 4.5.3.1.1 asks for 64 at least; VERP and SRS need more */
#define SMTP_DOMAIN 255     /* 4.5.3.1.2 */
#define SMTP_PARAMS 576     /* parameters of MAIL or RCPT as they came; ORCPT alone may have 506 */
#define SMTP_REPLY_MAX 1024 /* longest reply of our own, EHLO included */

enum smtp_state {
	SMTP_START,         /* banner sent, no EHLO yet */
	SMTP_READY,         /* greeted, no transaction */
	SMTP_MAIL,          /* reverse-path accepted */
	SMTP_RCPT,          /* at least one forward-path accepted */
	SMTP_CHUNKS,        /* between two chunks of a message (RFC 3030) */
	SMTP_BODY,          /* message bytes */
	SMTP_DISCARD,       /* message bytes that nobody will get; the reply at the end is set */
	SMTP_CHUNK,         /* bytes of a chunk */
	SMTP_CHUNK_DISCARD, /* bytes of a chunk that nobody will get */
	SMTP_CLOSED,
	SMTP_STATE_MAX
};

/* Bytes for the client; the caller owns buf and keeps SMTP_REPLY_MAX free before every call. */
struct smtp_out {
	char *buf;
	size_t len, cap;
};

/* Whether STARTTLS (RFC 3207) is there, and whether this session has been through it. */
enum smtp_tls { SMTP_TLS_NONE, SMTP_TLS_OFFERED, SMTP_TLS_ACTIVE };

/* Extensions that only the mail server behind can keep: a message that makes use of one must find a
 * server that has it. Codes in replies are promised for all of them (RFC 2034 4), those of the mail
 * server included, which are handed on as they are; ours have them all the same. */
enum smtp_offer {
	SMTP_OFFER_8BITMIME = 1 << 0, /* RFC 6152 */
	SMTP_OFFER_SMTPUTF8 = 1 << 1, /* RFC 6531 */
	SMTP_OFFER_DSN = 1 << 2,      /* RFC 3461 */
	SMTP_OFFER_CHUNKING = 1 << 3, /* RFC 3030, without BINARYMIME */
	SMTP_OFFER_ENHANCED = 1 << 4, /* RFC 2034 */
};

struct smtp_conf {
	const char *hostname;
	const char *contact;
	size_t line;         /* longest command line with CRLF, 512..8192 */
	uint32_t commands;   /* since the session began or a message was accepted, the next one
			      * gets 421; recipients within their limit and chunks of 512 bytes
			      * or more are not counted; 0: no limit */
	uint32_t errors;     /* 5xx of the machine; the last one is followed by 421; 0: no limit
			      * but that of commands */
	uint32_t recipients; /* asked for per transaction, then 452 4.5.3; 0: no limit. One is
			      * accepted from the null sender, whatever stands here */
	uint64_t message;    /* bytes; announced as SIZE; 0: no limit, SIZE not announced */
	uint8_t offers;      /* enum smtp_offer, together */
	bool any_helo;       /* HELO and EHLO take any text; else 501 */
	bool only_smtp;      /* VERB_NOT_SMTP ends the session */
	bool strict_paths;   /* a path that is loose gets 501 */
	uint8_t tls;         /* enum smtp_tls */
};

/* A mailbox as the client wrote it, without brackets and source route; RFC 5321 4.1.2, and RFC 6531
 * 3.3 where there is UTF-8 in it. */
struct smtp_path {
	uint16_t len;    /* 0: the null reverse-path */
	uint16_t domain; /* offset of the domain in text; 0 when there is none (postmaster) */
	bool wide;       /* not all of it is ASCII */
	bool loose;      /* not of RFC 5321: stray dots in the local part, underscores in a domain;
			  * also in a source route */
	char text[SMTP_PATH + 1];
};

enum smtp_body { SMTP_7BIT, SMTP_8BITMIME };

struct smtp {
	uint8_t state; /* enum smtp_state */
	bool esmtp;
	bool skip_line;  /* inside a line that was refused before its end */
	uint8_t eod;     /* state of the end-of-data scanner */
	uint8_t discard; /* enum smtp_reply to give at the end of a DISCARD; REPLY_MAX: was given */
	uint8_t back;    /* enum smtp_state after SMTP_CHUNK_DISCARD */
	bool last;       /* the chunk at hand is the last one */
	bool kept_cr;    /* the chunk before ended with a CR */
	uint8_t body;    /* enum smtp_body */
	bool utf8;       /* MAIL had SMTPUTF8 */
	uint32_t offered; /* extensions since the last EHLO, a bit for each enum ehlo_keyword */
	uint32_t errors;
	uint32_t commands;
	uint32_t recipients; /* accepted in this transaction */
	uint32_t asked;      /* RCPT commands of this transaction that were asked about */
	uint64_t chunk;      /* bytes of the chunk at hand that are still to come */
	uint64_t size;       /* SIZE= of MAIL, 0: none */
	uint64_t received;   /* message bytes so far, as RFC 1870 counts: without stuffed dots */
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
	SMTP_ASK_CHUNK, /* BDAT with accepted recipients: a chunk comes; smtp_data_done(false), and
			   the reply, when it is not to be had */
	SMTP_ASK_TLS,   /* STARTTLS: reply; after REPLY_TLS_READY everything that follows is TLS,
			   what came with the command is discarded, and smtp_tls_done ends it */
	SMTP_TEXT,      /* step.data are message bytes, fit for the backend as they are */
	SMTP_TEXT_END,  /* the last piece, CRLF "." CRLF included unless it comes in chunks: reply
			   and smtp_text_done */
	SMTP_CHUNK_END, /* the last piece of a chunk, not of the message: reply and
			   smtp_chunk_done */
	SMTP_TEXT_BAD,  /* message refused: drop the backend's copy; the reply and SMTP_RESET come
			   by themselves at its end */
	SMTP_RESET,     /* answered; a transaction (MAIL at least) was dropped */
	SMTP_HANGUP,    /* answered (221, 421): send what is in out, then close */
};

enum smtp_verb {
	VERB_HELO,
	VERB_EHLO,
	VERB_MAIL,
	VERB_RCPT,
	VERB_DATA,
	VERB_BDAT,
	VERB_STARTTLS,
	VERB_RSET,
	VERB_NOOP,
	VERB_VRFY,
	VERB_HELP,
	VERB_QUIT,
	VERB_FOREIGN,  /* defined for SMTP somewhere, not implemented here: 502 */
	VERB_NOT_SMTP, /* another protocol's: HTTP, header lines, SSH, TLS */
	VERB_UNKNOWN,
	VERB_MAX
};

struct smtp_step {
	enum smtp_act act;
	const char *data; /* points into the caller's bytes */
	size_t len;
	bool cr;   /* a CR that was kept goes in front of data */
	int verb;  /* enum smtp_verb of the command, for log and counters; -1: none */
	int reply; /* enum smtp_reply of the machine's (last) reply in out, or of the one to come
		      after SMTP_TEXT_BAD; -1: none */
};

/* Our own replies: code, enhanced code, text. The table in reply.c is also the manual's. */
enum smtp_reply {
	REPLY_BANNER,
	REPLY_BYE,
	REPLY_HELO,
	REPLY_EHLO,
	REPLY_OK,                  /* 250 2.0.0 */
	REPLY_MAIL_OK,             /* 250 2.1.0 */
	REPLY_RCPT_OK,             /* 250 2.1.5 */
	REPLY_VRFY,                /* 252 2.1.5 */
	REPLY_HELP,                /* 214 2.0.0 */
	REPLY_TLS_READY,           /* 220 2.0.0 */
	REPLY_TLS_BUSY,            /* 454 4.7.0 */
	REPLY_GREYLISTED,          /* 451 4.7.1, with minutes, ticket, contact */
	REPLY_SERVICE_DOWN,        /* 421 4.3.2 draining or full */
	REPLY_TIMEOUT,             /* 421 4.4.2 */
	REPLY_TOO_MANY_ERRORS,     /* 421 4.7.0 */
	REPLY_TOO_MANY_COMMANDS,   /* 421 4.7.0 */
	REPLY_UNKNOWN,             /* 500 5.5.1 */
	REPLY_NOT_IMPLEMENTED,     /* 502 5.5.1 */
	REPLY_LINE_TOO_LONG,       /* 500 5.5.2 */
	REPLY_BAD_LINE,            /* 500 5.5.2 NUL, bare CR, bare LF, 8-bit */
	REPLY_SYNTAX,              /* 501 5.5.4 */
	REPLY_BAD_PATH,            /* 501 5.1.7 */
	REPLY_BAD_RECIPIENT,       /* 501 5.1.3 */
	REPLY_BAD_HELO,            /* 501 5.5.4 */
	REPLY_SEQUENCE,            /* 503 5.5.1 */
	REPLY_BAD_PARAM,           /* 555 5.5.4 */
	REPLY_ASCII_SENDER,        /* 550 5.6.7 */
	REPLY_ASCII_RECIPIENT,     /* 553 5.6.7 */
	REPLY_OFFER_CHANGED,       /* 451 4.4.0 */
	REPLY_TOO_MANY_RECIPIENTS, /* 452 4.5.3 */
	REPLY_TOO_BIG,             /* 552 5.3.4 */
	REPLY_BARE_BYTE,           /* 550 5.6.11 */
	REPLY_DUPLICATE,           /* 250 2.0.0 */
	REPLY_UNDER_WAY,           /* 451 4.3.0 */
	REPLY_CHUNK_OK,            /* 250 2.0.0 */
	REPLY_BAD_CHUNK,           /* 501 5.5.4, then the connection is closed */
	REPLY_NO_CHUNKING,         /* 451 4.3.5 */
	REPLY_NO_VALID_RECIPIENTS, /* 554 5.5.1 */
	REPLY_BACKEND_DOWN,        /* 451 4.4.1 */
	REPLY_BACKEND_LOST,        /* 451 4.4.2 */
	REPLY_BACKEND_BUSY,        /* 451 4.3.2: no backend has a connection to spare */
	REPLY_SOURCE_BUSY,         /* 451 4.7.0: the source holds as many as it may */
	REPLY_DENIED,              /* 554 5.7.1 with reason, ticket, contact */
	REPLY_PROTOCOL,            /* 550 5.5.0 with reason, ticket, contact */
	REPLY_NOT_SMTP,            /* 550 5.5.0, then the connection is closed */
	REPLY_MAX
};

/* What a reply's text may name; unused fields stay zero. Long ones are cut and what isn't
 * printable ASCII becomes '?', so that a reply is one line of at most 512 bytes. */
struct smtp_reply_args {
	uint32_t minutes;
	const char *ticket;
	const char *reason;
};

/* A row of the manual's table of replies. */
struct smtp_reply_row {
	int code;
	const char *status; /* enhanced status code (RFC 3463), NULL: none */
	const char *text;   /* with {hostname} {contact} {minutes} {ticket} {commands}
			     * {reason} */
	const char *when;   /* words: when it is sent */
};

void smtp_init(struct smtp *s);
/* Takes one unit; returns how many bytes it consumed. */
size_t smtp_input(struct smtp *s, const struct smtp_conf *c, const char *buf, size_t len,
		  struct smtp_out *out, struct smtp_step *ret);

/* Ends of the asks, each before the next smtp_input. The reply's bytes were put into out by the
 * caller. A refused DATA leaves the transaction as it was, like any refused command. */
void smtp_rcpt_done(struct smtp *s, bool accepted);
void smtp_data_done(struct smtp *s, bool accepted); /* true: 354 was sent */
/* End of data was answered: back to READY; true: with a 2xx. */
void smtp_text_done(struct smtp *s, bool accepted);
/* A chunk was answered. false: the message is over, and with it the transaction; the rest of the
 * chunk is read without another reply. */
void smtp_chunk_done(struct smtp *s, bool accepted);
/* Whether smtp_input has something to do without another byte. */
bool smtp_due(const struct smtp *s);
/* The handshake is over: what the client said in the clear is forgotten (RFC 3207 4.2). */
void smtp_tls_done(struct smtp *s);
/* The message can't be delivered any more: the rest is discarded and `reply` given at its end,
 * with SMTP_RESET. Before SMTP_TEXT_END only; a message that is discarded already keeps its reason.
 */
void smtp_text_fail(struct smtp *s, enum smtp_reply reply);

/* Appends a reply of ours. args may be NULL. */
void smtp_reply(struct smtp_out *out, const struct smtp_conf *c, enum smtp_reply r,
		const struct smtp_reply_args *args);
int smtp_reply_code(enum smtp_reply r);
const struct smtp_reply_row *smtp_reply_row(enum smtp_reply r);

/* ---- address grammar, used by the machine and by the config ---- */

enum smtp_path_kind { SMTP_REVERSE, SMTP_FORWARD };
/* Parses "<...>" at text[0..len): quoted local parts, address literals, source routes (dropped),
 * the null path (reverse only), <Postmaster> without domain (forward only); UTF-8 wherever RFC 6531
 * 3.3 has it, and what ret->loose tells: whether those may be there is the caller's to say. Returns
 * bytes read, or -EINVAL. */
int smtp_path_parse(const char *text, size_t len, enum smtp_path_kind kind, struct smtp_path *ret);
/* A domain or address literal as HELO and EHLO take it: underscores, which many host names carry
 * against the grammar, are let through. */
bool smtp_domain_ok(const char *text, size_t len);
/* The same of what a setting names as the domain of mailboxes: also in UTF-8 (RFC 6531 3.3). */
bool smtp_mail_domain_ok(const char *text, size_t len);

#endif
