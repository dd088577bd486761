/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker: one thread with its own rings, listeners, sessions and wheels. Nothing here is shared
 * with another thread except what struct daemon holds. The files around it are the phases of a
 * session:
 *
 *   worker.c    the loop: accept, completions, ticks
 *   worker_start.c  its rings, pools and thread: made and taken down
 *   drain.c     its end
 *   arrival.c   from accept to the banner, with the header of a load balancer
 *   session.c   one client's life: bytes in, replies out
 *   departure.c  its end
 *   patience.c  how long it may take
 *   secure.c    TLS between the socket and the session
 *   sanity.c    what a client gives away by its manners
 *   evidence.c  what DNS says of the client
 *   stutter.c   the banner one byte at a time, and what a denied client is told
 *   doors.c     by which of our addresses it came
 *   relief.c    what is done without as the sessions come near their limit
 *   headcount.c  how many sessions of a source there are
 *   quota.c      who may have a connection to the mail server
 *   listed.c    what lists say of it and of its recipients
 *   judge.c     what is thought of a source and of a recipient
 *   journal.c   what is written down of it
 *   earning.c   what a delivery changes
 *   trapping.c  who walks into a trap
 *   standing.c  what the mail server's answers make of a source
 *   recipient.c what is known of a recipient beforehand
 *   delivery.c  the connection to the mail server behind a session
 *   deadline.c  how long the mail server may take
 *   backend.c   which mail server, its health, TLS to it
 *   envelope.c  the dialogue on it
 *   message.c   the message through it
 *   taken.c     messages that the mail server took and the client may not have heard of
 *   warm.c      connections to the mail server that are kept for the next delivery
 *
 * A session is number n of its worker: ring n >> slot_bits, slot n & slot_mask. While it stutters
 * it is its 128 bytes here and eight in the wheel; it gets a dialog (the SMTP state) with its first
 * command and a delivery with its first accepted recipient.
 */
#ifndef GREYGATE_WORKER_H
#define GREYGATE_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon.h"
#include "evidence.h"
#include "loop/pool.h"
#include "loop/ring.h"
#include "loop/wheel.h"
#include "policy/conduct.h"
#include "relay/upstream.h"
#include "smtp/messageid.h"
#include "smtp/smtp.h"
#include "smtp/unstuff.h"
#include "source.h"
#include "tls/tls.h"

#define WORKER_RINGS 32
#define WORKER_LISTENERS 16
#define WORKER_ACCEPTS 64 /* outstanding per listener */
#define OUT_CHUNK 8192    /* replies: one of the mail server's and some of ours */
#define OUT_SPARE (TLS_OVERHEAD + TLS_ASIDE) /* behind it: what TLS makes of it */
#define TEXT_BUFFER 65536                    /* message bytes on their way */
#define TEXT_AHEAD (UPSTREAM_CHUNK + 1)      /* in front of them: the chunk's command, a kept CR */
#define IN_CHUNK (TEXT_BUFFER + 16384) /* input that waits: what followed a message, and a line */
#define RECV_BUFFER 4096
#define BACK_WIRE                                                                                  \
	(TEXT_AHEAD + TEXT_BUFFER + ((TEXT_AHEAD + TEXT_BUFFER) / TLS_RECORD + 1) * TLS_OVERHEAD + \
	 TLS_ASIDE)
#define OPENED (RECV_BUFFER + TLS_RECORD)
#define DELIVERY_TIMER (1u << 31) /* in the timeout wheel: the number is a delivery's */
#define LINGER_TIMER (1u << 30)   /* a session's own, beside its slot's */
#define WARM_MAX 64               /* idle connections to the mail server that are kept */
#define PROXY_MS 5000             /* how long a load balancer may take for its header */
#define LINGER_MS 2000            /* how long a refused client may take to read why */
#define TAKEN_OPEN 8              /* messages of a session, the rest is taken for unheard */

/* Of a thread that can't be made, for whoever starts the daemon. */
#define THREAD_MEND "raise the limits on processes and memory of the user (ulimit -u, -v)"

enum op {
	OP_ACCEPT = 1, /* number: index into accepts */
	OP_RECV,       /* number: session */
	OP_SEND,
	OP_DRIP,
	OP_PEEK,
	OP_CLOSE,
	OP_CANCEL,       /* no state of its own */
	OP_BACK_CONNECT, /* number: delivery */
	OP_BACK_RECV,
	OP_BACK_SEND,
	OP_BACK_CLOSE,
	OP_POLL_RING, /* another ring of this worker has work */
	OP_POLL_STORE,
	OP_POLL_WAKE,
	OP_POLL_VERIFY,
	OP_DNS, /* number: the resolver's */
	OP_MAX
};

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

