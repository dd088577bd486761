// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static SSL_CTX *context_new(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* A session that waits holds no record buffers: 16 KB instead of 50. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

/* Beside the certificates it has, of other types of key; the chain with it. */
static bool offer(SSL *ssl, SSL_CTX *from)
{
	STACK_OF(X509) *chain = NULL;

	SSL_CTX_get0_chain_certs(from, &chain);
	return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(from),
				    SSL_CTX_get0_privatekey(from), chain, 1) == 1;
}

/* Offers the certificates for the name, of each type of key the first: OpenSSL takes the one whose
 * type the client knows. False: there is none. */
static bool offer_all(SSL *ssl, const struct tls_context *c, const char *name)
{
	int types[TLS_CERTIFICATES], count = 0;

	for (int i = 0; i < c->count; i++) {
		int type = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(c->list[i])), k = 0;

		if (X509_check_host(SSL_CTX_get0_certificate(c->list[i]), name, 0, 0, NULL) != 1)
			continue;
		while (k < count && types[k] != type)
			k++;
		if (k < count)
			continue;
		if (!count)
			SSL_certs_clear(ssl);
		if (offer(ssl, c->list[i]))
			types[count++] = type;
	}
	return count;
}

/* Without a name that is known the first certificate serves, and those for the same name: a sender
 * that checks names will see for itself. */
static int choose(SSL *ssl, int *alert, void *context)
{
	const struct tls_context *c = context;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (name && offer_all(ssl, c, name))
		return SSL_TLSEXT_ERR_OK;
	if (c->own)
		offer_all(ssl, c, c->own);
	return SSL_TLSEXT_ERR_NOACK;
}

/* A name that the certificate is for, or NULL. */
static char *name_of(X509 *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	char buf[256], *found = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == GEN_DNS)
			found = strndup((const char *)ASN1_STRING_get0_data(n->d.dNSName),
					(size_t)ASN1_STRING_length(n->d.dNSName));
	}
	if (!found && X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, buf,
						sizeof(buf)) > 0)
		found = strdup(buf);
	GENERAL_NAMES_free(names);
	/* Any host that a wildcard stands for. */
	if (found && *found == '*')
		*found = 'x';
	return found;
}

static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return 0;
}

static int load(struct tls_context *c, const char *certificate, const char *key, char *err,
		size_t err_size)
{
	SSL_CTX *ctx = context_new(TLS_server_method());
	char why[200];

	if (!ctx) {
		snprintf(err, err_size, "tls: out of memory");
		return -ENOMEM;
	}
	c->list[c->count++] = ctx;
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		snprintf(err, err_size,
			 "tls certificate %s: %s; name a PEM file with the certificate and its "
			 "chain that greygated's user may read",
			 certificate, tls_why(NULL, why, sizeof(why)));
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		snprintf(err, err_size,
			 "tls key %s: %s; name the PEM file of the certificate's key, without a "
			 "password, that greygated's user may read",
			 key, tls_why(NULL, why, sizeof(why)));
	else
		return 0;
	return -EINVAL;
}

int tls_context_server(char *const *certificates, char *const *keys, int count,
		       struct tls_context **ret, char *err, size_t err_size)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	int rc = c ? 0 : -ENOMEM;

	if (!rc)
		c->method = tls_method();
	if (!rc && !c->method)
		rc = -ENOMEM;
	if (rc)
		snprintf(err, err_size, "tls: out of memory");
	for (int i = 0; i < count && !rc; i++)
		rc = load(c, certificates[i], keys[i], err, err_size);
	if (rc) {
		tls_context_free(&c);
		return rc;
	}
	if (count > 1) {
		c->own = name_of(SSL_CTX_get0_certificate(c->list[0]));
		SSL_CTX_set_tlsext_servername_callback(c->list[0], choose);
		SSL_CTX_set_tlsext_servername_arg(c->list[0], c);
	}
	*ret = c;
	return 0;
}

int tls_context_client(const char *ca, struct tls_context **ret, char *err, size_t err_size)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	char why[200];
	int rc = 0;

	if (c) {
		c->method = tls_method();
		c->list[0] = context_new(TLS_client_method());
		c->count = c->list[0] ? 1 : 0;
	}
	if (!c || !c->method || !c->count) {
		snprintf(err, err_size, "tls: out of memory");
		rc = -ENOMEM;
	} else if (ca && SSL_CTX_load_verify_file(c->list[0], ca) != 1) {
		snprintf(err, err_size,
			 "tls backend_ca %s: %s; name a PEM file with the certificates of those "
			 "who issue the mail server's, that greygated's user may read",
			 ca, tls_why(NULL, why, sizeof(why)));
		rc = -EINVAL;
	}
	if (rc) {
		tls_context_free(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void tls_context_free(struct tls_context **c)
{
	if (!*c)
		return;
	for (int i = 0; i < (*c)->count; i++)
		SSL_CTX_free((*c)->list[i]);
	BIO_meth_free((*c)->method);
	free((*c)->own);
	free(*c);
	*c = NULL;
}
