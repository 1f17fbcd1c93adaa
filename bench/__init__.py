"""`make bench`: this project, dlt and the floor on the same pages, measured side by side.

Not part of the package. What is measured is in `legs`, how in `measure`, the pages in `corpus` and `mock`.
"""
