/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parameters of MAIL and RCPT (esmtp-params of RFC 5321 4.1.2). Each is known only where the
 * extension that brings it was offered to this client.
 */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H

#include "smtp.h"

struct params {
	uint64_t size;
	enum smtp_body body;
	bool utf8;
	char text[SMTP_PARAMS]; /* as they came, one space between */
};

/* What was offered: a bit for each enum ehlo_keyword; what was not, but is now, is refused for the
 * time being. utf8: of the transaction, for those of RCPT. REPLY_OK, or the reply that refuses them
 * and *ret untouched. */
enum smtp_reply params_read(const struct smtp_conf *c, uint32_t offered, bool utf8,
			    enum smtp_path_kind kind, const char *text, size_t len,
			    struct params *ret);

#endif
