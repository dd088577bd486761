// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * greygated: arguments, signals, stop. What a start opens is in startup.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "askers.h"
#include "background.h"
#include "commands.h"
#include "control/reply.h"
#include "core/log.h"
#include "forget.h"
#include "notices.h"
#include "notify.h"
#include "offers.h"
#include "probe.h"
#include "process.h"
#include "reloader.h"
#include "starter.h"
#include "taken.h"
#include "traps.h"
#include "unheard.h"
#include "verifier.h"
#include "verify.h"
#include "worker.h"

#define CONFIG_FILE "/etc/greygate/greygate.conf"
#define PROBE_A_TICK 50

static void usage(FILE *f)
{
	fputs("usage: greygated [-c FILE] [-t] [-f] [-p] [-V]\n"
	      "  -c FILE  configuration (" CONFIG_FILE ")\n"
	      "  -t       check the configuration, say what is wrong with it, exit 0 or 1\n"
	      "  -f       stay in the foreground\n"
	      "  -p       print every key: its meaning, what is allowed, its default\n"
	      "  -V       print the version\n"
	      "The log goes to standard error. Signals: HUP reloads, TERM and INT drain and\n"
	      "stop, USR2 has the program started anew and hands everything over to it.\n"
	      "See greygated(8), greygate.conf(5), greygate(1).\n",
	      f);
}

/* Nobody before us any more who might go on. */
static int serve_alone(struct process *p)
{
	struct daemon *d = &p->daemon;

	if (p->takeover.channel < 0)
		return 0;
	store_writer_resume(d->writer, d->store);
	atomic_store(&d->holding, false);
	for (int i = 0; i < d->worker_count; i++)
		worker_wake(d->workers[i]);
	return takeover_serve(&p->takeover);
}

static void stop(struct process *p)
{
	struct daemon *d = &p->daemon;

	/* The maps, then, belong to the daemon before or behind this one. */
	const bool theirs = p->upgrade.heir || (p->takeover.channel >= 0 && !p->takeover.serving);

	listing_lend(&d->lists); /* nobody waits any more for an import's turn */
	reloader_stop();
	control_close(&p->control); /* before the workers: it reads what they own */
	atomic_store(&d->draining, true);
	for (int i = 0; i < d->worker_count; i++)
		if (d->workers[i])
			worker_wake(d->workers[i]);
	for (int i = 0; i < d->worker_count; i++)
		if (d->workers[i]) {
			d->counters[i] = NULL;
			d->recent[i] = NULL;
			worker_join(&d->workers[i]);
		}
	takeover_end(&p->takeover);
	verifier_stop();
	if (d->writer)
		store_writer_stop(&d->writer);
	upgrade_end(&p->upgrade);
	if (d->store)
		store_ops_of(d->store)->close(&d->store);
	(theirs ? fastpath_leave : fastpath_close)(&d->fastpath);
	listeners_close(&p->listeners);
	forget_free(d);
	table_free(&d->records);
	table_free(&d->sources);
	table_free(&d->taken);
	table_free(&d->conducts);
	table_free(&d->correspondents);
	traps_free(d);
	verify_free(&d->verify);
	askers_free(&d->askers);
	notices_free(&d->notices);
	listing_free(&d->lists);
	verdicts_free(&d->verdicts);
	ends_free(&d->ends);
}

/* True: the daemon is to end. */
static bool take_signal(struct process *p, int signals)
{
	struct signalfd_siginfo got;

	if (read(signals, &got, sizeof(got)) != sizeof(got))
		return false;
	if (got.ssi_signo == SIGHUP)
		reloader_ask();
	else if (got.ssi_signo == SIGUSR2)
		upgrade_begin(&p->upgrade);
	else
		return true;
	return false;
}

