// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A start. Everything that needs rights is opened first: store, listeners, control socket, last
 * the kernel fast path; then rights are dropped; then come the threads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "askers.h"
#include "commands.h"
#include "core/log.h"
#include "forget.h"
#include "kernel_conf.h"
#include "lacking.h"
#include "notices.h"
#include "offers.h"
#include "policy/conduct.h"
#include "probe.h"
#include "process.h"
#include "rehearsal.h"
#include "reloader.h"
#include "remains.h"
#include "taken.h"
#include "verifier.h"
#include "verify.h"
#include "worker.h"

#define REMAINS "what an earlier start has attached stays in force: "
#define STORE_FIRST ((size_t)256 << 20)
#define STORE_QUEUE 32768
#define STORE_PATIENCE 60  /* tries, 50 ms apart */
#define PROBE_AT_START 500 /* ms: a mail server that is slower is learned later */

/* ---- what is opened with rights ---- */

static int open_store(struct process *p, const struct config *c)
{
	struct daemon *d = &p->daemon;
	struct store_conf conf = {.dir = c->state_dir,
				  .map_bytes = STORE_FIRST < c->limit.store ? STORE_FIRST
									    : c->limit.store,
				  .max_bytes = c->limit.store,
				  .window = config_window(c),
				  .keep = config_keep(c),
				  .sync = true,
				  .held_lock = p->takeover.store_lock};
	const struct timespec pause = {.tv_nsec = 50000000};
	int rc;

	p->takeover.store_lock = 0;
	rc = store_open_lmdb(&conf, &d->store, d->key, p->err, sizeof(p->err));

	/* A daemon that was just killed may not be quite gone. */
	for (int i = 0; rc == -EBUSY && i < STORE_PATIENCE; i++) {
		nanosleep(&pause, NULL);
		rc = store_open_lmdb(&conf, &d->store, d->key, p->err, sizeof(p->err));
	}
	if (rc)
		return rc;
	if (p->err[0]) {
		snprintf(d->store_why, sizeof(d->store_why), "%.*s", (int)sizeof(d->store_why) - 1,
			 p->err);
		log_message(LOG_STORE, "%s", p->err);
	}
	return privileges_give(c->state_dir, &p->who, p->err, sizeof(p->err));
}

static int make_tables(struct process *p, const struct config *c)
{
	/* The limits are of each family. */
	const size_t verdicts = 2 * ((size_t)c->limit.hosts + c->limit.nets);
	struct daemon *d = &p->daemon;
	int rc = table_new(c->greylist.records, policy_rank, NULL, &d->records);

	if (!rc)
		rc = table_new((size_t)c->limit.sessions + c->upstream.connections + 1024,
			       headcount_rank, NULL, &d->sources);
	if (!rc && c->limit.unconfirmed)
		rc = table_new(c->limit.unconfirmed, taken_rank, NULL, &d->taken);
	digest_key(&d->taken_key, d->key);
	if (!rc)
		rc = table_new(c->correspondent.domains, NULL, NULL, &d->correspondents);
	if (!rc)
		rc = table_new(c->trap.sources, conduct_rank, NULL, &d->conducts);
	if (!rc)
		rc = forget_new(d);
	if (!rc)
		rc = verdicts_new(verdicts, d->key, &d->verdicts);
	if (!rc)
		rc = verify_new(d->key, c->upstream.verify_cache, d->worker_count, &d->verify);
	if (!rc)
		rc = askers_new(d->worker_count, &d->askers);
	if (!rc)
		rc = notices_new(d->worker_count, &d->notices);
	if (!rc)
		rc = daemon_load(d, verdicts);
	if (rc)
		snprintf(p->err, sizeof(p->err),
			 "records: %s; lower greylist records, trap sources or limit hosts",
			 strerror(-rc));
	return rc;
}

/* A stranger's next connection is a daemon's either way, that before or this one. */
static void listen_at_once(const struct process *p, struct fastpath_conf *ret)
{
	for (int slot = 0; slot < GG_SOCK_MAX; slot++) {
		const int fd = listeners_of(&p->listeners, slot == GG_SOCK_DAEMON4);

		ret->listeners[slot] = fd > 0 ? fd : 0;
	}
}

