@@
identifier f =~ "^squashfs_bio_read$";
@@
 f(...) {
 <...
*submit_bio_wait(...)
 ...>
 }
