/* The watcher: carries out lab.conf, then reaps; its threads do the watching. */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONF = 65536, POOL = 4096, PULSE_PRIORITY = 50, TRACE_PRIORITY = 40, RELAY_PRIORITY = 45 };

static char conf[CONF];
static int to_init = -1, from_init = -1; /* pipes to process 1, which waits to become the image's init */
static bool traced;
bool blind;
static char *keep_argv[PROGRAMS * (WORDS + 4) + 2] = { "/bin/keep" };
static char *names[PROGRAMS + 1];
static int keep_words = 1, runs;

static int do_port(int count, char **words)
{
	(void)count;
	return port_open(words[0]) == 0 ? thread_start(pulse_run, NULL, PULSE_PRIORITY) : -1;
}

static int do_module(int count, char **words)
{
	return load_module(words[0], count > 1 ? words[1] : "");
}

static int do_speed(int count, char **words)
{
	(void)count;
	(void)words;
	return speed_measure();
}

static int do_root(int count, char **words)
{
	(void)count;
	return mounts_root(words[0], words[1]);
}

static int do_write(int count, char **words)
{
	(void)count;
	return write_file(words[0], words[1]);
}

static int do_zram(int count, char **words)
{
	(void)count;
	return memory_zram(atoll(words[0]));
}

static int do_cgroup(int count, char **words)
{
	(void)count;
	return memory_cgroup(atoll(words[0]));
}

static int do_blind(int count, char **words)
{
	(void)count;
	(void)words;
	blind = true;
	return 0;
}

static int do_trace(int count, char **words)
{
	(void)count;
	(void)words;
	if (trace_open() != 0)
		return -1;
	traced = true;
	return 0;
}

/* Process 1 closes its end by its exec, or says why there was none. */
static int do_init(int count, char **words)
{
	int error = 0;

	(void)count;
	(void)words;
	if (write(to_init, "", 1) != 1)
		return -1;
	if (read(from_init, &error, sizeof(error)) != sizeof(error))
		return 0;
	errno = error;
	return -1;
}

static int do_readback(int count, char **words)
{
	(void)count;
	(void)words;
	return readback_before();
}

static int do_canary(int count, char **words)
{
	return start_canary(count, words);
}

static int do_daemon(int count, char **words)
{
	return start_daemon(count, words);
}

/* WHO OOM_SCORE_ADJ RESTART_MS ARGV...: kept for the supervisor. */
static int do_run(int count, char **words)
{
	static char numbers[PROGRAMS][12];

	if (runs == PROGRAMS) {
		errno = E2BIG;
		return -1;
	}
	snprintf(numbers[runs], sizeof(*numbers), "%d", count - 3);
	names[runs] = words[0];
	memcpy(keep_argv + keep_words, words, 3 * sizeof(*words));
	keep_argv[keep_words + 3] = numbers[runs++];
	memcpy(keep_argv + keep_words + 4, words + 3, (size_t)(count - 3) * sizeof(*words));
	keep_words += count + 1;
	return 0;
}

static int do_room(int count, char **words)
{
	(void)count;
	return memory_room(atoll(words[0]));
}

static int do_go(int count, char **words)
{
	bool psi = sample_open();

	(void)count;
	(void)words;
	look_open();
	if (thread_start(relay_run, names, RELAY_PRIORITY) != 0 || thread_start(look_run, NULL, 0) != 0 ||
	    (!blind && thread_start(sample_run, NULL, 0) != 0) || (traced && thread_start(trace_run, NULL, TRACE_PRIORITY) != 0))
		return -1;
	say("\"ev\":\"ready\",\"trace\":%s,\"psi\":%s", traced ? "true" : "false", psi ? "true" : "false");
	return runs ? start_keep(keep_words, keep_argv) : 0;
}

