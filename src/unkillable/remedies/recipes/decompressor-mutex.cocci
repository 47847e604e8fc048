// Takes its place among the decompressors first, and allocates when the mutex is free for those who give theirs back.
@@
identifier strm, stream, msblk;
symbol wait;
expression most, E;
@@
 if (stream->avail_decomp >= most)
	goto wait;
+stream->avail_decomp++;
+mutex_unlock(&stream->mutex);
 strm = E;
-if (!strm)
+if (!strm) {
+	mutex_lock(&stream->mutex);
+	stream->avail_decomp--;
 	goto wait;
+}
 strm->stream = msblk->decompressor->init(msblk, stream->comp_opts);
 if (IS_ERR(strm->stream)) {
 	kfree(strm);
+	mutex_lock(&stream->mutex);
+	stream->avail_decomp--;
 	goto wait;
 }
-stream->avail_decomp++;
-WARN_ON(...);
-mutex_unlock(&stream->mutex);
 break;
