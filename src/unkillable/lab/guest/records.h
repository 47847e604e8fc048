/*
 * What keep and canary tell the watcher: records in memory that all three have mapped.
 *
 * The watcher creates it, fills it in and locks it before they start.  To publish is to write to memory that is there and
 * to call futex(2), which allocates nothing: a pipe or a socket would ask the kernel for memory at the worst moment.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdatomic.h>
#include <stdint.h>

enum { RECORDS_FD = 3, PROC_FD = 4 }; /* where a child finds the memory, and the directory /proc of the watcher */
enum { RING_KEEP, RING_CANARY, RINGS };
enum { SLOTS = 256 };
enum { STARTED, EXITED, ANSWERED };

struct record {
	int64_t at_ns; /* CLOCK_MONOTONIC */
	int64_t took_ns;
	uint32_t kind;
	uint32_t number; /* which program of keep's, or how often the canary was asked */
	int32_t pid;
	int32_t status; /* as wait(2) gives it */
};

/* One writer, one reader; 32 bits, for MIPS has no atomic 64. */
struct ring {
	_Atomic uint32_t written;
	_Atomic uint32_t taken;
	struct record slot[SLOTS];
};

struct records {
	_Atomic uint32_t news; /* the futex */
	struct ring ring[RINGS];
};

int64_t now_ns(void);
struct records *records_attach(int fd);
void records_publish(struct records *all, int ring, struct record record);
int records_take(struct records *all, int ring, struct record *record);
void records_wait(struct records *all, uint32_t seen);

#endif
