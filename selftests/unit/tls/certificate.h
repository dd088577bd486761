/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Self-signed certificates in files, for the tests of this room. Include after cmocka.h. */
#ifndef UNIT_TLS_CERTIFICATE_H
#define UNIT_TLS_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct certificate {
	const char *common_name;
	const char *alternative; /* "DNS:a.example,IP:192.0.2.7"; NULL: none */
	long from, until;        /* s from now */
	bool rsa;                /* the key; otherwise P-256 */
};

static inline void certificate_extend(X509 *x, const char *alternative)
{
	X509V3_CTX v3;
	X509_EXTENSION *e;

	X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, alternative);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

/* The paths are templates of mkstemp. */
static inline void certificate_make(const struct certificate *c, char *certificate, char *key)
{
	EVP_PKEY *pkey = c->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *x = X509_new();
	FILE *f;

	assert_true(pkey && x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), c->from);
	X509_gmtime_adj(X509_getm_notAfter(x), c->until);
	X509_set_pubkey(x, pkey);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)c->common_name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	if (c->alternative)
		certificate_extend(x, c->alternative);
	assert_true(X509_sign(x, pkey, EVP_sha256()));
	f = fdopen(mkstemp(certificate), "w");
	assert_true(PEM_write_X509(f, x));
	fclose(f);
	f = fdopen(mkstemp(key), "w");
	assert_true(PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL));
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(pkey);
}

#endif
