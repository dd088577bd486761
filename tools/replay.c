// SPDX-License-Identifier: GPL-2.0-or-later
/* replay: an attempt log through the greylist, with the log's own time and without a daemon. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../userspace/config/config.h"
#include "../userspace/replay/replay.h"
#include "cli.h"

#define BUFFER (1 << 20) /* of input, and of output */
#define COMPLAINTS 20    /* shown one by one */

static const char *const policies[REPLAY_POLICIES] = {"greygate", "spamd", "postgrey"};

struct run {
	struct config *config;
	struct cli *cli;
	const char *file;
	struct replay *replay;
	bool compare;
	struct replay_tsv tsv;
	char *row; /* the line once more: its reader cuts it */
	size_t row_room;
	unsigned long line, bad;
};

static void bad_line(struct run *run, const char *why)
{
	if (++run->bad <= COMPLAINTS)
		cli_complain("%s:%lu: %s", run->file, run->line, why);
}

/* ---- rows ---- */

/* A log may hold anything; JSON only holds UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *value = json_string(text);
	char safe[1024];

	return value ? value : json_string(format_safe(text, 0, safe, sizeof(safe)));
}

static void json_row(const struct run *run, const struct replay_attempt *a,
		     const struct replay_answer *v)
{
	const struct policy_evidence *e = &a->evidence;
	static const char *const spf[] = {
		[SPF_UNKNOWN] = "",
		[SPF_NONE] = "none",
		[SPF_NEUTRAL] = "neutral",
		[SPF_PASS] = "pass",
		[SPF_FAIL] = "fail",
		[SPF_SOFTFAIL] = "softfail",
		[SPF_TEMPERROR] = "temperror",
		[SPF_PERMERROR] = "permerror",
	};
	char ip[ADDR_TEXT];
	json_t *row = json_object();

	json_object_set_new(row, "time",
			    a->time % 1000 ? json_real((double)a->time / 1000)
					   : json_integer((json_int_t)(a->time / 1000)));
	json_object_set_new(row, "ip", json_string(addr_text(&a->src, ip)));
	json_object_set_new(row, "helo", text_json(a->helo));
	json_object_set_new(row, "sender", text_json(a->sender));
	json_object_set_new(row, "recipient", text_json(a->recipient));
	json_object_set_new(row, "rdns", text_json(e->name));
	json_object_set_new(row, "spf", json_string(spf[e->spf]));
	json_object_set_new(row, "verdict", json_string(v->verdict));
	json_object_set_new(row, "reason", json_string(v->reason));
	json_object_set_new(row, "class", json_string(v->delay_class));
	json_object_set_new(row, "wait", json_integer(v->wait));
	json_object_set_new(row, "identity", json_string(v->identity));
	for (int p = REPLAY_OURS + 1; run->compare && p < REPLAY_POLICIES; p++)
		json_object_set_new(row, policies[p], json_string(v->passed[p] ? "pass" : "grey"));
	cli_print_json(row, NULL);
	json_decref(row);
}

static char *field(char *at, const char *text)
{
	size_t len = strlen(text);

	*at++ = '\t';
	memcpy(at, text, len);
	return at + len;
}

static char *number(char *at, uint64_t n)
{
	char digits[20];
	int count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count)
		*at++ = digits[--count];
	return at;
}

static char *number_field(char *at, uint64_t n)
{
	*at++ = '\t';
	return number(at, n);
}

static void print_attempt(const struct replay_attempt *a)
{
	const char *const texts[] = {a->helo, a->sender, a->recipient, a->evidence.name, ""};
	char start[40 + ADDR_TEXT], ip[ADDR_TEXT], *end = number(start, a->time / 1000);
	unsigned int ms = a->time % 1000;

	if (ms)
		end += snprintf(end, sizeof(".999"), ".%03u", ms);
	end = field(end, addr_text(&a->src, ip));
	fwrite(start, 1, (size_t)(end - start), stdout);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		putchar('\t');
		fputs(texts[i], stdout);
	}
}

/* Words of the policy, all of them short. */
static void print_answer(const struct run *run, const struct replay_answer *v)
{
	char text[200], *end = field(text, v->verdict);

	end = field(end, v->reason);
	end = field(end, v->delay_class);
	end = number_field(end, v->wait);
	end = field(end, v->identity);
	for (int p = REPLAY_OURS + 1; run->compare && p < REPLAY_POLICIES; p++)
		end = field(end, v->passed[p] ? "pass" : "grey");
	*end++ = '\n';
	fwrite(text, 1, (size_t)(end - text), stdout);
}

