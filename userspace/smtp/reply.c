// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every reply of our own. The backend's replies are handed back verbatim and never pass here.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "ehlo.h"
#include "reply.h"

static const struct smtp_reply_row rows[REPLY_MAX] = {
	[REPLY_BANNER] = {220, NULL, "{hostname} ESMTP greygate",
			  "a connection was accepted; the line comes more than once while it is "
			  "drawn out"},
	[REPLY_BYE] = {221, "2.0.0", "{hostname} Bye", "QUIT"},
	[REPLY_HELO] = {250, NULL, "{hostname}", "HELO"},
	[REPLY_EHLO] = {250, NULL, "{hostname}", "EHLO; a line for each service extension follows"},
	[REPLY_OK] = {250, "2.0.0", "Ok", "RSET, NOOP"},
	[REPLY_MAIL_OK] = {250, "2.1.0", "Sender ok", "MAIL FROM was taken"},
	[REPLY_RCPT_OK] = {250, "2.1.5", "Recipient ok",
			   "RCPT TO of the null sender, whose bounce waits at DATA"},
	[REPLY_VRFY] = {252, "2.1.5", "Not verified here; send the message and see", "VRFY"},
	[REPLY_HELP] = {214, "2.0.0", "Commands: {commands}",
			"HELP; STARTTLS and BDAT are among them where they are offered"},
	[REPLY_TLS_READY] = {220, "2.0.0", "Ready to start TLS", "STARTTLS"},
	[REPLY_TLS_BUSY] = {454, "4.7.0",
			    "TLS not available now, please retry later or go on without it",
			    "STARTTLS beyond the limit of TLS sessions"},
	[REPLY_GREYLISTED] = {451, "4.7.1",
			      "Greylisted, please retry in {minutes} (ticket {ticket}; {contact})",
			      "the sender is not known yet, or came back before the wait was over"},
	[REPLY_SERVICE_DOWN] =
		{421, "4.3.2", "{hostname} Service not available, please retry later",
		 "draining for a stop, or full: limit sessions, per_source, relief refuse"},
	[REPLY_TIMEOUT] = {421, "4.4.2", "{hostname} Timeout, closing the connection",
			   "state_time or session_time is over"},
	[REPLY_TOO_MANY_ERRORS] =
		{421, "4.7.0", "{hostname} Too many errors, closing the connection",
		 "after the last error that limit errors allows, with check errors = reject"},
	[REPLY_TOO_MANY_COMMANDS] = {421, "4.7.0",
				     "{hostname} Too many commands, closing the connection",
				     "the first command beyond the limit"},
	[REPLY_UNKNOWN] = {500, "5.5.1", "Command not recognized", "a verb that SMTP doesn't know"},
	[REPLY_NOT_IMPLEMENTED] = {502, "5.5.1", "Command not implemented",
				   "a verb of SMTP or of an extension that is not offered"},
	[REPLY_LINE_TOO_LONG] = {500, "5.5.2", "Line too long", "a command line beyond the limit"},
	[REPLY_BAD_LINE] = {500, "5.5.2",
			    "Bad byte in the line: commands are ASCII and end with CRLF",
			    "a command line with a NUL, a bare CR, a bare LF or an 8-bit byte; "
			    "after SMTPUTF8 was offered UTF-8 may stand in MAIL, RCPT and VRFY"},
	[REPLY_SYNTAX] = {501, "5.5.4", "Syntax error in the arguments",
			  "arguments that are missing, superfluous or malformed"},
	[REPLY_BAD_PATH] =
		{501, "5.1.7", "Bad sender address, write MAIL FROM:<user@example.org>",
		 "a reverse-path that RFC 5321 does not allow; check paths says which are taken "
		 "all the same"},
	[REPLY_BAD_RECIPIENT] =
		{501, "5.1.3", "Bad recipient address, write RCPT TO:<user@example.org>",
		 "a forward-path that RFC 5321 does not allow; check paths as for senders"},
	[REPLY_BAD_HELO] = {501, "5.5.4", "Say a domain name or an address literal",
			    "HELO or EHLO with anything else"},
	[REPLY_SEQUENCE] = {503, "5.5.1", "Bad sequence of commands",
			    "MAIL before EHLO or within a transaction, RCPT, DATA or BDAT before "
			    "MAIL, DATA among chunks, a chunk after one that failed"},
	[REPLY_BAD_PARAM] = {555, "5.5.4", "Parameter not recognized or not implemented",
			     "a parameter of MAIL or RCPT that was not offered, any after HELO"},
	[REPLY_ASCII_SENDER] = {550, "5.6.7", "Non-ASCII sender address without SMTPUTF8",
				"MAIL FROM with such an address and without that parameter"},
	[REPLY_ASCII_RECIPIENT] = {553, "5.6.7", "Non-ASCII recipient address without SMTPUTF8",
				   "RCPT TO or VRFY with such an address, MAIL FROM had not that "
				   "parameter"},
	[REPLY_OFFER_CHANGED] = {451, "4.4.0",
				 "The mail server offers something else now, please retry "
				 "({contact})",
				 "a parameter of MAIL or RCPT that the mail server has lost since "
				 "EHLO, or was not known to have"},
	[REPLY_TOO_MANY_RECIPIENTS] =
		{452, "4.5.3", "Too many recipients, send the rest in another transaction",
		 "RCPT beyond the limit of a transaction, a second one from the null sender"},
	[REPLY_TOO_BIG] = {552, "5.3.4", "Message too big",
			   "SIZE beyond the limit, the end of a message that was, or of the chunk "
			   "that made it so"},
	[REPLY_BARE_BYTE] = {550, "5.6.11", "Message refused: bare CR, bare LF or NUL in it",
			     "the end of a message or of a chunk with such a byte"},
	[REPLY_DUPLICATE] = {250, "2.0.0", "Ok, the mail server has taken this message before",
			     "the end of a message that was delivered within the last day to a "
			     "client that may not have heard of it"},
	[REPLY_UNDER_WAY] = {451, "4.3.0",
			     "The mail server is still taking this message, please retry",
			     "the end of a message that another session has just handed over and "
			     "the mail server has not answered yet"},
	[REPLY_CHUNK_OK] = {250, "2.0.0", "Ok, go on",
			    "BDAT without bytes for the mail server, not the last one"},
	[REPLY_BAD_CHUNK] = {501, "5.5.4", "Size of the chunk not understood, closing",
			     "BDAT without a size that can be read, or with more behind it than "
			     "LAST"},
	[REPLY_NO_CHUNKING] = {451, "4.3.5",
			       "The mail server takes no chunks now, please retry ({contact})",
			       "BDAT, the mail server has lost CHUNKING since EHLO"},
	[REPLY_NO_VALID_RECIPIENTS] = {554, "5.5.1", "No valid recipients",
				       "DATA or BDAT without an accepted recipient"},
	[REPLY_BACKEND_DOWN] = {451, "4.4.1", "Mail server not reachable, please retry ({contact})",
				"the mail server could not be reached or did not greet"},
	[REPLY_BACKEND_LOST] = {451, "4.4.2",
				"Connection to the mail server lost, please retry ({contact})",
				"the mail server closed, fell silent or answered garbage"},
	[REPLY_BACKEND_BUSY] =
		{451, "4.3.2", "Mail server busy, please retry ({contact})",
		 "every connection to the mail server is in use, but for those that are kept for "
		 "allowed sources, or it takes no more of them"},
	[REPLY_SOURCE_BUSY] =
		{451, "4.7.0", "Too many deliveries from you at once, please retry ({contact})",
		 "a source that is not allowed holds as many connections to the mail server as "
		 "upstream per_source has"},
	[REPLY_PROTOCOL] = {550, "5.5.0", "Refused: {reason} (ticket {ticket}; {contact})",
			    "RCPT in a session that failed a check set to reject"},
	[REPLY_NOT_SMTP] = {550, "5.5.0", "This is a mail server, closing the connection",
			    "a command of HTTP, a header line, an SSH or TLS greeting"},
	[REPLY_DENIED] = {554, "5.7.1", "{reason} (ticket {ticket}; {contact})",
			  "the source is on a deny list or in the trap"},
};

