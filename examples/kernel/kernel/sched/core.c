void schedule(void)
{
	__schedule(0);
}
