// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <netinet/in.h>
#include <sys/wait.h>

#include "tools/sink.c"

/* The sink's own options come from here, not from a command line. */
static char dir[] = "/tmp/test_sink.XXXXXX", maildir[100], endpoint[40];
static struct sockaddr_in where;

void cli_complain(const char *format, ...)
{
	(void)format;
}

int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, int min,
	      int max, const char *words[])
{
	(void)cli;
	(void)argc;
	(void)argv;
	(void)min;
	(void)max;
	(void)words;
	*options[0].value = endpoint;
	*options[1].value = maildir;
	*options[2].flag = true;
	return 0;
}

static pid_t start_sink(void)
{
	char *argv[] = {(char *)"sink", NULL};
	struct cli cli = {0};
	pid_t pid = fork();

	if (!pid)
		_exit(cmd_sink(&cli, 1, argv));
	return pid;
}

/* Connects as soon as the sink listens. */
static FILE *dial(void)
{
	for (int i = 0; i < 5000; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		FILE *f;

		if (connect(fd, (struct sockaddr *)&where, sizeof(where)) == 0) {
			f = fdopen(fd, "r+");
			setvbuf(f, NULL, _IONBF, 0);
			return f;
		}
		close(fd);
		usleep(1000);
	}
	fail_msg("the sink does not listen");
	return NULL;
}

static void speak(FILE *f, const char *text)
{
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
}

/* Reads replies until the last line of one, which must begin with `code`. */
static void expect(FILE *f, const char *code)
{
	char line[600];

	do {
		if (!fgets(line, sizeof(line), f))
			fail_msg("expected %s, the sink closed", code);
	} while (strlen(line) > 3 && line[3] == '-');
	if (strncmp(line, code, strlen(code)))
		fail_msg("expected %s, got %s", code, line);
}

/* The one message in new/ is read into buf and removed. */
static void take_message(char *buf, size_t size)
{
	char path[500], found[300] = "";
	struct dirent *e;
	DIR *d;
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "%s/new", maildir);
	d = opendir(path);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		snprintf(found, sizeof(found), "%s", e->d_name);
	}
	closedir(d);
	assert_int_equal(n, 1);
	snprintf(path, sizeof(path), "%s/new/%s", maildir, found);
	f = fopen(path, "r");
	n = (int)fread(buf, 1, size - 1, f);
	buf[n] = 0;
	fclose(f);
	unlink(path);
}

static void count_files(const char *sub, int expected)
{
	char path[200];
	struct dirent *e;
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), "%s/%s", maildir, sub);
	d = opendir(path);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	assert_int_equal(n, expected);
}

static void greet(FILE *f)
{
	expect(f, "220");
	speak(f, "EHLO client.example\r\n");
	expect(f, "250");
}

static void stores(void **state)
{
	FILE *f = dial();
	char text[1000];

	(void)state;
	greet(f);
	speak(f, "MAIL FROM:<a@example.org>\r\n");
	expect(f, "250");
	speak(f, "RCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n");
	expect(f, "250");
	expect(f, "250");
	expect(f, "354");
	speak(f, "Subject: x\r\n\r\n..\r\n.. two\r\n...three\r\nmiddle . dot\r\n\r\n.\r\n");
	expect(f, "250 2.0.0 Ok: stored as ");
	take_message(text, sizeof(text));
	assert_string_equal(text, "Return-Path: <a@example.org>\n"
				  "Delivered-To: b@example.net\nDelivered-To: c@example.net\n"
				  "Subject: x\n\n.\n. two\n..three\nmiddle . dot\n\n");
	/* the next transaction starts afresh */
	speak(f, "MAIL FROM:<>\r\nRCPT TO:<d@example.net>\r\nDATA\r\n");
	expect(f, "250");
	expect(f, "250");
	expect(f, "354");
	speak(f, ".\r\n");
	expect(f, "250");
	take_message(text, sizeof(text));
	assert_string_equal(text, "Return-Path: <>\nDelivered-To: d@example.net\n");
	speak(f, "QUIT\r\n");
	expect(f, "221");
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
	count_files("tmp", 0);
}

/* The message is the same wherever its bytes are cut. */
static void pieces(void **state)
{
	static const char *const message = "..\r\n...a\r\nb\r\n\r\n.\r\n";
	char text[1000];
	FILE *f = dial();

	(void)state;
	greet(f);
	for (size_t cut = 0; cut < strlen(message); cut++) {
		speak(f, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
		expect(f, "250");
		expect(f, "250");
		expect(f, "354");
		assert_int_equal(fwrite(message, 1, cut, f), cut);
		usleep(500);
		speak(f, message + cut);
		expect(f, "250");
		take_message(text, sizeof(text));
		assert_string_equal(strstr(text, "\n.\n") + 1, ".\n..a\nb\n\n");
	}
	fclose(f);
}

static void nothing_left(void **state)
{
	FILE *f = dial();

	(void)state;
	greet(f);
	speak(f, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
	expect(f, "250");
	expect(f, "250");
	expect(f, "354");
	speak(f, "half\r\n");
	fclose(f);
	/* a bare LF refuses the message */
	f = dial();
	greet(f);
	speak(f, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
	expect(f, "250");
	expect(f, "250");
	expect(f, "354");
	speak(f, "half\nline\r\n.\r\n");
	expect(f, "550");
	speak(f, "NOOP\r\n");
	expect(f, "250");
	fclose(f);
	count_files("new", 0);
	count_files("tmp", 0);
}

static void crowd(void **state)
{
	FILE *f[CLIENTS], *more;

	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		char line[200] = "";

		/* who left a moment ago may still be counted */
		for (;;) {
			f[i] = dial();
			if (fgets(line, sizeof(line), f[i]) && !strncmp(line, "220", 3))
				break;
			fclose(f[i]);
		}
	}
	more = dial();
	expect(more, "421");
	fclose(more);
	for (int i = CLIENTS - 1; i >= 0; i--) {
		speak(f[i], "QUIT\r\n");
		expect(f[i], "221");
		fclose(f[i]);
	}
}

static pid_t pid;
static int held; /* the sink's port, so that nobody else comes to have it */

static int setup(void **state)
{
	socklen_t len = sizeof(where);
	int one = 1;

	(void)state;
	held = socket(AF_INET, SOCK_STREAM, 0);
	where.sin_family = AF_INET;
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(held, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(held, (struct sockaddr *)&where, len) ||
	    getsockname(held, (struct sockaddr *)&where, &len) || !mkdtemp(dir))
		return -1;
	snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%d", ntohs(where.sin_port));
	snprintf(maildir, sizeof(maildir), "%s/maildir", dir);
	signal(SIGPIPE, SIG_IGN);
	pid = start_sink();
	return pid < 0;
}

static int teardown(void **state)
{
	char path[200];
	int status;

	(void)state;
	close(held);
	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		return -1;
	for (const char *const *sub = (const char *const[]){"tmp", "new", "cur", "", NULL}; *sub;
	     sub++) {
		snprintf(path, sizeof(path), "%s/%s", maildir, *sub);
		rmdir(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores),
		cmocka_unit_test(pieces),
		cmocka_unit_test(nothing_left),
		cmocka_unit_test(crowd),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
