// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attempts out of a Postfix mail log. A refused RCPT is one line of smtpd or postscreen. An
 * accepted one is put together from three: smtpd's client= (when and whence), qmgr's from=, and a
 * delivery agent's first to=.
 *
 * Left out: mail submitted with a login or from this machine, and refusals whose enhanced status
 * speaks of the recipient (5.1.x): greygate has asked the mail server before it greylists. What
 * accepted mail said in HELO is not in the log. Syslog's classic time stamp has no year; a jump
 * back by more than half a year is taken for New Year.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../core/hash.h"
#include "internal.h"

#define DAY_MS 86400000LL
#define TEXT 400
/* Years that a stamp may name: 2^31 s, which is as far as the times of attempts reach. Another year
 * is a damaged line, and would put all others far from the beginning. The first one is a leap year:
 * stamps that name none may say February 29. */
#define YEAR_FIRST 2000
#define YEAR_LAST 2067
#define AHEAD 8 /* attempts, as long as memory takes */

/* A place in `texts`. */
typedef uint32_t text_ref;

struct message {
	uint64_t queue_id; /* hash */
	int64_t time;      /* ms */
	struct addr src;
	text_ref name, from;
	uint32_t serial; /* of the message, for `delivered` */
};

struct logged {
	int64_t time;
	uint32_t order;
	struct addr src;
	text_ref name, helo, from, to;
};

struct replay_postfix {
	struct numbers by_queue_id, delivered, known_texts;
	struct message *messages;
	size_t message_count, message_room;
	struct logged *logged;
	size_t logged_count, logged_room;
	char *texts;
	size_t text_len, text_room;
	int64_t last_time;
	int year;
	uint32_t serial;
};

static const uint8_t key[16] = "postfix log";

/* ---- texts, each kept once ---- */

struct text {
	const char *at;
	size_t size; /* with NUL */
	uint64_t tag;
};

/* A text that is kept soon: of several, memory answers all at once. */
static struct text expect_text(const struct replay_postfix *p, const char *at)
{
	struct text t = {.at = at, .size = strlen(at) + 1};

	t.tag = hash_bytes(key, at, t.size);
	numbers_expect(&p->known_texts, t.tag);
	return t;
}

static int keep_text(struct replay_postfix *p, const struct text *t, text_ref *ret)
{
	uint32_t *known = numbers_find(&p->known_texts, t->tag);
	char *bigger;

	if (known) {
		*ret = *known;
		return 0;
	}
	if (p->text_len + t->size > UINT32_MAX)
		return -ENOMEM;
	if (p->text_len + t->size > p->text_room) {
		bigger = realloc(p->texts, 2 * p->text_room + t->size);
		if (!bigger)
			return -ENOMEM;
		p->texts = bigger;
		p->text_room = 2 * p->text_room + t->size;
	}
	if (numbers_add(&p->known_texts, t->tag, (uint32_t)p->text_len))
		return -ENOMEM;
	memcpy(p->texts + p->text_len, t->at, t->size);
	*ret = (text_ref)p->text_len;
	p->text_len += t->size;
	return 0;
}

static int keep(struct replay_postfix *p, const char *text, text_ref *ret)
{
	const struct text t = expect_text(p, text);

	return keep_text(p, &t, ret);
}

/* ---- the line ---- */

/* Days from 1970-01-01 of a date in the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int past = month > 2 ? year : year - 1;

	return 365LL * (year - 1970) + (past / 4 - past / 100 + past / 400) - 477 +
	       before[month - 1] + day - 1;
}

/* The year says whether February has a 29th; few stamps name one. */
static bool is_day(int month, int day)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return day >= 1 && day <= days[month - 1];
}

