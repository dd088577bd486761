// SPDX-License-Identifier: GPL-2.0-or-later
/* A name server's message: read or refused, and what is read are records of the right shape. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {DNS_A, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA};
	static struct dns_answer a;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const uint8_t *record;
		size_t at = 0, len;
		int rc = dns_parse(data, size, "www.example", types[i], &a), count = 0;

		if (rc) {
			if (rc != -EBADMSG)
				abort();
			continue;
		}
		if (a.len > sizeof(a.data) || (a.status == DNS_FOUND) != (a.count > 0))
			abort();
		while (dns_record(&a, &at, &record, &len)) {
			count++;
			if ((types[i] == DNS_A && len != 4) ||
			    (types[i] == DNS_AAAA && len != 16) ||
			    (types[i] == DNS_MX && (len < 2 || len > DNS_NAME + 1)) ||
			    (types[i] == DNS_PTR && (len >= DNS_NAME || memchr(record, 0, len))))
				abort();
		}
		if (count != a.count || at != a.len)
			abort();
	}
	return 0;
}
