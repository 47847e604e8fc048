/*
 * The agent: /init of a guest in which small experiments are made.  It does what the host says, a line at a time, first the
 * lines of /lab.conf; each is answered by `done` or `fail`.  The tasks of an experiment are its children: they and it are in
 * RAM, so that nothing waits for squashfs but what is to.
 */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONF = 65536, FILES = 256, TASKS = 64, NAME = 32, STACK = 1024, PAGE = 4096 };
#define FAIL_NTH "/proc/thread-self/fail-nth"

/* What a task found; it is shared with the task. */
struct result {
	_Atomic int whole;
	uint64_t sum; /* of the page, FNV-1a */
	int left;     /* what fail-nth says afterwards: 0 once an allocation was made to fail */
};

struct task {
	char who[NAME];
	pid_t pid; /* 0: the place is free */
	int64_t began;
};

static struct {
	char name[NAME];
	int fd;
	size_t size;
} files[FILES];
static int file_count;
static struct task tasks[TASKS];
static struct result *results;

static int do_port(int count, char **words)
{
	(void)count;
	return port_open(words[0]);
}

static int do_module(int count, char **words)
{
	return load_module(words[0], count > 1 ? words[1] : "");
}

static int do_root(int count, char **words)
{
	(void)count;
	return mounts_root(words[0], words[1]);
}

static int do_mount(int count, char **words)
{
	(void)count;
	return mount(words[0], words[1], words[0], 0, NULL) == 0 || errno == EBUSY ? 0 : -1;
}

static int do_write(int count, char **words)
{
	(void)count;
	return write_file(words[0], words[1]);
}

/* NAME PATH: opened by the agent, so that a task reads nothing but the page that it is to. */
static int do_open(int count, char **words)
{
	struct stat status;
	int fd;

	(void)count;
	if (file_count == FILES) {
		errno = EMFILE;
		return -1;
	}
	fd = openat(root_dir(), words[1] + (*words[1] == '/'), O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0)
		return -1;
	snprintf(files[file_count].name, NAME, "%s", words[0]);
	files[file_count].size = (size_t)status.st_size;
	files[file_count++].fd = fd;
	return 0;
}

static int file_of(const char *name)
{
	for (int i = 0; i < file_count; i++)
		if (strcmp(files[i].name, name) == 0)
			return i;
	errno = ENOENT;
	return -1;
}

static struct task *task_of(const char *who)
{
	for (int i = 0; i < TASKS; i++)
		if (tasks[i].pid && strcmp(tasks[i].who, who) == 0)
			return &tasks[i];
	errno = ESRCH;
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

static uint64_t hash(const volatile unsigned char *at, size_t size)
{
	uint64_t sum = 14695981039346656037u;

	while (size--)
		sum = (sum ^ *at++) * 1099511628211u;
	return sum;
}

static void set_alarm(int ms)
{
	struct itimerval every = { { ms / 1000, ms % 1000 * 1000 }, { ms / 1000, ms % 1000 * 1000 } };

	if (ms) {
		signal(SIGALRM, nothing);
		setitimer(ITIMER_REAL, &every, NULL);
	}
}

/*
 * Touches a page of a mapping.  Without readahead (MADV_RANDOM), which squashfs answers in another way from Linux 6.0 on: the
 * page itself is asked for, in the same way on every release.
 */
static void touch(int file, size_t page, int nth, int alarm_ms, struct result *result)
{
	const unsigned char *map = mmap(NULL, files[file].size, PROT_READ, MAP_SHARED, files[file].fd, 0);
	size_t size = files[file].size - page * PAGE;
	char text[16];
	int fd = -1;

	if (map == MAP_FAILED || madvise((void *)map, files[file].size, MADV_RANDOM) != 0)
		_exit(2);
	set_alarm(alarm_ms);
	if (nth) {
		snprintf(text, sizeof(text), "%d", nth);
		fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
		if (fd < 0 || write(fd, text, strlen(text)) < 0)
			_exit(3);
	}
	result->sum = hash(map + page * PAGE, size < PAGE ? size : PAGE);
	if (nth)
		result->left = read_fd(fd, text, sizeof(text)) > 0 ? atoi(text) : -1;
	result->whole = 1;
	_exit(0);
}

/* WHO FILE PAGE NTH ALARM_MS: NTH is the allocation that is to fail, ALARM_MS how often a signal comes; 0 for none. */
static int do_task(int count, char **words)
{
	int file = file_of(words[1]), slot = 0;
	size_t page = strtoul(words[2], NULL, 10);
	struct task *one;
	pid_t pid;

	(void)count;
	while (slot < TASKS && tasks[slot].pid)
		slot++;
	if (file < 0 || slot == TASKS || page * PAGE >= files[file].size || task_of(words[0])) {
		errno = file < 0 ? ENOENT : EINVAL;
		return -1;
	}
	one = &tasks[slot];
	results[slot] = (struct result){ .left = -1 };
	snprintf(one->who, NAME, "%s", words[0]);
	one->began = now_ns();
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		touch(file, page, atoi(words[3]), atoi(words[4]), &results[slot]);
	}
	if (pid < 0)
		return -1;
	one->pid = pid;
	return 0;
}