/* `row` is the line as it was read; NULL: it was no row. */
static int one(struct run *run, const struct replay_attempt *a, const char *row)
{
	struct replay_answer v;
	int err = replay_next(run->replay, a, &v);

	if (err)
		return err;
	if (run->cli->json) {
		json_row(run, a, &v);
		return 0;
	}
	if (row)
		fputs(row, stdout);
	else
		print_attempt(a);
	print_answer(run, &v);
	return 0;
}

static void header(const struct run *run, const char *columns)
{
	if (run->cli->json)
		return;
	printf("%s\tverdict\treason\tclass\twait\tidentity", columns);
	for (int p = REPLAY_OURS + 1; run->compare && p < REPLAY_POLICIES; p++)
		printf("\t%s", policies[p]);
	putchar('\n');
}

static int tsv_line(struct run *run, char *line)
{
	struct replay_attempt a;
	char why[REPLAY_WHY];
	int err = 0;

	if (!*line || *line == '#')
		return 0;
	memcpy(run->row, line, strlen(line) + 1);
	if (!run->tsv.count) {
		if (replay_tsv_header(&run->tsv, line, why)) {
			bad_line(run, why);
			err = -EINVAL;
		} else {
			header(run, run->row);
		}
	} else if (replay_tsv_row(&run->tsv, line, &a, why)) {
		bad_line(run, why);
	} else {
		err = one(run, &a, run->row);
	}
	return err;
}

static int postfix_attempt(const struct replay_attempt *a, void *arg)
{
	return one(arg, a, NULL);
}

/* ---- the file ---- */

/* As much for the row as getline has for the line. */
static int row_room(struct run *run, size_t room)
{
	char *bigger;

	if (room <= run->row_room)
		return 0;
	bigger = realloc(run->row, room);
	if (!bigger)
		return -ENOMEM;
	run->row = bigger;
	run->row_room = room;
	return 0;
}

static void chomp(char *line, ssize_t len)
{
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
}

/* Rotated logs are packed; what unpacks them writes what is read here. */
static const struct {
	const char *magic, *name, *unpack;
} packers[] = {
	{"\x1f\x8b", "gzip", "zcat"},
	{"BZh", "bzip2", "bzcat"},
	{"\xfd\x37zXZ", "xz", "xzcat"},
	{"\x28\xb5\x2f\xfd", "zstd", "zstdcat"},
};

static bool is_packed(struct run *run, const char *line, const char *format)
{
	const char *name = strcmp(run->file, "-") ? run->file : "FILE";
	char why[PATH_MAX + 100];

	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		if (strncmp(line, packers[i].magic, strlen(packers[i].magic)) != 0)
			continue;
		snprintf(why, sizeof(why), "packed by %s: %s %s | greygate replay --format %s -",
			 packers[i].name, packers[i].unpack, name, format);
		bad_line(run, why);
		return true;
	}
	return false;
}

