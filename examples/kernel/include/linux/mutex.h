extern void mutex_lock(struct mutex *lock);
extern int mutex_lock_killable(struct mutex *lock);
extern void mutex_unlock(struct mutex *lock);
