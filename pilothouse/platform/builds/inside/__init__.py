"""The program that runs inside a builder's containers, on the standard library of its Python alone.

It travels with each build as a zip archive (`bundle`), so the builder's image does not change with the platform's version.
"""
