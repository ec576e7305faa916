"""Who is compared: each a program that reads its order, does the work and tells what it took."""
