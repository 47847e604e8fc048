@@
identifier f =~ "^get_decomp_stream$";
identifier stream;
@@
 f(...) {
 <...
*wait_event(stream->wait, ...)
 ...>
 }

@@
identifier f =~ "^squashfs_decompress$";
identifier stream;
@@
 f(...) {
 <...
*mutex_lock(&stream->mutex)
 ...>
 }
