/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session: one client from accept to close, and what the files say to each other that make up its
 * life. Included through worker.h. Its worker's thread, as everything here.
 */
#ifndef GREYGATE_SESSION_H
#define GREYGATE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/table.h"
#include "loop/ring.h"
#include "policy/evidence.h"
#include "smtp/smtp.h"

struct worker;

#define TAKEN_OPEN 8 /* messages of a session, the rest is taken for unheard */

enum phase {
	PHASE_FREE,
	PHASE_PROXY,   /* the load balancer is to say who the client is */
	PHASE_STUTTER, /* nothing is armed, the wheel writes */
	PHASE_BANNER,  /* the rest of the banner is on its way */
	PHASE_DIALOG,
	PHASE_LINGER, /* everything is said; input is thrown away until the client closes */
	PHASE_CLOSING,
};

/* Why a dialog does not read on. */
enum wait {
	WAIT_NONE,
	WAIT_EVIDENCE,  /* what DNS says of the source or its sender's domain */
	WAIT_RECIPIENT, /* what the mail server says of the recipient, asked by the verifier */
	WAIT_RCPT,      /* the mail server's answer to RCPT */
	WAIT_DATA,      /* to DATA, or to a chunk that is not the last one */
	WAIT_CHUNK,     /* a chunk is announced, but not begun */
	WAIT_TEXT,      /* message bytes flow: message.c reads the client */
	WAIT_REPLY,     /* to the end of data */
	WAIT_STORE,     /* the pass is being written */
	WAIT_TLS,       /* the handshake: secure.c reads the client */
};

struct session {
	uint16_t generation;
	uint8_t phase;                                 /* enum phase */
	uint8_t wait;                                  /* enum wait */
	bool receiving, sending, hangup, quit, closed; /* closed: close is queued */
	bool running;                                  /* commands are being carried out */
	bool local;                                    /* a load balancer's own: not judged */
	bool forwarded;                 /* by a load balancer that said where to: worker.reached */
	bool secured;                   /* the handshake is over */
	bool relieved;                  /* counted as held for a shorter time, or not at all */
	bool slow, dripping;            /* replies go out a byte at a time; one is in flight */
	bool allowed, denied;           /* verdict on the source */
	uint8_t action, origin, reason; /* of the deny */
	uint16_t shown;                 /* a bit for each enum sanity */
	bool counted, admitted;         /* in the per-source count, in that of all sessions */
	bool holding;                   /* in the per-source count of those with a delivery */
	bool last_door, trapped;        /* came to a low-priority MX; has hit a trap */
	uint8_t listener;               /* it came by; in gateway mode the index into protect too */
	uint16_t port;
	uint32_t dialog; /* pool numbers, POOL_NONE: none */
	uint32_t delivery, evidence;
	uint32_t in, out; /* pool numbers of input that waits and of replies */
	uint32_t in_len, out_len;
	uint32_t sent;        /* of out: on its way; what is said meanwhile goes behind it */
	uint32_t tls;         /* pool number from STARTTLS on */
	uint32_t drip, drips; /* next byte of the banner, bytes still to be sent one at a time */
	struct addr src;
	uint64_t id;      /* for the log */
	uint64_t started; /* ms */
	uint64_t touched; /* ms, last sign of life */
};
_Static_assert(sizeof(struct session) <= 128, "a stuttering session is two cache lines");

struct dialog {
	struct smtp smtp;
	struct { /* messages whose 250 it may not have heard: taken.c's */
		uint64_t tags[TAKEN_OPEN];
		struct endpoint here; /* our end of the connection */
		uint8_t count;
		bool answered;     /* since: a command that nothing may follow before its answer */
		bool acknowledged; /* all that was said up to QUIT */
	} taken;
	uint64_t spared;   /* ms that the mail server took for messages: not of session_time */
	uint8_t recipient; /* enum verify_state of the one in smtp.forward */
	bool awaited;      /* its answer: it is not waited for again */
	bool at_data;      /* null sender: decided at DATA */
};

/* ---- arrival.c ---- */

void session_accepted(struct worker *w, uint32_t n, const struct endpoint *peer, uint16_t listener);
/* Bytes of a load balancer's header have come (PHASE_PROXY); its time is over. */
void session_header(struct worker *w, uint32_t n, const char *buf, size_t len);
void session_header_late(struct worker *w, uint32_t n);

/* ---- session.c ---- */

void session_received(struct worker *w, uint32_t n, const struct io_uring_cqe *cqe);
void session_sent(struct worker *w, uint32_t n, int res);
void session_dripped(struct worker *w, uint32_t n, int res);
void session_looked(struct worker *w, uint32_t n, int res);
/* The slot's timer: looks at whoever lives there now. */
void session_timeout(struct worker *w, uint32_t n);
void session_linger_over(struct worker *w, uint32_t n);
/* The server is going down: says so where that may be said now. */
void session_drain(struct worker *w, uint32_t n);
/* Goes on with what is queued, after something it waited for has come. */
void session_continue(struct worker *w, uint32_t n);
/* The whole banner was sent or is to be sent at once from w->banner[from]. */
void session_banner(struct worker *w, uint32_t n, size_t from);
/* Its stutter is over: the rest of the banner, at once. */
void session_stuttered(struct worker *w, uint32_t n);
struct smtp *session_smtp(struct worker *w, struct session *s);
struct dialog *session_dialog(struct worker *w, struct session *s);
/* Appends to the reply queue; false when there is no room. */
bool session_say(struct worker *w, struct session *s, const char *bytes, size_t len);
void session_reply(struct worker *w, struct session *s, enum smtp_reply r,
		   const struct smtp_reply_args *args);
/* Bytes that came behind a message: to be read as commands. */
void session_push_back(struct worker *w, struct session *s, const char *bytes, size_t len);

