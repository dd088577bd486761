/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS 1.2 and 1.3 as a filter between the bytes on the wire and those of a session. No I/O: the
 * caller hands over what it has received and gets what is to be sent. A struct tls belongs to one
 * thread; a context is read-only once made and serves all threads.
 *
 * Nothing about a session outlives it: no tickets, no session cache, no early data, no
 * renegotiation.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"

#define TLS_RECORD 16384  /* plaintext of one record; tls_open may yield that much more than fed */
#define TLS_OVERHEAD 1024 /* room that tls_seal needs beyond each TLS_RECORD of plaintext begun */
#define TLS_ASIDE 8192    /* answers of the protocol itself that wait for the next tls_seal */
#define TLS_UPDATES 300   /* key updates of the peer in one session; their answers fit into it */
#define TLS_CERTIFICATES 64

struct ssl_st;
struct tls_context;

struct tls {
	struct ssl_st *ssl;
	const char *in; /* while a call lasts */
	size_t in_len;
	char *out;
	size_t out_len, out_cap;
	bool full; /* the last tls_handshake was TLS_FULL */
	unsigned updates;
	size_t aside_len; /* not 0: tls_seal is due, be it of nothing; the peer may wait for it */
	char *aside;      /* TLS_ASIDE bytes while there is anything */
};

/* ---- context.c ---- */

/* Certificate chains and keys (PEM files, the same number of each; one file may hold both): those
 * whose names match the client's SNI are used, of each type of key the first; without a match those
 * that are for the first name of the first. On failure *ret is untouched and err names the file,
 * the cause and the mend. */
int tls_context_server(char *const *certificates, char *const *keys, int count,
		       struct tls_context **ret, char *err, size_t err_size);
/* For connections to a mail server. ca: the PEM file of those who are believed to issue
 * certificates; NULL: none is, so nobody can be verified. -ENOMEM, -EINVAL; err and *ret as above.
 */
int tls_context_client(const char *ca, struct tls_context **ret, char *err, size_t err_size);
/* Sessions that were begun with it live on. */
void tls_context_free(struct tls_context **c);

/* ---- session.c ---- */

/* -ENOMEM. */
int tls_begin_server(struct tls *t, const struct tls_context *c);
/* Whom the server has to be, by a valid certificate from one of the context's issuers: one of the
 * names, the first of which is asked for (SNI); without names this address. */
struct tls_peer {
	char *const *names;
	int name_count;
	struct addr address;
};
/* peer NULL: its certificate is not verified, where the alternative would be plaintext. */
int tls_begin_client(struct tls *t, const struct tls_context *c, const struct tls_peer *peer);
void tls_end(struct tls *t);

enum tls_step {
	TLS_MORE, /* send what is in out, then hand over what the peer sends next */
	TLS_FULL, /* send what is in out, then call again without waiting for the peer */
	TLS_DONE, /* send what is in out; the session stands */
	TLS_DEAD, /* send what is in out (an alert), then close; tls_why says why */
};

/* Takes *len bytes of in at most and sets it to what was taken; *ret_len bytes of out are to be
 * sent. After TLS_DONE what was not taken is for tls_open. */
enum tls_step tls_handshake(struct tls *t, const char *in, size_t *len, char *out, size_t cap,
			    size_t *ret_len);
/* All of in becomes plaintext. cap: len + TLS_RECORD at least. out may overlap in when it begins
 * TLS_RECORD bytes or more before it. 0; -EPIPE: the peer has closed its side, *ret_len bytes came
 * before; -ENOBUFS: more than TLS_UPDATES, or more to answer than TLS_ASIDE holds; -EPROTO: broken.
 */
int tls_open(struct tls *t, const char *in, size_t len, char *out, size_t cap, size_t *ret_len);
/* The peer will say nothing more, but may still listen (RFC 8446 6.1). */
bool tls_half_closed(const struct tls *t);
/* Records for plain; last: says good-bye as well. cap: len, TLS_OVERHEAD for each TLS_RECORD begun,
 * and aside_len. 0, -EPROTO. */
int tls_seal(struct tls *t, const char *plain, size_t len, bool last, char *out, size_t cap,
	     size_t *ret_len);
/* "TLSv1.3". */
const char *tls_version(const struct tls *t);
/* Why the last call of this thread failed, for this session or (NULL) for a context: words for the
 * log. Returns buf. */
const char *tls_why(const struct tls *t, char *buf, size_t size);
/* What was wrong with the peer's certificate; NULL: nothing, or it wasn't looked at. */
const char *tls_distrust(const struct tls *t);

#endif
