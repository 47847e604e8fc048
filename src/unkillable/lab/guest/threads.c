/* The watcher's threads, and the two simplest of them. */
#define _GNU_SOURCE
#include "watcher.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57 /* Linux 5.6 */
#endif

enum { STACK = 64 * 1024, PULSE_MS = 100 };

struct job {
	void *(*run)(void *);
	void *argument;
};
static struct job jobs[8];
static int job_count;

/*
 * PR_SET_IO_FLUSHER: the kernel takes __GFP_IO and __GFP_FS from whatever this thread allocates, so it can never be the one
 * who calls the OOM killer: where nobody else may call it either, the freeze would end because it is watched.
 */
static void *begin(void *at)
{
	struct job *job = at;

	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	return job->run(job->argument);
}

/* Stacks are small, for all of each is locked into memory.  Priority 0: an ordinary thread; else SCHED_FIFO. */
int thread_start(void *(*run)(void *), void *argument, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	struct job *job = &jobs[job_count++];
	pthread_attr_t attr;
	pthread_t thread;

	*job = (struct job){ run, argument };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	if (priority) {
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
		pthread_attr_setschedparam(&attr, &param);
	}
	return pthread_create(&thread, &attr, begin, job);
}

void *pulse_run(void *unused)
{
	int64_t due = now_ns();

	(void)unused;
	for (unsigned long number = 1;; number++) {
		struct timespec at;
		int64_t now;

		say("\"ev\":\"pulse\",\"n\":%lu", number);
		due += (int64_t)(blind ? 10 * PULSE_MS : PULSE_MS) * 1000000;
		now = now_ns();
		if (due < now) /* the whole machine stood still: no burst to make up for it */
			due = now;
		at = (struct timespec){ .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
	return NULL;
}

static void tell(const struct record *record, const char *who)
{
	int signal = WIFSIGNALED(record->status) ? WTERMSIG(record->status) : 0;
	int status = WIFEXITED(record->status) ? WEXITSTATUS(record->status) : 0;
	char quoted[400];

	switch (record->kind) {
	case STARTED:
		say("\"ev\":\"start\",\"who\":\"%s\",\"pid\":%d,\"at\":" SECONDS, quote(quoted, sizeof(quoted), who, strlen(who)),
		    record->pid, SECONDS_OF(record->at_ns));
		break;
	case EXITED:
		say("\"ev\":\"exit\",\"who\":\"%s\",\"pid\":%d,\"at\":" SECONDS ",\"signal\":%d,\"status\":%d",
		    quote(quoted, sizeof(quoted), who, strlen(who)), record->pid, SECONDS_OF(record->at_ns), signal, status);
		break;
	case ANSWERED:
		say("\"ev\":\"beat\",\"n\":%u,\"at\":" SECONDS ",\"took\":" SECONDS ",\"status\":%d", record->number,
		    SECONDS_OF(record->at_ns), SECONDS_OF(record->took_ns),
		    record->status == -1 ? -1 : signal ? 128 + signal : status);
		break;
	}
}

void *relay_run(void *names)
{
	struct records *all = start_records();

	for (;;) {
		uint32_t seen = atomic_load(&all->news);
		struct record record;

		for (int ring = 0; ring < RINGS; ring++)
			while (records_take(all, ring, &record)) /* the number comes from memory that a guest's program can write */
				tell(&record, ring == RING_KEEP && record.number < PROGRAMS ? ((char **)names)[record.number] : "");
		records_wait(all, seen);
	}
	return NULL;
}
