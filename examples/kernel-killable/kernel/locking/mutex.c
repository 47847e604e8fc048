static __always_inline int __mutex_lock(struct mutex *lock, unsigned int state)
{
	set_current_state(state);
	while (!mutex_trylock(lock)) {
		schedule();
		set_current_state(state);
	}
	set_current_state(TASK_RUNNING);
	return 0;
}

void mutex_lock(struct mutex *lock)
{
	__mutex_lock(lock, TASK_UNINTERRUPTIBLE);
}

int mutex_lock_killable(struct mutex *lock)
{
	return __mutex_lock(lock, TASK_KILLABLE);
}
