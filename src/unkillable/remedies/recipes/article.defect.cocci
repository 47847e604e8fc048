@@
identifier f =~ "^squashfs_cache_get$";
identifier cache;
@@
 f(...) {
 <...
(
*wait_event(cache->wait_queue, cache->unused)
|
*prepare_to_wait_exclusive(..., TASK_UNINTERRUPTIBLE)
)
 ...>
 }
