// From 5.7 on: before, the decompressors owned the buffer heads, and an early return would have leaked them.
@by_bio@
identifier f =~ "^squashfs_decompress$";
identifier bio;
@@
 f(..., struct bio *bio, ...) { ... }

@multi depends on by_bio@
identifier stream;
identifier get =~ "^get_decomp_stream$";
@@
 get(...) {
 <...
-wait_event(stream->wait, !list_empty(&stream->strm_list));
+if (wait_event_killable(stream->wait, !list_empty(&stream->strm_list)))
+	return ERR_PTR(-EINTR);
 ...>
 }

@multi_caller depends on multi@
identifier strm, res;
expression E;
@@
 struct decomp_stream *strm = get_decomp_stream(...);
+
+if (IS_ERR(strm))
+	return PTR_ERR(strm);
+
 res = E;

@single@
identifier f =~ "^squashfs_decompress$";
identifier stream, bio;
@@
 f(..., struct bio *bio, ...) {
 ...
-mutex_lock(&stream->mutex);
+if (mutex_lock_killable(&stream->mutex))
+	return -EINTR;
 ...
 }