/* Until a signal says stop, or a successor serves. */
static void serve(struct process *p, const sigset_t *signals)
{
	struct pollfd fds[4] = {
		{.fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN},
		{.events = POLLIN},
		{.events = POLLIN},
		{.events = POLLIN}};
	struct timespec next, now;
	bool over = false;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!over) {
		int64_t ms;

		clock_gettime(CLOCK_MONOTONIC, &now);
		ms = (next.tv_sec - now.tv_sec) * 1000 + (next.tv_nsec - now.tv_nsec) / 1000000;
		fds[1].fd = p->upgrade.channel;
		fds[2].fd = p->guard.channel;
		fds[3].fd = p->upgrade.retreat.channel;
		poll(fds, 4, ms > 0 ? (int)ms : 0);
		guard_hear(&p->guard, (uint64_t)now.tv_sec);
		over = take_signal(p, fds[0].fd) || upgrade_step(&p->upgrade);
		if (ms <= 0 && !over) {
			daemon_tick(&p->daemon);
			guard_step(&p->guard, (uint64_t)now.tv_sec);
			detour_step(&p->detour);
			unheard_step(&p->daemon);
			probe_step(&p->daemon, PROBE_A_TICK);
			offers_keep(&p->daemon, atomic_load(&p->daemon.config));
			notify("WATCHDOG=1");
			next.tv_sec = now.tv_sec + 1;
			next.tv_nsec = now.tv_nsec;
		}
	}
	upgrade_cancel(&p->upgrade);
	guard_end(&p->guard);
	close(fds[0].fd);
}

static bool all_ended(const struct daemon *d)
{
	for (int i = 0; i < d->worker_count; i++)
		if (!worker_ended(d->workers[i]))
			return false;
	return true;
}

/* A successor serves: the sessions that are here are brought to their end, and so are those of the
 * process before, which reach the store through this one. */
static void retire(struct process *p)
{
	struct daemon *d = &p->daemon;
	const struct config *c = atomic_load(&d->config);
	const struct timespec pause = {.tv_nsec = 50000000};
	uint64_t rounds = c->drain_time / 50;
	char text[32];

	snprintf(text, sizeof(text), "MAINPID=%" PRId32, p->upgrade.successor);
	notify(text);
	control_leave(p->control);
	atomic_store(&d->leaving, true);
	for (int i = 0; i < d->worker_count; i++)
		worker_wake(d->workers[i]);
	for (uint64_t i = 0; !all_ended(d) || (takeover_lasts(&p->takeover) && i < rounds); i++) {
		if (i % 10 == 0)
			upgrade_tell(&p->upgrade, (uint32_t)daemon_count(d, COUNT_sessions));
		nanosleep(&pause, NULL);
	}
}

static int run(struct process *p, char **argv, bool foreground)
{
	struct daemon *d = &p->daemon;
	const struct config *c = atomic_load(&d->config);
	sigset_t signals;
	struct log_line l;
	int rc, ready = -1;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL); /* every thread inherits it: serve takes them */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is the store's to report */
	if (!foreground && p->takeover.channel < 0 && background_enter(&ready))
		return EXIT_FAILURE;
	starter_begin(argv, c, &p->upgrade.starter);
	privileges_limits();
	rc = log_start(STDERR_FILENO, c->log);
	if (!rc)
		rc = startup(p, c);
	if (!rc)
		rc = serve_alone(p);
	if (rc) {
		takeover_fail(&p->takeover, p->err[0] ? p->err : strerror(-rc));
		atomic_store(&d->draining, true);
		stop(p);
		rollback_end(&p->rollback, false);
		log_stop();
		fprintf(stderr, "greygated: %s\n", p->err[0] ? p->err : strerror(-rc));
		return EXIT_FAILURE;
	}
	rollback_end(&p->rollback, true);
	log_begin(&l, LOG_START);
	log_str(&l, "version", GREYGATE_VERSION);
	log_str(&l, "mode", config_mode_text(c->mode));
	log_int(&l, "workers", d->worker_count);
	log_int(&l, "records", (int64_t)table_count(d->records));
	log_int(&l, "verdicts", (int64_t)verdicts_count(d->verdicts));
	log_str(&l, "fastpath", d->fastpath_why);
	if (p->takeover.serving)
		log_int(&l, "before", atomic_load(&d->before.pid));
	log_end(&l);
	background_ready(ready);
	notify("READY=1");
	p->upgrade.control = p->control;
	guard_begin(&p->guard, d, p->upgrade.starter);
	detour_begin(&p->detour, d);
	serve(p, &signals);
	probe_end();
	offers_keep(d, atomic_load(&d->config));
	if (p->upgrade.heir)
		retire(p);
	else
		notify("STOPPING=1");
	log_begin(&l, LOG_STOP);
	log_str(&l, "reason", p->upgrade.heir ? "upgrade" : "signal");
	log_int(&l, "sessions", (int64_t)daemon_count(d, COUNT_sessions));
	log_end(&l);
	stop(p);
	log_stop();
	return EXIT_SUCCESS;
}

