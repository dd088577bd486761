/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between context.c and session.c. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "tls.h"

struct tls_context {
	BIO_METHOD *method; /* the caller's buffers as OpenSSL sees them */
	int count;
	SSL_CTX *list[TLS_CERTIFICATES]; /* one for each certificate; sessions begin with the first
					  */
	char *own;                       /* name to ask for where the client has none; or NULL */
};

/* session.c */
BIO_METHOD *tls_method(void);

#endif
