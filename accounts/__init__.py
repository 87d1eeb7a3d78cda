"""Users: who they are, how they log in, what others see of them."""
