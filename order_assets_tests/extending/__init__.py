"""A third order source, whole: what docs/extending.md describes, module by module. It exists in these tests only.

"Corner" is an invented shop whose API lists one buyer's orders as numbered pages. In the product, each module here
would stand beside its namesakes for Scalev and KTSP.
"""
