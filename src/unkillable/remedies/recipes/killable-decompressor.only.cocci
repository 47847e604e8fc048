@@
identifier f =~ "^squashfs_decompress$", bio;
identifier stream, msblk;
@@
 f(..., struct bio *bio, ...) {
 ...
*struct squashfs_stream *stream = msblk->stream;
 ...
 }
