/*
 * canary PERIOD_MS LIMIT_MS mlock|plain ARGV...: every PERIOD_MS starts ARGV, waits for it and says how long it took.
 * canary once: what is started: calls every page of its own text, 256 KiB, and exits.
 *
 * This is what a user feels: a shell that forks, loads a program from the root image and runs it.
 */
#define _GNU_SOURCE
#include "pages.h"
#include "records.h"
#include "text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigset_t before;

static int once(void)
{
	for (unsigned long i = 0; i < PAGES; i++)
		call_page(i);
	return 0;
}

/* Waits for the child; after limit_ns it is killed, so that a command that never ends is no freeze.  0: no limit. */
static int wait_for(pid_t pid, int64_t limit_ns, const sigset_t *child)
{
	int64_t end = now_ns() + limit_ns;
	int status;

	while (limit_ns > 0 && waitpid(pid, &status, WNOHANG) == 0) {
		int64_t left = end - now_ns();
		struct timespec rest = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };

		if (left <= 0) {
			kill(pid, SIGKILL);
			limit_ns = 0;
		} else {
			sigtimedwait(child, NULL, &rest);
		}
	}
	return limit_ns > 0 || waitpid(pid, &status, 0) == pid ? status : -1;
}

static int ask(char **argv, struct text text, int64_t limit_ns, const sigset_t *child)
{
	pid_t pid;

	text_touch(text);
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		execve(argv[0], argv, environ);
		_exit(127);
	}
	return pid < 0 ? -1 : wait_for(pid, limit_ns, child);
}

static void sleep_until(int64_t due)
{
	struct timespec at = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
		;
}

int main(int argc, char **argv)
{
	int64_t period, limit, due;
	struct records *records;
	struct text text;
	sigset_t child;

	if (argc == 2 && strcmp(argv[1], "once") == 0)
		return once();
	records = records_attach(RECORDS_FD);
	if (argc < 5 || !records)
		return 2;
	fcntl(RECORDS_FD, F_SETFD, FD_CLOEXEC);
	fcntl(PROC_FD, F_SETFD, FD_CLOEXEC);
	period = strtoll(argv[1], NULL, 10) * 1000000;
	limit = strtoll(argv[2], NULL, 10) * 1000000;
	text = text_map(argv[4]);
	if (strcmp(argv[3], "mlock") == 0 && mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		return 3;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	due = now_ns();
	for (uint32_t number = 1;; number++) {
		int64_t at = now_ns();
		int status = ask(argv + 4, text, limit, &child);
		int64_t done = now_ns();

		records_publish(records, RING_CANARY,
				(struct record){ .at_ns = at, .took_ns = done - at, .kind = ANSWERED, .number = number,
						 .status = status });
		due = due + period > done ? due + period : done;
		sleep_until(due);
	}
}
