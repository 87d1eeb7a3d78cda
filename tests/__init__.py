"""What the product promises, each test stating one claim."""