/*
 * The fields of a text. Each has a length that it is cut to, chosen so that no text can outgrow a
 * reply line, and a word that stands for it when nobody filled it in.
 */
enum field {
	FIELD_HOSTNAME,
	FIELD_CONTACT,
	FIELD_MINUTES,
	FIELD_TICKET,
	FIELD_COMMANDS,
	FIELD_REASON,
	FIELD_MAX
};

static const struct {
	const char *name;
	size_t max;
	const char *otherwise;
} fields[FIELD_MAX] = {
	[FIELD_HOSTNAME] = {"{hostname}", 255, "localhost"},
	[FIELD_CONTACT] = {"{contact}", 120, "postmaster"},
	[FIELD_MINUTES] = {"{minutes}", 24, "some minutes"},
	[FIELD_TICKET] = {"{ticket}", 32, "none"},
	[FIELD_COMMANDS] = {"{commands}", COMMAND_NAMES, "QUIT"},
	[FIELD_REASON] = {"{reason}", 280, "Refused"},
};

static size_t put_value(char *buf, const char *value, size_t max)
{
	size_t len = 0;

	for (; len < max && value[len]; len++)
		buf[len] = value[len] >= ' ' && value[len] <= '~' ? value[len] : '?';
	return len;
}

/* The field whose name stands at text, which begins with a brace: every brace of the table does. */
static enum field field_at(const char *text)
{
	int f = 0;

