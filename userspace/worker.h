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
#include "judge.h"
#include "loop/pool.h"
#include "loop/ring.h"
#include "loop/wheel.h"
#include "relay/upstream.h"
#include "session.h"
#include "smtp/messageid.h"
#include "smtp/smtp.h"
#include "smtp/unstuff.h"
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

/* What a transaction has met with at mail servers last. */
enum met {
	MET_NOBODY,
	MET_FULL,     /* one had no room for it */
	MET_GREETING, /* what ends it now is a loss */
	MET_REFUSAL,  /* of its client, by up.reply: so is every recipient of the transaction */
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
	bool stands;       /* greeted by this mail server, and not left: it counts there */
	bool moved;        /* the transaction was begun again after a loss: not another time */
	bool late;         /* the answer is overdue, and what waits for it is being cancelled */
	uint8_t met;       /* enum met */
	uint8_t uses;      /* deliveries before this one */
	uint32_t reloads;  /* worker.reloads at its connect */
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
	bool claimed;     /* noted as under way, see taken.h */
	uint32_t unended; /* bytes of the client's since its last sign of life, see message.c */
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
	uint64_t drain_until;    /* ms */
	bool behind;             /* another process has the same listeners, see drain_inherit */
	uint64_t inherits_until; /* ms */
	char error[200];         /* why worker_main could not begin */
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
/* Arms accept a, which is not armed; false: no slot is free for who would come. */
bool worker_accept(struct worker *w, uint32_t a);
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

/* 31 bits, of which nothing depends that somebody might gain by foreseeing. */
static inline uint32_t worker_random(struct worker *w)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->random >> 33);
}

/* ---- drain.c ---- */

/* After each turn: begins what the daemon says, and true when all are gone. */
bool drain_over(struct worker *w);
/* Before each wait of a successor: takes whom the end of its predecessor left in the queues. */
void drain_inherit(struct worker *w);

static inline struct ring_event session_event_of(const struct session *s, uint32_t n, enum op op)
{
	return (struct ring_event){n, s->generation, (uint8_t)op};
}

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
/* The client is waited for no longer, in the middle of a message: the session's next step is its
 * end. False: it is not in one, or the mail server is what is waited for. */
bool message_abandon(struct worker *w, uint32_t n);

#endif