static int load_fastpath(struct process *p, const struct config *c)
{
	struct endpoint *vips;
	struct fastpath_conf conf;
	int rc = kernel_conf(c, &vips, &conf);

	if (rc) {
		snprintf(p->err, sizeof(p->err), "this machine's addresses: %s", strerror(-rc));
		return rc;
	}
	conf.held_lock = p->takeover.pins_lock;
	/* What an earlier start left stays in force: verdicts of a daemon that is to come back. */
	conf.first = rollback_arm;
	conf.first_arg = &p->rollback;
	if (c->mode == GG_MODE_HOST && p->takeover.channel >= 0)
		listen_at_once(p, &conf);
	p->takeover.pins_lock = 0;
	rc = fastpath_open(&conf, &p->daemon.fastpath, p->err, sizeof(p->err));
	free(vips);
	return rc;
}

static const char *without_xdp(const struct config *c)
{
	return c->interface_count ? "switched off (xdp = off)" : "no interfaces configured";
}

static int open_fastpath(struct process *p, const struct config *c)
{
	struct daemon *d = &p->daemon;
	const struct fastpath_attachment *at;
	int rc, n;

	rc = remains_clear(c, p->takeover.pins_lock, p->err, sizeof(p->err));
	if (rc)
		log_message(LOG_ERROR, REMAINS "%s", p->err);
	p->err[0] = '\0';
	if (!kernel_wanted(c)) {
		snprintf(d->fastpath_why, sizeof(d->fastpath_why), "%s%s", without_xdp(c),
			 rc ? "; " REMAINS "see the log" : "");
		return 0;
	}
	rc = load_fastpath(p, c);
	if (rc)
		return rc;
	if (fastpath_observe_why(d->fastpath))
		log_message(LOG_ERROR, "correspondents are not observed: %s",
			    fastpath_observe_why(d->fastpath));
	if (fastpath_unguarded(d->fastpath))
		log_message(LOG_ERROR, DAEMON_UNGUARDED, fastpath_unguarded(d->fastpath));
	n = fastpath_attachments(d->fastpath, &at);
	for (int i = 0; i < n; i++) {
		struct log_line l;
		size_t used = strlen(d->fastpath_why);

		log_begin(&l, LOG_START);
		log_str(&l, "interface", at[i].interface);
		log_str(&l, "xdp", at[i].how);
		log_str(&l, "with", at[i].with);
		log_str(&l, "reason", at[i].why);
		log_end(&l);
		snprintf(d->fastpath_why + used, sizeof(d->fastpath_why) - used, "%s%s: %s, %s",
			 used ? "; " : "", at[i].interface, at[i].how, at[i].with);
	}
	if (!n && c->mode == GG_MODE_HOST)
		snprintf(d->fastpath_why, sizeof(d->fastpath_why),
			 "socket lookup, without XDP (%s)", without_xdp(c));
	if (fastpath_replaced(d->fastpath)[0])
		log_message(LOG_START,
			    "kernel maps: those pinned as %s are of another schema, or damaged: "
			    "replaced, with the verdicts from the store",
			    fastpath_replaced(d->fastpath));
	rc = lacking_sync(d);
	if (rc >= 0)
		rc = fastpath_give(d->fastpath, p->who.uid, p->who.gid);
	if (rc < 0)
		log_message(LOG_ERROR, "kernel maps: %s; the daemon decides alone until a restart",
			    strerror(-rc));
	/* Last: from now on the socket lookup program hands connections over. */
	for (int is4 = 0; is4 <= 1 && c->mode == GG_MODE_HOST; is4++) {
		int fd = listeners_of(&p->listeners, is4);

		rc = fd < 0 ? 0
			    : fastpath_listener(d->fastpath,
						is4 ? GG_SOCK_DAEMON4 : GG_SOCK_DAEMON6, fd);
		if (rc < 0) {
			snprintf(p->err, sizeof(p->err), "socket map: %s; run Linux 6.1 or newer",
				 strerror(-rc));
			return rc;
		}
	}
	return 0;
}

/* Lists are read with the daemon's own rights, as at every reload. */
static int open_lists(struct process *p, const struct config *c)
{
	struct daemon *d = &p->daemon;
	char dir[4096];

	d->lists.verdicts = d->verdicts;
	d->lists.fastpath = d->fastpath;
	d->lists.key = d->key;
	d->lists.state_dir = c->state_dir;
	d->lists.kept = kept_open(c->state_dir);
	if (d->lists.kept < 0) {
		log_message(LOG_ERROR, "%s/lists: %s; lists won't outlive a restart", c->state_dir,
			    strerror(-d->lists.kept));
		return 0;
	}
	snprintf(dir, sizeof(dir), "%s/lists", c->state_dir);
	return privileges_give(dir, &p->who, p->err, sizeof(p->err));
}

