// SPDX-License-Identifier: GPL-2.0-or-later
/* PROXY headers: a good one is read whole and alike through every cut, nothing beyond is touched.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct endpoint client, again, here, here_again;
	size_t len = 0, len_again = 0;
	enum proxy_result result = proxy_header(text, size, &client, &here, &len);

	if (result == PROXY_CLIENT || result == PROXY_LOCAL) {
		demand(len >= 15 && len <= PROXY_HEADER && len <= size);
		demand(proxy_header(text, len, &again, &here_again, &len_again) == result &&
		       len_again == len);
		if (result == PROXY_CLIENT)
			demand(here.port == here_again.port &&
			       addr_eq(&here.addr, &here_again.addr) && client.port == again.port &&
			       addr_eq(&client.addr, &again.addr) && !addr_is_any(&client.addr) &&
			       client.addr.b[0] != 0xff);
		for (size_t cut = 0; cut < len; cut++)
			demand(proxy_header(text, cut, &again, &here_again, &len_again) ==
			       PROXY_MORE);
	} else if (result == PROXY_MORE) {
		demand(size < PROXY_HEADER);
		for (size_t cut = 0; cut < size; cut++)
			demand(proxy_header(text, cut, &again, &here_again, &len_again) ==
			       PROXY_MORE);
	}
	return 0;
}
