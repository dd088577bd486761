// SPDX-License-Identifier: GPL-2.0-or-later
/* Whom a client session believes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "certificate.h"
#include "tls/internal.h"

#define WIRE 65536
#define PATH "/tmp/greygate-tls.XXXXXX"

enum who { GOOD, EXPIRED, EARLY, NAMELESS, STRANGER, RSA_GOOD, LATER, OTHER, RSA_THIRD, WHO_MAX };

static const struct certificate made[WHO_MAX] = {
	[GOOD] = {"mx", "DNS:mx.example.net,DNS:*.pool.example.net,IP:192.0.2.25,IP:2001:db8::25",
		  -60, 3600},
	[EXPIRED] = {"expired", "DNS:mx.example.net", -7200, -3600},
	[EARLY] = {"early", "DNS:mx.example.net", 3600, 7200},
	[NAMELESS] = {"mx.example.net", NULL, -60, 3600},
	[STRANGER] = {"stranger", "DNS:mx.example.net,IP:192.0.2.25", -60, 3600},
	[RSA_GOOD] = {"rsa", "DNS:mx.example.net", -60, 3600, true},
	[LATER] = {"later", "DNS:mx.example.net", -60, 3600},
	[OTHER] = {"other", "DNS:other.example", -60, 3600},
	[RSA_THIRD] = {"third", "DNS:third.example,DNS:*.third.example", -60, 3600, true},
};
static char certificates[WHO_MAX][sizeof(PATH)], keys[WHO_MAX][sizeof(PATH)];
static char believed[] = PATH; /* all but the stranger's */

static void append(const char *from, FILE *to)
{
	char buf[4096];
	FILE *f = fopen(from, "r");
	size_t n = fread(buf, 1, sizeof(buf), f);

	fwrite(buf, 1, n, to);
	fclose(f);
}

static int make_files(void **state)
{
	FILE *all = fdopen(mkstemp(believed), "w");

	(void)state;
	for (int i = 0; i < WHO_MAX; i++) {
		memcpy(certificates[i], PATH, sizeof(PATH));
		memcpy(keys[i], PATH, sizeof(PATH));
		certificate_make(&made[i], certificates[i], keys[i]);
		if (i != STRANGER)
			append(certificates[i], all);
	}
	fclose(all);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	unlink(believed);
	for (int i = 0; i < WHO_MAX; i++) {
		unlink(certificates[i]);
		unlink(keys[i]);
	}
	return 0;
}