/* One to `most` digits; moves *p behind them. */
static bool number(const char **p, int most, int *ret)
{
	int n = 0, value = 0;

	for (; n < most && **p >= '0' && **p <= '9'; n++)
		value = 10 * value + *(*p)++ - '0';
	*ret = value;
	return n > 0;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* "18:00:01" and what follows a point there, as ms of the day. */
static bool time_of_day(const char **p, int64_t *ret)
{
	int h, m, s;

	if (!number(p, 2, &h) || !skip(p, ':') || !number(p, 2, &m) || !skip(p, ':') ||
	    !number(p, 2, &s) || h > 23 || m > 59 || s > 60)
		return false;
	*ret = ((h * 60LL + m) * 60 + s) * 1000 + replay_fraction(p);
	return true;
}

static bool time_iso(const char *p, int64_t *ret)
{
	int y, mo, d, oh = 0, om = 0;
	int64_t ms;

	if (!number(&p, 4, &y) || !skip(&p, '-') || !number(&p, 2, &mo) || !skip(&p, '-') ||
	    !number(&p, 2, &d) || y < YEAR_FIRST || y > YEAR_LAST || mo < 1 || mo > 12 ||
	    !is_day(mo, d) || (!skip(&p, 'T') && !skip(&p, ' ')) || !time_of_day(&p, &ms))
		return false;
	if (*p == '+' || *p == '-') {
		int sign = *p++ == '-' ? -1 : 1;

		if (!number(&p, 2, &oh) || (skip(&p, ':'), !number(&p, 2, &om)))
			return false;
		ms -= sign * (oh * 60 + om) * 60000LL;
	}
	*ret = days_of(y, mo, d) * DAY_MS + ms;
	return true;
}

static bool time_classic(struct replay_postfix *p, const char *line, int64_t *ret)
{
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int64_t ms;
	int m, d;

	for (m = 0; m < 12 && strncmp(line, months[m], 3) != 0; m++)
		;
	if (m == 12 || line[3] != ' ')
		return false;
	for (line += 3; *line == ' ';)
		line++;
	if (!number(&line, 2, &d) || !is_day(m + 1, d) || !skip(&line, ' ') ||
	    !time_of_day(&line, &ms))
		return false;
	*ret = days_of(p->year, m + 1, d) * DAY_MS + ms;
	if (p->last_time && *ret + 183 * DAY_MS < p->last_time && p->year < YEAR_LAST)
		*ret = days_of(++p->year, m + 1, d) * DAY_MS + ms;
	return true;
}

/* "postfix/smtp/smtpd[1]: " in a line: the program's last name, and what it says. */
static const char *program_of(const char *line, char name[20])
{
	const char *at = strstr(line, " postfix"), *end, *slash;

	if (!at)
		return NULL;
	at++;
	end = strchr(at, '[');
	if (!end || end - at > 60 || memchr(at, ' ', (size_t)(end - at)))
		return NULL;
	for (slash = end; slash > at && slash[-1] != '/'; slash--)
		;
	if (slash == at || end - slash >= 20)
		return NULL;
	memcpy(name, slash, (size_t)(end - slash));
	name[end - slash] = '\0';
	at = strstr(end, "]: ");
	return at ? at + 3 : NULL;
}

/* The text between `before` and `until`; false: there is none, or it is too long. */
static bool cut(const char *text, const char *before, char until, char ret[TEXT])
{
	const char *at = strstr(text, before), *end;

	if (!at)
		return false;
	at += strlen(before);
	end = strchr(at, until);
	if (!end || end - at >= TEXT)
		return false;
	memcpy(ret, at, (size_t)(end - at));
	ret[end - at] = '\0';
	return true;
}

/* "name[address]" or, from postscreen, "[address]:port". "unknown" is Postfix's word for no
 * confirmed name; postscreen does not look, which leaves name NULL. */
static bool client_of(const char *text, char name[TEXT], const char **ret_name, struct addr *ret)
{
	const char *open = strchr(text, '[');
	char address[TEXT];

	if (!open || open - text >= TEXT || !cut(open, "[", ']', address) ||
	    addr_parse(address, ret))
		return false;
	memcpy(name, text, (size_t)(open - text));
	name[open - text] = '\0';
	*ret_name = !*name ? NULL : strcmp(name, "unknown") ? name : "";
	return true;
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr one = {{[15] = 1}};

	return addr_is4(a) ? a->b[12] == 127 : addr_eq(a, &one);
}

/* ---- attempts ---- */

/* Not known is written as "?", which no host is called. */
static const char *name_text(const char *name)
{
	return name ? name : "?";
}

static int log_attempt(struct replay_postfix *p, const struct logged *attempt)
{
	struct logged *l;

	if (room_for_one(&p->logged, p->logged_count, &p->logged_room, sizeof(*l)))
		return -ENOMEM;
	l = &p->logged[p->logged_count];
	*l = *attempt;
	l->order = (uint32_t)p->logged_count++;
	return 0;
}

static int on_refusal(struct replay_postfix *p, int64_t time, const char *text)
{
	char client[TEXT], name[TEXT], from[TEXT], to[TEXT], helo[TEXT];
	struct logged l = {.time = time};
	struct text kept[4];
	const char *confirmed;

	if (!cut(text, "RCPT from ", ' ', client) || !cut(text, "from=<", '>', from) ||
	    !cut(text, " to=<", '>', to) || !client_of(client, name, &confirmed, &l.src))
		return 0;
	if (strstr(text, ": 550 5.1.") || strstr(text, ": 450 4.1.1 "))
		return 0;
	if (is_loopback(&l.src))
		return 0;
	if (!cut(text, "helo=<", '>', helo))
		helo[0] = '\0';
	kept[0] = expect_text(p, name_text(confirmed));
	kept[1] = expect_text(p, from);
	kept[2] = expect_text(p, helo);
	kept[3] = expect_text(p, to);
	if (keep_text(p, &kept[0], &l.name) || keep_text(p, &kept[1], &l.from) ||
	    keep_text(p, &kept[2], &l.helo) || keep_text(p, &kept[3], &l.to))
		return -ENOMEM;
	return log_attempt(p, &l);
}

static int on_client(struct replay_postfix *p, int64_t time, uint64_t queue_id, const char *text)
{
	struct message m = {.queue_id = queue_id, .time = time, .serial = ++p->serial};
	uint32_t *known = numbers_find(&p->by_queue_id, queue_id);
	char name[TEXT];
	const char *confirmed;

	if (strstr(text, "sasl_username=") || !client_of(text, name, &confirmed, &m.src) ||
	    is_loopback(&m.src))
		return 0;
	if (keep(p, name_text(confirmed), &m.name) || keep(p, "", &m.from))
		return -ENOMEM;
	if (known) {
		p->messages[*known] = m;
		return 0;
	}
	if (room_for_one(&p->messages, p->message_count, &p->message_room, sizeof(m)) ||
	    numbers_add(&p->by_queue_id, queue_id, (uint32_t)p->message_count))
		return -ENOMEM;
	p->messages[p->message_count++] = m;
	return 0;
}

static int on_delivery(struct replay_postfix *p, const struct message *m, const char *text)
{
	struct logged l = {.time = m->time, .src = m->src, .name = m->name, .from = m->from};
	char to[TEXT];
	uint64_t tag;

	/* After an alias the recipient of the envelope is the original one. */
	if (!cut(text, "orig_to=<", '>', to) && !cut(text, "to=<", '>', to))
		return 0;
	{
		const struct hash_piece pieces[] = {{&m->serial, sizeof(m->serial)},
						    {to, strlen(to)}};

		tag = hash_pieces(key, pieces, 2);
	}
	if (numbers_find(&p->delivered, tag))
		return 0;
	if (numbers_add(&p->delivered, tag, 0) || keep(p, "", &l.helo) || keep(p, to, &l.to))
		return -ENOMEM;
	return log_attempt(p, &l);
}

/* The last message takes the place of the one that is done. */
static void forget(struct replay_postfix *p, uint64_t queue_id, uint32_t number)
{
	struct message *last = &p->messages[p->message_count - 1];

	numbers_del(&p->by_queue_id, queue_id);
	if (last->queue_id != queue_id) {
		p->messages[number] = *last;
		*numbers_find(&p->by_queue_id, last->queue_id) = number;
	}
	p->message_count--;
}

int replay_postfix_line(struct replay_postfix *p, const char *line)
{
	char program[20], from[TEXT];
	const char *text = program_of(line, program), *colon;
	uint64_t queue_id;
	uint32_t *known;
	int64_t time;

	if (!text || (!time_iso(line, &time) && !time_classic(p, line, &time)))
		return 0;
	p->last_time = time;
	if (!strncmp(text, "NOQUEUE: reject: RCPT", 21))
		return on_refusal(p, time, text);
	colon = strstr(text, ": ");
	if (!colon)
		return 0;
	queue_id = hash_bytes(key, text, (size_t)(colon - text));
	text = colon + 2;
	if (!strncmp(text, "reject: RCPT", 12))
		return on_refusal(p, time, text);
	if (!strcmp(program, "smtpd") && !strncmp(text, "client=", 7))
		return on_client(p, time, queue_id, text + 7);
	known = numbers_find(&p->by_queue_id, queue_id);
	if (!known)
		return 0;
	if (!strcmp(program, "qmgr") && !strncmp(text, "removed", 7)) {
		forget(p, queue_id, *known);
		return 0;
	}
	if (!strcmp(program, "qmgr") && cut(text, "from=<", '>', from))
		return keep(p, from, &p->messages[*known].from);
	if (!strncmp(text, "to=<", 4))
		return on_delivery(p, &p->messages[*known], text);
	return 0;
}

bool replay_postfix_known(const struct replay_postfix *p)
{
	return p->last_time != 0;
}

int replay_postfix_new(struct replay_postfix **ret)
{
	struct replay_postfix *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->year = YEAR_FIRST;
	*ret = p;
	return 0;
}

void replay_postfix_free(struct replay_postfix **pp)
{
	struct replay_postfix *p = *pp;

	if (!p)
		return;
	numbers_free(&p->by_queue_id);
	numbers_free(&p->delivered);
	numbers_free(&p->known_texts);
	free(p->messages);
	free(p->logged);
	free(p->texts);
	free(p);
	*pp = NULL;
}

static int by_time(const void *a, const void *b)
{
	const struct logged *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* The texts of an attempt lie anywhere. */
static void expect_attempt(const struct replay_postfix *p, size_t i)
{
	const struct logged *l = &p->logged[i];

	if (i >= p->logged_count)
		return;
	__builtin_prefetch(p->texts + l->name);
	__builtin_prefetch(p->texts + l->helo);
	__builtin_prefetch(p->texts + l->from);
	__builtin_prefetch(p->texts + l->to);
}

int replay_postfix_each(struct replay_postfix *p, replay_attempt_fn see, void *arg)
{
	if (p->logged_count)
		qsort(p->logged, p->logged_count, sizeof(*p->logged), by_time);
	for (size_t i = 0; i < p->logged_count; i++) {
		const struct logged *l = &p->logged[i];
		const char *name = p->texts + l->name;
		struct replay_attempt a = {
			.time = (uint64_t)(l->time - p->logged[0].time),
			.src = l->src,
			.helo = p->texts + l->helo,
			.sender = p->texts + l->from,
			.recipient = p->texts + l->to,
		};
		int err;

		expect_attempt(p, i + AHEAD);
		err = replay_evidence(&a, strcmp(name, "?") ? name : NULL, NULL);

		if (!err)
			err = see(&a, arg);
		if (err)
			return err;
	}
	return 0;
}