static int do_kill(int count, char **words)
{
	const struct task *one = task_of(words[0]);
	int64_t at = now_ns();

	(void)count;
	if (!one || kill(one->pid, atoi(words[1])) != 0)
		return -1;
	say("\"ev\":\"kill\",\"who\":\"%s\",\"at\":" SECONDS, one->who, SECONDS_OF(at));
	return 0;
}

/* A file of /proc/PID as a string. */
static void read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	*text = 0;
	if (fd >= 0) {
		read_fd(fd, text, size);
		close(fd);
	}
}

/* "[<0>] squashfs_cache_get+0x1a2/0x320 [squashfs]" a line: the names. */
static void functions(const char *stack, char *out, size_t size)
{
	size_t used = 0;

	*out = 0;
	for (const char *line = stack; (line = strstr(line, "] ")); line++) {
		size_t length = strcspn(line + 2, "+\n");

		if (line[2 + length] == '+' && used + length + 2 < size)
			used += (size_t)snprintf(out + used, size - used, "%s%.*s", used ? " " : "", (int)length, line + 2);
	}
}

static int do_look(int count, char **words)
{
	const struct task *one = task_of(words[0]);
	unsigned long user = 0, system = 0;
	char text[4096], names[STACK], *end;
	char state = '?';
	int64_t cpu;

	(void)count;
	if (!one)
		return -1;
	read_proc(one->pid, "stat", text, sizeof(text));
	if ((end = strrchr(text, ')')))
		sscanf(end + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user, &system);
	cpu = (int64_t)(user + system) * (1000000000 / sysconf(_SC_CLK_TCK));
	read_proc(one->pid, "stack", text, sizeof(text));
	functions(text, names, sizeof(names));
	/* An empty stack is that of a task that has just run, or of a kernel that shows none. */
	say("\"ev\":\"look\",\"who\":\"%s\",\"state\":\"%c\",\"cpu\":" SECONDS ",\"stacks\":%s,\"stack\":\"%s\"", one->who,
	    state, SECONDS_OF(cpu), access("/proc/self/stack", R_OK) == 0 ? "true" : "false", names);
	return 0;
}

static int do_kmsg(int count, char **words)
{
	(void)count;
	(void)words;
	kmsg_print(false);
	return 0;
}

static const struct command {
	const char *name;
	int least, most; /* words after the name */
	int (*run)(int count, char **words);
} commands[] = {
	{ "port", 1, 1, do_port }, { "module", 1, 2, do_module }, { "root", 2, 2, do_root }, { "mount", 2, 2, do_mount },
	{ "write", 2, 2, do_write }, { "open", 2, 2, do_open }, { "task", 5, 5, do_task }, { "kill", 2, 2, do_kill },
	{ "look", 1, 1, do_look }, { "kmsg", 0, 0, do_kmsg },
};

static void obey(char *line)
{
	char what[200], quoted[256], *words[WORDS];
	int count, done = -1;

	snprintf(what, sizeof(what), "%s", line);
	count = split(line, words);
	if (count == 0)
		return;
	errno = 0;
	for (size_t i = 0; count > 0 && i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, words[0]) == 0 && count - 1 >= commands[i].least && count - 1 <= commands[i].most)
			done = commands[i].run(count - 1, words + 1);
	if (done != 0)
		say_fail(false, what, errno);
	else
		say("\"ev\":\"done\",\"what\":\"%s\"", quote(quoted, sizeof(quoted), what, strlen(what)));
}

static void reap(void)
{
	struct rusage used;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		int64_t now = now_ns();

		for (int i = 0; i < TASKS; i++) {
			int64_t cpu = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000 +
				      (int64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;

			if (tasks[i].pid != pid)
				continue;
			tasks[i].pid = 0;
			say("\"ev\":\"end\",\"who\":\"%s\",\"at\":" SECONDS ",\"took\":" SECONDS ",\"cpu\":" SECONDS
			    ",\"signal\":%d,\"status\":%d,\"whole\":%s,\"sum\":\"%016llx\",\"left\":%d",
			    tasks[i].who, SECONDS_OF(now), SECONDS_OF(now - tasks[i].began), SECONDS_OF(cpu),
			    WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
			    results[i].whole ? "true" : "false", (unsigned long long)results[i].sum, results[i].left);
		}
	}
}

static void carry_out_all(void)
{
	static char conf[CONF];
	char *next = conf;
	int fd = open("/lab.conf", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read_fd(fd, conf, sizeof(conf)) > 0)
		for (char *line; (line = strsep(&next, "\n"));)
			obey(line);
	close(fd);
}

static void serve(const sigset_t *waiting)
{
	static char line[4096];
	size_t length = 0;
	struct pollfd port = { .fd = port_fd(), .events = POLLIN };
	char byte;

	for (;;) {
		reap();
		if (ppoll(&port, 1, NULL, waiting) <= 0)
			continue;
		if (read(port_fd(), &byte, 1) != 1)
			continue;
		if (byte == '\n') {
			line[length] = 0;
			length = 0;
			obey(line);
		} else if (length < sizeof(line) - 1) {
			line[length++] = byte;
		}
	}
}

int main(void)
{
	sigset_t child, waiting;

	results = mmap(NULL, TASKS * sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mounts_early() != 0 || results == MAP_FAILED)
		return 1; /* process 1 ends: the kernel says so, and panics */
	signal(SIGCHLD, nothing);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &waiting);
	carry_out_all();
	kmsg_open();
	kmsg_print(false);
	say("\"ev\":\"ready\"");
	serve(&waiting);
}