/* ---- in which order ---- */

/* Whatever found no descriptor left names itself; its own mend would mislead. */
static void name_limit(char *err, size_t size)
{
	char *mend = strrchr(err, ';');
	struct rlimit files = {};
	size_t len;

	if (strstr(err, "LimitNOFILE"))
		return;
	len = mend ? (size_t)(mend - err) : strlen(err);
	getrlimit(RLIMIT_NOFILE, &files);
	snprintf(err + len, size - len,
		 "; the limit is %llu: raise it (LimitNOFILE of the unit, ulimit -n)",
		 (unsigned long long)files.rlim_cur);
}

static int start_all(struct process *p, const struct config *c)
{
	struct daemon *d = &p->daemon;
	int rc = privileges_find(c->user, &p->who, p->err, sizeof(p->err));

	/* What can be known to fail is asked first; the rest is rollback.c's to take back. */
	if (!rc)
		rc = privileges_check(p->err, sizeof(p->err));
	if (!rc)
		rc = rehearsal_rings(c->user, p->err, sizeof(p->err));
	if (!rc && kernel_wanted(c))
		rc = rollback_begin(&p->rollback, c->bpffs, p->err, sizeof(p->err));
	if (!rc)
		rc = takeover_begin(&p->takeover, d, p->err, sizeof(p->err));
	if (!rc)
		rc = open_store(p, c);
	if (!rc)
		rc = make_tables(p, c);
	if (!rc)
		rc = listeners_open(c, d->worker_count, &p->takeover.listeners, &p->listeners,
				    p->err, sizeof(p->err));
	if (!rc)
		rc = commands_open(d, p->who.uid, p->who.gid, p->takeover.control, &p->control,
				   p->err, sizeof(p->err));
	if (!rc)
		rc = open_fastpath(p, c);
	if (!rc)
		rc = open_lists(p, c);
	if (rc)
		return rc;
	/* Before the drop, which then holds for its thread too and leaves it nothing. */
	rc = store_writer_start(d->store, d->worker_count + 1, STORE_QUEUE, &d->writer);
	if (rc) {
		snprintf(p->err, sizeof(p->err), "store writer: %s; " THREAD_MEND, strerror(-rc));
		return rc;
	}
	/* The store is still another process's to write. */
	if (p->takeover.channel >= 0)
		store_writer_pause(d->writer);
	rc = privileges_drop(&p->who, c->mode == GG_MODE_GATEWAY, p->err, sizeof(p->err));
	if (rc)
		return rc;
	lacking_make_whole(d);
	daemon_apply(d, NULL, c);
	offers_restore(d, c);
	probe_step(d, PROBE_AT_START);
	for (int i = 0; i < d->worker_count && !rc; i++) {
		rc = worker_start(d, i, p->listeners.fd[i], p->listeners.count, &d->workers[i],
				  p->err, sizeof(p->err));
		/* The worker owns its listeners, also when it could not begin. */
		memset(p->listeners.fd[i], -1, sizeof(p->listeners.fd[i]));
	}
	privileges_forget(false);
	if (!rc) {
		rc = verifier_start(d);
		if (rc)
			snprintf(p->err, sizeof(p->err), "verifier thread: %s; " THREAD_MEND,
				 strerror(-rc));
	}
	if (!rc) {
		rc = reloader_start(d);
		if (rc)
			snprintf(p->err, sizeof(p->err), "reload thread: %s; " THREAD_MEND,
				 strerror(-rc));
	}
	if (!rc)
		rc = takeover_ready(&p->takeover, p->err, sizeof(p->err));
	if (!rc) {
		rc = control_start(p->control);
		if (rc)
			snprintf(p->err, sizeof(p->err), "control thread: %s; " THREAD_MEND,
				 strerror(-rc));
	}
	return rc;
}

int startup(struct process *p, const struct config *c)
{
	int rc = start_all(p, c);

	if (rc == -EMFILE)
		name_limit(p->err, sizeof(p->err));
	return rc;
}
