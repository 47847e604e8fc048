// A fill that failed for a reason of its task must not be served to others.  Linux 7.3 keeps `pending` in a variable.
@fill@
identifier entry;
expression cache;
@@
 entry->length = squashfs_read_data(...);
 spin_lock(&cache->lock);
-if (entry->length < 0)
+if (entry->length < 0) {
 	entry->error = entry->length;
+	if (squashfs_transient_error(entry->error))
+		entry->block = SQUASHFS_INVALID_BLK;
+}
 entry->pending = 0;

@wait@
identifier entry, cache;
@@
 if (entry->pending) {
 	entry->num_waiters++;
 	spin_unlock(&cache->lock);
 	wait_event(entry->wait_queue, !entry->pending);
+	if (squashfs_transient_error(entry->error)) {
+		squashfs_cache_put(entry);
+		spin_lock(&cache->lock);
+		continue;
+	}
 } else
 	spin_unlock(&cache->lock);

@wait_keyed@
identifier entry, cache, pending, capacity_wake, wake_next;
@@
 wake_next = capacity_wake && ...;
 spin_unlock(&cache->lock);
 if (wake_next)
 	wake_up(&cache->wait_queue);
-if (pending)
+if (pending) {
 	wait_event(entry->wait_queue, !entry->pending);
+	if (squashfs_transient_error(entry->error)) {
+		squashfs_cache_put(entry);
+		capacity_wake = false;
+		spin_lock(&cache->lock);
+		continue;
+	}
+}

@print@
identifier entry;
expression list es;
@@
-if (entry->error)
+if (entry->error && !squashfs_transient_error(entry->error))
 	ERROR("Unable to read %s cache entry [%llx]\n", es);

@read_data@
expression list es;
identifier res;
statement S;
@@
(
-if (res < 0) {
+if (res < 0 && !squashfs_transient_error(res)) {
 	ERROR("Failed to read block 0x%llx: %d\n", es);
	...
 }
|
-if (res < 0)
+if (res < 0 && !squashfs_transient_error(res))
 	ERROR("Failed to read block 0x%llx: %d\n", es);
)

// Whoever prints that a read failed.
@page exists@
expression list es;
identifier res, buffer;
@@
 int res = buffer->error;
 ... when any
-ERROR("Unable to read page, block %llx, size %x\n", es);
+READ_ERROR(res, "Unable to read page, block %llx, size %x\n", es);

@indexes@
expression list es;
identifier err;
@@
 err = squashfs_read_metadata(...);
 if (err < 0) {
-	ERROR("read_indexes: reading block [%llx:%x]\n", es);
+	READ_ERROR(err, "Unable to read block list [%llx:%x]\n", es);
	...
 }

@directory exists@
expression list es;
identifier err;
@@
 err = squashfs_read_metadata(...);
 ... when any
-ERROR("Unable to read directory block [%llx:%x]\n", es);
+READ_ERROR(err, "Unable to read directory block [%llx:%x]\n", es);

@inode exists@
expression list es;
identifier err;
@@
 err = squashfs_read_metadata(...);
 ... when any
-ERROR("Unable to read inode 0x%llx\n", es);
+READ_ERROR(err, "Unable to read inode 0x%llx\n", es);

@skipping@
expression list es;
identifier bytes;
@@
 if (bytes < 0) {
-	ERROR("Unable to read symlink [%llx:%x]\n", es);
+	READ_ERROR(bytes, "Unable to read symlink [%llx:%x]\n", es);
	...
 }

// The entry is somebody else's once it is put: its error may be gone.
@symlink@
expression list es;
identifier entry, error;
@@
 if (entry->error) {
-	ERROR("Unable to read symlink [%llx:%x]\n", es);
+	READ_ERROR(entry->error, "Unable to read symlink [%llx:%x]\n", es);
(
+	error = entry->error;
 	squashfs_cache_put(entry);
-	error = entry->error;
|
 	squashfs_cache_put(entry);
)
	...
 }