/* The client's last step; *ret_why: what it held against the certificate. */
static enum tls_step meet(enum who who, const struct tls_peer *peer, const char *ca,
			  const char **ret_why)
{
	char *certificate = certificates[who], *key = keys[who], err[400];
	static char up[WIRE], down[WIRE];
	struct tls_context *server_context, *client_context;
	enum tls_step step = TLS_MORE, answer;
	struct tls server, client;
	size_t up_len, down_len = 0;

	if (tls_context_server(&certificate, &key, 1, &server_context, err, sizeof(err)) ||
	    tls_context_client(ca, &client_context, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(tls_begin_server(&server, server_context), 0);
	assert_int_equal(tls_begin_client(&client, client_context, peer), 0);
	for (int i = 0; i < 10 && step == TLS_MORE; i++) {
		step = tls_handshake(&client, down, &down_len, up, WIRE, &up_len);
		answer = tls_handshake(&server, up, &up_len, down, WIRE, &down_len);
		assert_true(answer != TLS_DEAD || step == TLS_DEAD);
	}
	*ret_why = tls_distrust(&client);
	tls_end(&server);
	tls_end(&client);
	tls_context_free(&server_context);
	tls_context_free(&client_context);
	return step;
}

static void who_is_believed(void **state)
{
	static const struct {
		enum who who;
		const char *names[3];
		const char *address, *why; /* NULL: believed */
	} rows[] = {
		{GOOD, {"mx.example.net"}, "10.0.0.1", NULL},
		{GOOD, {"MX.Example.NET"}, "10.0.0.1", NULL},
		{GOOD, {"other.example", "mx.example.net"}, "10.0.0.1", NULL},
		{GOOD, {"a.pool.example.net"}, "10.0.0.1", NULL},
		{GOOD, {"a.b.pool.example.net"}, "10.0.0.1", "hostname mismatch"},
		{GOOD, {"pool.example.net"}, "10.0.0.1", "hostname mismatch"},
		{GOOD, {"other.example", "mx.example.ne"}, "10.0.0.1", "hostname mismatch"},
		/* A name is asked for: the address is none. */
		{GOOD, {"other.example"}, "192.0.2.25", "hostname mismatch"},
		{GOOD, {NULL}, "192.0.2.25", NULL},
		{GOOD, {NULL}, "2001:db8::25", NULL},
		{GOOD, {NULL}, "192.0.2.26", "IP address mismatch"},
		{GOOD, {NULL}, "2001:db8::26", "IP address mismatch"},
		{EXPIRED, {"mx.example.net"}, "10.0.0.1", "certificate has expired"},
		{EARLY, {"mx.example.net"}, "10.0.0.1", "certificate is not yet valid"},
		/* Without any alternative name the common name counts (RFC 6125 6.4.4). */
		{NAMELESS, {"mx.example.net"}, "10.0.0.1", NULL},
		{NAMELESS, {NULL}, "192.0.2.25", "IP address mismatch"},
		{STRANGER, {"mx.example.net"}, "10.0.0.1", "self-signed certificate"},
		{STRANGER, {NULL}, "192.0.2.25", "self-signed certificate"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_peer peer = {.names = (char *const *)rows[i].names};
		enum tls_step step;
		const char *why;

		while (rows[i].names[peer.name_count])
			peer.name_count++;
		assert_int_equal(addr_parse(rows[i].address, &peer.address), 0);
		step = meet(rows[i].who, &peer, believed, &why);
		if (step != (rows[i].why ? TLS_DEAD : TLS_DONE) || !why != !rows[i].why)
			fail_msg("row %zu: step %d, %s", i, step, why ? why : "believed");
		if (why)
			assert_string_equal(why, rows[i].why);
		/* Who is not to be verified may be anybody. */
		assert_int_equal(meet(rows[i].who, NULL, believed, &why), TLS_DONE);
		assert_null(why);
	}
}

enum knows { BOTH, RSA_FIRST, RSA_ONLY, ECDSA_ONLY, KNOWS_MAX };

static const struct {
	const char *ciphers, *signatures;
} known[KNOWS_MAX] = {
	[BOTH] = {"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
		  "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256"},
	[RSA_FIRST] = {"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256",
		       "RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256"},
	[RSA_ONLY] = {"ECDHE-RSA-AES128-GCM-SHA256", "RSA-PSS+SHA256:RSA+SHA256"},
	[ECDSA_ONLY] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA+SHA256"},
};

/* The common name of the certificate that a client gets who asks for `name`; "": no handshake. */
static void served(const struct tls_context *c, int version, const char *name, enum knows knows,
		   char *ret, int size)
{
	static char up[WIRE], down[WIRE];
	enum tls_step step = TLS_MORE, answer = TLS_MORE;
	struct tls_context *client_context;
	struct tls server, client;
	size_t up_len, down_len = 0;
	char err[400];
	X509 *x;

	assert_int_equal(tls_context_client(NULL, &client_context, err, sizeof(err)), 0);
	assert_int_equal(tls_begin_server(&server, c), 0);
	assert_int_equal(tls_begin_client(&client, client_context, NULL), 0);
	SSL_set_max_proto_version(client.ssl, version);
	SSL_set_min_proto_version(client.ssl, version);
	assert_int_equal(SSL_set_cipher_list(client.ssl, known[knows].ciphers), 1);
	assert_int_equal(SSL_set1_sigalgs_list(client.ssl, known[knows].signatures), 1);
	if (name)
		SSL_set_tlsext_host_name(client.ssl, name);
	for (int i = 0; i < 10 && step == TLS_MORE && answer != TLS_DEAD; i++) {
		step = tls_handshake(&client, down, &down_len, up, WIRE, &up_len);
		answer = tls_handshake(&server, up, &up_len, down, WIRE, &down_len);
	}
	*ret = 0;
	x = step == TLS_DONE ? SSL_get1_peer_certificate(client.ssl) : NULL;
	if (x)
		X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, ret, size);
	X509_free(x);
	tls_end(&server);
	tls_end(&client);
	tls_context_free(&client_context);
}

static struct tls_context *serve(const enum who *who, int count)
{
	char *c[WHO_MAX], *k[WHO_MAX], err[400];
	struct tls_context *context;

	for (int i = 0; i < count; i++) {
		c[i] = certificates[who[i]];
		k[i] = keys[who[i]];
	}
	if (tls_context_server(c, k, count, &context, err, sizeof(err)))
		fail_msg("%s", err);
	return context;
}

static void name_and_key_choose_the_certificate(void **state)
{
	static const enum who all[] = {GOOD, OTHER, RSA_GOOD, LATER, RSA_THIRD};
	static const struct {
		const char *name;
		const char *gets[KNOWS_MAX];
	} rows[] = {
		{"mx.example.net", {"mx", "rsa", "rsa", "mx"}},
		{"a.pool.example.net", {"mx", "mx", "", "mx"}},
		{"other.example", {"other", "other", "", "other"}},
		{"third.example", {"third", "third", "third", ""}},
		/* As if the first name of the first certificate was asked for. */
		{"unknown.example", {"mx", "rsa", "rsa", "mx"}},
		{NULL, {"mx", "rsa", "rsa", "mx"}},
	};
	struct tls_context *c = serve(all, sizeof(all) / sizeof(all[0]));

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int k = 0; k < KNOWS_MAX; k++)
			for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
				char got[100];

				served(c, v, rows[i].name, (enum knows)k, got, sizeof(got));
				if (strcmp(got, rows[i].gets[k]) != 0)
					fail_msg("row %zu, client %d, %x: %s", i, k, (unsigned)v,
						 got);
			}
	tls_context_free(&c);
}

