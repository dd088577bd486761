// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log through the greylist: the first byte chooses between tab-separated values and a Postfix
 * mail log, the rest are its lines. Attempts come in bounds and, of a mail log, in order of time;
 * each has a verdict, and the totals count each once.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"

#define LINE_ROOM 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct replay *replay;
	uint64_t attempts, last;
} run;

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static int attempt(const struct replay_attempt *a, void *arg)
{
	const bool *ordered = arg;
	struct replay_answer answer = {0};

	demand(a->time / 1000 <= INT32_MAX);
	demand(!*ordered || a->time >= run.last);
	demand(strlen(a->evidence.name) < EVIDENCE_NAME);
	run.last = a->time;
	run.attempts++;
	demand(replay_next(run.replay, a, &answer) == 0);
	demand(answer.verdict && answer.delay_class);
	return 0;
}

static void tsv_line(struct replay_tsv *t, bool *headed, char *line)
{
	char why[REPLAY_WHY] = "";
	struct replay_attempt a;
	bool ordered = false;
	int rc;

	if (!*headed) {
		*headed = replay_tsv_header(t, line, why) == 0;
		demand(*headed || *why);
		return;
	}
	rc = replay_tsv_row(t, line, &a, why);
	demand(rc == 0 || (rc == -EINVAL && *why && strlen(why) < REPLAY_WHY));
	if (!rc)
		attempt(&a, &ordered);
}

static void total(void)
{
	for (enum replay_policy p = 0; p < REPLAY_POLICIES; p++) {
		struct replay_totals t = replay_total(run.replay, p);

		demand(t.attempts == run.attempts);
		demand(t.passed + t.deferred + t.denied == t.attempts);
		demand(t.never <= t.mails && t.mails <= t.attempts);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct replay_conf conf = {
		.policy = {.delay = {[CLASS_CLEAN] = 60,
				     [CLASS_DEFAULT] = 300,
				     [CLASS_SUSPICIOUS] = 1800},
			   .window = 345600,
			   .keep = 3110400,
			   .promote_after = 2,
			   .promote_net_after = 2,
			   .jitter = 20,
			   .hammer = 10},
		.traps = (char *[]){"trap@example.org"},
		.trap_count = 1,
		.trap_life = 3600,
		.trap_max = 86400,
		.compare = true,
	};
	struct replay_postfix *log = NULL;
	struct replay_tsv t;
	bool headed = false, ordered = true;
	char line[LINE_ROOM];

	if (!size)
		return 0;
	memset(&run, 0, sizeof(run));
	demand(replay_new(&conf, &run.replay) == 0 && replay_postfix_new(&log) == 0);
	for (const uint8_t *p = data + 1, *end = data + size; p < end;) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);

		n = n < sizeof(line) ? n : sizeof(line) - 1;
		memcpy(line, p, n);
		line[n] = '\0';
		if (data[0] & 1)
			demand(replay_postfix_line(log, line) == 0);
		else
			tsv_line(&t, &headed, line);
		p = nl ? nl + 1 : end;
	}
	demand(replay_postfix_each(log, attempt, &ordered) == 0);
	total();
	replay_postfix_free(&log);
	replay_free(&run.replay);
	return 0;
}