/* A decision that lets a recipient through, and the records that its delivery matures. */
struct judgement {
	struct policy_decision decision;
	const struct config_level *level;         /* of the recipient; NULL where count is 0 */
	struct policy_identity ids[POLICY_RUNGS]; /* the one that decided comes last */
	int count;                                /* 0: none (allowed source, exempt) */
};

/* A recipient that the mail server took in the transaction at hand. */
struct accepted {
	struct policy_identity ids[POLICY_RUNGS]; /* as in its judgement */
	uint8_t count, delay_class;
	const struct config_level *level;
	char text[STORE_TEXT]; /* sender NUL recipient NUL */
};

struct delivery {
	bool timed; /* its slot has an entry in timeouts, also between lives */
	uint16_t generation;
	uint32_t session; /* POOL_NONE: the client is gone, only the close is awaited */
	int fd;           /* -1: none */
	int backend;      /* while connecting: index into config.backend; gateway mode: which try */
	struct endpoint peer; /* whom it is; a reload may change the list */
	struct endpoint here; /* ours, that the client reached */
	bool connecting, receiving, sending, closing, closed; /* in flight, and on the way out */
	bool shaking, secured;                                /* TLS: on the way, in force */
	bool in_the_clear;             /* without TLS after a handshake that failed */
	bool passed_over, last_resort; /* backends that are down: left out so far, tried now */
	bool failed;                   /* given up, but the client is still read into text */
	bool kept, reused; /* without a session, for the next one; its, no recipient answered yet */
	bool stale;        /* reused, and found closed while our command was on its way */
	bool greeted;      /* by a mail server, for this transaction: what ends it now is a loss */
	bool stands;       /* greeted by this mail server, and not left: it counts there */
	bool full;         /* a mail server had no room for it, on the way to this one */
	bool moved;        /* the transaction was begun again after a loss: not another time */
	bool late;         /* the answer is overdue, and what waits for it is being cancelled */
	bool refused;     /* its client is, by up.reply: so is every recipient of the transaction */
	uint8_t uses;     /* deliveries before this one */
	uint32_t reloads; /* worker.reloads at its connect */
	bool mail_done, text_ended;
	bool passing;                /* a piece of the message is on its way */
	bool held;                   /* the client is read again when it has heard us */
	bool chunked, chunk_ended;   /* the message comes in chunks; the client's has come whole */
	uint8_t asked;               /* enum asked: what the next reply answers */
	uint64_t touched, timeout;   /* ms */
	uint64_t acked;              /* bytes, at deadline.c's last look */
	uint64_t handed;             /* ms, the mail server's turn with the message; 0: it isn't */
	uint64_t bytes, began;       /* of the message at hand, stuffed dots not counted; ms */
	struct messageid message_id; /* of the message so far: taken.c's, as the next ones are */
	struct unstuff unstuff;
	uint64_t recipients_sum, taken_tag, taken_check;
	bool claimed;               /* noted as under way, see taken.h */
	struct judgement judgement; /* of the recipient being asked */
	struct tls tls;
	uint32_t wire; /* pool number of its records, while there is TLS */
	struct sockaddr_storage address;
	struct upstream up;
	struct upstream_out out;
	uint32_t in_len, text_len, text_sent;
	struct digest digest; /* of the message so far: taken.c's */
	char in[RECV_BUFFER];
	char ahead[TEXT_AHEAD]; /* adjoins text */
	char text[TEXT_BUFFER];
	uint32_t accepted_count;
	struct accepted accepted[]; /* worker.recipients of them */
};

/* Who waits in WAIT_RECIPIENT until the verifier has an answer: recipient.c's alone. */
struct inquirer {
	uint64_t question; /* verify_tag */
	uint64_t until;    /* ms, CLOCK_MONOTONIC */
	uint32_t n;        /* of the session */
};

struct listener {
	int fd;
	struct endpoint local;
	uint32_t armed;
};

struct accept_slot {
	struct sockaddr_storage address;
	socklen_t length;
	uint32_t session;
	uint16_t generation;
	uint16_t listener;
	bool armed;
};

/* Handshakes whose next step is due, first in first out. */
struct handshake {
	uint32_t n;
	uint16_t generation;
};

struct handshakes {
	struct handshake *list;
	uint32_t first, count, size;
};

