@held exists@
identifier stream;
expression strm;
identifier msblk;
@@
 mutex_lock(&stream->mutex);
 ... when any
 mutex_unlock(&stream->mutex);
 ... when != mutex_lock(&stream->mutex);
*strm = msblk->decompressor->init(...);
