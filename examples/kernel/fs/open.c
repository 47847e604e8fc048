int sys_openat(struct inode *inode, struct file *file)
{
	return file->f_op->open(inode, file);
}