struct worker {
	struct daemon *daemon;
	int number;
	pthread_t thread;
	struct ring rings[WORKER_RINGS];
	struct pool sessions[WORKER_RINGS];
	int ring_count;
	uint32_t slot_bits, slot_mask;
	uint32_t recipients; /* room in a delivery */
	struct pool dialogs, ins, outs, deliveries, evidences, checks, secured, wires;
	struct resolver *resolver;
	struct resolver_stats dns_seen;                  /* counted already */
	bool dns_dead;                                   /* as the log has it */
	uint64_t dns_quiet, list_quiet[CONFIG_DNSLISTS]; /* ms, no such line before */
	struct handshakes handshakes;
	uint32_t reloads;        /* changes of config: a pointer may come again */
	uint32_t warm[WARM_MAX]; /* deliveries that are kept, the longest idle first */
	unsigned warm_count;
	struct inquirer inquirers[CONFIG_WAITING];
	unsigned inquirer_count;
	char *opened, *sealed; /* of the session at hand: plaintext in, records out */
	char peeked;
	char *answered;           /* of the delivery at hand: plaintext in */
	bool *timed;              /* by session number: its slot has an entry in timeouts */
	struct endpoint *reached; /* by session number: what a forwarded client came to */
	struct wheel *drips, *timeouts;
	struct listener listeners[WORKER_LISTENERS];
	int listener_count;
	struct accept_slot accepts[WORKER_LISTENERS * WORKER_ACCEPTS];
	struct counters counters;
	struct recent *recent;
	const struct config *config;         /* of this turn of the loop */
	struct smtp_conf smtp, smtp_secured; /* in the clear, inside TLS */
	struct list_matcher *matcher;
	uint64_t given_up; /* by it, counted already */
	struct listing_answer
		listed; /* what lists say of the recipient at hand; number 0: nothing */
	struct policy_conf policy;
	uint64_t now;     /* ms, CLOCK_MONOTONIC */
	uint32_t wall;    /* s, CLOCK_REALTIME */
	uint16_t wall_ms; /* thousandths of that second */
	uint64_t next_id, random;
	uint32_t open;
	char *banner; /* template, see stutter.c */
	size_t banner_len, banner_line;
	int wake_fd;
	int diag_fd;            /* -1: none yet */
	bool draining, leaving; /* leaving: drain.c waits for the sessions, and says nothing */
	_Atomic bool ended;
	uint64_t drain_until; /* ms */
	char error[200];      /* why worker_main could not begin */
};

/* ---- worker_start.c ---- */

/* Starts a worker on listening sockets that it then owns. Waits until its rings stand: on failure
 * nothing runs and err names the cause and the mend. */
int worker_start(struct daemon *d, int number, const int *listeners, int listener_count,
		 struct worker **ret, char *err, size_t err_size);
/* Waits until it has ended. */
void worker_join(struct worker **w);

/* ---- worker.c ---- */

/* One turn of the loop; and of it what a start needs: the time, the settings in force. */
void worker_turn(struct worker *w);
void worker_clocks(struct worker *w);
void worker_settings(struct worker *w);
/* Its listening sockets, until it drains; returns how many. */
int worker_listeners(const struct worker *w, int ret[WORKER_LISTENERS]);
/* Its sessions are over; worker_join will not wait. */
bool worker_ended(const struct worker *w);
/* Wakes it, after daemon.draining, leaving or holding was changed. */
void worker_wake(struct worker *w);
/* Has session_timeout called for this slot at `due` or before: a slot has one entry in the wheel,
 * whoever comes and goes. */
void worker_timer(struct worker *w, uint32_t n, uint64_t due);
/* Bytes of our own that a session costs while it stutters, for status. */
size_t worker_session_bytes(void);

struct session *worker_session(struct worker *w, uint32_t n);
static inline struct ring *worker_ring(struct worker *w, uint32_t n)
{
	return &w->rings[n >> w->slot_bits];
}

/* ---- drain.c ---- */

/* After each turn: begins what the daemon says, and true when all are gone. */
bool drain_over(struct worker *w);

static inline struct ring_event session_event_of(const struct session *s, uint32_t n, enum op op)
{
	return (struct ring_event){n, s->generation, (uint8_t)op};
}

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

/* ---- judge.c ---- */

/* Verdict on a new connection: fills allowed, denied, action, origin. */
void judge_source(struct worker *w, struct session *s);
/* Decides the recipient in smtp.forward: replies, or asks the mail server (wait is set then). From
 * the null sender it is decided at DATA: its recipients are for callouts to ask about. */
void judge_recipient(struct worker *w, uint32_t n);
/* The attempt at hand, weighed at most once. */
struct weighed;
/* Whether the sender and the recipient at hand have been seen already from the source or from whom
 * the records take for the same. */
bool judge_seen(struct worker *w, struct session *s, struct weighed *x);
/* Whether the message may come: false, and refused, when the source fell into a trap meanwhile or
 * the null sender has to wait. */
bool judge_data(struct worker *w, uint32_t n);
/* The message was taken: records, promotion. True when the reply has to wait for the store. */
bool judge_delivered(struct worker *w, uint32_t n, const struct delivery *d);
/* Queues a record for the store; the token is the session's when its writing is to be awaited. */
bool judge_store(struct worker *w, const struct session *s, const struct policy_edit *e,
		 const char *text, bool notice, uint64_t token);

/* ---- trapping.c ---- */

