/* The watcher and the agent, each an /init: what their parts know of each other; docs/dev/lab.md has the protocol. */
#ifndef WATCHER_H
#define WATCHER_H

#include "quote.h"
#include "records.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { WORDS = 64, PROGRAMS = 64, LINE = 2048 };
#define NEWROOT "/newroot"

/* port.c: the lines to the host */
int port_open(const char *device);
int port_fd(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_at(int64_t t_ns, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_fail(bool fatal, const char *what, int error);
#define SECONDS "%lld.%06d"
#define SECONDS_OF(ns) (long long)((ns) / 1000000000), (int)((ns) % 1000000000 / 1000)

/* files.c */
int write_file(const char *path, const char *value);
int read_fd(int fd, char *text, size_t size);
int load_module(const char *path, const char *parameters);
long long number_after(const char *text, const char *key);

/* conf.c: a line of lab.conf into words, in place; -1 if it is malformed */
int split(char *line, char **words);

/* mounts.c */
int mounts_early(void);
int mounts_root(const char *type, const char *device);
int mounts_switch(char *init);
int root_dir(void);

/* memory.c */
int memory_zram(long long kib);
int memory_cgroup(long long kib);
int memory_room(long long kib);
long long memory_available(void);
int cgroup_procs(void);
int meminfo_fd(void);

/* speed.c */
int speed_measure(void);

/* start.c: programs on the image */
int start_prepare(void);
int start_canary(int argc, char **argv);
int start_daemon(int argc, char **argv);
int start_keep(int argc, char **argv);
void start_reaped(pid_t pid, int status);
struct records *start_records(void);

/* readback.c: the files of the image, before and after */
int readback_read(const char *which, bool first);
int readback_before(void);
void readback_after(void);

/* kmsg.c: the kernel's ring buffer */
void kmsg_open(void);
void kmsg_print(bool all);

/* Each a thread that runs for ever; *_open allocates all that it needs. */
int trace_open(void);
void *trace_run(void *unused);
bool sample_open(void); /* whether the kernel has pressure stall information */
void *sample_run(void *unused);
void look_open(void);
void *look_run(void *unused);
void *relay_run(void *names); /* char *[]: who a record's number is */
void *pulse_run(void *unused);
extern bool blind; /* only the canary is watched: to see what watching costs */
int thread_start(void *(*run)(void *), void *argument, int priority);

#endif
