// SPDX-License-Identifier: GPL-2.0-or-later
/* Message bytes: after DATA up to the lone dot, after BDAT as many as were announced. */
#include <string.h>

#include "endofdata.h"
#include "machine.h"

static void refuse_text(struct turn *t, enum smtp_reply r)
{
	t->step->act = SMTP_TEXT_BAD;
	t->step->reply = r;
	t->s->discard = r;
	machine_enter(t->s, SMTP_DISCARD);
}

size_t text_take(struct turn *t, const char *buf, size_t len)
{
	struct smtp *s = t->s;
	struct eod_run run;
	enum eod_verdict verdict = eod_scan(&s->eod, buf, len, &run);

	if (verdict == EOD_BAD && run.len == 0) {
		s->eod = EOD_TEXT;
		refuse_text(t, REPLY_BARE_BYTE);
		return 1;
	}
	if (run.len == 0)
		return 0;
	s->received += run.content;
	if (t->c->message && s->received > t->c->message) {
		refuse_text(t, REPLY_TOO_BIG);
		if (verdict != EOD_END)
			return run.len;
		/* The end has its own step, which brings the reply. */
		s->eod = EOD_LINE;
		return run.len - strlen(".\r\n");
	}
	t->step->act = verdict == EOD_END ? SMTP_TEXT_END : SMTP_TEXT;
	t->step->data = buf;
	t->step->len = run.len;
	return run.len;
}

size_t text_discard(struct turn *t, const char *buf, size_t len)
{
	struct smtp *s = t->s;
	enum eod_verdict verdict;
	struct eod_run run;
	size_t taken = 0;

	do {
		verdict = eod_scan(&s->eod, buf + taken, len - taken, &run);
		taken += run.len;
		if (verdict == EOD_BAD) {
			s->eod = EOD_TEXT;
			taken++;
		}
	} while (verdict == EOD_BAD);
	if (verdict == EOD_END) {
		machine_enter(s, SMTP_READY);
		machine_answer(t, s->discard, SMTP_RESET);
	}
	return taken;
}

/* ---- in chunks ---- */

static void refuse_chunk(struct turn *t)
{
	t->step->act = SMTP_TEXT_BAD;
	t->step->reply = REPLY_BARE_BYTE;
	t->s->discard = REPLY_BARE_BYTE;
	t->s->back = SMTP_READY;
	machine_enter(t->s, SMTP_CHUNK_DISCARD);
}

/* Takes the good bytes of a chunk: *ret_text of them are text, a CR that ends the chunk is kept.
 * False: the next one is bad. */
static bool scan_chunk(struct smtp *s, const char *buf, size_t len, size_t *ret_used,
		       size_t *ret_text)
{
	uint8_t state = EOD_RAW;
	enum eod_verdict verdict;
	size_t first = s->kept_cr;
	struct eod_run run;

	if (s->kept_cr && buf[0] != '\n')
		return false;
	verdict = eod_scan(&state, buf + first, len - first, &run);
	*ret_used = *ret_text = first + run.len;
	if (verdict == EOD_MORE && *ret_used < len && len == s->chunk)
		*ret_used = len; /* a CR, and nothing behind it */
	return verdict == EOD_MORE || *ret_used;
}

size_t text_chunk(struct turn *t, const char *buf, size_t len)
{
	size_t used = 0, text = 0, n = len < t->s->chunk ? len : (size_t)t->s->chunk;
	struct smtp *s = t->s;

	if (n && !scan_chunk(s, buf, n, &used, &text)) {
		refuse_chunk(t);
		return 0;
	}
	if (s->chunk && !used)
		return 0;
	if (used) {
		t->step->cr = s->kept_cr;
		s->kept_cr = used > text;
	}
	s->chunk -= used;
	s->received += used;
	if (!s->chunk && s->last && s->kept_cr) {
		refuse_chunk(t);
		return used;
	}
	t->step->act = s->chunk ? SMTP_TEXT : s->last ? SMTP_TEXT_END : SMTP_CHUNK_END;
	t->step->data = buf;
	t->step->len = text;
	return used;
}

size_t text_chunk_discard(struct turn *t, const char *buf, size_t len)
{
	size_t n = len < t->s->chunk ? len : (size_t)t->s->chunk;
	enum smtp_act act = t->s->back == SMTP_READY ? SMTP_RESET : SMTP_REPLIED;
	struct smtp *s = t->s;

	(void)buf;
	s->chunk -= n;
	if (s->chunk)
		return n;
	t->step->act = act;
	machine_enter(s, s->back);
	if (s->discard != REPLY_MAX)
		machine_answer(t, s->discard, act);
	return n;
}
