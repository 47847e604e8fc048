#define _GNU_SOURCE
#include "event.h"
#include "quote.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event {
	const char *at; /* seconds, as text */
	const char *name;
	const char *rest;
	int pid; /* in whose context it was */
};

/* It goes into a line of JSON as it is: digits, and a point with digits after it; no zero before another digit. */
static bool seconds(const char *text)
{
	static const char digits[] = "0123456789";
	size_t whole = strspn(text, digits), part;

	if (whole == 0 || (whole > 1 && *text == '0'))
		return false;
	if (text[whole] == 0)
		return true;
	part = strspn(text + whole + 1, digits);
	return text[whole] == '.' && part > 0 && text[whole + 1 + part] == 0;
}

/* "comm-PID [CPU] flags SECONDS: NAME: rest"; a comm is whatever a program calls itself, so PID is looked for from its end. */
static bool parse(char *line, struct event *event)
{
	char *cpu = strstr(line, " ["), *dash, *name, *colon;

	if (!cpu)
		return false;
	*cpu = 0;
	dash = strrchr(line, '-');
	event->pid = dash ? atoi(dash + 1) : 0;
	name = strstr(cpu + 1, ": ");
	if (!name)
		return false;
	*name = 0;
	event->at = strrchr(cpu + 1, ' ');
	event->name = name + 2;
	colon = strchr(event->name, ':');
	if (!event->at || !colon)
		return false;
	*colon = 0;
	event->at++;
	event->rest = colon + 1;
	return seconds(event->at);
}

static const char *last(const char *in, const char *what)
{
	const char *found = NULL;

	for (const char *at = in; (at = strstr(at, what)); at++)
		found = at;
	return found;
}

/* "pid=%d" up to Linux 6.8, then "pid=%d comm=%s total-vm=...". */
static void mark_victim(const struct event *event, char *out, size_t size)
{
	const char *pid = strstr(event->rest, "pid=");

	if (pid)
		snprintf(out, size, "\"ev\":\"trace\",\"at\":%s,\"what\":\"mark_victim\",\"pid\":%d", event->at, atoi(pid + 4));
}

/* "comm=%s pid=%d prio=%d", and " group_dead=%s" since Linux 6.16. */
static void process_exit(const struct event *event, char *out, size_t size)
{
	const char *comm = strstr(event->rest, "comm="), *pid = last(event->rest, " pid=");
	char quoted[128];

	if (comm && pid && comm < pid)
		snprintf(out, size, "\"ev\":\"trace\",\"at\":%s,\"what\":\"exit\",\"pid\":%d,\"comm\":\"%s\"", event->at,
			 atoi(pid + 5), quote(quoted, sizeof(quoted), comm + 5, (size_t)(pid - comm - 5)));
}

/* "sig=%d errno=%d code=%d comm=%s pid=%d grp=%d res=%d": who is sent what, in the context of the sender. */
static void signal_generate(const struct event *event, char *out, size_t size)
{
	const char *pid = last(event->rest, " pid=");
	int signal, code;

	if (!pid || sscanf(event->rest, " sig=%d errno=%*d code=%d", &signal, &code) != 2)
		return;
	if (signal == SIGKILL)
		snprintf(out, size, "\"ev\":\"trace\",\"at\":%s,\"what\":\"kill\",\"pid\":%d,\"by\":%d", event->at, atoi(pid + 5),
			 event->pid);
	else if (signal == SIGCHLD && code >= CLD_EXITED && code <= CLD_DUMPED)
		snprintf(out, size, "\"ev\":\"trace\",\"at\":%s,\"what\":\"dead\",\"pid\":%d", event->at, event->pid);
}

static const struct {
	const char *name;
	void (*translate)(const struct event *event, char *out, size_t size);
} events[] = {
	{ "mark_victim", mark_victim },
	{ "sched_process_exit", process_exit },
	{ "signal_generate", signal_generate },
};

bool event_translate(char *line, char *out, size_t size)
{
	struct event event;

	*out = 0;
	if (!parse(line, &event))
		return false;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (strcmp(events[i].name, event.name) == 0)
			events[i].translate(&event, out, size);
	return true;
}
