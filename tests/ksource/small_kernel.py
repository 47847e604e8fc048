"""A kernel in which nothing that sleeps has a name of Linux: what is found in it was found, not known.

Only the scheduler's own ends are as they are there: current->__state, schedule(), the TASK_ flags.
"""

from __future__ import annotations

SCHED_H = """\
#define TASK_RUNNING			0x00000000
#define TASK_INTERRUPTIBLE		0x00000001
#define TASK_UNINTERRUPTIBLE		0x00000002
#define TASK_WAKEKILL			0x00000100
#define TASK_NOLOAD			0x00000400
#define TASK_FREEZABLE			0x00002000
#define TASK_KILLABLE			(TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_IDLE			(TASK_UNINTERRUPTIBLE | TASK_NOLOAD)
#define put_state(value)		\\
	do {				\\
		WRITE_ONCE(current->__state, (value));	\\
	} while (0)
extern void schedule(void);
extern long schedule_for(long ticks);
extern long doze(long ticks);
extern long doze_killable(long ticks);
"""

CORE_C = """\
void schedule(void)
{
	__schedule(0);
}
long schedule_for(long ticks)
{
	start_timer(ticks);
	schedule();
	return left(ticks);
}
long doze(long ticks)
{
	put_state(TASK_UNINTERRUPTIBLE);
	return schedule_for(ticks);
}
long doze_killable(long ticks)
{
	put_state(TASK_KILLABLE);
	return schedule_for(ticks);
}
"""

LOUNGE_H = """\
extern void enter(struct lounge *lounge, int state);
#define ___rest(lounge, condition, state, cmd)		\\
({							\\
	for (;;) {					\\
		enter(&lounge,				\\
state);				\\
		if (condition)				\\
			break;				\\
		cmd;					\\
	}						\\
	leave(&lounge);					\\
})
#define __rest(lounge, condition)			\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, schedule())
#define rest(lounge, condition)				\\
do {							\\
	if (condition)					\\
		break;					\\
	__rest(lounge, condition);			\\
} while (0)
#define rest_killable(lounge, condition)		\\
	___rest(lounge, condition, TASK_KILLABLE, schedule())
#define rest_freezable(lounge, condition)		\\
	___rest(lounge, condition, TASK_INTERRUPTIBLE | TASK_FREEZABLE, schedule())
#define rest_in(lounge, condition, state)		\\
	___rest(lounge, condition, state, schedule())
#define rest_do(lounge, condition, before)		\\
	___rest(lounge, condition, TASK_IDLE, before; schedule())
#define never_sleeps(lounge, condition)			\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, cpu_relax())
"""

LOUNGE_C = """\
void enter(struct lounge *lounge, int state)
{
	add(lounge);
	put_state(state);
}
"""

LATCH_H = """\
extern void hatch_lock(struct latch *latch);
extern int hatch_lock_killable(struct latch *latch);
extern void hatch_unlock(struct latch *latch);
#define CONTENDED(x, try, get) do { if (!try(x)) get(x); } while (0)
extern void gate(struct gate *gate);
extern void wait_for_box(struct box *box);
extern int works_and_sleeps(struct box *box);
"""

LATCH_C = """\
static __always_inline int __latch_common(struct latch *latch, unsigned int state)
{
	put_state(state);
	for (;;) {
		if (try_latch(latch))
			break;
		schedule();
		put_state(state);
	}
	put_state(TASK_RUNNING);
	return 0;
}
static noinline void __latch_slowly(struct latch *latch)
{
	__latch_common(latch, TASK_UNINTERRUPTIBLE);
}
void hatch_lock(struct latch *latch)
{
	if (!latch_fast(latch))
		__latch_slowly(latch);
}
int hatch_lock_killable(struct latch *latch)
{
	return __latch_common(latch, TASK_KILLABLE);
}
static void __gate(struct gate *gate)
{
	put_state(TASK_UNINTERRUPTIBLE);
	schedule();
}
void gate(struct gate *gate)
{
	CONTENDED(gate, try_gate, __gate);
}
void wait_for_box(struct box *box)
{
	struct lounge *lounge = lounge_of(box);

	rest(*lounge, box->done);
}
int works_and_sleeps(struct box *box)
{
	hatch_lock(&box->guard);
	box->count++;
	hatch_unlock(&box->guard);
	return 0;
}
"""

BOX_H = """\
struct box {
	struct latch guard;
	struct lounge lounge;
	int free;
};
"""

BOX_C = """\
static struct box *take(struct box *box)
{
	rest(box->lounge, box->free);
	return box;
}
static void give(struct box *box)
{
	wake_up(&box->lounge);
}
static int fill(struct box *box)
{
	hatch_lock(&box->guard);
	page_of(GFP_NOIO);
	hatch_unlock(&box->guard);
	return 0;
}
static int box_read(struct file *file)
{
	struct box *box = file->box;

	take(box);
	fill(box);
	give(box);
	return 0;
}
static int box_open(struct file *file)
{
	return hatch_lock_killable(&file->box->guard);
}
static int written_out(struct box *box)
{
	enter(&box->lounge, TASK_UNINTERRUPTIBLE);
	schedule();
	leave(&box->lounge);
}
static int by_variable(struct box *box)
{
	int state = TASK_IDLE;

	rest_in(box->lounge, box->free, state);
}
static int by_callers_word(struct box *box, int how)
{
	rest_in(box->lounge, box->free, how);
}
static int by_either(struct box *box)
{
	int state = TASK_IDLE;

	if (box->free)
		state = TASK_KILLABLE;
	rest_in(box->lounge, box->free, state);
}
static int only_runs(struct box *box)
{
	put_state(TASK_RUNNING);
	schedule();
}
static int preempted(struct box *box)
{
	schedule();
}
static int box_init(void)
{
	register_filesystem(&box_type);
}
static const struct ops box_ops = {
	.read = box_read,
	.open = box_open,
};
"""

FILES = {
    "include/linux/sched.h": SCHED_H,
    "include/linux/lounge.h": LOUNGE_H,
    "include/linux/latch.h": LATCH_H,
    "include/linux/ops.h": "struct ops {\n\tint (*read)(struct file *);\n\tint (*open)(struct file *);\n};\n",
    "kernel/sched/core.c": CORE_C,
    "kernel/sched/lounge.c": LOUNGE_C,
    "kernel/locking/latch.c": LATCH_C,
    "mm/filemap.c": "int filemap_fault(struct ops *ops)\n{\n\tmemalloc_nofs_save();\n\treturn ops->read(0);\n}\n",
    "fs/open.c": "int sys_openat(struct ops *ops)\n{\n\treturn ops->open(0);\n}\n",
    "fs/box/box.h": BOX_H,
    "fs/box/box.c": BOX_C,
}
