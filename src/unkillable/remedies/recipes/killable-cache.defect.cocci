@@
identifier f =~ "^squashfs_cache_get$";
@@
 f(...) {
 <...
(
*wait_event(...)
|
*prepare_to_wait_exclusive(..., TASK_UNINTERRUPTIBLE)
)
 ...>
 }
