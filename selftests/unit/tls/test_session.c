// SPDX-License-Identifier: GPL-2.0-or-later
/* A server and a client of the room talk to each other through buffers, cut wherever they may be.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "certificate.h"
#include "selftests/unit/random.h"
#include "tls/internal.h"

#define WIRE 65536

static char *paths[4]; /* certificate and key of mx.example.net, of other.example */

static int make_files(void **state)
{
	static const struct certificate mx = {"mx.example.net", "DNS:mx.example.net", 0, 3600,
					      false};
	static const struct certificate other = {"other.example", "DNS:other.example", 0, 3600,
						 false};

	(void)state;
	for (int i = 0; i < 4; i++)
		paths[i] = strdup("/tmp/greygate-tls.XXXXXX");
	certificate_make(&mx, paths[0], paths[1]);
	certificate_make(&other, paths[2], paths[3]);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		unlink(paths[i]);
		free(paths[i]);
	}
	return 0;
}

struct pair {
	struct tls_context *server_context, *client_context;
	struct tls server, client;
};

static struct pair *pair_new(int version, const char *name)
{
	char *certificates[] = {paths[0], paths[2]}, *keys[] = {paths[1], paths[3]}, err[400];
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	if (tls_context_server(certificates, keys, 2, &p->server_context, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(tls_context_client(NULL, &p->client_context, err, sizeof(err)), 0);
	SSL_CTX_set_max_proto_version(p->client_context->list[0], version);
	assert_int_equal(tls_begin_server(&p->server, p->server_context), 0);
	assert_int_equal(tls_begin_client(&p->client, p->client_context, NULL), 0);
	if (name)
		SSL_set_tlsext_host_name(p->client.ssl, name);
	return p;
}

static void pair_free(struct pair *p)
{
	tls_end(&p->server);
	tls_end(&p->client);
	tls_context_free(&p->server_context);
	tls_context_free(&p->client_context);
	free(p);
}

/* One side's turn: takes what it may of *wire, at most `cut` bytes at a time, appends what it says
 * to `to`, through a buffer of `cap`. */
static bool turn(struct tls *t, char *wire, size_t *wire_len, char *to, size_t *to_len, size_t cut,
		 size_t cap, enum tls_step *ret)
{
	char out[WIRE];
	size_t len, used = *wire_len < cut ? *wire_len : cut;

	*ret = tls_handshake(t, wire, &used, out, cap, &len);
	memmove(wire, wire + used, *wire_len - used);
	*wire_len -= used;
	memcpy(to + *to_len, out, len);
	*to_len += len;
	return used || len;
}

static void shake(struct pair *p, size_t cut, size_t cap)
{
	static char up[WIRE], down[WIRE];
	size_t up_len = 0, down_len = 0;
	enum tls_step client = TLS_MORE, server = TLS_MORE;

	for (int i = 0; i < 100000 && (client != TLS_DONE || server != TLS_DONE); i++) {
		bool moved = false;

		if (client != TLS_DONE)
			moved |= turn(&p->client, down, &down_len, up, &up_len, cut, cap, &client);
		if (server != TLS_DONE)
			moved |= turn(&p->server, up, &up_len, down, &down_len, cut, cap, &server);
		assert_true(moved && client != TLS_DEAD && server != TLS_DEAD);
	}
	assert_true(client == TLS_DONE && server == TLS_DONE);
	/* Tickets would have to be kept, so there are none. */
	assert_true(up_len == 0 && down_len == 0);
}

static void handshakes_through_any_cut(void **state)
{
	static const size_t cuts[] = {1, 7, 100, WIRE};
	static const size_t caps[] = {50, 1000, WIRE};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (int v = 0; v < 2; v++)
		for (int i = 0; i < 4; i++)
			for (int k = 0; k < 3; k++) {
				struct pair *p = pair_new(versions[v], NULL);

				shake(p, cuts[i], caps[k]);
				assert_string_equal(tls_version(&p->server),
						    v ? "TLSv1.3" : "TLSv1.2");
				pair_free(p);
			}
}

static void older_than_1_2_is_refused(void **state)
{
	struct pair *p = pair_new(TLS1_2_VERSION, NULL);
	char up[WIRE], down[WIRE], why[200];
	size_t up_len = 0, down_len = 0, used = 0;

	(void)state;
	SSL_set_min_proto_version(p->client.ssl, TLS1_VERSION);
	SSL_set_max_proto_version(p->client.ssl, TLS1_1_VERSION);
	SSL_set_cipher_list(p->client.ssl, "ALL:@SECLEVEL=0");
	assert_int_equal(tls_handshake(&p->client, NULL, &used, up, WIRE, &up_len), TLS_MORE);
	assert_int_equal(tls_handshake(&p->server, up, &up_len, down, WIRE, &down_len), TLS_DEAD);
	assert_true(down_len > 0); /* the alert */
	assert_string_equal(tls_why(&p->server, why, sizeof(why)), "unsupported protocol");
	pair_free(p);
}

static void the_name_chooses_the_certificate(void **state)
{
	static const struct {
		const char *asked, *got;
	} rows[] = {
		{NULL, "mx.example.net"},
		{"mx.example.net", "mx.example.net"},
		{"OTHER.example", "other.example"},
		{"unknown.example", "mx.example.net"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair *p = pair_new(TLS1_3_VERSION, rows[i].asked);
		X509 *x;

		shake(p, WIRE, WIRE);
		x = SSL_get1_peer_certificate(p->client.ssl);
		assert_int_equal(X509_check_host(x, rows[i].got, 0, 0, NULL), 1);
		X509_free(x);
		pair_free(p);
	}
}

/* Lengths around the size of a record, in pieces of any size, over the text itself. */
static void bytes_arrive_as_they_were_sent(void **state)
{
	static const size_t lengths[] = {1,    2, 100, TLS_RECORD - 1, TLS_RECORD, TLS_RECORD + 1,
					 40000};
	static char text[WIRE], sealed[WIRE], buf[WIRE], got[WIRE];
	uint64_t random = 88172645463325252ull;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)random_next(&random);
	for (int v = 0; v < 2; v++)
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
			struct pair *p = pair_new(v ? TLS1_3_VERSION : TLS1_2_VERSION, NULL);
			size_t len, at = 0, total = 0;

			shake(p, WIRE, WIRE);
			assert_int_equal(
				tls_seal(&p->client, text, lengths[l], false, sealed, WIRE, &len),
				0);
			while (at < len) {
				size_t n = random_next(&random) % 5000 + 1, out;

				if (n > len - at)
					n = len - at;
				/* As a message is read: ciphertext behind, text in front of it. */
				memcpy(buf + TLS_RECORD + 1, sealed + at, n);
				assert_int_equal(tls_open(&p->server, buf + TLS_RECORD + 1, n,
							  buf + 1, WIRE - 1, &out),
						 0);
				memcpy(got + total, buf + 1, out);
				total += out;
				at += n;
			}
			assert_int_equal(total, lengths[l]);
			assert_memory_equal(got, text, total);
			pair_free(p);
		}
}

static void the_end_is_told(void **state)
{
	struct pair *p = pair_new(TLS1_3_VERSION, NULL);
	char wire[WIRE], got[WIRE];
	size_t len, n;

	(void)state;
	shake(p, WIRE, WIRE);
	assert_int_equal(tls_seal(&p->server, "221 Bye", 7, true, wire, WIRE, &len), 0);
	assert_int_equal(tls_open(&p->client, wire, len, got, WIRE, &n), -EPIPE);
	assert_int_equal(n, 7);
	assert_memory_equal(got, "221 Bye", 7);
	pair_free(p);
}

static void keys_may_be_renewed(void **state)
{
	struct pair *p = pair_new(TLS1_3_VERSION, NULL);
	char wire[WIRE], got[WIRE];
	size_t len, n;

	(void)state;
	shake(p, WIRE, WIRE);
	assert_int_equal(SSL_key_update(p->client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(tls_seal(&p->client, "NOOP", 4, false, wire, WIRE, &len), 0);
	assert_int_equal(tls_open(&p->server, wire, len, got, WIRE, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(tls_seal(&p->server, "250", 3, false, wire, WIRE, &len), 0);
	assert_int_equal(tls_open(&p->client, wire, len, got, WIRE, &n), 0);
	assert_memory_equal(got, "250", 3);
	pair_free(p);
}

/* `count` requests for new keys, each with a byte of text: what the server makes of them. */
static int renew(struct pair *p, int count, char *wire)
{
	size_t len = 0, n;

	for (int i = 0; i < count; i++) {
		assert_int_equal(SSL_key_update(p->client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(tls_seal(&p->client, "x", 1, false, wire + len, WIRE - len, &n),
				 0);
		len += n;
	}
	return tls_open(&p->server, wire, len, wire, WIRE, &n);
}

static void many_renewals_are_answered(void **state)
{
	struct pair *p = pair_new(TLS1_3_VERSION, NULL);
	static char wire[WIRE], got[WIRE];
	size_t len, n;

	(void)state;
	shake(p, WIRE, WIRE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(renew(p, TLS_UPDATES / 3, wire), 0);
		assert_true(p->server.aside_len > 0 && p->server.aside_len <= TLS_ASIDE);
		/* The answers alone. */
		assert_int_equal(tls_seal(&p->server, NULL, 0, false, wire, WIRE, &len), 0);
		assert_int_equal(p->server.aside_len, 0);
		assert_null(p->server.aside);
		assert_int_equal(tls_open(&p->client, wire, len, got, WIRE, &n), 0);
	}
	assert_int_equal(tls_seal(&p->server, "250", 3, false, wire, WIRE, &len), 0);
	assert_int_equal(tls_open(&p->client, wire, len, got, WIRE, &n), 0);
	assert_memory_equal(got, "250", 3);
	assert_int_equal(renew(p, 1, wire), -ENOBUFS); /* one too many */
	pair_free(p);
}

static void a_flood_of_renewals_is_bounded(void **state)
{
	struct pair *p = pair_new(TLS1_3_VERSION, NULL);
	static char wire[WIRE];
	size_t len, n;

	(void)state;
	shake(p, WIRE, WIRE);
	assert_int_equal(renew(p, TLS_UPDATES + 100, wire), -ENOBUFS);
	/* The last ones have no place; what is kept goes with the session. */
	assert_int_equal(p->server.aside_len, TLS_ASIDE);
	pair_free(p);
	/* Those that ask for no answer cost as much. */
	p = pair_new(TLS1_3_VERSION, NULL);
	shake(p, WIRE, WIRE);
	for (int i = 0; i <= TLS_UPDATES; i++) {
		assert_int_equal(SSL_key_update(p->client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(tls_seal(&p->client, "x", 1, false, wire, WIRE, &len), 0);
		assert_int_equal(tls_open(&p->server, wire, len, wire, WIRE, &n),
				 i < TLS_UPDATES ? 0 : -ENOBUFS);
		assert_int_equal(p->server.aside_len, 0);
	}
	pair_free(p);
}

static void who_has_closed_may_listen(void **state)
{
	struct pair *p = pair_new(TLS1_3_VERSION, NULL);
	char wire[WIRE], got[WIRE], why[200];
	size_t len, n;

	(void)state;
	shake(p, WIRE, WIRE);
	assert_false(tls_half_closed(&p->server));
	assert_string_equal(tls_why(&p->server, why, sizeof(why)), "the protocol was broken off");
	assert_int_equal(tls_seal(&p->client, "QUIT", 4, true, wire, WIRE, &len), 0);
	assert_int_equal(tls_open(&p->server, wire, len, got, WIRE, &n), -EPIPE);
	assert_int_equal(n, 4);
	assert_true(tls_half_closed(&p->server));
	assert_string_equal(tls_why(&p->server, why, sizeof(why)),
			    "the peer closed the connection");
	assert_int_equal(tls_seal(&p->server, "221", 3, true, wire, WIRE, &len), 0);
	assert_int_equal(tls_open(&p->client, wire, len, got, WIRE, &n), -EPIPE);
	assert_int_equal(n, 3);
	assert_memory_equal(got, "221", 3);
	pair_free(p);
}

/* Renegotiation is refused by an alert, for which there is no room while bytes are opened: it waits
 * for the next reply and goes before it. */
static void what_the_protocol_says_by_itself_goes_first(void **state)
{
	struct pair *p = pair_new(TLS1_2_VERSION, NULL);
	char wire[WIRE], got[WIRE];
	size_t len = 0, used = 0, n;

	(void)state;
	shake(p, WIRE, WIRE);
	SSL_clear_options(p->client.ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(p->client.ssl), 1);
	assert_int_equal(tls_handshake(&p->client, NULL, &used, wire, WIRE, &len), TLS_MORE);
	assert_int_equal(tls_open(&p->server, wire, len, got, WIRE, &n), 0);
	assert_int_equal(n, 0);
	assert_true(p->server.aside_len > 0);
	assert_int_equal(tls_seal(&p->server, "250", 3, false, wire, WIRE, &len), 0);
	assert_int_equal(p->server.aside_len, 0);
	assert_true(wire[0] == 21); /* the alert's record is the first */
	pair_free(p);
}

static void a_flipped_bit_breaks_it(void **state)
{
	char wire[WIRE], got[WIRE], damaged[WIRE];
	size_t len, n;

	(void)state;
	for (int at = 0;; at++) {
		struct pair *p = pair_new(TLS1_3_VERSION, NULL);

		shake(p, WIRE, WIRE);
		assert_int_equal(tls_seal(&p->client, "MAIL", 4, false, wire, WIRE, &len), 0);
		if ((size_t)at == len) {
			pair_free(p);
			break;
		}
		memcpy(damaged, wire, len);
		damaged[at] ^= 1;
		/* A length that grew leaves the record waiting for its end. */
		if (tls_open(&p->server, damaged, len, got, WIRE, &n) != -EPROTO)
			assert_true(at == 3 || at == 4);
		assert_int_equal(n, 0);
		pair_free(p);
	}
}

static void commands_are_no_handshake(void **state)
{
	struct pair *p = pair_new(TLS1_3_VERSION, NULL);
	char out[WIRE], why[200];
	size_t used = 30, len;

	(void)state;
	assert_int_equal(
		tls_handshake(&p->server, "MAIL FROM:<evil@sender.example", &used, out, WIRE, &len),
		TLS_DEAD);
	assert_true(strlen(tls_why(&p->server, why, sizeof(why))) > 0);
	pair_free(p);
}

static void bad_files_are_named(void **state)
{
	char *missing = (char *)"/nonexistent/tls.pem", err[400];
	struct tls_context *c = NULL;

	(void)state;
	assert_int_equal(tls_context_server(&missing, &paths[1], 1, &c, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "tls certificate /nonexistent/tls.pem: No such file"));
	assert_int_equal(tls_context_server(&paths[1], &paths[1], 1, &c, err, sizeof(err)),
			 -EINVAL);
	assert_non_null(strstr(err, paths[1]));
	/* A key that belongs to another certificate. */
	assert_int_equal(tls_context_server(&paths[0], &paths[3], 1, &c, err, sizeof(err)),
			 -EINVAL);
	assert_non_null(strstr(err, "key values mismatch"));
	assert_null(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_through_any_cut),
		cmocka_unit_test(older_than_1_2_is_refused),
		cmocka_unit_test(the_name_chooses_the_certificate),
		cmocka_unit_test(bytes_arrive_as_they_were_sent),
		cmocka_unit_test(the_end_is_told),
		cmocka_unit_test(keys_may_be_renewed),
		cmocka_unit_test(many_renewals_are_answered),
		cmocka_unit_test(a_flood_of_renewals_is_bounded),
		cmocka_unit_test(who_has_closed_may_listen),
		cmocka_unit_test(what_the_protocol_says_by_itself_goes_first),
		cmocka_unit_test(a_flipped_bit_breaks_it),
		cmocka_unit_test(commands_are_no_handshake),
		cmocka_unit_test(bad_files_are_named),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
