@@
identifier f =~ "^squashfs_bio_read$";
expression gfp != { GFP_NOIO };
@@
 f(...) {
 <...
*alloc_page(gfp)
 ...>
 }
