@@
identifier f =~ "^squashfs_bio_read$";
@@
 f(...) {
 <...
*GFP_NOIO
 ...>
 }
