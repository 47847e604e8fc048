/*
 * keep WHO OOM_SCORE_ADJ RESTART_MS ARGC ARGV... [WHO ...]: starts every program, and again RESTART_MS after it died.
 *
 * It stands for the shell or the service manager of a device: it lives on the root image, is not locked into memory and has
 * the usual oom_score_adj.  One process for all, so that it takes little of the memory that is fought over.
 */
#define _GNU_SOURCE
#include "records.h"
#include "text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 256 };

struct program {
	const char *adj;
	char **argv;
	int64_t pause_ns;
	int64_t due_ns; /* when to start it; meaningless while it runs */
	pid_t pid;      /* 0: not running */
	struct text text;
};

static struct program programs[MOST];
static int count;
static struct records *records;
static sigset_t before;

static int read_programs(char **argv)
{
	while (*argv) {
		struct program *one = &programs[count++];
		int words;

		if (count > MOST || !argv[1] || !argv[2] || !argv[3])
			return -1;
		one->adj = argv[1];
		one->pause_ns = strtoll(argv[2], NULL, 10) * 1000000;
		words = atoi(argv[3]);
		argv += 4;
		one->argv = argv;
		while (words-- > 0)
			if (!*argv++)
				return -1;
		if (argv == one->argv)
			return -1;
		one->text = text_map(one->argv[0]);
	}
	return 0;
}

/* In the child.  The argument vectors share one array, so the next program's first word is taken away here. */
static void become(const struct program *one, const struct program *next)
{
	if (strcmp(one->adj, "0") != 0) {
		int fd = openat(PROC_FD, "self/oom_score_adj", O_WRONLY);

		if (fd < 0 || write(fd, one->adj, strlen(one->adj)) < 0)
			_exit(126);
		close(fd);
	}
	if (next)
		next->argv[-4] = NULL;
	sigprocmask(SIG_SETMASK, &before, NULL);
	execve(one->argv[0], one->argv, environ);
	_exit(127);
}

static void start(int number)
{
	struct program *one = &programs[number];
	pid_t pid;

	text_touch(one->text);
	pid = fork();
	if (pid == 0)
		become(one, number + 1 < count ? &programs[number + 1] : NULL);
	if (pid < 0) {
		one->due_ns = now_ns() + one->pause_ns;
		return;
	}
	one->pid = pid;
	records_publish(records, RING_KEEP,
			(struct record){ .at_ns = now_ns(), .kind = STARTED, .number = number, .pid = pid });
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < count; i++)
			if (programs[i].pid == pid) {
				programs[i].pid = 0;
				programs[i].due_ns = now_ns() + programs[i].pause_ns;
				records_publish(records, RING_KEEP,
						(struct record){ .at_ns = now_ns(), .kind = EXITED, .number = i,
								 .pid = pid, .status = status });
			}
}

/* Starts what is due; returns the time until the next, -1 for none. */
static int64_t start_due(void)
{
	int64_t least = -1;

	for (int i = 0; i < count; i++) {
		int64_t left;

		if (programs[i].pid)
			continue;
		left = programs[i].due_ns - now_ns();
		if (left <= 0)
			start(i);
		else if (least < 0 || left < least)
			least = left;
	}
	return least;
}

int main(int argc, char **argv)
{
	sigset_t child;

	(void)argc;
	records = records_attach(RECORDS_FD);
	if (!records || read_programs(argv + 1) < 0)
		return 2;
	fcntl(RECORDS_FD, F_SETFD, FD_CLOEXEC);
	fcntl(PROC_FD, F_SETFD, FD_CLOEXEC);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	for (;;) {
		int64_t left = start_due();
		struct timespec limit = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };

		sigtimedwait(&child, NULL, left < 0 ? NULL : &limit);
		reap();
	}
}
