"""What is done with the tables of keys and accounts, one module a subject; `common` says what a script is.

What a script does and raises is said by the method of `AccessStore` that runs it.
"""
