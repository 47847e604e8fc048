// Waiting for a free entry, and for the task that fills the wanted one.
@free@
identifier cache;
@@
 cache->num_waiters++;
 spin_unlock(&cache->lock);
-wait_event(cache->wait_queue, cache->unused);
+if (wait_event_killable(cache->wait_queue, cache->unused)) {
+	spin_lock(&cache->lock);
+	cache->num_waiters--;
+	spin_unlock(&cache->lock);
+	return ERR_PTR(-EINTR);
+}
 spin_lock(&cache->lock);
 cache->num_waiters--;
 continue;

// Linux 7.3: woken one at a time.  Whoever leaves must hand on a wake-up that was meant for him.
@hands_on@
identifier capacity_wake, wake_next;
expression E1, E2;
@@
 wake_next = capacity_wake && E1 && E2;

@free_keyed@
identifier cache, wait, hands_on.capacity_wake, hands_on.wake_next;
@@
 prepare_to_wait_exclusive(&cache->wait_queue, &wait.wait,
-			   TASK_UNINTERRUPTIBLE
+			   TASK_KILLABLE
			   );
 spin_unlock(&cache->lock);
 schedule();
 finish_wait(&cache->wait_queue, &wait.wait);
 capacity_wake = READ_ONCE(wait.capacity_wake);
 spin_lock(&cache->lock);
 cache->num_waiters--;
+if (fatal_signal_pending(current)) {
+	wake_next = capacity_wake && cache->unused;
+	spin_unlock(&cache->lock);
+	if (wake_next)
+		wake_up(&cache->wait_queue);
+	return ERR_PTR(-EINTR);
+}
 continue;

@fill@
identifier entry;
@@
-wait_event(entry->wait_queue, !entry->pending);
+if (wait_event_killable(entry->wait_queue, !entry->pending)) {
+	squashfs_cache_put(entry);
+	return ERR_PTR(-EINTR);
+}

// Everybody who gets an entry.
@metadata disable drop_else@
identifier entry;
statement S1, S2;
@@
 entry = squashfs_cache_get(...);
+if (IS_ERR(entry))
+	return PTR_ERR(entry);
+
 if (entry->error)
 	S1
 else
 	S2

@symlink@
identifier entry, err, out;
@@
 entry = squashfs_cache_get(...);
+if (IS_ERR(entry)) {
+	err = PTR_ERR(entry);
+	goto out;
+}
 if (entry->error) {
	READ_ERROR(...);
	err = entry->error;
 	squashfs_cache_put(entry);
	goto out;
 }

@symlink_without_errno@
identifier entry, out;
@@
 entry = squashfs_cache_get(...);
+if (IS_ERR(entry))
+	goto out;
 if (entry->error) {
	READ_ERROR(...);
 	squashfs_cache_put(entry);
	goto out;
 }

@page@
identifier buffer, res, get =~ "^squashfs_get_(fragment|datablock)$";
@@
 struct squashfs_cache_entry *buffer = get(...);
 ...
-int res = buffer->error;
+int res;
+
+if (IS_ERR(buffer))
+	return PTR_ERR(buffer);
+
+res = buffer->error;

// Before 6.0: a page that is read through the cache; one declaration of several variables.
@page_cached exists@
identifier buffer, res;
statement S;
@@
 struct squashfs_cache_entry *buffer = squashfs_get_datablock(...);
 int res =
-	buffer->error
+	PTR_ERR_OR_ZERO(buffer)
 	;
 ... when any
+if (IS_ERR(buffer))
+	return res;
+
+res = buffer->error;
 if (res)
	S

@readahead@
identifier buffer, get =~ "^squashfs_get_(fragment|datablock)$";
statement S;
@@
 struct squashfs_cache_entry *buffer = get(...);
 ... when != S
+if (IS_ERR(buffer))
+	return PTR_ERR(buffer);
+
 if (buffer->error)
 	S

// read_blocklist() has always been able to fail; now it does so for the killed.
@blocklist@
identifier bsize;
symbol skip_pages;
@@
 bsize = read_blocklist(...);
-if (bsize == 0)
+if (bsize <= 0)
	goto skip_pages;
