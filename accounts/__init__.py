"""Users: accounts, log-ins, and what others see of them."""