enum trapping {
	TRAPPING_NOT,
	TRAPPING_OPEN, /* it may be: what could exempt the source is not known yet */
	TRAPPING_SPRUNG,
};

/* Whether the recipient in smtp.forward is a trap for this source, which is denied then: words for
 * the client and the word for the log. */
enum trapping trapping_recipient(struct worker *w, struct session *s, struct weighed *x,
				 const char **ret_words, const char **ret_reason);
/* A source that is in a trap already sends mail. */
void trapping_again(struct worker *w, struct session *s, struct weighed *x);
/* What the mail server said to the recipient: code, and its reply as in relay/rcpt.h. */
void trapping_answer(struct worker *w, struct session *s, int code, const char *reply);
/* The recipient is to wait, and the mail server may not have answered yet: what it says counts when
 * it does. */
void trapping_await(struct worker *w, struct session *s);

/* ---- standing.c ---- */

/* The session's source; holds for this turn of the loop. */
struct source standing_source(const struct worker *w, const struct session *s);
/* One event for the conduct of `whose`, the source or its network; what it adds up to. */
struct conduct standing_note(struct worker *w, const struct session *s, const struct addr *whose,
			     enum conduct_event event, uint32_t until);
/* What the mail server said to the recipient, to DATA or to the end of the message. */
void standing_recipient(struct worker *w, struct session *s, int code, const char *reply);
void standing_message(struct worker *w, struct session *s, int code);

/* ---- doors.c ---- */

/* A listening socket, and what it is bound to. */
void doors_listener(struct listener *l, int fd);
/* A client has come, by itself and not through a load balancer; asked only where the settings name
 * a low-priority MX. */
void doors_arrived(struct worker *w, uint32_t n);
/* The recipient in smtp.forward is to wait. */
void doors_attempt(struct worker *w, struct session *s);
/* Whether it came to a low-priority MX without need, and nobody of its network to another one. */
bool doors_trap(struct worker *w, struct session *s);
/* Clients can't be served now. Any thread. */
void doors_trouble(struct daemon *d);

/* ---- headcount.c ---- */

/* One more session of its source; false when the limit is reached. */
bool headcount_enter(struct worker *w, struct session *s);
void headcount_leave(struct worker *w, struct session *s);
/* The same of sessions of a stranger's source that hold a connection to the mail server. */
bool headcount_hold(struct worker *w, struct session *s);
void headcount_let_go(struct worker *w, struct session *s);
/* Of the table of both, for table_new: a count of none makes room. */
uint32_t headcount_rank(const struct cell *c, void *unused);

/* ---- listed.c ---- */

/* Lists that name the source by its address, more narrowly than the prefix of `known` bits from
 * which something is known of it (-1: nothing is): that is what is thought of it then. */
void listed_source(struct worker *w, struct session *s, int known);
/* Fills w->listed with what lists say of the client by now, and of it allowed, denied, action and
 * origin; without a word where others have said something of the source. */
void listed_client(struct worker *w, struct session *s);
/* Whether lists allow the client by its name, whatever else is thought of it. */
bool listed_by_name(struct worker *w, const struct session *s);
/* Whether a list names the recipient: w->listed. */
bool listed_recipient(struct worker *w, const char *recipient);
/* A decision came from w->listed: counts it and says so in its line. */
void listed_decided(struct worker *w, struct log_line *l);

/* ---- delivery.c, deadline.c, envelope.c, message.c ---- */

/* Asks the mail server about the recipient in smtp.forward, connecting first where needed. Answers
 * at once (451) when that can't be. */
void delivery_recipient(struct worker *w, uint32_t n, const struct judgement *judgement);
void delivery_data(struct worker *w, uint32_t n);
/* A chunk of a message: the same for the first of them, and its bytes. */
void delivery_chunk(struct worker *w, uint32_t n);
/* The judgement on the recipient accepted last, where it comes after the mail server's answer. */
void delivery_judged(struct delivery *d, const struct judgement *j);
/* The transaction is over without delivery: the mail server's side is given up. */
void delivery_drop(struct worker *w, struct session *s);
/* The store has the pass (or can't have it): the mail server's answer goes to the client. */
void delivery_answered(struct worker *w, uint32_t n);
void delivery_event(struct worker *w, uint32_t number, enum op op, int res);
void delivery_timeout(struct worker *w, uint32_t number);
/* Ends connections that were kept long enough; how long until then, `wait` at most. ms */
void warm_tick(struct worker *w);
uint64_t warm_wait(struct worker *w, uint64_t wait);
struct delivery *delivery_of(struct worker *w, const struct session *s);
/* Message bytes from the client arrived in delivery.text. */
void message_received(struct worker *w, uint32_t n, int res);
/* What was on its way to the client is out. */
void message_heard(struct worker *w, uint32_t n);

#endif