static int each_line(struct run *run, FILE *f, struct replay_postfix *postfix)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &room, f)) >= 0) {
		run->line++;
		chomp(line, len);
		if (run->line == 1 && is_packed(run, line, postfix ? "postfix" : "tsv")) {
			err = -EINVAL;
			break;
		}
		err = row_room(run, room);
		if (!err)
			err = postfix ? replay_postfix_line(postfix, line) : tsv_line(run, line);
	}
	free(line);
	free(run->row);
	if (!err && ferror(f))
		err = -EIO;
	if (!err && postfix && run->line && !replay_postfix_known(postfix)) {
		bad_line(run, "up to here no line of a Postfix mail log; see --format");
		err = -EINVAL;
	}
	if (!err && !postfix && !run->tsv.count) {
		bad_line(run, "there is no header; the first line names the columns");
		err = -EINVAL;
	}
	return err;
}

static int read_postfix(struct run *run, FILE *f)
{
	struct replay_postfix *postfix = NULL;
	int err = replay_postfix_new(&postfix);

	if (!err)
		err = each_line(run, f, postfix);
	if (!err) {
		header(run, "time\tip\thelo\tsender\trecipient\trdns\tspf");
		err = replay_postfix_each(postfix, postfix_attempt, run);
	}
	replay_postfix_free(&postfix);
	return err;
}

/* ---- the summary ---- */

struct table_of {
	enum replay_policy policy;
	bool compare;
	json_t *array; /* NULL: text */
};

static void domain_row(const struct spread_row *d, void *arg)
{
	const struct table_of *t = arg;
	const char *name = *d->name ? d->name : "<>";
	const uint32_t delays[] = {d->p50, d->p90, d->p99, d->max};
	char text[200], *end;

	if (t->array) {
		json_array_append_new(t->array,
				      json_pack("{so sI sI sI sI sI sI}", "domain", text_json(name),
						"mails", (json_int_t)d->mails, "never_passed",
						(json_int_t)d->never, "p50", (json_int_t)d->p50,
						"p90", (json_int_t)d->p90, "p99",
						(json_int_t)d->p99, "max", (json_int_t)d->max));
		return;
	}
	end = number_field(number_field(text, d->mails), d->never);
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
		end = d->never == d->mails ? field(end, "-") : number_field(end, delays[i]);
	if (t->compare)
		end = field(end, policies[t->policy]);
	*end++ = '\n';
	fputs("# ", stdout);
	fputs(name, stdout);
	fwrite(text, 1, (size_t)(end - text), stdout);
}

static int summary_text(const struct run *run)
{
	static const struct {
		const char *name;
		size_t offset;
	} rows[] = {
		{"attempts", offsetof(struct replay_totals, attempts)},
		{"passed", offsetof(struct replay_totals, passed)},
		{"deferred", offsetof(struct replay_totals, deferred)},
		{"denied", offsetof(struct replay_totals, denied)},
		{"mails", offsetof(struct replay_totals, mails)},
		{"never passed", offsetof(struct replay_totals, never)},
	};
	int n = run->compare ? REPLAY_POLICIES : 1, err = 0;

	if (run->compare)
		printf("# summary\t%s\t%s\t%s\n", policies[0], policies[1], policies[2]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf("# %s", rows[i].name);
		for (int p = 0; p < n; p++) {
			struct replay_totals t = replay_total(run->replay, (enum replay_policy)p);
			uint64_t value;

			memcpy(&value, (const char *)&t + rows[i].offset, sizeof(value));
			printf("\t%lu", (unsigned long)value);
		}
		putchar('\n');
	}
	printf("# first-pass delay in s by sender domain\n"
	       "# domain\tmails\tnever passed\tp50\tp90\tp99\tmax%s\n",
	       run->compare ? "\tpolicy" : "");
	for (int p = 0; p < n && !err; p++) {
		struct table_of t = {(enum replay_policy)p, run->compare, NULL};

		err = replay_domains(run->replay, t.policy, domain_row, &t);
	}
	return err;
}