static const struct directive {
	const char *name;
	int least, most; /* words after the name */
	bool fatal;      /* without it nothing can go on */
	int (*run)(int count, char **words);
} directives[] = {
	{ "port", 1, 1, true, do_port },       { "module", 1, 2, false, do_module },
	{ "speed", 0, 0, false, do_speed },    { "root", 2, 2, true, do_root },
	{ "write", 2, 2, false, do_write },
	{ "zram", 1, 1, false, do_zram },      { "cgroup", 1, 1, false, do_cgroup },
	{ "blind", 0, 0, false, do_blind },   { "readback", 0, 0, false, do_readback },
	{ "trace", 0, 0, false, do_trace },    { "init", 1, 1, true, do_init },
	{ "canary", 4, WORDS, true, do_canary }, { "daemon", 1, WORDS, false, do_daemon },
	{ "run", 4, WORDS, true, do_run },     { "room", 1, 1, false, do_room },
	{ "go", 0, 0, true, do_go },
};

static const struct directive *find(const char *name)
{
	for (size_t i = 0; i < sizeof(directives) / sizeof(*directives); i++)
		if (strcmp(directives[i].name, name) == 0)
			return &directives[i];
	return NULL;
}

/* Whether to go on. */
static bool carry_out(char *line)
{
	/* Kept: names and argument vectors point into it. */
	static char *pool[POOL];
	static int used;
	char **words = pool + used;
	char what[200];
	const struct directive *one;
	int count;

	snprintf(what, sizeof(what), "%s", line);
	count = used + WORDS <= POOL ? split(line, words) : -1;
	if (count == 0)
		return true;
	used += count + 1;
	one = count > 0 ? find(words[0]) : NULL;
	if (!one || count - 1 < one->least || count - 1 > one->most) {
		say_fail(true, what, 0);
		return false;
	}
	if (one->run(count - 1, words + 1) == 0)
		return true;
	say_fail(one->fatal, what, errno);
	return !one->fatal;
}

static void carry_out_all(void)
{
	char *next = conf;

	for (char *line; (line = strsep(&next, "\n"));)
		if (!carry_out(line))
			return;
}

/* All of the stack that main will ever use: mlockall takes only what was touched. */
static void touch_stack(void)
{
	volatile char room[32768];

	for (size_t i = 0; i < sizeof(room); i += 1024)
		room[i] = 0;
}

static int read_conf(void)
{
	int fd = open("/lab.conf", O_RDONLY | O_CLOEXEC);
	int length = fd < 0 ? -1 : read_fd(fd, conf, sizeof(conf));

	close(fd);
	return length == sizeof(conf) - 1 ? -1 : length; /* more would be cut, and half a directive carried out */
}

/* The line `init PATH`, if there is one: then process 1 is the image's, and the watcher is its first child. */
static char *init_path(void)
{
	char *line = strncmp(conf, "init ", 5) == 0 ? conf : strstr(conf, "\ninit ");
	static char path[256];

	if (!line)
		return NULL;
	sscanf(line, " init %255s", path);
	return path;
}

static void become_init(char *path, int from_watcher, int to_watcher)
{
	char byte;

	if (read(from_watcher, &byte, 1) == 1) {
		mounts_switch(path);
		write(to_watcher, &errno, sizeof(errno));
	}
	for (;;)
		pause();
}

/* The child goes on as the watcher.  Pipes, for a minimal kernel has no sockets. */
static int leave_process_1(char *path)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		return -1;
	if (pid > 0) {
		close(from[0]);
		close(to[1]);
		become_init(path, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	to_init = to[1];
	from_init = from[0];
	return 0;
}

int main(void)
{
	const struct timespec second = { .tv_sec = 1 };
	char *init;
	int status;
	pid_t pid;

	if (mounts_early() != 0 || read_conf() < 0)
		return 1; /* process 1 ends: the kernel says so, and panics */
	init = init_path();
	if (init && leave_process_1(init) != 0)
		return 1;
	write_file("/proc/self/oom_score_adj", "-1000");
	touch_stack();
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (start_prepare() != 0)
		return 1;
	carry_out_all();
	for (;;) {
		pid = waitpid(-1, &status, 0);
		if (pid > 0)
			start_reaped(pid, status);
		else
			nanosleep(&second, NULL);
	}
}