/* The configuration and the certificates that it names; on failure p->err has the complaints. */
static int load_settings(struct process *p, const char *file)
{
	struct daemon *d = &p->daemon;
	struct tls_context *tls, *client;
	struct config *config;
	size_t len;
	int rc = config_load(file, &config, p->err, sizeof(p->err));

	if (rc)
		return rc;
	atomic_store(&d->config, config);
	len = (size_t)snprintf(p->err, sizeof(p->err), "%.1000s:1: ", file);
	rc = daemon_tls(config, &tls, &client, p->err + len, sizeof(p->err) - len - 1);
	if (rc) {
		len = strlen(p->err);
		memcpy(p->err + len, "\n", 2);
		return rc;
	}
	atomic_store(&d->tls, tls);
	atomic_store(&d->tls_client, client);
	p->err[0] = '\0';
	return 0;
}

static void unload_settings(struct process *p)
{
	struct daemon *d = &p->daemon;
	struct config *config = (struct config *)atomic_load(&d->config);
	struct tls_context *tls = (struct tls_context *)atomic_load(&d->tls);
	struct tls_context *client = (struct tls_context *)atomic_load(&d->tls_client);

	for (size_t i = 0; i < d->kept_count; i++) {
		config_free((struct config **)&d->kept[i].config);
		tls_context_free((struct tls_context **)&d->kept[i].tls);
		tls_context_free((struct tls_context **)&d->kept[i].tls_client);
	}
	free(d->kept);
	tls_context_free(&client);
	tls_context_free(&tls);
	config_free(&config);
}

/* What is opened later must not get the number of a standard one that is closed: the log would go
 * into it, and a child would hold it that keeps no more than these. */
static void fill_standard(void)
{
	int fd = 0;

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open("/dev/null", O_RDWR);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct process process;
	struct process *p = &process;
	const char *file = CONFIG_FILE;
	bool check = false, foreground = false;
	const struct config *config;
	int option;

	fill_standard();
	while ((option = getopt(argc, argv, "c:tfpVh")) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 't':
			check = true;
			break;
		case 'f':
			foreground = true;
			break;
		case 'p':
			config_print_sample(stdout);
			return EXIT_SUCCESS;
		case 'V':
			printf("greygated %s\n", GREYGATE_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return 2;
	}
	takeover_find(&p->takeover);
	if (load_settings(p, file)) {
		fputs(p->err, stderr);
		takeover_fail(&p->takeover, p->err);
		unload_settings(p);
		return EXIT_FAILURE;
	}
	if (check) {
		unload_settings(p);
		return EXIT_SUCCESS;
	}
	config = atomic_load(&p->daemon.config);
	p->daemon.config_file = file;
	p->daemon.started = daemon_now();
	p->daemon.begun = reply_now();
	doors_trouble(&p->daemon); /* until now nobody was served */
	p->daemon.worker_count =
		config->workers ? (int)config->workers : (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (p->daemon.worker_count > DAEMON_WORKERS)
		p->daemon.worker_count = DAEMON_WORKERS;
	p->daemon.counters[DAEMON_WORKERS] = &p->daemon.own;
	pthread_mutex_init(&p->daemon.verdict_lock, NULL);
	pthread_mutex_init(&p->daemon.trap_lock, NULL);
	pthread_mutex_init(&p->daemon.config_lock, NULL);
	pthread_mutex_init(&p->daemon.offers_lock, NULL);
	listing_init(&p->daemon.lists);
	memset(p->listeners.fd, -1, sizeof(p->listeners.fd));
	p->rollback.fd = -1;
	p->daemon.holding = p->takeover.channel >= 0;
	p->upgrade = (struct upgrade){
		.daemon = &p->daemon, .starter = -1, .channel = -1, .retreat.channel = -1};
	option = run(p, argv, foreground);
	unload_settings(p);
	return option;
}