/* Its settings of the machine: in the clear or inside TLS. */
const struct smtp_conf *session_conf(const struct worker *w, const struct session *s);
/* Reads the client into a buffer of the ring. */
void session_read(struct worker *w, uint32_t n);
/* Sends the reply queue as it is. */
void session_send(struct worker *w, uint32_t n);
bool session_out_have(struct worker *w, struct session *s);
void session_in_drop(struct worker *w, struct session *s);
void session_out_drop(struct worker *w, struct session *s);

/* ---- departure.c ---- */

/* QUIT was the last word on both sides. */
bool session_parted(struct worker *w, const struct session *s);
/* Its answer and the end leave together; false: not yet. */
bool session_farewell(struct worker *w, uint32_t n);
/* Everything is said: what the client still sends is thrown away until it closes. */
void session_linger(struct worker *w, uint32_t n);
/* The client says nothing more; it may still listen to what is on its way. */
void session_hung_up(struct worker *w, uint32_t n);
/* Ends it now: cancels what is in flight, closes. */
void session_end(struct worker *w, uint32_t n);
void session_closed(struct worker *w, uint32_t n);

/* ---- secure.c ---- */

bool secure_make(struct worker *w, uint32_t sessions);
void secure_unmake(struct worker *w);
/* STARTTLS: answers it, and awaits the handshake (WAIT_TLS) where there is room for one. */
void secure_begin(struct worker *w, uint32_t n);
void secure_end(struct worker *w, struct session *s);
/* Bytes of a handshake wait in the session's input. */
void secure_queue(struct worker *w, uint32_t n);
/* A handshake has had its time; nothing where there is none. */
void secure_late(struct worker *w, uint32_t n);
/* A part of ours is out. */
void secure_sent(struct worker *w, uint32_t n);
bool secure_waiting(const struct worker *w);
/* One step of one handshake. */
void secure_turn(struct worker *w);
/* Ciphertext to plaintext; false when the session is over. The second form leaves the result in a
 * buffer of the worker that holds until the next call. */
bool secure_open_to(struct worker *w, struct session *s, const char *in, size_t len, char *to,
		    size_t room, size_t *ret_len);
bool secure_open(struct worker *w, struct session *s, const char **buf, size_t *len);
/* TLS itself has something to say to the client: secure_seal is due, also of no reply. */
bool secure_owes(struct worker *w, const struct session *s);
/* The client says nothing more, but may go on reading. */
bool secure_half_closed(struct worker *w, const struct session *s);
/* The reply queue to records, in place. */
bool secure_seal(struct worker *w, struct session *s);
/* A record of one byte; its length, at most OUT_SPARE, 0 when the session is broken. */
size_t secure_seal_byte(struct worker *w, struct session *s, const char *byte, char *to);
/* "TLSv1.3", or NULL in the clear. */
const char *secure_version(struct worker *w, const struct session *s);

/* ---- sanity.c ---- */

enum sanity {
	SANITY_EARLY_TALK,
	SANITY_PIPELINING,
	SANITY_HELO_SYNTAX,
	SANITY_HELO_NAME,
	SANITY_HELO_LITERAL,
	SANITY_HELO_OURS,
	SANITY_NON_SMTP,
	SANITY_ERRORS,
	SANITY_PATHS,
	SANITY_MAX
};
_Static_assert(SANITY_MAX <= 16, "session.shown");
#define SANITY_WORDS 100 /* all of them, with commas */

/* The client has shown it: counted once, unless the check is off or the source allowed. */
void sanity_note(struct worker *w, struct session *s, enum sanity which);
/* What a step of the dialog gives away; more: other commands came along with this one. */
void sanity_watch(struct worker *w, struct session *s, const struct smtp_step *step, bool more);
/* Looks once whether the client has spoken already (OP_PEEK); false: not asked for. */
bool sanity_look(struct worker *w, uint32_t n);
/* Why its recipients are refused, and the word for the log; NULL: they are not. What was refused
 * where it was shown says nothing of recipients. */
const char *sanity_refusal(const struct worker *w, const struct session *s, const char **ret_word);
/* Adds what it has shown to the evidence for the policy. */
void sanity_evidence(const struct session *s, struct policy_evidence *to);
/* "early_talk,helo_name", or NULL. */
const char *sanity_words(const struct session *s, char buf[SANITY_WORDS]);

/* ---- stutter.c ---- */

int stutter_banner(struct worker *w, const char *hostname);
/* Begins to stutter for about `duration` ms; false when the session is not to be stuttered. */
bool stutter_begin(struct worker *w, uint32_t n, uint64_t duration);
/* How long a stranger's banner is to take now, ms. */
uint64_t stutter_first(struct worker *w, struct session *s);
/* Whether the session is denied and to be held for it. */
bool stutter_denied(struct worker *w, struct session *s);
/* The reply queue a byte at a time, where the client is denied and its time is not over. */
bool stutter_replies(struct worker *w, uint32_t n);
/* One more byte of them is out. */
void stutter_replied(struct worker *w, uint32_t n);
/* A session leaves PHASE_STUTTER, or its replies are out. */
void stutter_ended(struct worker *w);
void stutter_fire(uint32_t n, uint16_t generation, void *worker);

/* ---- headcount.c ---- */

/* One more session of its source; false when the limit is reached. */
bool headcount_enter(struct worker *w, struct session *s);
void headcount_leave(struct worker *w, struct session *s);
/* The same of sessions of a stranger's source that hold a connection to the mail server. */
bool headcount_hold(struct worker *w, struct session *s);
void headcount_let_go(struct worker *w, struct session *s);
/* Of the table of both, for table_new: a count of none makes room. */
uint32_t headcount_rank(const struct cell *c, void *unused);

#endif
