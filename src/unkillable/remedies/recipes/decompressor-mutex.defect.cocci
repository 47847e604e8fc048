@held exists@
identifier stream;
expression strm;
identifier msblk;
@@
 mutex_lock(&stream->mutex);
 ... when != mutex_unlock(&stream->mutex);
*strm = msblk->decompressor->init(...);
