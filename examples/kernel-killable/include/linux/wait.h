extern void prepare_to_wait(struct wait_queue_head *queue, int state);
extern void finish_wait(struct wait_queue_head *queue);
extern void wake_up(struct wait_queue_head *queue);

#define ___wait_event(queue, condition, state)				\
({									\
	for (;;) {							\
		prepare_to_wait(&queue, state);				\
		if (condition)						\
			break;						\
		schedule();						\
	}								\
	finish_wait(&queue);						\
})

#define wait_event(queue, condition)					\
	___wait_event(queue, condition, TASK_UNINTERRUPTIBLE)

#define wait_event_killable(queue, condition)				\
	___wait_event(queue, condition, TASK_KILLABLE)