	while (f < FIELD_MAX - 1 && strncmp(text, fields[f].name, strlen(fields[f].name)) != 0)
		f++;
	return f;
}

size_t reply_text(char buf[REPLY_LINE], const struct smtp_conf *c, enum smtp_reply r,
		  const struct smtp_reply_args *args)
{
	static const struct smtp_reply_args none;
	const struct smtp_reply_args *a = args ? args : &none;
	char minutes[24] = "", commands[COMMAND_NAMES] = "";
	const char *const values[FIELD_MAX] = {
		[FIELD_HOSTNAME] = c->hostname, [FIELD_CONTACT] = c->contact,
		[FIELD_MINUTES] = minutes,      [FIELD_TICKET] = a->ticket,
		[FIELD_COMMANDS] = commands,    [FIELD_REASON] = a->reason,
	};
	const char *text = rows[r].text;
	size_t len = 0;

	if (r == REPLY_HELP)
		command_names(c, commands);
	if (a->minutes)
		snprintf(minutes, sizeof(minutes), "%u minute%s", a->minutes,
			 a->minutes == 1 ? "" : "s");
	while (*text) {
		enum field f;

		if (*text != '{') {
			buf[len++] = *text++;
			continue;
		}
		f = field_at(text);
		len += put_value(buf + len,
				 values[f] && *values[f] ? values[f] : fields[f].otherwise,
				 fields[f].max);
		text += strlen(fields[f].name);
	}
	buf[len] = '\0';
	return len;
}

void reply_append(struct smtp_out *out, const char *text, size_t len)
{
	assert(out->cap - out->len >= len);
	memcpy(out->buf + out->len, text, len);
	out->len += len;
}

void smtp_reply(struct smtp_out *out, const struct smtp_conf *c, enum smtp_reply r,
		const struct smtp_reply_args *args)
{
	const struct smtp_reply_row *row = &rows[r];
	char text[REPLY_LINE];
	char code[] = {(char)('0' + row->code / 100), (char)('0' + row->code / 10 % 10),
		       (char)('0' + row->code % 10), ' '};
	size_t len;

	if (r == REPLY_EHLO) {
		ehlo_reply(out, c);
		return;
	}
	len = reply_text(text, c, r, args);
	reply_append(out, code, sizeof(code));
	if (row->status) {
		reply_append(out, row->status, strlen(row->status));
		reply_append(out, " ", 1);
	}
	reply_append(out, text, len);
	reply_append(out, "\r\n", 2);
}

int smtp_reply_code(enum smtp_reply r)
{
	return rows[r].code;
}

const struct smtp_reply_row *smtp_reply_row(enum smtp_reply r)
{
	return &rows[r];
}
