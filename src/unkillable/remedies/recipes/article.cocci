// The wait becomes interruptible, and whoever is being killed is given an entry that many share and that has an error.
@free@
identifier cache;
@@
 cache->num_waiters++;
 spin_unlock(&cache->lock);
-wait_event(cache->wait_queue, cache->unused);
+wait_event_interruptible(cache->wait_queue, cache->unused);
+if (fatal_signal_pending(current)) {
+	spin_lock(&cache->lock);
+	cache->num_waiters--;
+	spin_unlock(&cache->lock);
+	return squashfs_killed_entry_get();
+}
 spin_lock(&cache->lock);
 cache->num_waiters--;
 continue;

@free_keyed@
identifier cache, wait, capacity_wake;
@@
 prepare_to_wait_exclusive(&cache->wait_queue, &wait.wait,
-			   TASK_UNINTERRUPTIBLE
+			   TASK_INTERRUPTIBLE
			   );
 spin_unlock(&cache->lock);
 schedule();
 finish_wait(&cache->wait_queue, &wait.wait);
 capacity_wake = READ_ONCE(wait.capacity_wake);
 spin_lock(&cache->lock);
 cache->num_waiters--;
+if (fatal_signal_pending(current)) {
+	spin_unlock(&cache->lock);
+	return squashfs_killed_entry_get();
+}
 continue;

@dying@
identifier f =~ "^squashfs_cache_get$";
identifier cache;
@@
 f(...) {
 ...
+if (fatal_signal_pending(current))
+	return squashfs_killed_entry_get();
+
 spin_lock(&cache->lock);
 while (1) { ... }
 ...
 }

@shared@
identifier f =~ "^squashfs_cache_put$";
identifier entry, cache;
@@
 f(struct squashfs_cache_entry *entry) {
 struct squashfs_cache *cache = entry->cache;
+if (entry == &squashfs_killed_entry)
+	return;
+
 spin_lock(&cache->lock);
 ...
 }
