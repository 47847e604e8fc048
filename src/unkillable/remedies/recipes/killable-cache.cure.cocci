@@
identifier f =~ "^squashfs_cache_get$";
@@
 f(...) {
 <...
(
*wait_event_killable(...)
|
*prepare_to_wait_exclusive(..., TASK_KILLABLE)
)
 ...>
 }
