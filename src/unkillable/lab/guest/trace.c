/*
 * Who was killed, by whom, and when he was gone, by the kernel's own tracepoints.
 *
 * sched_process_exit came after exit_mm() up to Linux 6.15 and comes before it, memory not yet given back, since 6.16.  The
 * SIGCHLD that exit_notify() sends to the parent comes after it on every release, so that is reported too (`dead`).
 */
#define _GNU_SOURCE
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/kernel/tracing"
#define OURS ROOT "/instances/lab"

static int pipe_fd = -1;
static char text[16384];

static int prepare(void)
{
	static const char *const settings[][2] = {
		{ OURS "/trace_clock", "mono" }, /* as ours */
		{ OURS "/buffer_size_kb", "64" },
		{ OURS "/events/oom/mark_victim/enable", "1" },
		{ OURS "/events/sched/sched_process_exit/enable", "1" },
		{ OURS "/events/signal/signal_generate/enable", "1" },
	};
	char filter[64];

	if (mount("tracefs", ROOT, "tracefs", 0, NULL) != 0 && errno != EBUSY)
		return -1;
	/* No note of names at every context switch, the events carry what we need; an instance inherits it. */
	write_file(ROOT "/options/record-cmd", "0");
	/* An instance of our own, so that an image's tools may trace as they like. */
	if (mkdir(OURS, 0755) != 0 && errno != EEXIST)
		return -1;
	snprintf(filter, sizeof(filter), "sig==%d || sig==%d", SIGKILL, SIGCHLD);
	if (write_file(OURS "/events/signal/signal_generate/filter", filter) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (write_file(settings[i][0], settings[i][1]) != 0)
			return -1;
	return 0;
}

int trace_open(void)
{
	if (prepare() == 0)
		pipe_fd = open(OURS "/trace_pipe", O_RDONLY | O_CLOEXEC);
	return pipe_fd < 0 ? -1 : 0;
}

struct event {
	const char *at;   /* seconds, as text */
	const char *name; /* up to a colon */
	const char *rest;
	int pid; /* in whose context it was */
};

/* "comm-PID [CPU] flags SECONDS: NAME: rest"; the comm is whatever a program calls itself. */
static bool parse(char *line, struct event *event)
{
	char *cpu = strstr(line, " ["), *dash, *colon;

	if (!cpu)
		return false;
	*cpu = 0;
	dash = strrchr(line, '-');
	event->pid = dash ? atoi(dash + 1) : 0;
	event->name = strstr(cpu + 1, ": ");
	if (!event->name)
		return false;
	*(char *)event->name = 0;
	event->at = strrchr(cpu + 1, ' ');
	event->name += 2;
	colon = strchr(event->name, ':');
	if (!event->at++ || !colon)
		return false;
	*colon = 0;
	event->rest = colon + 1;
	/* It goes into a line of JSON as it is. */
	return event->at[strspn(event->at, "0123456789.")] == 0 && *event->at >= '0' && *event->at <= '9';
}

static const char *last(const char *in, const char *what)
{
	const char *found = NULL;

	for (const char *at = in; (at = strstr(at, what)); at++)
		found = at;
	return found;
}

static void report(const struct event *event)
{
	const char *comm = strstr(event->rest, "comm="), *pid = last(event->rest, " pid="), *code = strstr(event->rest, " code=");
	char quoted[128];

	if (strcmp(event->name, "mark_victim") == 0) {
		/* "pid=%d" up to 6.8, then "pid=%d comm=%s total-vm=..." */
		pid = strstr(event->rest, "pid=");
		if (pid)
			say("\"ev\":\"trace\",\"at\":%s,\"what\":\"mark_victim\",\"pid\":%d", event->at, atoi(pid + 4));
		return;
	}
	if (!comm || !pid || pid < comm)
		return;
	quote(quoted, sizeof(quoted), comm + 5, (size_t)(pid - comm - 5));
	if (strcmp(event->name, "sched_process_exit") == 0)
		say("\"ev\":\"trace\",\"at\":%s,\"what\":\"exit\",\"pid\":%d,\"comm\":\"%s\"", event->at, atoi(pid + 5), quoted);
	else if (strcmp(event->name, "signal_generate") != 0)
		return;
	else if (atoi(strstr(event->rest, "sig=") + 4) == SIGKILL)
		say("\"ev\":\"trace\",\"at\":%s,\"what\":\"kill\",\"pid\":%d,\"by\":%d,\"comm\":\"%s\"", event->at, atoi(pid + 5),
		    event->pid, quoted);
	else if (code && atoi(code + 6) >= CLD_EXITED && atoi(code + 6) <= CLD_DUMPED)
		say("\"ev\":\"trace\",\"at\":%s,\"what\":\"dead\",\"pid\":%d", event->at, event->pid);
}

void *trace_run(void *unused)
{
	size_t length = 0;
	ssize_t got;

	(void)unused;
	while ((got = read(pipe_fd, text + length, sizeof(text) - 1 - length)) > 0 || errno == EINTR) {
		char *line = text, *end;

		length += got > 0 ? (size_t)got : 0;
		text[length] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			struct event event;

			*end = 0;
			if (parse(line, &event))
				report(&event);
			else
				say("\"ev\":\"note\",\"what\":\"trace\",\"text\":\"%s\"", quote((char[256]){ 0 }, 256, line, strlen(line)));
		}
		length -= (size_t)(line - text);
		if (length == sizeof(text) - 1) /* no line of the kernel's is that long */
			length = 0;
		memmove(text, line, length);
	}
	say_fail(false, "trace_pipe", errno);
	return NULL;
}