/* The first one's name may be a common name or a wildcard. */
static void certificates_for_one_name_are_found(void **state)
{
	static const enum who nameless[] = {NAMELESS, RSA_GOOD}, wild[] = {RSA_THIRD, GOOD};
	struct tls_context *c = serve(nameless, 2);
	char got[100];

	(void)state;
	served(c, TLS1_3_VERSION, NULL, RSA_ONLY, got, sizeof(got));
	assert_string_equal(got, "rsa");
	served(c, TLS1_3_VERSION, NULL, ECDSA_ONLY, got, sizeof(got));
	assert_string_equal(got, "mx.example.net");
	tls_context_free(&c);
	c = serve(wild, 2);
	served(c, TLS1_2_VERSION, "a.third.example", BOTH, got, sizeof(got));
	assert_string_equal(got, "third");
	served(c, TLS1_2_VERSION, NULL, BOTH, got, sizeof(got));
	assert_string_equal(got, "third");
	served(c, TLS1_2_VERSION, NULL, ECDSA_ONLY, got, sizeof(got));
	assert_string_equal(got, "");
	tls_context_free(&c);
}

static void nobody_is_believed_without_issuers(void **state)
{
	static char *name = "mx.example.net";
	struct tls_peer peer = {&name, 1, {{0}}};
	const char *why;

	(void)state;
	assert_int_equal(meet(GOOD, &peer, NULL, &why), TLS_DEAD);
	assert_string_equal(why, "self-signed certificate");
}

static void bad_files_are_named(void **state)
{
	struct tls_context *c = NULL;
	char err[400];

	(void)state;
	assert_int_equal(tls_context_client("/nonexistent/ca.pem", &c, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "tls backend_ca /nonexistent/ca.pem: "));
	assert_int_equal(tls_context_client(keys[GOOD], &c, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, keys[GOOD]));
	assert_null(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_believed),
		cmocka_unit_test(name_and_key_choose_the_certificate),
		cmocka_unit_test(certificates_for_one_name_are_found),
		cmocka_unit_test(nobody_is_believed_without_issuers),
		cmocka_unit_test(bad_files_are_named),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