static json_t *policy_json(const struct run *run, enum replay_policy p, int *ret_err)
{
	struct replay_totals t = replay_total(run->replay, p);
	struct table_of table = {p, run->compare, json_array()};

	*ret_err = replay_domains(run->replay, p, domain_row, &table);
	return json_pack("{sI sI sI sI sI sI so}", "attempts", (json_int_t)t.attempts, "passed",
			 (json_int_t)t.passed, "deferred", (json_int_t)t.deferred, "denied",
			 (json_int_t)t.denied, "mails", (json_int_t)t.mails, "never_passed",
			 (json_int_t)t.never, "domains", table.array);
}

static int summary_json(const struct run *run)
{
	json_t *line = json_object(), *ours;
	int err;

	ours = policy_json(run, REPLAY_OURS, &err);
	for (int p = REPLAY_OURS + 1; !err && run->compare && p < REPLAY_POLICIES; p++)
		json_object_set_new(ours, policies[p],
				    policy_json(run, (enum replay_policy)p, &err));
	json_object_set_new(line, "summary", ours);
	cli_print_json(line, NULL);
	json_decref(line);
	return err;
}

/* ---- settings ---- */

static const struct policy_conf *policy_of(const char *recipient, const void *config)
{
	return &config_level(config, recipient)->policy;
}

/* The configuration's greylist, or with none at hand the defaults. */
static int begin(struct run *run)
{
	struct replay_conf conf;
	const struct config *c;
	int err = cli_settings(run->cli, &run->config);

	if (err)
		return err;
	c = run->config;
	conf = (struct replay_conf){
		.policy = config_policy(c),
		.policy_of = policy_of,
		.policy_arg = c,
		.exempt = c->greylist.exempt,
		.exempt_count = c->greylist.exempt_count,
		.traps = c->trap.addresses,
		.trap_count = c->trap.address_count,
		.hosted = c->trap.hosted,
		.hosted_count = c->trap.hosted_count,
		.trap_life = (uint32_t)(c->trap.life / 1000),
		.trap_max = (uint32_t)(c->trap.max / 1000),
		.compare = run->compare,
	};
	err = replay_new(&conf, &run->replay);
	if (err)
		cli_complain("replay: %s", strerror(-err));
	return err;
}

static int run_file(struct run *run, bool postfix)
{
	FILE *f = strcmp(run->file, "-") ? fopen(run->file, "r") : stdin;
	int err;

	if (!f) {
		cli_complain("%s: %s", run->file, strerror(errno));
		return -errno;
	}
	setvbuf(f, NULL, _IOFBF, BUFFER);
	err = postfix ? read_postfix(run, f) : each_line(run, f, NULL);
	if (f != stdin)
		fclose(f);
	if (!err)
		err = run->cli->json ? summary_json(run) : summary_text(run);
	if (run->bad > COMPLAINTS)
		cli_complain("%s: %lu bad lines in all", run->file, run->bad);
	if (err && err != -EINVAL)
		cli_complain("%s:%lu: %s", run->file, run->line, strerror(-err));
	return err;
}

int cmd_replay(struct cli *cli, int argc, char **argv)
{
	const char *format = "tsv", *words[1];
	struct run run = {.cli = cli};
	const struct cli_option options[] = {
		{"--format", &format, NULL}, {"--compare", NULL, &run.compare}, {NULL, NULL, NULL}};
	int err;

	if (cli_parse(cli, argc, argv, options, 1, 1, words) < 0)
		return CLI_USAGE;
	if (strcmp(format, "tsv") != 0 && strcmp(format, "postfix") != 0) {
		cli_complain("replay: --format is tsv or postfix, not \"%s\"", format);
		return CLI_USAGE;
	}
	run.file = words[0];
	setvbuf(stdout, NULL, _IOFBF, BUFFER);
	if (begin(&run)) {
		config_free(&run.config);
		return CLI_FAILED;
	}
	err = run_file(&run, !strcmp(format, "postfix"));
	replay_free(&run.replay);
	config_free(&run.config);
	return err || run.bad ? CLI_FAILED : CLI_DONE;
}
