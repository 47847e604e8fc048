/*
 * Who was killed, by whom, and when he was gone, by the kernel's own tracepoints.
 *
 * sched_process_exit came after exit_mm() up to Linux 6.15 and comes before it, memory not yet given back, since 6.16.  The
 * SIGCHLD that exit_notify() sends to the parent comes after it on every release, so that is reported too (`dead`).
 */
#define _GNU_SOURCE
#include "event.h"
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
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

void *trace_run(void *unused)
{
	char out[512];
	size_t length = 0;
	ssize_t got;

	(void)unused;
	while ((got = read(pipe_fd, text + length, sizeof(text) - 1 - length)) > 0) {
		char *line = text, *end;

		length += (size_t)got;
		text[length] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			if (!event_translate(line, out, sizeof(out)))
				say("\"ev\":\"note\",\"what\":\"trace\",\"text\":\"%s\"", quote(out, sizeof(out), line, strlen(line)));
			else if (*out)
				say("%s", out);
		}
		length -= (size_t)(line - text);
		if (length == sizeof(text) - 1) /* no line of the kernel's is that long */
			length = 0;
		memmove(text, line, length);
	}
	say_fail(false, "trace_pipe", errno);
	return NULL;
}
