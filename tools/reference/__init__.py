"""The pages under docs/reference, each made of the tables in the code that answer for it."""
