"""What tests share: each module by what it makes."""
