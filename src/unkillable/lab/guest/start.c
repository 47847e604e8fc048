/* Programs that live on the image: the canary, daemons, and the supervisor of the workload. */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OURS "/bin/canary"

static struct records *records;
static int records_fd = -1, proc_fd = -1, null_fd = -1, kmsg_fd = -1;
static struct {
	pid_t pid;
	char who[64];
} children[PROGRAMS];
static int child_count;

static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TERM=dumb", NULL };

struct records *start_records(void)
{
	return records;
}

/* In a page cache of our own that is locked: what keep and canary write there needs nothing from the kernel. */
int start_prepare(void)
{
	records_fd = memfd_create("records", MFD_CLOEXEC);
	if (records_fd < 0 || ftruncate(records_fd, sizeof(struct records)) != 0)
		return -1;
	records = records_attach(records_fd);
	if (!records || mlock(records, sizeof(*records)) != 0)
		return -1;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Complaints go to the kernel's ring buffer: they are kept, and at loglevel 4 no slow console prints them. */
	kmsg_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	return proc_fd < 0 || null_fd < 0 || kmsg_fd < 0 ? -1 : 0;
}

struct child {
	const char *path;  /* on the image */
	const char *added; /* the same on a user's image to which our programs were added; NULL for none */
	const char *copy; /* in the initramfs, for an image that lacks it; NULL for none */
	char *const *argv;
	bool limited;  /* by the cgroup */
	bool inherits; /* the records and /proc */
};

/* Between fork and exec: only calls that are safe when threads run. */
static void become(const struct child *one)
{
	int copy = one->copy ? open(one->copy, O_RDONLY) : -1;
	int adj = openat(proc_fd, "self/oom_score_adj", O_WRONLY);
	sigset_t none;

	if (adj < 0 || write(adj, "0", 1) != 1) /* ours is -1000 */
		_exit(126);
	close(adj);
	if (one->limited && cgroup_procs() >= 0 && write(cgroup_procs(), "0", 1) != 1)
		_exit(126);
	setsid();
	dup2(null_fd, 0);
	dup2(null_fd, 1);
	dup2(kmsg_fd, 2);
	if (fchdir(root_dir()) != 0 || chroot(".") != 0)
		_exit(126);
	if (one->inherits) {
		/* First out of the way: either may be the other's number. */
		int a = fcntl(records_fd, F_DUPFD, 64), b = fcntl(proc_fd, F_DUPFD, 64), c = fcntl(copy, F_DUPFD_CLOEXEC, 64);

		dup2(a, RECORDS_FD);
		dup2(b, PROC_FD);
		close(a);
		close(b);
		copy = c;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(one->path, one->argv, environment);
	if (errno == ENOENT && one->added)
		execve(one->added, one->argv, environment);
	if (errno == ENOENT && copy >= 0)
		fexecve(copy, one->argv, environment);
	_exit(127);
}

static pid_t start(const char *who, const struct child *one)
{
	pid_t pid = child_count < PROGRAMS ? fork() : -1;
	char quoted[128];

	if (pid == 0)
		become(one);
	if (pid < 0)
		return -1;
	children[child_count].pid = pid;
	snprintf(children[child_count++].who, sizeof(children->who), "%s", who);
	say("\"ev\":\"start\",\"who\":\"%s\",\"pid\":%d", quote(quoted, sizeof(quoted), who, strlen(who)), pid);
	return pid;
}

/* A child of the watcher's own ended; those of others, which process 1 reaps as well, are nobody's business. */
void start_reaped(pid_t pid, int status)
{
	int64_t now = now_ns();
	char quoted[400];

	for (int i = 0; i < child_count; i++)
		if (children[i].pid == pid) {
			quote(quoted, sizeof(quoted), children[i].who, strlen(children[i].who));
			say("\"ev\":\"exit\",\"who\":\"%s\",\"pid\":%d,\"at\":" SECONDS ",\"signal\":%d,\"status\":%d", quoted, pid,
			    SECONDS_OF(now), WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			    WIFEXITED(status) ? WEXITSTATUS(status) : 0);
			children[i].pid = 0;
		}
}

/*
 * PERIOD_MS LIMIT_MS mlock|plain ARGV...: how long ARGV takes is measured.  An image that lacks the lab's program is asked by
 * its own shell.
 */
int start_canary(int argc, char **argv)
{
	static char *const shell[] = { "/bin/sh", "-c", ":" };
	char *all[WORDS + 4] = { OURS };
	struct child one = { OURS, "/.unkillable/canary", OURS, all, .inherits = true };

	memcpy(all + 1, argv, (size_t)argc * sizeof(*argv));
	if (strcmp(argv[3], OURS) == 0 && faccessat(root_dir(), OURS + 1, X_OK, 0) != 0) {
		memcpy(all + 4, shell, sizeof(shell));
		all[7] = NULL;
	}
	return start("canary", &one) < 0 ? -1 : 0;
}

int start_daemon(int argc, char **argv)
{
	struct child one = { argv[0], NULL, NULL, argv, .limited = true };

	(void)argc;
	return start(argv[0], &one) < 0 ? -1 : 0;
}

/* The arguments of keep(1) as they are. */
int start_keep(int argc, char **argv)
{
	struct child one = { "/bin/keep", "/.unkillable/keep", "/bin/keep", argv, .limited = true, .inherits = true };

	(void)argc;
	return start("keep", &one) < 0 ? -1 : 0;
}
