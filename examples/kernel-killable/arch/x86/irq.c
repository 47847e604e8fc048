void handle_irq(void)
{
}
