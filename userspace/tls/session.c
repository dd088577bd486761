// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One TLS session over the caller's buffers. OpenSSL sees them as a BIO that reads from `in` and
 * writes to `out`; what the protocol wants to say while there is no `out` (an alert, the answer to
 * a key update) waits in `aside` and goes first in the next tls_seal.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int bio_read(BIO *b, char *buf, size_t size, size_t *ret)
{
	struct tls *t = BIO_get_data(b);
	size_t n = size < t->in_len ? size : t->in_len;

	BIO_clear_retry_flags(b);
	if (!n) {
		BIO_set_retry_read(b);
		return 0;
	}
	memcpy(buf, t->in, n);
	t->in += n;
	t->in_len -= n;
	*ret = n;
	return 1;
}

static int bio_write(BIO *b, const char *buf, size_t len, size_t *ret)
{
	struct tls *t = BIO_get_data(b);
	size_t room = t->out ? t->out_cap - t->out_len : TLS_ASIDE - t->aside_len;
	size_t n = len < room ? len : room;

	BIO_clear_retry_flags(b);
	if (!t->out && !t->aside)
		t->aside = malloc(TLS_ASIDE);
	if (!n || !(t->out || t->aside)) {
		BIO_set_retry_write(b);
		return 0;
	}
	memcpy(t->out ? t->out + t->out_len : t->aside + t->aside_len, buf, n);
	*(t->out ? &t->out_len : &t->aside_len) += n;
	*ret = n;
	return 1;
}

static long bio_ctrl(BIO *b, int command, long number, void *arg)
{
	(void)b, (void)number, (void)arg;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_TYPE_START, "greygate");

	if (!m)
		return NULL;
	BIO_meth_set_read_ex(m, bio_read);
	BIO_meth_set_write_ex(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

/* Each one costs new keys, whatever else comes with it. */
static void count_updates(int writing, int version, int type, const void *bytes, size_t len,
			  SSL *ssl, void *arg)
{
	struct tls *t = arg;

	(void)version, (void)ssl;
	if (!writing && type == SSL3_RT_HANDSHAKE && len &&
	    *(const uint8_t *)bytes == SSL3_MT_KEY_UPDATE)
		t->updates++;
}

static int begin(struct tls *t, const struct tls_context *c)
{
	BIO *bio = BIO_new(c->method);

	*t = (struct tls){.ssl = SSL_new(c->list[0])};
	if (!bio || !t->ssl) {
		BIO_free(bio);
		tls_end(t);
		return -ENOMEM;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_msg_callback(t->ssl, count_updates);
	SSL_set_msg_callback_arg(t->ssl, t);
	return 0;
}

int tls_begin_server(struct tls *t, const struct tls_context *c)
{
	int rc = begin(t, c);

	if (!rc)
		SSL_set_accept_state(t->ssl);
	return rc;
}

static bool expect(SSL *ssl, const struct tls_peer *peer)
{
	bool is4 = addr_is4(&peer->address);
	size_t size = is4 ? 4 : sizeof(peer->address.b);
	const uint8_t *bytes = peer->address.b + sizeof(peer->address.b) - size;
	bool good = true;

	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!peer->name_count)
		return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), bytes, size) == 1;
	for (int i = 0; i < peer->name_count && good; i++)
		good = SSL_add1_host(ssl, peer->names[i]) == 1;
	return good && SSL_set_tlsext_host_name(ssl, peer->names[0]) == 1;
}

int tls_begin_client(struct tls *t, const struct tls_context *c, const struct tls_peer *peer)
{
	int rc = begin(t, c);

	if (!rc && peer && !expect(t->ssl, peer)) {
		tls_end(t);
		rc = -ENOMEM;
	}
	if (!rc)
		SSL_set_connect_state(t->ssl);
	return rc;
}

static void forget_aside(struct tls *t)
{
	free(t->aside);
	t->aside = NULL;
	t->aside_len = 0;
}

void tls_end(struct tls *t)
{
	SSL_free(t->ssl);
	t->ssl = NULL;
	forget_aside(t);
}

static void lend(struct tls *t, const char *in, size_t in_len, char *out, size_t cap)
{
	t->in = in;
	t->in_len = in_len;
	t->out = out;
	t->out_len = 0;
	t->out_cap = cap;
	ERR_clear_error();
}

/* Takes the buffers back; returns what was written. */
static size_t settle(struct tls *t)
{
	size_t n = t->out_len;

	t->in = NULL;
	t->out = NULL;
	t->in_len = t->out_len = t->out_cap = 0;
	return n;
}

enum tls_step tls_handshake(struct tls *t, const char *in, size_t *len, char *out, size_t cap,
			    size_t *ret_len)
{
	int rc;

	lend(t, in, *len, out, cap);
	rc = SSL_do_handshake(t->ssl);
	*len -= t->in_len;
	*ret_len = settle(t);
	t->full = false;
	if (rc == 1)
		return TLS_DONE;
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return TLS_MORE;
	case SSL_ERROR_WANT_WRITE:
		t->full = true;
		return TLS_FULL;
	default:
		return TLS_DEAD;
	}
}

int tls_open(struct tls *t, const char *in, size_t len, char *out, size_t cap, size_t *ret_len)
{
	size_t filled = 0, n;
	int error;

	lend(t, in, len, NULL, 0);
	while (SSL_read_ex(t->ssl, out + filled, cap - filled, &n) == 1)
		filled += n;
	error = SSL_get_error(t->ssl, 0);
	*ret_len = filled;
	len = t->in_len;
	settle(t);
	if (error == SSL_ERROR_WANT_WRITE || t->updates > TLS_UPDATES)
		return -ENOBUFS;
	if (error == SSL_ERROR_WANT_READ && !len)
		return 0;
	return error == SSL_ERROR_ZERO_RETURN ? -EPIPE : -EPROTO;
}

int tls_seal(struct tls *t, const char *plain, size_t len, bool last, char *out, size_t cap,
	     size_t *ret_len)
{
	size_t aside = t->aside_len, n;
	bool good = cap >= aside;

	if (good && aside)
		memcpy(out, t->aside, aside);
	forget_aside(t);
	lend(t, NULL, 0, out + aside, cap - aside);
	while (good && len) {
		good = SSL_write_ex(t->ssl, plain, len, &n) == 1;
		plain += good ? n : 0;
		len -= good ? n : 0;
	}
	if (good && last)
		good = SSL_shutdown(t->ssl) >= 0;
	*ret_len = aside + settle(t);
	return good ? 0 : -EPROTO;
}

const char *tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

bool tls_half_closed(const struct tls *t)
{
	return SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN;
}

const char *tls_why(const struct tls *t, char *buf, size_t size)
{
	unsigned long first = ERR_peek_error();
	const char *words = first ? ERR_reason_error_string(first) : NULL;

	if (!words && first && ERR_SYSTEM_ERROR(first))
		words = strerror((int)(first & ERR_SYSTEM_MASK));
	if (!words)
		words = t && tls_half_closed(t) ? "the peer closed the connection"
						: "the protocol was broken off";
	snprintf(buf, size, "%s", words);
	ERR_clear_error();
	return buf;
}

const char *tls_distrust(const struct tls *t)
{
	long result = SSL_get_verify_result(t->ssl);

	if (SSL_get_verify_mode(t->ssl) == SSL_VERIFY_NONE || result == X509_V_OK)
		return NULL;
	return X509_verify_cert_error_string(result);
}
